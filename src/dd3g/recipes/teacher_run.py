"""From the options of `dd3g teach unet` to a run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dd3g.core.errors import InputError
from dd3g.core.noise import digest
from dd3g.encoders.codec import FACTOR, load_codec
from dd3g.recipes.student_run import data_of, with_options
from dd3g.recipes.teacher import TeacherDataConfig, teacher_recipe
from dd3g.teacher.network import TeacherConfig
from dd3g.teacher.teacher import TeacherNetworks, load_teacher
from dd3g.training import FitConfig, SessionConfig, check_device, fit


@dataclass(frozen=True)
class TeacherRunOptions:
    """What a user asks of `dd3g teach unet`: a codec to begin with, or a teacher to go on from."""

    views: tuple[str, ...]
    codec: str | None = None
    dev: str | None = None
    init: str | None = None
    steps: int | None = None
    batch: int | None = None
    seed: int = 0
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class TeacherRunConfig:
    """Every setting of a run; ``--set`` reaches them all by these names."""

    model: TeacherConfig = field(default_factory=TeacherConfig)
    data: TeacherDataConfig = field(default_factory=TeacherDataConfig)
    fit: FitConfig = field(default_factory=lambda: FitConfig(lr=5e-4, lr_final=5e-6))


def run_teacher(options: TeacherRunOptions, out: str | os.PathLike[str], session: SessionConfig) -> Mapping[str, Any]:
    """Trains a teacher as asked, or goes on with it; see :func:`dd3g.training.fit`.

    Raises:
        InputError: Neither or both of a codec and a teacher, or views of another size than the teacher's.
    """
    check_device(session.device)
    if (options.codec is None) == (options.init is None):
        raise InputError("give either --codec, a codec in whose latents a new teacher works, or --init, a teacher to go on from")
    start = None if options.init is None else load_teacher(options.init)
    codec = load_codec(options.codec) if options.codec is not None else start.codec if start is not None else None
    assert codec is not None
    config = with_options(TeacherRunConfig() if start is None else TeacherRunConfig(start.network.config), options)
    train, dev, provenance = data_of(options.views, options.dev, session)
    side = train[0].targets.rgba.shape[-1]
    if side != config.model.latent_size * FACTOR:
        raise InputError(
            f"{options.views[0]}: its views are {side} px wide, expected {config.model.latent_size * FACTOR}; render them so, or set "
            f"model.latent_size={side // FACTOR}"
        )
    recipe = teacher_recipe(
        config.model, codec, config.data, train, dev, seed=options.seed, provenance=provenance, device=session.device, quiet=session.quiet
    )
    told: dict[str, Any] = {}
    if start is not None:
        networks = recipe.network
        assert isinstance(networks, TeacherNetworks)
        networks.network.load_state_dict(start.network.state_dict())
        told = {"init": start.digest}
    elif options.codec is not None:
        told = {"codec": digest(Path(options.codec).read_bytes())}
    return fit(replace(recipe, identity={**recipe.identity, **told}), config.fit, out, session)
