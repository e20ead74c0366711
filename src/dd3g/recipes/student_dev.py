"""How a student is scored and shown while it learns: objects that it does not learn from, from the front, on the rig."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from PIL.Image import Image
from torch import Tensor

from dd3g.core import Cameras, Gaussians
from dd3g.core.cameras import RIG_RADIUS
from dd3g.core.sheet import sheet
from dd3g.core.views import composite
from dd3g.distill.colours import saturation
from dd3g.distill.explicit import psnr
from dd3g.distill.signatures import SIGNATURES, signatures
from dd3g.recipes.image_tokens import TokensOf
from dd3g.recipes.views_pack import ViewsPack
from dd3g.render import Render, rasterize
from dd3g.student import PEPD

_ORBIT = range(16)  # of the targets; the input is the first
_SHEET_AZIMUTHS = (0, 2, 4, 6, 8, 12)  # of the sixteen: 0, 45, 90, 135, 180, 270 deg
_CHUNK = 8
_LOOKED_AT = 16  # objects whose failure signatures are taken, evenly from all: enough to see a fault begin
_LOOKED_FROM = slice(0, 16, 2)  # views of the orbit


@dataclass(frozen=True)
class _Chunk:
    """A few objects: what the student made of them, and what is true."""

    rgba: Float[Tensor, "o v 4 h w"]  # truth, straight
    image: Float[Tensor, "o 4 h w"]  # what it was shown
    gaussians: Gaussians
    render: Render  # over white
    cameras: Cameras

    @property
    def truth(self) -> Float[Tensor, "o v 3 h w"]:
        """Over white, as the renders are."""
        return composite(self.rgba[:, :, :3], self.rgba[:, :, 3:], torch.ones(3, device=self.rgba.device))


def dev_scores(student: PEPD, dev: ViewsPack, tokens: TokensOf | None = None) -> dict[str, float]:
    """Mean PSNR over the fifteen azimuths that are not the input's, then over objects; the input's own apart.

    Saturation is a ratio: above 1, renders are more colourful than the truth. The rest are the failure signatures of
    :mod:`dd3g.distill.signatures`, means over a few objects.
    """
    looked_at = set(_evenly(len(dev), _LOOKED_AT))
    ours, truth, found = [], [], []
    for start, chunk in zip(range(0, len(dev), _CHUNK), _chunks(student, dev, range(len(dev)), _ORBIT, tokens), strict=True):
        ours.append(chunk.render.rgb.cpu())
        truth.append(chunk.truth.cpu())
        found += [_signatures(chunk, k) for k in range(len(chunk.rgba)) if start + k in looked_at]
    each, ours, truth = psnr(torch.cat(ours), torch.cat(truth)), torch.cat(ours), torch.cat(truth)
    return {
        "dev_psnr": each[:, 1:].mean(1).mean().item(),
        "dev_psnr_input": each[:, 0].mean().item(),
        "dev_saturation": (saturation(ours).mean() / saturation(truth).mean().clamp_min(1e-6)).item(),
        **{f"dev_{name}": float(np.mean([one[name] for one in found])) for name in SIGNATURES if name != "saturation"},
    }


def dev_sheet(student: PEPD, dev: ViewsPack, tokens: TokensOf | None = None, objects: int = 10) -> Image:
    """Input, ours and truth round a few objects."""
    white, rows = torch.ones(3), []
    for chunk in _chunks(student, dev, _evenly(len(dev), objects), _SHEET_AZIMUTHS, tokens):
        image, ours, truth = chunk.image.cpu(), chunk.render.rgb.cpu(), chunk.truth.cpu()
        rows += [[composite(image[k, :3], image[k, 3:], white), *ours[k], *truth[k]] for k in range(len(image))]
    degrees = [f"{a * 22.5:g}" for a in _SHEET_AZIMUTHS]
    return sheet(rows, column_titles=["input", *(f"ours {d}" for d in degrees), *(f"true {d}" for d in degrees)])


@torch.no_grad()
def _chunks(student: PEPD, dev: ViewsPack, objects: Sequence[int], views: Sequence[int], tokens: TokensOf | None) -> Iterator[_Chunk]:
    """Objects, a few at a time: inputs at azimuth 0 on the rig with known elevation, one noise for all."""
    device = next(student.parameters()).device
    for start in range(0, len(objects), _CHUNK):
        chosen = list(objects[start : start + _CHUNK])
        rgba = torch.from_numpy(np.array(dev.targets.rgba[chosen])).float().to(device) / 255
        image, count = rgba[:, 0], len(chosen)
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(1, *student.config.noise_shape, generator=generator).expand(count, -1, -1, -1, -1).to(device)
        gaussians = student(
            noise,
            student.config.rig.to(device),
            image,
            torch.zeros(count, device=device),
            torch.full((count,), RIG_RADIUS, device=device),
            image_tokens=None if tokens is None else tokens(image),
        )
        cameras = _cameras_of(dev, chosen[0], views).to(device)
        render = rasterize(gaussians, cameras, torch.ones(3, device=device))
        yield _Chunk(rgba[:, list(views)], image, gaussians, render, cameras)


def _signatures(chunk: _Chunk, k: int) -> dict[str, float | None]:
    """Of one object of a chunk, over black."""
    some, gaussians = _LOOKED_FROM, chunk.gaussians.map(lambda field: field[k])
    alpha = chunk.render.alpha[k, some]
    render = Render(chunk.render.rgb[k, some] - (1 - alpha), alpha, chunk.render.depth[k, some])
    return signatures(render, chunk.rgba[k, some], chunk.cameras.pick(some), gaussians=gaussians)


def _evenly(count: int, wanted: int) -> list[int]:
    """At most ``wanted`` of ``count`` numbers, both ends among them."""
    shown = min(wanted, count)
    return [round(k * (count - 1) / max(shown - 1, 1)) for k in range(shown)]


def _cameras_of(pack: ViewsPack, i: int, views: Sequence[int]) -> Cameras:
    group = pack.targets
    return Cameras(
        torch.from_numpy(group.camera_from_world[i, list(views)]),
        torch.from_numpy(group.intrinsics[i, list(views)]),
        *group.rgba.shape[-2:],
    )
