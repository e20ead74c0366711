"""The CPU kernels index without bounds checks; here they are compiled with them, and nothing is read or written outside of its array."""

from __future__ import annotations

import math
import os
import subprocess
import sys

import pytest
import torch

from dd3g.core import Cameras, Gaussians, orbit
from dd3g.render import rasterize
from tests.render.scenes import fog, gradients, leaves, shell, two_views


def streaks(n: int) -> Gaussians:
    """Wide diagonal splats whose boxes reach into a tile where none of them has a pixel."""
    g = torch.Generator().manual_seed(0)
    means = torch.rand(1, n, 3, generator=g) * 0.02 + torch.tensor([-0.11, -0.01, -0.01])
    half = math.radians(45) / 2
    quats = torch.tensor([math.cos(half), 0, 0, math.sin(half)]).expand(1, n, 4)
    return Gaussians(
        means, quats, torch.tensor([0.2, 0.04, 0.04]).expand(1, n, 3), torch.full((1, n), 0.02), torch.rand(1, n, 3, generator=g)
    )


CASES: list[tuple[str, Gaussians, Cameras]] = [
    ("more splats than a batch has segments", streaks(3000), orbit([0.0], size=64)),
    ("sizes that are no multiple of anything", shell(300), two_views()),
    ("every row of every tile", shell(1100, spread=30.0), two_views(67, 71)),
    ("translucent", fog(500), two_views(96, 96)),
    ("one splat", shell(1), two_views(1, 1)),
]


def total(gaussians: Gaussians, cameras: Cameras) -> list[torch.Tensor]:
    """A render's pictures and gradients."""
    own = leaves(gaussians)
    render = rasterize(own, cameras, torch.ones(3), antialiased=True, backend="cpu")
    (render.rgb.square().sum() + render.depth.sum() + render.alpha.sum()).backward()
    return [render.rgb.detach(), render.alpha.detach(), *gradients(own).values()]


def test_nothing_is_touched_outside_of_its_array(tmp_path) -> None:
    environment = os.environ | {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path / "kernels")}
    script = f"""
import torch
from tests.render.test_cpu_bounds import CASES, total
torch.save([total(gaussians, cameras) for _, gaussians, cameras in CASES], {str(tmp_path / "out")!r})
"""
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    for (name, gaussians, cameras), checked in zip(CASES, torch.load(tmp_path / "out"), strict=True):
        plain = total(gaussians, cameras)
        assert all(torch.equal(a, b) for a, b in zip(plain, checked, strict=True)), name


@pytest.mark.parametrize("index", [-1, 9])
def test_the_check_finds_what_lies_outside(index, tmp_path) -> None:
    script = f"""
import numpy as np
from numba import njit
from dd3g.render.cpu.kernel_cache import INNER
from dd3g.render.cpu.simd import vload, lane_sum
first = njit(**INNER)(lambda array, i: lane_sum(vload(array, i)))
assert first(np.ones(16, np.float32), 8) == 8
first(np.ones(16, np.float32), {index})
"""
    environment = os.environ | {"NUMBA_BOUNDSCHECK": "1"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert "IndexError: a kernel's vector lies outside of its array" in done.stderr
