"""From the options of `dd3g teach unet` to a run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from dd3g.core.errors import InputError
from dd3g.core.noise import digest
from dd3g.encoders.codec import FACTOR, codec_path, load_codec
from dd3g.recipes.presets import TEACHERS, find_preset
from dd3g.recipes.teacher import TeacherDataConfig, teacher_recipe
from dd3g.recipes.views_run import ViewsRunOptions, data_of, with_options
from dd3g.teacher.network import TeacherConfig
from dd3g.teacher.teacher import TeacherNetworks, load_teacher, own_networks
from dd3g.training import FitConfig, SessionConfig, check_device, fit


@dataclass(frozen=True)
class TeacherRunConfig:
    """Every setting of a run; ``--set`` reaches them all by these names."""

    model: TeacherConfig = field(default_factory=TeacherConfig)
    data: TeacherDataConfig = field(default_factory=TeacherDataConfig)
    fit: FitConfig = field(default_factory=lambda: FitConfig(lr=5e-4, lr_final=5e-6))


def resolve(options: ViewsRunOptions, preset: str = "small", start: TeacherConfig | None = None) -> TeacherRunConfig:
    """The sizes of the teacher that is gone on from, or else a preset's; then options, then overrides.

    Raises:
        InputError: An unknown preset or setting.
    """
    return with_options(TeacherRunConfig(start or find_preset(TEACHERS, preset)), options)


def run_teacher(
    options: ViewsRunOptions,
    codec: str | None,
    out: str | os.PathLike[str],
    session: SessionConfig,
    *,
    preset: str = "small",
    graphs: bool = False,
) -> Mapping[str, Any]:
    """Trains a teacher as asked, or goes on with it; see :func:`dd3g.training.fit`.

    Args:
        options: With ``init``, a teacher to go on from, or else without.
        codec: The file of the codec in whose latents a new teacher works, or "bundled"; None with ``options.init``, which holds its own.
        out: Folder of the run.
        session: This sitting.
        preset: Sizes of a new teacher.
        graphs: Record the networks as CUDA graphs.

    Raises:
        InputError: Graphs without a GPU; neither or both of a codec and a teacher, or views of another size than the teacher's.
    """
    check_device(session.device)
    if graphs and not session.device.startswith("cuda"):
        raise InputError(f"--graphs: records CUDA graphs, found --device {session.device}; leave it out, or train with --device cuda")
    if (codec is None) == (options.init is None):
        raise InputError("give either --codec, a codec in whose latents a new teacher works, or --init, a teacher to go on from")
    start = None if options.init is None else load_teacher(options.init)
    begun = None if start is None else own_networks(start)
    config = resolve(options, preset, begun and begun[0].config)
    train, dev, provenance = data_of(options, quiet=session.quiet)
    side = train[0].targets.rgba.shape[-1]
    if side != config.model.latent_size * FACTOR:
        raise InputError(
            f"{options.views[0]}: its views are {side} px wide, expected {config.model.latent_size * FACTOR}; render them so, or set "
            f"model.latent_size={side // FACTOR}"
        )
    if start is not None and begun is not None:
        used, told = begun[1], {"init": start.digest}
    else:
        assert codec is not None  # one of the two is given
        used, told = load_codec(codec), {"codec": digest(codec_path(codec).read_bytes())}
    recipe = teacher_recipe(
        config.model,
        used,
        config.data,
        train,
        dev,
        seed=options.seed,
        provenance=provenance,
        device=session.device,
        graphs=graphs,
        bfloat16=config.fit.precision == "bfloat16",
        quiet=session.quiet,
    )
    if begun is not None:
        cast(TeacherNetworks, recipe.network).network.load_state_dict(begun[0].state_dict())
    return fit(replace(recipe, identity={**recipe.identity, **told}), config.fit, out, session)
