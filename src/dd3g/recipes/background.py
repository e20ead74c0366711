"""The background network: synthetic photographs with known masks, and photographs with a teacher's masks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from PIL.Image import Image
from torch import Tensor, nn
from torch.nn import functional

from dd3g.core.sheet import sheet
from dd3g.photos.mask_network import MaskNetwork, MaskNetworkConfig, save_mask_network
from dd3g.recipes.background_material import Material, Picture
from dd3g.recipes.background_photograph import blurred, mirrored_below, over, photographed, place, shadowed
from dd3g.recipes.background_scenes import SCENES
from dd3g.training import Recipe, Score


@dataclass(frozen=True)
class BackgroundDataConfig:
    """How a synthetic photograph is drawn."""

    batch: int = 16
    size: int = 256  # side of the square pictures, a multiple of 32
    labelled: float = 0.25  # share of photographs with a teacher's mask
    empty: float = 0.04  # share of scenes without an object
    photographs: float = 0.45  # share of real photographs among the scenes of composites
    several: float = 0.15  # share of composites with two or three objects
    longest: tuple[float, float] = (0.35, 1.2)  # of the object over the frame; above 1 the frame cuts it
    distractors: float = 0.2  # share with small, blurred things that don't belong to the object


@dataclass(frozen=True)
class BackgroundLossConfig:
    """Weights of the terms."""

    overlap: float = 0.5  # 1 - soft intersection over union, a picture
    edge: float = 2.0  # extra weight of the cross entropy where the mask changes


@dataclass(frozen=True)
class BackgroundBatch:
    """b pictures and the masks to find."""

    rgb: Float[Tensor, "b 3 s s"]
    mask: Float[Tensor, "b 1 s s"]

    def to(self, device: torch.device | str) -> BackgroundBatch:
        """The same batch on another device."""
        return BackgroundBatch(self.rgb.to(device), self.mask.to(device))


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
        start: Weights of an earlier run's network, batch norm included.
    """
    torch.manual_seed(config.seed)
    network: nn.Module = MaskNetwork(config.network, normed=True)
    if start is not None:
        network.load_state_dict(dict(start))
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] - not in torch's stubs; a third faster on a CPU
    scenes = None if dev is None else fixed_scenes(dev, config.data, count=192)
    return Recipe(
        kind="background",
        identity={**asdict(config), "material": train.digest, "dev": None if dev is None else dev.digest},
        network=network,
        batch=lambda step: make_batch(train, config.data, config.seed, step),
        losses=lambda n, batch, step: mask_losses(n, batch, config.loss),
        export=lambda path, n, about: save_mask_network(path, cast(MaskNetwork, n), {**provenance, **about}),
        evaluate=None if scenes is None else lambda n: scores(n, scenes),
        score=None if scenes is None else Score("dev_iou"),
        sheet=None if scenes is None else lambda n: mask_sheet(n, scenes),
    )


def make_batch(material: Material, config: BackgroundDataConfig, seed: int, step: int) -> BackgroundBatch:
    """The batch of a step: a pure function of its arguments."""
    keys = [[seed, step * config.batch + i] for i in range(config.batch)]
    pairs = [_sample(material, config, np.random.Generator(np.random.Philox(key=key))) for key in keys]
    return BackgroundBatch(torch.stack([rgb for rgb, _ in pairs]), torch.stack([mask for _, mask in pairs]))


def mask_losses(network: nn.Module, batch: BackgroundBatch, config: BackgroundLossConfig) -> dict[str, Tensor]:
    """Cross entropy with more weight at edges, and the overlap of each picture.

    The mask may be soft, a mean of the truth and of the teacher: cross entropy is linear in its target, so that is the mean of two losses.
    """
    logits = network(batch.rgb.contiguous(memory_format=torch.channels_last))
    mask = batch.mask
    near = functional.max_pool2d(mask, 9, 1, 4) + functional.max_pool2d(-mask, 9, 1, 4)  # largest minus smallest nearby
    weight = 1 + config.edge * near
    entropy = functional.binary_cross_entropy_with_logits(logits, mask, weight, reduction="sum") / weight.sum()
    return {"entropy": entropy, "overlap": config.overlap * (1 - soft_overlap(logits.sigmoid(), mask)).mean()}


