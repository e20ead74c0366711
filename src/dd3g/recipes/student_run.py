"""From the options of `dd3g train` to a run: presets, overrides, data, the start of the weights."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

from dd3g.core.errors import InputError
from dd3g.core.views_folder import list_object_folders, load_object_views
from dd3g.core.weights import THIRD_PARTY
from dd3g.recipes.encoder import EncoderLossConfig, EncoderTask, encoder_recipe
from dd3g.recipes.student import PerceptualName, StudentLossConfig, student_recipe
from dd3g.recipes.student_batches import StudentDataConfig
from dd3g.recipes.views_archive import archive_credits
from dd3g.recipes.views_pack import ViewsPack, open_pack
from dd3g.student.config import PEPDConfig
from dd3g.student.load import load_student
from dd3g.student.presets import PRESETS
from dd3g.training import FitConfig, SessionConfig, check_device, fit
from dd3g.training.overrides import override

Config = TypeVar("Config")


@runtime_checkable
class _Options(Protocol):
    """What every network's options have."""

    @property
    def steps(self) -> int | None: ...
    @property
    def batch(self) -> int | None: ...
    @property
    def seed(self) -> int: ...
    @property
    def overrides(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class StudentRunOptions:
    """What a user asks of `dd3g train` or `dd3g teach encoder`."""

    views: tuple[str, ...]
    dev: str | None = None
    preset: str = "small"
    init: str | None = None
    perceptual: PerceptualName = "lpips-squeeze"
    steps: int | None = None
    batch: int | None = None
    seed: int = 0
    graphs: bool = False
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class StudentRunConfig:
    """Every setting of a run; ``--set`` reaches them all by these names."""

    model: PEPDConfig
    data: StudentDataConfig = field(default_factory=StudentDataConfig)
    loss: StudentLossConfig = field(default_factory=StudentLossConfig)
    fit: FitConfig = field(default_factory=FitConfig)


@dataclass(frozen=True)
class EncoderRunConfig:
    """Every setting of a run that teaches the encoder alone."""

    model: PEPDConfig
    data: StudentDataConfig = field(default_factory=lambda: StudentDataConfig(batch=16, target_views=0))
    loss: EncoderLossConfig = field(default_factory=EncoderLossConfig)
    fit: FitConfig = field(default_factory=lambda: FitConfig(lr=1e-3))


def resolve(options: StudentRunOptions) -> StudentRunConfig:
    """Preset, then options, then overrides.

    Raises:
        InputError: An unknown preset or setting.
    """
    config = StudentRunConfig(_model_of(options))
    config = replace(config, loss=replace(config.loss, perceptual=options.perceptual))
    return with_options(config, options)


def resolve_encoder(options: StudentRunOptions) -> EncoderRunConfig:
    """As :func:`resolve`, for the encoder."""
    return with_options(EncoderRunConfig(_model_of(options)), options)


def run_student(options: StudentRunOptions, out: str | os.PathLike[str], session: SessionConfig) -> Mapping[str, Any]:
    """Trains a student as asked, or goes on with it; see :func:`dd3g.training.fit`."""
    check_device(session.device)
    if options.graphs and not session.device.startswith("cuda"):
        raise InputError(f"--graphs: records CUDA graphs, found --device {session.device}; leave it out, or train on a GPU")
    config = resolve(options)
    train, dev, provenance = data_of(options.views, options.dev, session)
    recipe = student_recipe(
        config.model,
        config.data,
        config.loss,
        train,
        dev,
        seed=options.seed,
        provenance=provenance,
        device=session.device,
        graphs=options.graphs,
    )
    if options.init:
        start = load_student(options.init)
        recipe.network.load_state_dict(start.network.state_dict())
        recipe = replace(recipe, identity={**recipe.identity, "init": start.digest})
    return fit(recipe, config.fit, out, session)


def run_encoder(options: StudentRunOptions, out: str | os.PathLike[str], session: SessionConfig) -> Mapping[str, Any]:
    """Teaches the encoder as asked, or goes on with it."""
    check_device(session.device)
    config = resolve_encoder(options)
    train, dev, provenance = data_of(options.views, options.dev, session)
    if config.loss.semantics > 0:
        provenance = {**provenance, "distilled_from": THIRD_PARTY["mobilenet-v2"].what}
    recipe = encoder_recipe(
        config.model, config.data, config.loss, train, dev, seed=options.seed, provenance=provenance, device=session.device
    )
    if options.init:
        start = load_student(options.init)
        cast(EncoderTask, recipe.network).student.load_state_dict(start.network.state_dict())
        recipe = replace(recipe, identity={**recipe.identity, "init": start.digest})
    return fit(recipe, config.fit, out, session)


def _model_of(options: StudentRunOptions) -> PEPDConfig:
    if options.init:
        return load_student(options.init).network.config
    if options.preset not in PRESETS:
        raise InputError(f"--preset {options.preset}: unknown; known are {', '.join(PRESETS)}")
    return PRESETS[options.preset]()


def with_options(config: Config, options: _Options) -> Config:
    """A configuration with a run's options and overrides.

    Raises:
        InputError: An unknown setting.
    """
    assignments = [f"fit.seed={options.seed}"]
    assignments += [f"fit.steps={options.steps}"] if options.steps is not None else []
    assignments += [f"data.batch={options.batch}"] if options.batch is not None else []
    for assignment in (*assignments, *options.overrides):
        config = override(config, assignment)
    return config


def data_of(
    views: Sequence[str], dev_views: str | None, session: SessionConfig
) -> tuple[list[ViewsPack], ViewsPack | None, dict[str, Any]]:
    """What is learnt from, what chooses, and the credits that go into the model file.

    Raises:
        ViewsError: No views there.
        InputError: Objects of ``dev_views`` among those that are learnt from.
    """
    packs = [open_pack(place, quiet=session.quiet) for place in views]
    dev = open_pack(dev_views, quiet=session.quiet) if dev_views else None
    _refuse_shared_objects(packs, dev)
    return packs, dev, {"data": [credits_of(place) for place in views]}


def credits_of(place: str | os.PathLike[str]) -> dict[str, Any]:
    """How many objects a folder of views holds, and the credit lines that their files carry."""
    if Path(place).is_file():
        return archive_credits(place)
    folders = list_object_folders(place)
    lines: dict[str, int] = {}
    for folder in folders:
        credit = str(load_object_views(folder, ()).about.get("credit") or "no credit line in the file")
        lines[credit] = lines.get(credit, 0) + 1
    return {"objects": len(folders), "credits": dict(sorted(lines.items()))}


def _refuse_shared_objects(train: Sequence[ViewsPack], dev: ViewsPack | None) -> None:
    """What chooses must not be learnt from."""
    if dev is None:
        return
    shared = sorted({name for pack in train for name in pack.names} & set(dev.names))
    if shared:
        raise InputError(f"--dev: {len(shared)} of its objects are also learnt from ({', '.join(shared[:3])}, ...); render the two apart")
