"""The paper's failure signatures as numbers, one object at a time: each is 0 (saturation: 1) for the truth and grows with its fault.

    white Gaussians around the object     alpha_outside, white_gaussians   <- a background that never changes
    low saturation                        saturation < 1                   <- no implicit verification
    views that disagree                   contradicted, janus              <- no implicit verification
    oversaturation                        saturation > 1, oversaturation   <- guidance of the verifier

None is a loss and none needs a network: they are for scores and logs. Pictures are sRGB in [0, 1]; "light" is premultiplied, what a
render over black shows.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from dd3g.core import Cameras, Gaussians
from dd3g.core.views import premultiplied
from dd3g.render import Render

SIGNATURES = ("alpha_outside", "white_gaussians", "saturation", "oversaturation", "contradicted", "janus")
_MARGIN = 1 / 64  # of a picture's side: a silhouette may be off by so much, as pixels and splats soften it
_WHITE = 0.9  # the least channel of a colour that passes for paper
_QUANTILES = 101
_LITTLE = 1e-6
_SOLID = 0.9  # alpha of what hides what is behind it
_APART = 0.04  # object units (an object is 1 across) between two surfaces that are not one
_WORKING_PX = 96  # larger pictures are reduced, to this or a little more


def signatures(
    render: Render,
    truth: Float[Tensor, "v 4 h w"],
    cameras: Cameras,
    *,
    gaussians: Gaussians | None = None,
    front: int | None = 0,
) -> dict[str, float | None]:
    """All of them for one object.

    Args:
        render: The object over black, from every camera. One without depth cannot be: pictures alone have no ``contradicted``.
        truth: Straight RGBA from the same cameras.
        cameras: Of both.
        gaussians: What was rendered, for ``white_gaussians``; None: that is None.
        front: The input's view; None where none of the views is it, and ``janus`` is None.

    Returns:
        A figure for every name in :data:`SIGNATURES`.
    """
    found: dict[str, float | None] = dict.fromkeys(SIGNATURES)
    found["contradicted"] = contradicted(render.alpha, render.depth, cameras)
    ours, theirs = _reduced(torch.cat([render.rgb, render.alpha], 1)), _reduced(premultiplied(truth))
    found["alpha_outside"] = alpha_outside(ours[:, 3:], theirs[:, 3:])
    if gaussians is not None:
        found["white_gaussians"] = white_gaussians(gaussians, cameras.resized(*theirs.shape[-2:]), theirs[:, 3:])
    chroma, wanted = (chroma_quantiles(light[:, :3], light[:, 3:]) for light in (ours, theirs))
    found["saturation"] = (chroma.mean() / wanted.mean()).item() if wanted.mean() > _LITTLE else None
    found["oversaturation"] = oversaturation(chroma, wanted)
    if front is not None:
        behind = behind_of(cameras, front)
        if behind.any():
            shown, true = (light[:, :3] + 1 - light[:, 3:] for light in (ours, theirs))  # over white
            found["janus"] = janus(shown[behind], true[behind], true[front])
    return found


def alpha_outside(alpha: Float[Tensor, "v 1 h w"], matte: Float[Tensor, "v 1 h w"]) -> float:
    """Share of all alpha that lies outside the object's silhouette, in [0, 1]; what surrounds an object and white paper hides.

    The silhouette is widened by a 64th of the picture, so that soft outlines count for nothing.
    """
    return ((alpha - _widened(matte)).clamp_min(0).sum() / alpha.sum().clamp_min(_LITTLE)).item()


def white_gaussians(gaussians: Gaussians, cameras: Cameras, matte: Float[Tensor, "v 1 h w"]) -> float:
    """Share of the Gaussians' weight that is near white and stands outside the object: where at least one view sees no object.

    A Gaussian weighs its opacity times its two longer axes, which is what it covers at most. Weight hidden by others counts too: it is
    there for whoever looks from elsewhere.
    """
    weight = gaussians.opacities * gaussians.scales.topk(2, -1).values.prod(-1)
    pixels, depth = _projected(gaussians.means, cameras)
    inside_frame, seen = _sampled(_widened(matte), pixels)
    outside = (inside_frame & (depth > 0) & (seen < 0.5)).any(0)
    white = gaussians.rgb.amin(-1) >= _WHITE
    return (weight[outside & white].sum() / weight.sum().clamp_min(_LITTLE)).item()


def chroma_quantiles(light: Float[Tensor, "v 3 h w"], alpha: Float[Tensor, "v 1 h w"]) -> Float[Tensor, " q"]:
    """Quantiles 0 to 1 of chroma (largest minus smallest channel of the straight colour), every pixel weighted by its alpha."""
    chroma = (light.amax(1) - light.amin(1)).flatten() / alpha.flatten().clamp_min(_LITTLE)
    order = chroma.argsort()
    rising = alpha.flatten()[order].double().cumsum(0)
    wanted = torch.linspace(0, 1, _QUANTILES, dtype=torch.float64, device=rising.device) * rising[-1]
    return chroma[order][torch.searchsorted(rising, wanted).clamp_max(len(order) - 1)].clamp(0, 1)


def oversaturation(ours: Float[Tensor, " q"], truth: Float[Tensor, " q"]) -> float:
    """Mean over quantiles of how far our chroma exceeds the truth's, in [0, 1].

    It is the one-sided part of the transport distance between both distributions: colours may be elsewhere, but not brighter. Greyer
    parts do not make up for burnt ones, as they do in a ratio of means.
    """
    return (ours - truth).clamp_min(0).mean().item()


def contradicted(alpha: Float[Tensor, "v 1 h w"], depth: Float[Tensor, "v 1 h w"], cameras: Cameras) -> float:
    """Share of the surface that one view sees and another view looks through, in [0, 1]. No truth is needed.

    Every solid pixel is a point in the world, at its expected depth. A view in which that point lies in front of the nearest thing
    around it, or where nothing is, says that there is no such point. On an opaque object no view says so of another's points: they
    are seen, or hidden. Where a view has a layer of its own, which others see through or do not see, they do.

    Pixels at steps of depth are left out: their expected depth lies between two surfaces and is no place.
    """
    stride = max(1, round(cameras.width / _WORKING_PX))
    far = torch.where(alpha > 0.5, depth, torch.full_like(depth, torch.inf))
    nearest = -F.max_pool2d(-far, 3, 1, 1)
    farthest = F.max_pool2d(torch.where(alpha > _SOLID, depth, torch.full_like(depth, torch.inf)), 3, 1, 1)
    smooth = (farthest - nearest < _APART)[:, 0, ::stride, ::stride]
    against, total = 0, 0
    for view in range(len(cameras)):
        points = _unprojected(depth[view, 0], cameras.pick(slice(view, view + 1)), stride)[smooth[view]]
        if not len(points):
            continue
        pixels, away = _projected(points, cameras)
        inside_frame, surface = _sampled(nearest, pixels)
        against += int((inside_frame & (away > 0) & (away < surface - _APART)).any(0).sum())
        total += len(points)
    return against / max(total, 1)


def janus(ours: Float[Tensor, "v 3 h w"], truth: Float[Tensor, "v 3 h w"], front: Float[Tensor, "3 h w"]) -> float:
    """How much nearer views from behind are to the front (or its mirror image) than to what is truly there: 0 no nearer, 1 a copy.

    Mean over views of max(0, (e - f) / (e + f)), with e the squared error against the truth and f the least against a front. Objects
    that look the same from both sides have e <= f, and 0.

    Args:
        ours: Renders from behind, over one background.
        truth: The truth from there, over the same.
        front: The truth from the front, over the same.
    """
    error = (ours - truth).square().mean((1, 2, 3))
    fronts = torch.stack([front, front.flip(-1)])
    copy = (ours[:, None] - fronts[None]).square().mean((2, 3, 4)).amin(1)
    return ((error - copy) / (error + copy).clamp_min(_LITTLE)).clamp_min(0).mean().item()


def behind_of(cameras: Cameras, front: int) -> Bool[Tensor, " v"]:
    """Which views look from the other side than view ``front``: 90 deg and more around."""
    towards = F.normalize(cameras.positions(), dim=-1)
    return towards @ towards[front] < 1e-3


def _reduced(light: Float[Tensor, "v c h w"]) -> Float[Tensor, "v c h2 w2"]:
    """Premultiplied pictures, smaller by the largest whole number that leaves the working size and no rest: light adds up."""
    height, width = light.shape[-2:]
    factor = next(k for k in range(max(1, width // _WORKING_PX), 0, -1) if width % k == height % k == 0)
    return F.avg_pool2d(light, factor)


def _widened(matte: Float[Tensor, "v 1 h w"]) -> Float[Tensor, "v 1 h w"]:
    reach = max(1, round(matte.shape[-1] * _MARGIN))
    rows = F.max_pool2d(matte, (2 * reach + 1, 1), 1, (reach, 0))
    return F.max_pool2d(rows, (1, 2 * reach + 1), 1, (0, reach))


def _unprojected(depth: Float[Tensor, "h w"], camera: Cameras, stride: int) -> Float[Tensor, "h2 w2 3"]:
    """World points of every ``stride``-th pixel."""
    rows, columns = (torch.arange(0, n, stride, device=depth.device) + 0.5 for n in depth.shape)
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    z, lens, pose = depth[::stride, ::stride], camera.intrinsics[0], camera.camera_from_world[0]
    seen = torch.stack([(x - lens[0, 2]) / lens[0, 0] * z, (y - lens[1, 2]) / lens[1, 1] * z, z], -1)
    return (seen - pose[:3, 3]) @ pose[:3, :3]  # rows times R: R transposed, the inverse


def _projected(points: Float[Tensor, "p 3"], cameras: Cameras) -> tuple[Float[Tensor, "v p 2"], Float[Tensor, "v p"]]:
    """Pixel places (x, y) and camera z of world points in every view."""
    pose = cameras.camera_from_world
    seen = torch.einsum("vij,pj->vpi", pose[:, :3, :3], points) + pose[:, None, :3, 3]
    depth = seen[..., 2]
    flat = seen @ cameras.intrinsics.transpose(-1, -2)
    return flat[..., :2] / depth[..., None].clamp_min(_LITTLE), depth


def _sampled(maps: Float[Tensor, "v 1 h w"], pixels: Float[Tensor, "v p 2"]) -> tuple[Bool[Tensor, "v p"], Float[Tensor, "v p"]]:
    """Which places lie in the frame, and the map's value at each, of the pixel that holds it."""
    height, width = maps.shape[-2:]
    column, row = pixels.floor().long().unbind(-1)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    place = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
    return inside, maps.flatten(1).gather(1, place)
