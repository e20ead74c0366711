"""What the rasterizers are timed on: operating points, and two kinds of scene."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from dd3g.core.cameras import Cameras, orbit
from dd3g.core.gaussians import Gaussians


@dataclass(frozen=True)
class Point:
    """How many scenes, Gaussians a scene, views a scene, and the side of a picture in pixels."""

    scenes: int
    gaussians: int
    views: int
    size: int


POINTS = {"A": Point(8, 8192, 4, 64), "B": Point(1, 65536, 8, 256), "C": Point(1, 131072, 1, 512)}
GPU_POINT = Point(8, 131072, 4, 256)


def shell(scenes: int, n: int, generator: torch.Generator) -> Gaussians:
    """A bumpy sphere of thin, mostly opaque splats about as wide as their spacing."""
    d = torch.nn.functional.normalize(torch.randn(scenes, n, 3, generator=generator), dim=-1)
    bumps = 1 + 0.2 * torch.sin(5 * d[..., :1]) * torch.cos(4 * d[..., 1:2])
    means = d * 0.5 * bumps + 0.004 * torch.randn(scenes, n, 3, generator=generator)
    widths = torch.exp(0.4 * torch.randn(scenes, n, 3, generator=generator)) * torch.tensor([1, 1, 0.3])
    opacities = torch.sigmoid(1.5 * torch.randn(scenes, n, generator=generator) + 0.5)
    return _coloured(means, math.sqrt(math.pi / n) * 0.6 * widths, opacities, generator)


def fog(scenes: int, n: int, generator: torch.Generator) -> Gaussians:
    """A ball of translucent splats."""
    d = torch.nn.functional.normalize(torch.randn(scenes, n, 3, generator=generator), dim=-1)
    means = d * 0.6 * torch.rand(scenes, n, 1, generator=generator) ** (1 / 3)
    widths = torch.exp(0.4 * torch.randn(scenes, n, 3, generator=generator))
    opacities = torch.sigmoid(torch.randn(scenes, n, generator=generator) - 2)
    return _coloured(means, (4 / 3 * math.pi * 0.6**3 / n) ** (1 / 3) * 0.5 * widths, opacities, generator)


SCENES = {"shell": shell, "fog": fog}


def _coloured(means: Tensor, scales: Tensor, opacities: Tensor, generator: torch.Generator) -> Gaussians:
    quats = torch.nn.functional.normalize(torch.randn(*opacities.shape, 4, generator=generator), dim=-1)
    return Gaussians(means, quats, scales, opacities, torch.rand(*opacities.shape, 3, generator=generator))


@dataclass(frozen=True)
class Work:
    """One step at an operating point: what goes in, and the gradients that come back."""

    gaussians: Gaussians
    cameras: Cameras
    background: Tensor
    incoming: list[Tensor]

    @property
    def leaves(self) -> list[Tensor]:
        """The five fields of the Gaussians, which collect gradients."""
        g = self.gaussians
        return [g.means, g.quats_wxyz, g.scales, g.opacities, g.rgb]


def make_work(point: Point, kind: str, device: str = "cpu") -> Work:
    """The same numbers on every device."""
    generator = torch.Generator().manual_seed(0)
    gaussians = SCENES[kind](point.scenes, point.gaussians, generator).map(lambda t: t.to(device).requires_grad_())
    views = range(point.views)
    cameras = orbit([i * 360 / point.views + 17 for i in views], [20 * math.sin(1.7 * i) for i in views], size=point.size, radius=1.8)
    background = torch.rand(point.scenes, point.views, 3, generator=generator)
    shape = (point.scenes, point.views, 1, point.size, point.size)
    incoming = [torch.randn(shape, generator=generator).expand(-1, -1, channels, -1, -1).contiguous() for channels in (3, 1, 1)]
    return Work(gaussians, cameras.to(device), background.to(device), [t.to(device) for t in incoming])
