"""From the options of `dd3g train` to a run: presets, overrides, data, the start of the weights."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dd3g.core.errors import InputError
from dd3g.core.views_folder import list_object_folders, load_object_views
from dd3g.recipes.student import PerceptualName, StudentLossConfig, student_recipe
from dd3g.recipes.student_batches import StudentDataConfig
from dd3g.recipes.views_pack import open_pack
from dd3g.student.config import PEPDConfig
from dd3g.student.load import load_student
from dd3g.student.presets import PRESETS
from dd3g.training import FitConfig, SessionConfig, fit
from dd3g.training.overrides import override


@dataclass(frozen=True)
class StudentRunOptions:
    """What a user asks of `dd3g train`."""

    views: tuple[str, ...]
    dev: str | None = None
    preset: str = "small"
    init: str | None = None
    perceptual: PerceptualName = "lpips-squeeze"
    steps: int | None = None
    batch: int | None = None
    seed: int = 0
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class StudentRunConfig:
    """Every setting of a run; ``--set`` reaches them all by these names."""

    model: PEPDConfig
    data: StudentDataConfig = field(default_factory=StudentDataConfig)
    loss: StudentLossConfig = field(default_factory=StudentLossConfig)
    fit: FitConfig = field(default_factory=FitConfig)


def resolve(options: StudentRunOptions) -> StudentRunConfig:
    """Preset, then options, then overrides.

    Raises:
        InputError: An unknown preset or setting.
    """
    if options.preset not in PRESETS:
        raise InputError(f"--preset {options.preset}: unknown; known are {', '.join(PRESETS)}")
    model = load_student(options.init).network.config if options.init else PRESETS[options.preset]()
    config = StudentRunConfig(model)
    config = replace(config, loss=replace(config.loss, perceptual=options.perceptual), fit=replace(config.fit, seed=options.seed))
    if options.steps is not None:
        config = replace(config, fit=replace(config.fit, steps=options.steps))
    if options.batch is not None:
        config = replace(config, data=replace(config.data, batch=options.batch))
    for assignment in options.overrides:
        config = override(config, assignment)
    return config


def run_student(options: StudentRunOptions, out: str | os.PathLike[str], session: SessionConfig) -> Mapping[str, Any]:
    """Trains a student as asked, or goes on with it; see :func:`dd3g.training.fit`."""
    config = resolve(options)
    packs = [open_pack(place, quiet=session.quiet) for place in options.views]
    dev = open_pack(options.dev, quiet=session.quiet) if options.dev else None
    _refuse_shared_objects(packs, dev)
    provenance = {"data": [credits_of(place) for place in options.views]}
    recipe = student_recipe(config.model, config.data, config.loss, packs, dev, seed=options.seed, provenance=provenance)
    if options.init:
        start = load_student(options.init)
        recipe.network.load_state_dict(start.network.state_dict())
        recipe = replace(recipe, identity={**recipe.identity, "init": start.digest})
    return fit(recipe, config.fit, out, session)


def credits_of(place: str | os.PathLike[str]) -> dict[str, Any]:
    """How many objects a folder of views holds, and the credit lines that their files carry."""
    folders = list_object_folders(place)
    lines: dict[str, int] = {}
    for folder in folders:
        credit = str(load_object_views(folder, ()).about.get("credit") or "no credit line in the file")
        lines[credit] = lines.get(credit, 0) + 1
    return {"objects": len(folders), "credits": dict(sorted(lines.items()))}


def _refuse_shared_objects(train: Sequence[Any], dev: Any) -> None:
    """What chooses must not be learnt from."""
    if dev is None:
        return
    shared = sorted({name for pack in train for name in pack.names} & set(dev.names))
    if shared:
        raise InputError(f"--dev: {len(shared)} of its objects are also learnt from ({', '.join(shared[:3])}, ...); render the two apart")
