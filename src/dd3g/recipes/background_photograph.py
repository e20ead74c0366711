"""Synthetic photographs, many at once: objects laid into scenes, lit, shadowed, and taken by an ordinary camera.

Everything works on a batch of square pictures with one row of parameters a picture, on whatever device the pictures are: a GPU would starve
on pictures made one by one.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

Rgba = Float[Tensor, "b 4 s s"]  # premultiplied
Rgb = Float[Tensor, "b 3 s s"]
Coverage = Float[Tensor, "b 1 s s"]
Affine = Float[Tensor, "b 2 3"]  # from the frame to the source, both in [-1, 1]
Each = Float[Tensor, " b"]  # one number a picture

_COARSEST = 5  # pyramid level of the widest blur


def laid(straight: Float[Tensor, "b 4 o o"], source_from_frame: Affine, size: int) -> Rgba:
    """Cut-outs laid into empty frames of ``size`` pixels."""
    # A bilinear look-up skips pixels where the source is shown much smaller than it is, so that is halved first.
    premultiplied = torch.cat([straight[:, :3] * straight[:, 3:], straight[:, 3:]], 1)
    shrink = torch.linalg.det(source_from_frame[:, :, :2]).abs().sqrt() * straight.shape[-1] / size
    halved = _doubled(functional.avg_pool2d(premultiplied, 2))
    premultiplied = torch.where((shrink > 1.6)[:, None, None, None], halved, premultiplied)
    return sampled(premultiplied, source_from_frame, size)


def sampled(source: Float[Tensor, "b c o o"], source_from_frame: Affine, size: int) -> Float[Tensor, "b c s s"]:
    """Look-up of each frame pixel in its source; zero outside."""
    grid = functional.affine_grid(source_from_frame, [len(source), source.shape[1], size, size], align_corners=False)
    return functional.grid_sample(source, grid, align_corners=False)


def recoloured(rgb: Float[Tensor, "b 3 h w"], look: Float[Tensor, "b 8"]) -> Float[Tensor, "b 3 h w"]:
    """Other saturation, contrast, lightness and tint, and light from one side.

    Args:
        rgb: Pictures.
        look: A row (saturation, contrast, lightness, gain of red, green, blue, light to the right, light to the bottom).
    """
    saturation, contrast, lightness = (look[:, i, None, None, None] for i in range(3))
    grey = rgb.mean(1, keepdim=True)
    rgb = grey + (rgb - grey) * saturation
    rgb = (0.5 + (rgb - 0.5) * contrast + lightness) * look[:, 3:6, None, None]
    x = torch.linspace(-0.5, 0.5, rgb.shape[3], device=rgb.device)
    y = torch.linspace(-0.5, 0.5, rgb.shape[2], device=rgb.device)
    light = 1 + look[:, 6, None, None] * x[None, None, :] + look[:, 7, None, None] * y[None, :, None]
    return (rgb * light[:, None]).clamp(0, 1)


def shadowed(scene: Rgb, alpha: Coverage, shape: Float[Tensor, "b 4"], strength: Each) -> Rgb:
    """The scenes with each object's shadow on the floor: its outline, pressed flat at its lowest point, sheared and blurred.

    Args:
        scene: Before the object is laid over it.
        alpha: The object's; where it is empty nothing changes.
        shape: A row (flatness, shear, how far above the lowest point it begins over half the frame, blur over the frame).
        strength: 0 leaves the scene, 1 makes it black.
    """
    size = alpha.shape[-1]
    flat, shear, lift, softness = shape.unbind(1)
    foot = 2 * _foot(alpha) - 1
    zero, one = torch.zeros_like(flat), torch.ones_like(flat)
    rows = [torch.stack([one, -shear / flat, shear / flat * foot], 1), torch.stack([zero, 1 / flat, foot - (foot + lift) / flat], 1)]
    shadow = blurred(sampled(alpha, torch.stack(rows, 1), size), softness * size)
    return scene * (1 - strength[:, None, None, None] * shadow)


def mirrored_below(scene: Rgb, layer: Rgba, strength: Each) -> Rgb:
    """The scenes with each object's reflection in a glossy floor, fading downwards."""
    size = layer.shape[-1]
    foot = _foot(layer[:, 3:])
    flip = torch.zeros(len(layer), 2, 3, device=layer.device)
    flip[:, 0, 0], flip[:, 1, 1], flip[:, 1, 2] = 1, -1, 2 * (2 * foot - 1)
    y = (torch.arange(size, device=layer.device) + 0.5) / size
    below = y[None] - foot[:, None]
    fade = torch.where(below > 0, (1 - 2.5 * below).clamp_min(0), 0) * strength[:, None]
    reflection = sampled(layer, flip, size) * fade[:, None, :, None]
    return over(scene, blurred(reflection, torch.full_like(strength, size / 256)))


