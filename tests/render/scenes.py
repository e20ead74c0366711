"""Small scenes for the renderer's tests, and the list of its backends."""

from __future__ import annotations

import importlib.util
import math
from dataclasses import replace

import pytest
import torch

from dd3g.core import Cameras, Gaussians, orbit

FIELDS = ("means", "quats_wxyz", "scales", "opacities", "rgb")

_GPU = torch.cuda.is_available()
_NO_GSPLAT = not _GPU or importlib.util.find_spec("gsplat") is None
BACKENDS = [
    "cpu",
    "reference",
    pytest.param("gpu", marks=pytest.mark.skipif(not _GPU, reason="needs CUDA; test_gpu.py runs its kernels interpreted")),
    pytest.param("gsplat", marks=pytest.mark.skipif(_NO_GSPLAT, reason="gsplat needs CUDA and the extra 'gpu'")),
]
BIT_EXACT = ["cpu", "reference"]  # gsplat sums with atomics


def device_of(backend: str) -> str:
    """Where a backend's tensors live."""
    return "cuda" if backend == "gsplat" or (backend == "gpu" and _GPU) else "cpu"


def shell(n: int, *, spread: float = 1.0, seed: int = 0, scenes: int = 2) -> Gaussians:
    """A surface of mostly opaque splats as wide as ``spread`` times their spacing."""
    g = torch.Generator().manual_seed(seed)
    outward = torch.nn.functional.normalize(torch.randn(scenes, n, 3, generator=g), dim=-1)
    means = 0.5 * outward + 0.01 * torch.randn(scenes, n, 3, generator=g)
    scales = math.sqrt(math.pi / n) * spread * torch.exp(0.4 * torch.randn(scenes, n, 3, generator=g)) * torch.tensor([1, 1, 0.3])
    opacities = torch.sigmoid(1.5 * torch.randn(scenes, n, generator=g) + 0.5)
    return Gaussians(means, torch.randn(scenes, n, 4, generator=g), scales, opacities, torch.rand(scenes, n, 3, generator=g))


def fog(n: int, *, seed: int = 0, scenes: int = 2) -> Gaussians:
    """A ball of translucent splats."""
    g = torch.Generator().manual_seed(seed)
    outward = torch.nn.functional.normalize(torch.randn(scenes, n, 3, generator=g), dim=-1)
    means = 0.6 * outward * torch.rand(scenes, n, 1, generator=g) ** (1 / 3)
    scales = 0.12 * torch.exp(0.4 * torch.randn(scenes, n, 3, generator=g))
    opacities = torch.sigmoid(torch.randn(scenes, n, generator=g) - 2)
    return Gaussians(means, torch.randn(scenes, n, 4, generator=g), scales, opacities, torch.rand(scenes, n, 3, generator=g))


def two_views(height: int = 35, width: int = 43, **orbit_options: float) -> Cameras:
    """Two cameras with a principal point off the centre; sizes that are no multiple of a tile or a vector."""
    cameras = orbit([17.0, 140.0], [25.0, -10.0], size=(height, width), **orbit_options)
    intrinsics = cameras.intrinsics.clone()
    intrinsics[:, 0, 2] += 3.25
    intrinsics[:, 1, 2] -= 1.75
    return replace(cameras, intrinsics=intrinsics)


def one_gaussian(
    *,
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0),
    quat: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0),
    scale: float | tuple[float, float, float] = 0.05,
    opacity: float = 0.8,
    rgb: tuple[float, float, float] = (0.9, 0.2, 0.4),
) -> Gaussians:
    """A scene of one."""
    scales = (scale,) * 3 if isinstance(scale, float) else scale
    return Gaussians(torch.tensor([mean]), torch.tensor([quat]), torch.tensor([scales]), torch.tensor([opacity]), torch.tensor([rgb]))


def joined(*parts: Gaussians) -> Gaussians:
    """Scenes without a batch axis, one after the other in one list."""
    return Gaussians(*(torch.cat([getattr(part, name) for part in parts]) for name in FIELDS))


def leaves(gaussians: Gaussians, dtype: torch.dtype = torch.float32, device: str = "cpu") -> Gaussians:
    """A copy whose fields collect gradients."""
    return gaussians.map(lambda t: t.detach().to(device, dtype, copy=True).requires_grad_())


def gradients(gaussians: Gaussians) -> dict[str, torch.Tensor]:
    """What the fields of ``leaves`` have collected."""
    found = {}
    for name in FIELDS:
        gradient = getattr(gaussians, name).grad
        assert gradient is not None, name
        found[name] = gradient
    return found
