"""The reference backend: E7 to E10 in plain torch, dense over pixels and Gaussians. Slow; the oracle of all other backends.

Any float type, any device. In float64 it is the truth that the others are measured against. Where speed and clarity part, this file
takes clarity; only memory is bounded, by working on blocks of pixels and computing them again in backward.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from dd3g.core.cameras import Cameras
from dd3g.core.gaussians import Gaussians
from dd3g.render.constants import (
    ALPHA_CUTOFF,
    ALPHA_MAX,
    BLUR_PX2,
    DEPTH_ALPHA_FLOOR,
    FAR,
    FRUSTUM_MARGIN,
    NEAR,
    QUAT_LENGTH_MIN,
    TRANSMITTANCE_STOP,
)
from dd3g.render.record import Render
from dd3g.render.validation import prepare_scenes

_BLOCK = 2**21  # pixels times Gaussians worked on at once


def rasterize(gaussians: Gaussians, cameras: Cameras, background: Float[Tensor, "s v 3"], *, antialiased: bool) -> Render:
    """See :class:`dd3g.render.record.RasterizeBatch`."""
    height, width = cameras.height, cameras.width
    pictures = [_in_blocks(_composite, height, width, splats).T for splats in _all_splats(gaussians, cameras, antialiased)]
    layers = torch.stack(pictures) if pictures else background.new_zeros(0, 5, height * width)
    colour, depth_sum, transmittance = layers.reshape(*background.shape[:2], 5, height, width).split([3, 1, 1], -3)
    alpha = 1 - transmittance
    return Render(colour + transmittance * background[..., None, None], alpha, depth_sum / alpha.clamp_min(DEPTH_ALPHA_FLOOR))


def stable_pixels(gaussians: Gaussians, cameras: Cameras, *, antialiased: bool = False) -> Bool[Tensor, "*batch v 1 h w"]:
    """Pixels at which float32 decides as float64 does.

    A picture jumps by up to 0.4 % where an alpha is at the cutoff or a transmittance at the stop, and where two Gaussians change
    places in depth; a gradient jumps where an alpha is at its clamp. So close to a jump, rounding decides. Comparisons between
    backends leave these pixels out: usually under 1 %.

    Args:
        gaussians: As for :func:`dd3g.render.rasterize`, best in float64.
        cameras: The same.
        antialiased: The same.
    """
    scenes, posed, _ = prepare_scenes(gaussians, cameras, gaussians.means.new_zeros(3))
    with torch.no_grad():
        masks = [_in_blocks(_is_stable, posed.height, posed.width, splats) for splats in _all_splats(scenes, posed, antialiased)]
    shape = (*posed.intrinsics.shape[:2], 1, posed.height, posed.width)
    stable = torch.stack(masks).reshape(shape) if masks else torch.ones(shape, dtype=torch.bool)
    return stable if gaussians.means.ndim == 3 else stable[0]


@dataclass(frozen=True)
class _Splats:
    """What one camera sees of one scene, nearest first."""

    means2d: Float[Tensor, "n 2"]  # pixels
    conics: Float[Tensor, "n 3"]  # xx, xy, yy of the inverse covariance
    opacities: Float[Tensor, " n"]  # after antialiasing
    depths: Float[Tensor, " n"]  # camera z
    rgb: Float[Tensor, "n 3"]


def _all_splats(gaussians: Gaussians, cameras: Cameras, antialiased: bool) -> list[_Splats]:
    scenes, views = cameras.intrinsics.shape[:2]
    return [
        _project(gaussians.map(lambda t, s=s: t[s]), cameras.camera_from_world[s, v], cameras.intrinsics[s, v], cameras, antialiased)
        for s in range(scenes)
        for v in range(views)
    ]


def _project(
    gaussians: Gaussians,
    camera_from_world: Float[Tensor, "4 4"],
    intrinsics: Float[Tensor, "3 3"],
    size: Cameras,
    antialiased: bool,
) -> _Splats:
    """The visible Gaussians as splats. Seen twice: first to learn which are visible, then those alone, with gradients."""
    with torch.no_grad():
        splats = _project_all(gaussians, camera_from_world, intrinsics, size, antialiased)
        visible = (splats.depths >= NEAR) & (splats.depths <= FAR) & (splats.opacities >= ALPHA_CUTOFF)
        kept = visible.nonzero()[:, 0]
        # by depth as float32, as all backends compare it; ties by index
        kept = kept[torch.sort(splats.depths[kept].float(), stable=True).indices]
    return _project_all(gaussians.map(lambda t: t[kept]), camera_from_world, intrinsics, size, antialiased)


def _project_all(
    gaussians: Gaussians,
    camera_from_world: Float[Tensor, "4 4"],
    intrinsics: Float[Tensor, "3 3"],
    size: Cameras,
    antialiased: bool,
) -> _Splats:
    """E7 and E8."""
    fx, fy, cx, cy = intrinsics[0, 0], intrinsics[1, 1], intrinsics[0, 2], intrinsics[1, 2]
    centre = gaussians.means @ camera_from_world[:3, :3].T + camera_from_world[:3, 3]
    z = centre[:, 2]
    x_over_z, y_over_z = centre[:, 0] / z, centre[:, 1] / z
    margin_x, margin_y = FRUSTUM_MARGIN * size.width / fx, FRUSTUM_MARGIN * size.height / fy
    ux = x_over_z.clamp(-(cx / fx + margin_x), (size.width - cx) / fx + margin_x)
    uy = y_over_z.clamp(-(cy / fy + margin_y), (size.height - cy) / fy + margin_y)
    zero = torch.zeros_like(z)
    jacobian = torch.stack([fx / z, zero, -fx * ux / z, zero, fy / z, -fy * uy / z], -1).reshape(-1, 2, 3)
    # E7, E8: Sigma' = J W Sigma W^T J^T = M M^T with M = J W R diag(s)
    m = jacobian @ camera_from_world[:3, :3] @ (_rotations(gaussians.quats_wxyz) * gaussians.scales[:, None, :])
    (sxx, sxy), (_, syy) = (row.unbind(-1) for row in (m @ m.transpose(-1, -2)).unbind(-2))
    # the determinant as the sum of squared minors: sxx syy - sxy^2 cancels for thin splats
    sharp_det = torch.linalg.cross(m[:, 0], m[:, 1]).square().sum(-1)
    det = sharp_det + BLUR_PX2 * (sxx + syy) + BLUR_PX2**2
    sxx, syy = sxx + BLUR_PX2, syy + BLUR_PX2
    opacities = gaussians.opacities * (sharp_det / det).sqrt() if antialiased else gaussians.opacities
    return _Splats(
        means2d=torch.stack([fx * x_over_z + cx, fy * y_over_z + cy], -1),
        conics=torch.stack([syy, -sxy, sxx], -1) / det[:, None],
        opacities=opacities,
        depths=z,
        rgb=gaussians.rgb,
    )


def _rotations(quats_wxyz: Float[Tensor, "n 4"]) -> Float[Tensor, "n 3 3"]:
    w, x, y, z = torch.nn.functional.normalize(quats_wxyz, dim=-1, eps=QUAT_LENGTH_MIN).unbind(-1)
    rows = [
        *(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        *(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        *(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    ]
    return torch.stack(rows, -1).reshape(-1, 3, 3)


def _pixel_centres(like: Tensor, height: int, width: int) -> Float[Tensor, "hw 2"]:
    y, x = (torch.arange(count, dtype=like.dtype, device=like.device) + 0.5 for count in (height, width))
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).reshape(-1, 2)


def _in_blocks(function: Callable, height: int, width: int, splats: _Splats) -> Shaped[Tensor, "hw ..."]:
    """Applies ``function`` to blocks of pixels; with gradients, a block's intermediate values are not kept but computed again."""
    columns = (splats.means2d, splats.conics, splats.opacities, splats.depths, splats.rgb)
    blocks = _pixel_centres(splats.means2d, height, width).split(max(_BLOCK // max(len(splats.opacities), 1), 1))
    if len(blocks) == 1 or not torch.is_grad_enabled():
        return torch.cat([function(block, *columns) for block in blocks])
    return torch.cat([checkpoint(function, block, *columns, use_reentrant=False, preserve_rng_state=False) for block in blocks])


def _alphas(
    pixels: Float[Tensor, "p 2"], means2d: Float[Tensor, "n 2"], conics: Float[Tensor, "n 3"], opacities: Float[Tensor, " n"]
) -> Float[Tensor, "p n"]:
    """E9 before clamp and cutoff."""
    dx, dy = (pixels[:, None, :] - means2d).unbind(-1)
    xx, xy, yy = conics.unbind(-1)
    return opacities * torch.exp(-0.5 * (xx * dx * dx + yy * dy * dy) - xy * dx * dy)


def _composite(
    pixels: Float[Tensor, "p 2"],
    means2d: Float[Tensor, "n 2"],
    conics: Float[Tensor, "n 3"],
    opacities: Float[Tensor, " n"],
    depths: Float[Tensor, " n"],
    rgb: Float[Tensor, "n 3"],
) -> Float[Tensor, "p 5"]:
    """E10 without the background: colour, sum of weighted depths, transmittance."""
    alphas = _alphas(pixels, means2d, conics, opacities).clamp_max(ALPHA_MAX)
    alphas = torch.where(alphas >= ALPHA_CUTOFF, alphas, 0)
    # a pixel stops before the Gaussian that would take its transmittance to the stop; the product can only fall
    alphas = torch.where(torch.cumprod(1 - alphas, -1) > TRANSMITTANCE_STOP, alphas, 0)
    through = torch.cumprod(torch.cat([alphas.new_ones(len(pixels), 1), 1 - alphas], -1), -1)
    weights = alphas * through[:, :-1]
    return torch.cat([weights @ rgb, weights @ depths[:, None], through[:, -1:]], -1)


def _is_stable(
    pixels: Float[Tensor, "p 2"],
    means2d: Float[Tensor, "n 2"],
    conics: Float[Tensor, "n 3"],
    opacities: Float[Tensor, " n"],
    depths: Float[Tensor, " n"],
    rgb: Float[Tensor, "n 3"],
) -> Bool[Tensor, " p"]:
    alphas = _alphas(pixels, means2d, conics, opacities)
    doubtful = (alphas / ALPHA_CUTOFF - 1).abs() < 1e-4
    doubtful |= (alphas / ALPHA_MAX - 1).abs() < 1e-4
    alphas = torch.where(alphas >= ALPHA_CUTOFF, alphas.clamp_max(ALPHA_MAX), 0)
    doubtful |= (torch.cumprod(1 - alphas, -1) / TRANSMITTANCE_STOP - 1).abs() < 1e-3
    gap = depths[1:] - depths[:-1]
    swappable = (gap > 0) & (gap < 4e-7 * depths[1:])  # equal depths are ordered by index everywhere
    doubtful[:, 1:] |= swappable & (alphas[:, 1:] > 0) & (alphas[:, :-1] > 0)
    return ~doubtful.any(-1)