def over(scene: Rgb, layer: Rgba) -> Rgb:
    """Premultiplied colour over scenes."""
    return layer[:, :3] + scene * (1 - layer[:, 3:])


def blurred(x: Float[Tensor, "b c s s"], sigma_px: Each) -> Float[Tensor, "b c s s"]:
    """About a Gaussian blur, each picture its own: between two levels of a pyramid, so that a wide one costs what a narrow one does.

    Box means of 2^l pixels, interpolated, spread by about 2^l / 2; a mixture of two levels has the mixture of their variances.
    """
    out, before, coarse = x, torch.zeros_like(sigma_px), x
    for level in range(1, _COARSEST + 1):
        if coarse.shape[-1] % 2 or coarse.shape[-1] < 4:
            break
        coarse = functional.avg_pool2d(coarse, 2)
        spread = 4.0**level / 4
        share = ((sigma_px**2 - before) / (spread - before)).clamp(0, 1)[:, None, None, None]
        wide = functional.interpolate(coarse, x.shape[-2:], mode="bilinear", align_corners=False)
        out = out + (wide - out) * share
        before = torch.full_like(sigma_px, spread)
    return out


def exposed(rgb: Rgb, gain: Float[Tensor, "b 3"], gamma: Each, vignette: Each) -> Rgb:
    """Exposure and white balance, tone curve, and the dark corners of a lens."""
    rgb = (rgb * gain[:, :, None, None]).clamp(1e-4, 1) ** gamma[:, None, None, None]
    line = torch.linspace(-1, 1, rgb.shape[-1], device=rgb.device) ** 2
    return rgb * (1 - vignette[:, None, None, None] * (line[None, :] + line[:, None]) / 2)


def low_resolution(rgb: Rgb) -> Rgb:
    """Taken with half as many pixels."""
    return _doubled(functional.avg_pool2d(rgb, 2))


def eight_bit(rgb: Rgb) -> Rgb:
    """As a file has it."""
    return (rgb.clamp(0, 1) * 255).round() / 255


def through_jpeg(rgb: Rgb, quality: Each) -> Rgb:
    """What JPEG leaves of pictures: 8 x 8 cosine coefficients rounded to the standard's steps, colour at half resolution.

    Args:
        rgb: Side a multiple of 16.
        quality: 1 to 100 as libjpeg counts.
    """
    scale = torch.where(quality < 50, 50 / quality, 2 - quality / 50)[:, None, None]
    y, cb, cr = (_constant(_YCC, rgb.device) @ rgb.flatten(2)).unflatten(2, rgb.shape[2:]).unbind(1)
    y = _coded(y - 0.5, _LUMINANCE, scale) + 0.5
    chroma = torch.stack([_coded(functional.avg_pool2d(c[:, None], 2)[:, 0], _CHROMINANCE, scale) for c in (cb, cr)], 1)
    cb, cr = _doubled(chroma).unbind(1)
    return torch.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], 1)


def _coded(plane: Float[Tensor, "b s s"], steps: tuple[int, ...], scale: Float[Tensor, "b 1 1"]) -> Float[Tensor, "b s s"]:
    side = plane.shape[-1]
    cosines = _cosines(plane.device)
    blocks = plane.unflatten(2, (side // 8, 8)).unflatten(1, (side // 8, 8)).transpose(2, 3)  # b, rows, columns, 8, 8
    step = (_constant(steps, plane.device).reshape(1, 8, 8) * scale).clamp_min(1)[:, None, None] / 255
    rounded = ((cosines @ blocks @ cosines.T) / step).round() * step
    return (cosines.T @ rounded @ cosines).transpose(2, 3).flatten(3, 4).flatten(1, 2)


@lru_cache(maxsize=4)
def _cosines(device: torch.device) -> Float[Tensor, "8 8"]:
    """The orthonormal discrete cosine transform of 8 samples."""
    k, n = torch.arange(8.0, device=device)[:, None], torch.arange(8.0, device=device)[None, :]
    matrix = torch.cos(math.pi * (n + 0.5) * k / 8) / 2
    return torch.where(k == 0, matrix / math.sqrt(2), matrix)


@lru_cache(maxsize=16)
def _constant(values: tuple[int, ...] | tuple[tuple[float, ...], ...], device: torch.device) -> Tensor:
    """A table on a device, copied once: a copy of numbers waits until the device has done all that it was told before."""
    return torch.tensor(values, device=device)


def _foot(alpha: Coverage) -> Each:
    """Lower edge of the lowest solid row over the frame's side; 0 where nothing is solid."""
    size = alpha.shape[-1]
    below = torch.arange(1, size + 1, device=alpha.device) / size
    return ((alpha[:, 0].amax(2) > 0.5) * below).amax(1)


def _doubled(x: Float[Tensor, "b c h w"]) -> Tensor:
    return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
# ITU-T T.81, annex K.
# fmt: off
_LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
)
_CHROMINANCE = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99,
    *(99,) * 32,
)
# fmt: on
