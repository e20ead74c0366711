"""From what was drawn to pictures and masks: windows of photographs, objects laid over them, and the camera's doing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from dd3g.recipes.background_draw import Camera, Draw, Layer, Rows
from dd3g.recipes.background_photograph import (
    blurred,
    eight_bit,
    exposed,
    laid,
    low_resolution,
    mirrored_below,
    over,
    recoloured,
    sampled,
    shadowed,
    through_jpeg,
)
from dd3g.recipes.background_stock import Stock

Teacher = Callable[[Float[Tensor, "b 3 s s"]], Float[Tensor, "b 1 s s"]]  # sRGB to masks of the same size


@dataclass(frozen=True)
class BackgroundBatch:
    """b pictures and the masks to find."""

    rgb: Float[Tensor, "b 3 s s"]
    mask: Float[Tensor, "b 1 s s"]

    def to(self, device: torch.device | str) -> BackgroundBatch:
        """The same batch on another device."""
        return BackgroundBatch(self.rgb.to(device), self.mask.to(device))


@torch.no_grad()
def develop(stock: Stock, draw: Draw, size: int, teacher: Teacher | None = None) -> BackgroundBatch:
    """The pictures of a draw, on the device that it is on.

    Args:
        stock: Where the draw's indices point.
        draw: What to make.
        size: Side of the pictures.
        teacher: Labels the photographs anew as they are cut here; without it their own alpha is the mask.
    """
    stock = stock.on(draw.window.device)
    rgba = sampled(_unit(stock.pictures[draw.picture]), draw.window, size)
    scene = recoloured(rgba[:, :3], draw.look)
    scene = _some(scene, draw.blur, lambda x, v: blurred(x, v[:, 0] * size))
    mask = torch.zeros_like(rgba[:, 3:]).index_copy(0, draw.labelled.at, rgba[draw.labelled.at, 3:])
    for number, layer in enumerate(draw.layers):
        if len(layer.at) == 0:
            continue
        under, rgba = _grounded(stock, layer, scene[layer.at], soft=number < draw.distractors)
        scene = scene.index_copy(0, layer.at, over(under, rgba))
        if number >= draw.distractors:
            mask = mask.index_copy(0, layer.at, rgba[:, 3:] + mask[layer.at] * (1 - rgba[:, 3:]))
    if teacher is not None and len(draw.labelled.at):
        mask = mask.index_copy(0, draw.labelled.at, teacher(scene[draw.labelled.at]).to(mask.dtype))
    return BackgroundBatch(photographed(scene, draw.camera), mask.clamp(0, 1))


def photographed(rgb: Float[Tensor, "b 3 s s"], camera: Camera) -> Float[Tensor, "b 3 s s"]:
    """What lens, sensor and file make of pictures."""
    rgb = exposed(rgb, camera.gain, camera.gamma, camera.vignette)
    rgb = _some(rgb, camera.grey, lambda x, _: x.mean(1, keepdim=True).expand_as(x))
    rgb = _some(rgb, camera.blur, lambda x, v: blurred(x, v[:, 0]))
    rgb = _some(rgb, camera.low, lambda x, _: low_resolution(x))
    random = torch.Generator(rgb.device).manual_seed(camera.noise_seed)

    def noisy(x: Tensor, deviation: Tensor) -> Tensor:
        return x + deviation[:, :, None, None] * torch.randn(x.shape, generator=random, device=x.device)

    rgb = _some(rgb, camera.noise, noisy)
    return eight_bit(_some(rgb, camera.jpeg, lambda x, v: through_jpeg(x.clamp(0, 1), v[:, 0])))


def _grounded(stock: Stock, layer: Layer, scene: Tensor, soft: bool) -> tuple[Tensor, Tensor]:
    """The scenes as the objects change them, mostly by a shadow, now and then by a mirror; and the objects, premultiplied."""
    size = scene.shape[-1]
    straight = _unit(stock.cutouts[layer.cutout])
    pattern = _unit(stock.pictures[layer.texture]).narrow(1, 0, 3).mean(1, keepdim=True)
    pattern = functional.interpolate(pattern, straight.shape[-2:], mode="bilinear", align_corners=False)
    pattern = pattern / pattern.mean((2, 3), keepdim=True).clamp_min(0.05)
    rgb = straight[:, :3] * (1 + (pattern - 1) * layer.textured[:, None, None, None])
    rgb = recoloured(rgb, layer.look)
    around = scene.mean((2, 3), keepdim=True)
    rgb = rgb + (around - rgb) * layer.surroundings[:, None, None, None]
    rgba = laid(torch.cat([rgb, straight[:, 3:]], 1), layer.source_from_frame, size)
    if soft:
        rgba = blurred(rgba, layer.blur * size)
    if len(layer.shadow.at):
        scene = _some(scene, layer.shadow, lambda x, v: shadowed(x, rgba[layer.shadow.at, 3:], v[:, :4], v[:, 4]))
    if len(layer.mirror.at):
        scene = _some(scene, layer.mirror, lambda x, v: mirrored_below(x, rgba[layer.mirror.at], v[:, 0]))
    return scene, rgba


def _some(x: Tensor, rows: Rows, change: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Only the pictures in ``rows`` changed."""
    return x if len(rows.at) == 0 else x.index_copy(0, rows.at, change(x[rows.at], rows.values))


def _unit(x: Tensor) -> Tensor:
    return x.float() / 255
