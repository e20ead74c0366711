"""From the options of `dd3g teach codec` to a run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dd3g.core.noise import digest
from dd3g.encoders.codec import CodecConfig, codec_path, load_codec
from dd3g.recipes.codec import CodecDataConfig, CodecLossConfig, codec_recipe
from dd3g.recipes.presets import CODECS, find_preset
from dd3g.recipes.views_run import ViewsRunOptions, data_of, with_options
from dd3g.training import FitConfig, SessionConfig, check_device, fit


@dataclass(frozen=True)
class CodecRunConfig:
    """Every setting of a run; ``--set`` reaches them all by these names."""

    model: CodecConfig = field(default_factory=CodecConfig)
    data: CodecDataConfig = field(default_factory=CodecDataConfig)
    loss: CodecLossConfig = field(default_factory=CodecLossConfig)
    fit: FitConfig = field(default_factory=lambda: FitConfig(lr=1e-3, lr_final=1e-5))


def resolve(options: ViewsRunOptions, preset: str = "small", start: CodecConfig | None = None) -> CodecRunConfig:
    """The sizes of the codec that is begun from, or else a preset's; then options, then overrides.

    Raises:
        InputError: An unknown preset or setting.
    """
    return with_options(CodecRunConfig(start or find_preset(CODECS, preset)), options)


def run_codec(options: ViewsRunOptions, out: str | os.PathLike[str], session: SessionConfig, *, preset: str = "small") -> Mapping[str, Any]:
    """Teaches the codec as asked, or goes on with it; see :func:`dd3g.training.fit`."""
    check_device(session.device)
    start = None if options.init is None else load_codec(options.init)
    config = resolve(options, preset, start and start.config)
    train, dev, provenance = data_of(options, quiet=session.quiet)
    recipe = codec_recipe(
        config.model, config.data, config.loss, train, dev, seed=options.seed, provenance=provenance, device=session.device
    )
    if start is not None and options.init is not None:
        recipe.network.load_state_dict(start.state_dict())
        recipe = replace(recipe, identity={**recipe.identity, "init": digest(codec_path(options.init).read_bytes())})
    return fit(recipe, config.fit, out, session)