def soft_overlap(mask: Float[Tensor, "b 1 s s"], truth: Float[Tensor, "b 1 s s"]) -> Float[Tensor, " b"]:
    """Sum of the smaller over sum of the larger, a picture: intersection over union for hard masks; 1 where both are empty."""
    inside, around = torch.minimum(mask, truth).sum((1, 2, 3)), torch.maximum(mask, truth).sum((1, 2, 3))
    slack = 0.001 * mask[0].numel()  # an empty scene asks for little, not for exactly nothing
    return (inside + slack) / (around + slack)


def fixed_scenes(material: Material, config: BackgroundDataConfig, count: int) -> BackgroundBatch:
    """Scenes to score by, always the same for one material."""
    steps = [make_batch(material, config, 2**40, step) for step in range(-(-count // config.batch))]
    return BackgroundBatch(torch.cat([b.rgb for b in steps])[:count], torch.cat([b.mask for b in steps])[:count])


@torch.no_grad()
def predicted(network: nn.Module, rgb: Float[Tensor, "b 3 s s"], chunk: int = 16) -> Float[Tensor, "b 1 s s"]:
    """Masks of many pictures."""
    device = next(network.parameters()).device
    return torch.cat([network(part.to(device)).sigmoid().cpu() for part in rgb.split(chunk)])


def scores(network: nn.Module, scenes: BackgroundBatch) -> dict[str, float]:
    """Mean IoU at 0.5 of scenes with an object, mean absolute error, and the share found where there is none."""
    masks = predicted(network, scenes.rgb)
    found, truth = masks > 0.5, scenes.mask > 0.5
    inside, around = (found & truth).sum((1, 2, 3)), (found | truth).sum((1, 2, 3))
    empty = truth.sum((1, 2, 3)) == 0
    return {
        "dev_iou": (inside / around.clamp_min(1))[~empty].mean().item(),
        "dev_mae": (masks - scenes.mask).abs().mean().item(),
        "dev_false_share": found[empty].float().mean().item() if bool(empty.any()) else 0.0,
    }


def mask_sheet(network: nn.Module, scenes: BackgroundBatch, count: int = 40, columns: int = 5) -> Image:
    """Pictures, what was found, and the truth, side by side."""
    masks = predicted(network, scenes.rgb[:count])
    triples = [[scenes.rgb[i], masks[i].expand(3, -1, -1), scenes.mask[i].expand(3, -1, -1)] for i in range(len(masks))]
    rows = [[picture for triple in triples[i : i + columns] for picture in triple] for i in range(0, len(triples), columns)]
    small = [[functional.interpolate(p[None], (96, 96), mode="area")[0] for p in row] for row in rows]
    return sheet(small, column_titles=["picture", "found", "truth"] * columns)


def _sample(material: Material, config: BackgroundDataConfig, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    kind = random.random()
    if kind < config.labelled and material.labelled:
        rgba = _cut(_pick(material.labelled, random), config.size, random, smallest=0.6)
        return photographed(_jittered(rgba[:3], random), random), rgba[3:]
    if kind > 1 - config.empty:
        return photographed(_drawn_scene(config.size, random), random), torch.zeros(1, config.size, config.size)
    return _composite(material, config, random)


def _composite(material: Material, config: BackgroundDataConfig, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    scene = _scene(material, config, random)
    if random.random() < config.distractors:
        for _ in range(random.integers(1, 4)):
            side = random.choice([0.0, 1.0])
            centre = (side + random.normal(0, 0.1), random.uniform(0, 1))
            thing = place(_object(material, random), config.size, random.uniform(0.1, 0.3), centre, random)
            scene = over(scene, blurred(thing, config.size * random.uniform(0.008, 0.03)))
    count = 1 if random.random() > config.several else int(random.integers(2, 4))
    longest = math.exp(random.uniform(math.log(config.longest[0]), math.log(config.longest[1])))
    spread = max(0.12 * (1.1 - longest), 0.03) if count == 1 else 0.2
    mask = torch.zeros(1, config.size, config.size)
    for _ in range(count):
        centre = (0.5 + random.normal(0, spread), 0.5 + random.normal(0, spread))
        each = longest * (1 if count == 1 else random.uniform(0.45, 0.7))
        layer = place(_object(material, random), config.size, each, centre, random)
        scene = _grounded(scene, layer, random)
        mask = layer[3:] + mask * (1 - layer[3:])
    return photographed(scene, random), mask.clamp(0, 1)


def _grounded(scene: Tensor, layer: Tensor, random: np.random.Generator) -> Tensor:
    """The object in its scene, mostly with a shadow, now and then over a mirror, sometimes with soft edges."""
    kind = random.random()
    if kind < 0.65:
        scene = shadowed(scene, layer[3:], random)
    elif kind < 0.75:
        scene = mirrored_below(scene, layer, random)
    if random.random() < 0.3:  # colours of the surroundings fall onto the object
        around = scene.mean((1, 2), keepdim=True)
        share = random.uniform(0, 0.35)
        layer = torch.cat([layer[:3] * (1 - share) + around * layer[3:] * share, layer[3:]])
    return over(scene, layer)


def _scene(material: Material, config: BackgroundDataConfig, random: np.random.Generator) -> Tensor:
    if not material.photographs or random.random() > config.photographs:
        return _drawn_scene(config.size, random)
    rgb = _jittered(_free_place(material, config.size, random), random)
    return blurred(rgb, config.size * random.uniform(0.003, 0.03)) if random.random() < 0.4 else rgb


def _free_place(material: Material, size: int, random: np.random.Generator) -> Tensor:
    """A window of a photograph in which nothing salient stands, or else one so blurred that nothing stands out."""
    for _ in range(6):
        rgba = _cut(_pick(material.photographs, random), size, random, smallest=0.25)
        if rgba[3].mean() < 0.03:
            return rgba[:3]
    return blurred(_cut(_pick(material.photographs, random), size, random, smallest=0.25)[:3], size * 0.06)


def _drawn_scene(size: int, random: np.random.Generator) -> Tensor:
    name = random.choice(list(SCENES), p=[0.3, 0.14, 0.08, 0.22, 0.12, 0.08, 0.06])
    return SCENES[name](random, size)


def _object(material: Material, random: np.random.Generator) -> Picture:
    weights = np.array([weight for weight, _ in material.objects])
    return _pick(material.objects[random.choice(len(weights), p=weights / weights.sum())][1], random)


def _pick(pool: Sequence[Picture], random: np.random.Generator) -> Picture:
    return pool[int(random.integers(len(pool)))]


def _cut(rgba: Picture, size: int, random: np.random.Generator, smallest: float) -> Float[Tensor, "4 s s"]:
    """A random window of a picture, mirrored by chance, stretched to a square; the network sees all pictures stretched."""
    height, width = rgba.shape[1:]
    share = random.uniform(smallest, 1)
    rows, columns = (max(int(n * min(share * math.exp(random.normal(0, 0.1)), 1)), 8) for n in (height, width))
    top, left = random.integers(height - rows + 1), random.integers(width - columns + 1)
    window = torch.from_numpy(np.ascontiguousarray(rgba[:, top : top + rows, left : left + columns])).float() / 255
    if random.random() < 0.5:
        window = window.flip(2)
    return functional.interpolate(window[None], (size, size), mode="bilinear", align_corners=False, antialias=True)[0].clamp(0, 1)


def _jittered(rgb: Tensor, random: np.random.Generator) -> Tensor:
    """Another saturation, tint and contrast."""
    grey = rgb.mean(0, keepdim=True)
    rgb = grey + (rgb - grey) * random.uniform(0.4, 1.4)
    gain = torch.from_numpy(np.exp(random.normal(0, 0.1, 3)).astype(np.float32))
    return (0.5 + (rgb * gain[:, None, None] - 0.5) * random.uniform(0.7, 1.2)).clamp(0, 1)
