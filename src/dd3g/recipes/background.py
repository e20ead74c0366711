"""The background network: synthetic photographs with known masks, and photographs with a teacher's masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, cast

import torch
from jaxtyping import Float
from PIL.Image import Image
from torch import Tensor, nn
from torch.nn import functional

from dd3g.core.sheet import sheet
from dd3g.photos.batch_norm import unfold_batch_norm
from dd3g.photos.mask_network import MaskNetwork, MaskNetworkConfig, save_mask_network
from dd3g.recipes.background_develop import BackgroundBatch, Teacher, develop
from dd3g.recipes.background_draw import BackgroundDataConfig, draw_batch
from dd3g.recipes.background_labels import teacher_masks
from dd3g.recipes.background_material import Material
from dd3g.recipes.background_stock import Stock, stock_of
from dd3g.training import Recipe, Score

_TYPICAL = 64  # pictures over which the norms of a network without any are measured
_DEV_SEED = 2**40  # of the scenes to score by; no run's own


@dataclass(frozen=True)
class BackgroundLossConfig:
    """Weights of the terms."""

    overlap: float = 0.5  # 1 - soft intersection over union, a picture
    edge: float = 2.0  # extra weight of the cross entropy where the mask changes
    teacher: bool = False  # U2-Net small labels each window of a photograph as it is cut; else the material's own alpha is the mask
    windows: int = 0  # that many windows of each photograph are labelled by U2-Net small before the first step; 0: none


@dataclass(frozen=True)
class BackgroundRecipeConfig:
    """Everything that defines a run beside the engine's own settings."""

    network: MaskNetworkConfig = field(default_factory=MaskNetworkConfig)
    data: BackgroundDataConfig = field(default_factory=BackgroundDataConfig)
    loss: BackgroundLossConfig = field(default_factory=BackgroundLossConfig)
    seed: int = 0


def background_recipe(
    config: BackgroundRecipeConfig,
    train: Material,
    dev: Material | None,
    provenance: Mapping[str, Any],
    start: Mapping[str, Tensor] | None = None,
) -> Recipe:
    """What the engine needs to train the background network.

    Args:
        config: Sizes, sampling, weights of the loss.
        train: Material to learn from.
        dev: Material to choose by: fixed scenes of objects and places that training never sees.
        provenance: Goes into the model file: data, licences.
        start: Weights of an earlier run's network, batch norm included, or of a model file, where it is folded away.
    """
    torch.manual_seed(config.seed)
    network: nn.Module = MaskNetwork(config.network, normed=True)
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] - not in torch's stubs; a third faster on a CPU
    data, loss = config.data, config.loss
    stock = stock_of(train, data.size, data.scenes, config.seed)
    if start is not None and any(name.endswith("running_var") for name in start):
        network.load_state_dict(dict(start))
    elif start is not None:
        unfold_batch_norm(network, start, _several(stock, data, _TYPICAL).rgb, conv="conv", norm="norm")
    scenes = None if dev is None else fixed_scenes(stock_of(dev, data.size, 128, _DEV_SEED), data, count=96)
    teacher: Teacher | None = teacher_masks if loss.teacher else None
    return Recipe(
        kind="background",
        identity={**asdict(config), "material": train.digest, "dev": None if dev is None else dev.digest},
        network=network,
        batch=lambda step: draw_batch(stock, data, config.seed, step),
        losses=lambda n, draw, step: mask_losses(n, develop(stock, draw, data.size, teacher), loss),
        export=lambda path, n, about: save_mask_network(path, cast(MaskNetwork, n), {**provenance, **about}),
        evaluate=None if scenes is None else lambda n: scores(n, scenes),
        score=None if scenes is None else Score("dev_iou"),
        sheet=None if scenes is None else lambda n: mask_sheet(n, scenes),
    )


def make_batch(stock: Stock, config: BackgroundDataConfig, seed: int, step: int) -> BackgroundBatch:
    """The batch of a step: a pure function of its arguments."""
    return develop(stock, draw_batch(stock, config, seed, step), config.size)


