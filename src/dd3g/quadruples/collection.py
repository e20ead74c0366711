"""A collection as its readers see it: the plan, the inputs, and every quadruple that is there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from dd3g.core.errors import InputError
from dd3g.core.files import is_file
from dd3g.quadruples.inputs import InputPicture, digest_of, input_parts, read_inputs
from dd3g.quadruples.plan import Plan, read_plan, unit_path
from dd3g.quadruples.record import Quadruple
from dd3g.quadruples.shard import read_shard


@dataclass(frozen=True)
class Collection:
    """Quadruples with the pictures that they were made from."""

    plan: Plan
    inputs: dict[str, InputPicture]  # by image_id
    quadruples: list[Quadruple]  # in the plan's order
    missing_units: int  # of a collection that is not finished

    def of_split(self, split: str) -> list[Quadruple]:
        """The quadruples of one side of the split: "train" or "dev"."""
        return [q for q in self.quadruples if self.inputs[q.image_id].split == split]


def is_collection(folder: str | os.PathLike[str]) -> bool:
    """Whether `dd3g collect` has been at work there."""
    return is_file(Path(folder) / "plan.json")


def read_inputs_of(folder: str | os.PathLike[str], plan: Plan) -> list[InputPicture]:
    """All inputs of a collection, as its plan numbers them.

    Raises:
        InputError: A part is missing or damaged, or they are not the plan's.
    """
    inputs = [picture for part in input_parts(folder) for picture in read_inputs(part)]
    if len(inputs) != plan.inputs or digest_of(inputs) != plan.inputs_digest:
        raise InputError(f"{folder}/inputs: {len(inputs)} pictures that are not the {plan.inputs} of plan.json; collect into another --out")
    return inputs


def open_quadruples(folder: str | os.PathLike[str]) -> Collection:
    """Reads a collection, finished or not, every page and every record checked.

    Raises:
        InputError: No collection there, nothing in it yet, or a damaged file; names the file and the record.
    """
    if not is_collection(folder):
        raise InputError(f"{folder}: no collection of quadruples (no plan.json); make one with `dd3g collect`")
    plan = read_plan(folder)
    inputs = {picture.image_id: picture for picture in read_inputs_of(folder, plan)}
    there = [unit for unit in range(plan.units) if unit_path(folder, unit).exists()]
    quadruples = [quadruple for unit in there for quadruple in read_shard(unit_path(folder, unit))]
    if not quadruples:
        raise InputError(f"{folder}: none of its {plan.units} units is finished; run `dd3g collect` again")
    for quadruple in quadruples:
        if quadruple.image_id not in inputs:
            raise InputError(f"{folder}: quadruple {quadruple.key} names an input that is not in {folder}/inputs; collect again")
    return Collection(plan, inputs, quadruples, plan.units - len(there))
