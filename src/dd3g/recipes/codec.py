"""The codec, taught on views: what comes out of the latents should be what went in, over any background.

Latents are kept near unit variance and a little noise is added before they are decoded, so that a diffusion model finds them easy and its
small errors are forgiven.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from PIL.Image import Image
from torch import Tensor, nn

from dd3g.core.errors import InputError
from dd3g.core.model_file import save_model_file
from dd3g.core.sheet import sheet
from dd3g.core.views import composite, premultiplied
from dd3g.distill.explicit import psnr
from dd3g.distill.lpips import load_lpips
from dd3g.encoders.codec import FACTOR, KIND, Codec, CodecConfig
from dd3g.recipes.source_views import PictureStore
from dd3g.recipes.student_batches import recoloured
from dd3g.recipes.views_pack import ViewsPack
from dd3g.training import Recipe, Score

_CHUNK = 32
_SHEET_VIEW = 2


@dataclass(frozen=True)
class CodecDataConfig:
    """How pictures are drawn and changed."""

    batch: int = 16
    crop: int = 64  # side of the windows that are learnt from, each about a point of its object; most of a whole view is empty
    mirror: float = 0.5
    recolour: float = 0.5


@dataclass(frozen=True)
class CodecLossConfig:
    """Weights of what is asked of the codec."""

    colour: float = 1.0  # mean |difference| of premultiplied colour over a random background
    palette: float = 1.0  # what of the average colour and alpha of a place can't be read off its latents by a linear map: without it
    # light and shape fill the latents first, and colour comes very late (docs/lab-log.md)
    alpha: float = 1.0
    perceptual: float = 0.1  # LPIPS (squeeze) over the same background; 0 leaves it, and its weights, out
    moments: float = 0.01  # of each latent channel over the batch: mean 0, variance 1
    noise: float = 0.05  # standard deviation of what is added to latents before they are decoded


@dataclass(frozen=True)
class CodecBatch:
    """b pictures, each with a background of its own, and the noise of their latents."""

    rgba: Float[Tensor, "b 4 h w"]
    background: Float[Tensor, "b 3"]
    noise: Float[Tensor, "b c h8 w8"]

    def to(self, device: torch.device | str) -> CodecBatch:
        """The same batch on another device."""
        return replace(self, **{f.name: getattr(self, f.name).to(device) for f in fields(self)})


def codec_recipe(
    model: CodecConfig,
    data: CodecDataConfig,
    loss: CodecLossConfig,
    train: Sequence[ViewsPack],
    dev: ViewsPack | None,
    *,
    seed: int,
    provenance: Mapping[str, Any],
    device: torch.device | str = "cpu",
) -> Recipe:
    """What the engine needs to teach the codec.

    Raises:
        InputError: Views whose sides are no multiples of 8.
        WeightsError: ``loss.perceptual`` is above 0 and the weights are not there.
    """
    torch.manual_seed(seed)
    network = Codec(model)
    perceptual = load_lpips("squeeze").to(device) if loss.perceptual > 0 else None

    def losses(codec: nn.Module, batch: CodecBatch, step: int) -> dict[str, Tensor]:
        return codec_losses(cast(Codec, codec), batch, loss, perceptual)

    def export(path: Path, codec: nn.Module, about: Mapping[str, Any]) -> None:
        save_model_file(
            path, kind=KIND, config=asdict(model), about={**provenance, **about}, tensors=codec.state_dict(), dtype=torch.float16
        )

    return Recipe(
        kind=KIND,
        identity={"model": asdict(model), "data": asdict(data), "loss": asdict(loss), "views": [p.digest for p in train], "seed": seed},
        network=network,
        batch=CodecBatches(train, data, model.latent_channels, seed, device),
        losses=losses,
        export=export,
        evaluate=None if dev is None else lambda codec: codec_scores(cast(Codec, codec), dev),
        score=None if dev is None else Score("dev_psnr"),
        sheet=None if dev is None else lambda codec: codec_sheet(cast(Codec, codec), dev),
    )


class CodecBatches:
    """Draws target views of packs; a pure function of (seed, step) on one kind of device."""

    def __init__(self, packs: Sequence[ViewsPack], config: CodecDataConfig, channels: int, seed: int, device: torch.device | str) -> None:
        self.config, self.channels, self.seed, self.device = config, channels, seed, torch.device(device)
        self.views = PictureStore(packs, "targets", self.device)
        self.objects = sum(len(pack) for pack in packs)
        if self.views.height % FACTOR or self.views.width % FACTOR:
            raise InputError(
                f"views: found {self.views.height} x {self.views.width} pixels, expected multiples of {FACTOR}; render them so"
            )

    def __call__(self, step: int) -> CodecBatch:
        """The batch of a step."""
        b = self.config.batch
        random = np.random.Generator(np.random.Philox(key=np.array([self.seed, step], np.uint64)))
        rgba = self.views.rgba(random.integers(self.objects, size=b), random.integers(self.views.views, size=b))
        mirrored = self._chance(random, self.config.mirror)
        rgba = torch.where(mirrored[:, None, None, None], rgba.flip(-1), rgba)
        if 0 < self.config.crop < self.views.width:
            rgba = windows(rgba, self.config.crop, random)
        (rgba,) = recoloured([rgba], self._chance(random, self.config.recolour), random)
        shape = (b, self.channels, *(side // FACTOR for side in rgba.shape[-2:]))
        background, noise = random.random((b, 3), np.float32), random.standard_normal(shape, np.float32)
        return CodecBatch(rgba, *(torch.from_numpy(a).to(self.device) for a in (background, noise)))

    def _chance(self, random: np.random.Generator, probability: float) -> Tensor:
        return torch.from_numpy(random.random(self.config.batch) < probability).to(self.device)


def windows(rgba: Float[Tensor, "b 4 h w"], side: int, random: np.random.Generator) -> Float[Tensor, "b 4 {side} {side}"]:
    """A window of every picture about a random point of what is in it."""
    b, _, height, width = rgba.shape
    reached = rgba[:, 3].flatten(1).double().cumsum(1)
    aim = torch.from_numpy(random.random((b, 1))).to(rgba.device) * reached[:, -1:]
    place = torch.searchsorted(reached, aim)[:, 0].clamp_max(height * width - 1)
    shift = torch.from_numpy(random.integers(-side // 2, side // 2, (b, 2))).to(rgba.device)
    top = (place // width - side // 2 + shift[:, 0]).clamp(0, height - side)
    left = (place % width - side // 2 + shift[:, 1]).clamp(0, width - side)
    line = torch.arange(side, device=rgba.device)
    which = torch.arange(b, device=rgba.device)[:, None, None]
    return rgba.movedim(1, -1)[which, (top[:, None] + line)[:, :, None], (left[:, None] + line)[:, None, :]].movedim(-1, 1)


def codec_losses(
    codec: Codec, batch: CodecBatch, config: CodecLossConfig, perceptual: Callable[[Tensor, Tensor], Tensor] | None
) -> dict[str, Tensor]:
    """What went in against what comes out, over a background; and what latents should be like."""
    latents = codec.encode(batch.rgba)
    made = codec.decode_premultiplied(latents + config.noise * batch.noise)
    alpha, truth_alpha = made[:, 3:], batch.rgba[:, 3:]
    background = batch.background[:, :, None, None]
    ours = made[:, :3] + background * (1 - alpha)
    truth = composite(batch.rgba[:, :3], truth_alpha, batch.background)
    mean, variance = latents.mean((0, 2, 3)), latents.var((0, 2, 3))
    terms = {
        "colour": config.colour * (ours - truth).abs().mean(),
        "alpha": config.alpha * (alpha - truth_alpha).abs().mean(),
        "moments": config.moments * (mean.square() + (variance - 1).square()).mean(),
    }
    if perceptual is not None:
        terms["perceptual"] = config.perceptual * perceptual(ours.clamp(0, 1), truth).mean()
    if config.palette > 0:
        terms["palette"] = config.palette * palette_loss(latents, batch.rgba)
    return terms


def palette_loss(latents: Float[Tensor, "b c h8 w8"], rgba: Float[Tensor, "b 4 h w"]) -> Float[Tensor, ""]:
    """Share of the variance of the places' average premultiplied colour and alpha that the best linear map of their latents leaves over.

    The map is solved for in every batch, so it has no weights to learn; 0 where latents tell all four, up to 1.
    """
    wanted = F.avg_pool2d(premultiplied(rgba), FACTOR).permute(0, 2, 3, 1).flatten(0, 2).double()
    told = latents.permute(0, 2, 3, 1).flatten(0, 2).double()
    wanted, told = wanted - wanted.mean(0), told - told.mean(0)
    # differences of colours vary less than light and count as much
    wanted = torch.cat(
        [wanted[:, :3].sum(1, keepdim=True), wanted[:, :1] - wanted[:, 1:2], wanted[:, 2:3] - wanted[:, 1:2], wanted[:, 3:]], 1
    )
    across = told.T @ wanted
    within = told.T @ told + 1e-4 * len(told) * torch.eye(told.shape[1], dtype=told.dtype, device=told.device)
    left = wanted - told @ torch.linalg.solve(within, across)
    return (left.square().mean(0) / wanted.square().mean(0).clamp_min(1e-8)).mean().float()


@torch.no_grad()
def codec_scores(codec: Codec, dev: ViewsPack) -> dict[str, float]:
    """PSNR of colour over white, IoU of alpha at 0.5, and moments of the latents, over the sixteen canonical views of every object."""
    values, overlaps, latents = [], [], []
    white = torch.ones(3)
    for rgba, found, made in _through(codec, dev, [(i, v) for i in range(len(dev)) for v in range(min(16, dev.targets.rgba.shape[1]))]):
        values.append(psnr(composite(made[:, :3], made[:, 3:], white), composite(rgba[:, :3], rgba[:, 3:], white)))
        solid, truth = made[:, 3] > 0.5, rgba[:, 3] > 0.5
        overlaps.append((solid & truth).sum((1, 2)) / (solid | truth).sum((1, 2)).clamp_min(1))
        latents.append(found)
    every = torch.cat(latents)
    return {
        "dev_psnr": torch.cat(values).mean().item(),
        "dev_alpha_iou": torch.cat(overlaps).mean().item(),
        "dev_latent_mean": every.mean().item(),
        "dev_latent_std": every.std().item(),
    }


@torch.no_grad()
def codec_sheet(codec: Codec, dev: ViewsPack, objects: int = 24) -> Image:
    """Views over grey before and after, and alpha before and after, two objects a row."""
    shown = min(objects, len(dev))
    chosen = [(round(k * (len(dev) - 1) / max(shown - 1, 1)), _SHEET_VIEW % dev.targets.rgba.shape[1]) for k in range(shown)]
    grey, cells = torch.full((3,), 0.5), []
    for rgba, _, made in _through(codec, dev, chosen):
        for before, after in zip(rgba, made, strict=True):
            pair = [composite(p[:3], p[3:], grey) for p in (before, after)]
            cells.append([*pair, *(p[3:].expand(3, -1, -1) for p in (before, after))])
    rows = [[*left, *right] for left, right in zip(cells[::2], cells[1::2], strict=False)] or [cells[0]]
    return sheet(rows, column_titles=["in", "out", "alpha in", "out"] * (len(rows[0]) // 4))


def _through(codec: Codec, dev: ViewsPack, chosen: Sequence[tuple[int, int]]):
    device = next(codec.parameters()).device
    store = PictureStore([dev], "targets", torch.device("cpu"))
    for start in range(0, len(chosen), _CHUNK):
        objects, views = np.array(chosen[start : start + _CHUNK]).T
        rgba = store.rgba(objects, views)
        latents = codec.encode(rgba.to(device))
        yield rgba, latents.cpu(), codec.decode(latents).cpu()