def mask_losses(network: nn.Module, batch: BackgroundBatch, config: BackgroundLossConfig) -> dict[str, Tensor]:
    """Cross entropy with more weight at edges, and the overlap of each picture.

    The mask may be soft, a mean of the truth and of the teacher: cross entropy is linear in its target, so that is the mean of two losses.
    """
    rgb, mask = batch.rgb.contiguous(memory_format=torch.channels_last), batch.mask
    with torch.autocast(rgb.device.type, torch.bfloat16, enabled=rgb.device.type == "cuda"):
        logits = network(rgb)
    logits = logits.float()
    near = functional.max_pool2d(mask, 9, 1, 4) + functional.max_pool2d(-mask, 9, 1, 4)  # largest minus smallest nearby
    weight = 1 + config.edge * near
    entropy = functional.binary_cross_entropy_with_logits(logits, mask, weight, reduction="sum") / weight.sum()
    return {"entropy": entropy, "overlap": config.overlap * (1 - soft_overlap(logits.sigmoid(), mask)).mean()}


def soft_overlap(mask: Float[Tensor, "b 1 s s"], truth: Float[Tensor, "b 1 s s"]) -> Float[Tensor, " b"]:
    """Sum of the smaller over sum of the larger, a picture: intersection over union for hard masks; 1 where both are empty."""
    inside, around = torch.minimum(mask, truth).sum((1, 2, 3)), torch.maximum(mask, truth).sum((1, 2, 3))
    slack = 0.001 * mask[0].numel()  # an empty scene asks for little, not for exactly nothing
    return (inside + slack) / (around + slack)


def fixed_scenes(stock: Stock, config: BackgroundDataConfig, count: int) -> dict[str, BackgroundBatch]:
    """Pictures to score by, always the same for one stock: ``count`` composites and as many photographs, as far as there are any."""
    config = replace(config, batch=16, labelled_window=BackgroundDataConfig.labelled_window)
    kinds = {"composites": replace(config, labelled=0.0), "photographs": replace(config, labelled=1.0, empty=0.0)}
    if not stock.labelled:
        del kinds["photographs"]
    return {kind: _several(stock, each, count) for kind, each in kinds.items()}


def _several(stock: Stock, config: BackgroundDataConfig, count: int) -> BackgroundBatch:
    steps = [make_batch(stock, config, _DEV_SEED, step) for step in range(-(-count // config.batch))]
    return BackgroundBatch(torch.cat([b.rgb for b in steps])[:count], torch.cat([b.mask for b in steps])[:count])


@torch.no_grad()
def predicted(network: nn.Module, rgb: Float[Tensor, "b 3 s s"], chunk: int = 16) -> Float[Tensor, "b 1 s s"]:
    """Masks of many pictures."""
    device = next(network.parameters()).device
    return torch.cat([network(part.to(device)).sigmoid().cpu() for part in rgb.split(chunk)])


def scores(network: nn.Module, scenes: Mapping[str, BackgroundBatch]) -> dict[str, float]:
    """Mean IoU at 0.5 of the pictures with an object, by kind and over the kinds; mean absolute error; what is found where nothing is."""
    found: dict[str, float] = {}
    errors, wrong = [], []
    for kind, batch in scenes.items():
        masks = predicted(network, batch.rgb)
        solid, truth = masks > 0.5, batch.mask > 0.5
        inside, around = (solid & truth).sum((1, 2, 3)), (solid | truth).sum((1, 2, 3))
        empty = truth.sum((1, 2, 3)) == 0
        found[f"dev_iou_{kind}"] = (inside / around.clamp_min(1))[~empty].mean().item()
        errors.append((masks - batch.mask).abs().mean().item())
        wrong += solid[empty].float().mean((1, 2, 3)).tolist()
    means = {"dev_iou": sum(found.values()) / len(found), "dev_mae": sum(errors) / len(errors)}
    return {**means, **found, "dev_false_share": sum(wrong) / max(len(wrong), 1)}


def mask_sheet(network: nn.Module, scenes: Mapping[str, BackgroundBatch], count: int = 40, columns: int = 5) -> Image:
    """Pictures, what was found, and the truth, side by side; as many of each kind."""
    each = count // len(scenes)
    rgb, truth = (torch.cat([getattr(batch, part)[:each] for batch in scenes.values()]) for part in ("rgb", "mask"))
    masks = predicted(network, rgb)
    triples = [[rgb[i], masks[i].expand(3, -1, -1), truth[i].expand(3, -1, -1)] for i in range(len(masks))]
    rows = [[picture for triple in triples[i : i + columns] for picture in triple] for i in range(0, len(triples), columns)]
    small = [[functional.interpolate(p[None], (96, 96), mode="area")[0] for p in row] for row in rows]
    return sheet(small, column_titles=["picture", "found", "truth"] * columns)
