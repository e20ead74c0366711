"""The plan of a collection, OUT/plan.json: what every quadruple of it is a function of. Units of work follow from it alone."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from dd3g.core.errors import InputError
from dd3g.core.files import read_json, write_json
from dd3g.core.noise import GENERATOR
from dd3g.teacher.fast import Precision
from dd3g.teacher.solvers import Solver

FORMAT = "dd3g-collection-1"


@dataclass(frozen=True)
class Plan:
    """Everything that decides what is in the files of a collection, but for the kind of machine."""

    kind: Literal["draw", "invert"]
    teacher: str  # digest of its file
    latent_shape: tuple[int, int, int, int]  # views, channels, height, width of N and OI
    sources: str  # digest of what inputs were made from
    inputs: int
    inputs_digest: str
    per_input: int  # draws, or sets of views that are inverted, of each input
    guidance: float  # w of E2; 1 where views are inverted
    steps: int  # of the ODE
    varied: float  # share of draws from other cameras than the canonical rig's
    iterations: int  # at most so many a step of an inversion; 0 where noise is drawn
    tolerance: float  # of an inversion
    unit: int  # quadruples a file
    batch: int  # quadruples that the teacher makes at once: part of the plan, since sums may depend on it
    prompt: str = ""  # that the teacher is told, by name; "" of one that reads no text
    negative: str = ""  # that it is told without the picture
    solver: Solver = "ddim"  # of the ODE
    dtype: Precision = "fp32"  # of the noise predictor's weights and products
    generator: str = GENERATOR  # of drawn noise
    format: str = FORMAT

    @property
    def quadruples(self) -> int:
        """How many there will be."""
        return self.inputs * self.per_input

    @property
    def units(self) -> int:
        """How many files they will fill."""
        return -(-self.quadruples // self.unit)

    def jobs(self, unit: int) -> list[tuple[int, int]]:
        """(input, number among its draws) of a unit's quadruples, in the file's order."""
        places = range(unit * self.unit, min((unit + 1) * self.unit, self.quadruples))
        return [divmod(place, self.per_input) for place in places]


def unit_path(folder: str | os.PathLike[str], unit: int) -> Path:
    """The file of one unit."""
    return Path(folder) / "records" / f"u={unit:06d}.parquet"


def write_plan(folder: str | os.PathLike[str], plan: Plan) -> None:
    """Fixes a plan, or finds it fixed already.

    Raises:
        InputError: The folder holds quadruples of another plan; names what differs.
    """
    path = Path(folder) / "plan.json"
    if path.exists():
        before = read_plan(folder)
        differing = [
            f"{f.name} was {getattr(before, f.name)!r}, now {getattr(plan, f.name)!r}"
            for f in fields(Plan)
            if getattr(before, f.name) != getattr(plan, f.name)
        ]
        if differing:
            raise InputError(
                f"{folder}: holds a collection of another plan ({'; '.join(differing)}); choose another --out, or the options that it "
                "began with"
            )
        return
    write_json(path, {**asdict(plan), "latent_shape": list(plan.latent_shape)})


def read_plan(folder: str | os.PathLike[str]) -> Plan:
    """The plan of a folder.

    Raises:
        InputError: No plan there, damaged, or of another version.
    """
    path = Path(folder) / "plan.json"
    values: dict[str, Any] = read_json(path)
    try:
        if values["format"] != FORMAT:
            raise InputError(f"{path}: format is {values['format']!r}, expected {FORMAT}; collect again")
        return Plan(**{**values, "latent_shape": tuple(values["latent_shape"])})
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: not a plan of this version ({error}); collect again") from None
