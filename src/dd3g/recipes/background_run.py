"""From the options of `dd3g teach background` to a run: material, overrides, the start of the weights."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dd3g.core.errors import CheckpointError
from dd3g.core.noise import digest
from dd3g.core.weights import BUNDLED, bundled
from dd3g.photos.mask_network import KIND, MaskNetworkConfig, load_mask_network
from dd3g.recipes.background import BackgroundDataConfig, BackgroundLossConfig, BackgroundRecipeConfig, background_recipe
from dd3g.recipes.background_labels import windowed
from dd3g.recipes.background_material import MaterialFolders, load_material
from dd3g.training import FitConfig, SessionConfig, check_device, fit
from dd3g.training.checkpoint import load_state
from dd3g.training.overrides import override


@dataclass(frozen=True)
class BackgroundRunOptions:
    """What a user asks of `dd3g teach background`."""

    train: MaterialFolders
    dev: MaterialFolders | None = None  # objects and photographs that are never learnt from
    init: str | None = None  # where the weights start: the folder of an earlier run, a model file, or "bundled"
    steps: int | None = None
    batch: int | None = None
    size: int | None = None
    seed: int = 0
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class BackgroundRunConfig:
    """Every setting of a run; ``--set`` reaches them all by these names."""

    network: MaskNetworkConfig = field(default_factory=MaskNetworkConfig)
    data: BackgroundDataConfig = field(default_factory=BackgroundDataConfig)
    loss: BackgroundLossConfig = field(default_factory=BackgroundLossConfig)
    fit: FitConfig = field(
        default_factory=lambda: FitConfig(lr=2e-3, lr_final=2e-5, warmup_steps=300, weight_decay=0.02, ema_decay=0.998, log_every=50)
    )


def resolve(options: BackgroundRunOptions) -> BackgroundRunConfig:
    """Defaults, then options, then overrides.

    Raises:
        InputError: An unknown setting.
    """
    config = BackgroundRunConfig()
    config = replace(config, fit=replace(config.fit, seed=options.seed))
    if options.steps is not None:
        config = replace(config, fit=replace(config.fit, steps=options.steps))
    if options.batch is not None:
        config = replace(config, data=replace(config.data, batch=options.batch))
    if options.size is not None:
        config = replace(config, data=replace(config.data, size=options.size))
    for assignment in options.overrides:
        config = override(config, assignment)
    return config


def run_background(options: BackgroundRunOptions, out: str | os.PathLike[str], session: SessionConfig) -> Mapping[str, Any]:
    """Trains a background network as asked, or goes on with it; see :func:`dd3g.training.fit`."""
    check_device(session.device)
    config = resolve(options)
    torch.backends.cudnn.benchmark = True  # every step has the same shapes
    train = load_material(options.train)
    if config.loss.windows:
        train = windowed(train, config.loss.windows, options.seed, session.device)
    dev = None if options.dev is None else load_material(options.dev)
    start, told = (None, {}) if options.init is None else _start_of(options.init)
    recipe = background_recipe(
        BackgroundRecipeConfig(config.network, config.data, config.loss, options.seed),
        train,
        dev,
        {"material": train.counts()},
        start=start,
    )
    return fit(replace(recipe, identity={**recipe.identity, **told}), config.fit, out, session)


def _start_of(init: str) -> tuple[Mapping[str, Tensor], dict[str, Any]]:
    """Weights, and what a resumed run must agree in."""
    if init == BUNDLED or Path(init).is_file():
        path = bundled(KIND) if init == BUNDLED else Path(init)
        return load_mask_network(path).state_dict(), {"init": digest(path.read_bytes())}
    last = Path(init) / "checkpoints" / "last.pt"
    if not last.is_file():
        raise CheckpointError(
            f"{last}: no such checkpoint; --init wants the folder of an earlier run of `dd3g teach background`, a model file, or 'bundled'"
        )
    state = load_state(last)
    return state.average, {"init_steps": state.step, "init": state.identity}
