"""A synthetic photograph of an object: laid into a scene, lit, shadowed, and taken by an ordinary camera."""

from __future__ import annotations

import io
import math

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

Rgba = Float[Tensor, "4 s s"]  # premultiplied
Rgb = Float[Tensor, "3 s s"]
Coverage = Float[Tensor, "1 s s"]


def place(cutout: UInt8[np.ndarray, "4 h w"], size: int, longest: float, centre: tuple[float, float], random: np.random.Generator) -> Rgba:
    """A cut-out laid into an empty frame: mirrored, tilted, stretched a little, recoloured.

    Args:
        cutout: Straight RGBA.
        size: Side of the frame in pixels.
        longest: Longest side of the cut-out over the frame's side; above 1 the frame cuts it.
        centre: (x, y) of its middle over the frame's side.
        random: Everything else is drawn from it.

    Returns:
        Premultiplied RGBA.
    """
    rows, columns = np.flatnonzero(cutout[3].max(1) > 8), np.flatnonzero(cutout[3].max(0) > 8)
    cutout = cutout[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    pixels = torch.from_numpy(np.ascontiguousarray(cutout)).float() / 255
    picture = torch.cat([_recoloured(pixels[:3], random) * pixels[3:], pixels[3:]])
    shrink = max(picture.shape[1:]) / (longest * size)
    if shrink >= 2:
        picture = functional.avg_pool2d(picture[None], int(shrink), ceil_mode=True, count_include_pad=False)[0]
    height, width = picture.shape[1:]
    factor = longest * size / max(height, width)
    aspect = math.exp(random.normal(0, 0.12))
    angle = random.normal(0, 0.12) if random.random() < 0.85 else random.uniform(-math.pi, math.pi)
    mirror = -1 if random.random() < 0.5 else 1
    # Frame pixel p comes from cut-out pixel S R (p - centre) / factor + middle; grid_sample speaks of both in [-1, 1].
    sin, cos = math.sin(angle), math.cos(angle)
    source_from_frame = torch.tensor([[mirror * cos / aspect, mirror * sin / aspect], [-sin * aspect, cos * aspect]]) / factor
    scale = torch.tensor([[size / width], [size / height]])
    off_middle = torch.tensor([[0.5 - centre[0]], [0.5 - centre[1]]], dtype=torch.float32)
    affine = torch.cat([source_from_frame * scale, source_from_frame @ off_middle * 2 * scale], 1)
    grid = functional.affine_grid(affine[None], [1, 4, size, size], align_corners=False)
    return functional.grid_sample(picture[None], grid, align_corners=False)[0]


def shadowed(scene: Rgb, alpha: Coverage, random: np.random.Generator) -> Rgb:
    """The scene with the object's shadow on the floor: its outline, pressed flat at its lowest point, sheared and blurred."""
    rows = torch.nonzero(alpha[0].amax(1) > 0.5)
    if len(rows) == 0:
        return scene
    size = alpha.shape[-1]
    foot = 2 * (rows[-1].item() + 1) / size - 1
    flat, shear = random.uniform(0.06, 0.5), random.uniform(-0.8, 0.8)
    lift = random.uniform(-0.02, 0.03)  # a shadow begins a little above the lowest point: things have depth
    affine = torch.tensor([[1.0, -shear / flat, shear / flat * foot], [0.0, 1 / flat, foot - (foot + lift) / flat]])
    grid = functional.affine_grid(affine[None], [1, 1, size, size], align_corners=False)
    shadow = functional.grid_sample(alpha[None], grid, align_corners=False)[0]
    shadow = blurred(shadow, size * random.uniform(0.004, 0.05))
    return scene * (1 - random.uniform(0.1, 0.75) * shadow)


def mirrored_below(scene: Rgb, layer: Rgba, random: np.random.Generator) -> Rgb:
    """The scene with the object's reflection in a glossy floor."""
    rows = torch.nonzero(layer[3].amax(1) > 0.5)
    if len(rows) == 0:
        return scene
    foot, size = int(rows[-1]) + 1, layer.shape[-1]
    below = torch.zeros_like(layer)
    depth = min(foot, size - foot)
    below[:, foot : foot + depth] = layer[:, foot - depth : foot].flip(1)
    fade = torch.linspace(1, 0, max(depth, 1)).clamp_min(0)
    below[:, foot : foot + depth] *= fade[:depth, None] * random.uniform(0.1, 0.5)
    return over(scene, blurred(below, random.uniform(0.3, 2)))


def over(scene: Rgb, layer: Rgba) -> Rgb:
    """Premultiplied colour over a scene."""
    return layer[:3] + scene * (1 - layer[3:])


def photographed(picture: Rgb, random: np.random.Generator) -> Rgb:
    """What lens, sensor and JPEG make of it: exposure, white balance, vignette, blur, noise, low resolution, 8 bits."""
    size = picture.shape[-1]
    gain = torch.from_numpy(np.exp(random.normal(0, 0.06, 3) + random.normal(0, 0.12)).astype(np.float32))
    picture = (picture * gain[:, None, None]).clamp(0, 1) ** math.exp(random.normal(0, 0.15))
    if random.random() < 0.3:
        line = torch.linspace(-1, 1, size)
        picture = picture * (1 - random.uniform(0, 0.5) * (line[None, :] ** 2 + line[:, None] ** 2) / 2)
    if random.random() < 0.05:
        picture = picture.mean(0, keepdim=True).expand(3, -1, -1)
    if random.random() < 0.4:
        picture = blurred(picture, random.uniform(0.3, 1.3) * size / 256)
    if random.random() < 0.25:
        small = int(size / random.uniform(1.2, 2.5))
        picture = functional.interpolate(picture[None], (small, small), mode="area")
        picture = functional.interpolate(picture, (size, size), mode="bilinear", align_corners=False)[0]
    if random.random() < 0.4:
        noise = torch.from_numpy(random.standard_normal((3, size, size), np.float32))
        picture = picture + random.uniform(0.003, 0.05) * noise
    eight_bit = (picture.clamp(0, 1) * 255).round().to(torch.uint8)
    if random.random() < 0.5:
        eight_bit = _through_jpeg(eight_bit, int(random.integers(25, 96)))
    return eight_bit.float() / 255


def blurred(x: Float[Tensor, "c s s"], sigma_px: float) -> Float[Tensor, "c s s"]:
    """Gaussian blur, edges continued; wide ones are done on a smaller picture, where they look the same."""
    size, channels = x.shape[-1], x.shape[0]
    shrink = max(int(sigma_px / 3), 1)
    if shrink > 1:
        x = functional.interpolate(x[None], (-(-size // shrink),) * 2, mode="area")[0]
        sigma_px = sigma_px / shrink
    reach = min(max(math.ceil(3 * sigma_px), 1), x.shape[-1] - 1)
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma_px) ** 2)
    kernel = (kernel / kernel.sum()).expand(channels, 1, 1, -1)
    padded = functional.pad(x[None], (reach,) * 4, mode="replicate")
    soft = functional.conv2d(functional.conv2d(padded, kernel, groups=channels), kernel.transpose(2, 3), groups=channels)
    return functional.interpolate(soft, (size, size), mode="bilinear", align_corners=False)[0] if shrink > 1 else soft[0]


def _recoloured(rgb: Float[Tensor, "3 h w"], random: np.random.Generator) -> Float[Tensor, "3 h w"]:
    """Other exposure, contrast, saturation and tint, and sometimes light from one side."""
    grey = rgb.mean(0, keepdim=True)
    rgb = grey + (rgb - grey) * random.uniform(0.5, 1.4)
    rgb = 0.5 + (rgb - 0.5) * random.uniform(0.7, 1.25) + random.normal(0, 0.06)
    tint = torch.from_numpy(np.exp(random.normal(0, 0.08, 3)).astype(np.float32))
    rgb = rgb * tint[:, None, None]
    if random.random() < 0.5:
        angle, strength = random.uniform(0, 2 * math.pi), random.uniform(0, 0.6)
        x, y = torch.linspace(-0.5, 0.5, rgb.shape[2]), torch.linspace(-0.5, 0.5, rgb.shape[1])
        rgb = rgb * (1 + strength * (math.cos(angle) * x[None, :] + math.sin(angle) * y[:, None]))
    return rgb.clamp(0, 1)


def _through_jpeg(rgb: UInt8[Tensor, "3 s s"], quality: int) -> UInt8[Tensor, "3 s s"]:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(rgb.permute(1, 2, 0).contiguous().numpy()).save(stream, "JPEG", quality=quality)
    return torch.from_numpy(np.asarray(Image.open(stream)).copy()).permute(2, 0, 1)
