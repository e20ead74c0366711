"""Cutting out with any network: the second look at small objects, and what it may not do."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from dd3g.photos import cutout
from dd3g.photos.cutout import cut_out


def shrunk(x: Tensor) -> Tensor:
    return functional.interpolate(x[None], (64, 64), mode="bilinear", antialias=True)[0]


def square(size: int, left: int, top: int, side: int) -> Tensor:
    rgb = torch.zeros(3, size, size)
    rgb[:, top : top + side, left : left + side] = 1
    return rgb


@pytest.fixture
def looks(monkeypatch) -> list[tuple[int, int]]:
    """A network that finds what is bright, at 64 pixels; and the sizes of what it was shown."""
    sizes = []

    def bright(rgb: Tensor) -> Tensor:
        sizes.append(tuple(rgb.shape[-2:]))
        return shrunk(rgb)[:1]

    monkeypatch.setitem(cutout._NETWORKS, "small", bright)
    return sizes


def test_a_large_object_is_looked_at_once(looks):
    alpha, _ = cut_out(square(256, 40, 60, 160), "small")
    assert looks == [(256, 256)]
    torch.testing.assert_close(alpha.mean(), torch.tensor((160 / 256) ** 2), rtol=0.05, atol=0)


def test_a_small_object_is_looked_at_from_nearby_and_gets_a_finer_edge(looks):
    rgb = square(512, 101, 205, 60)
    alpha, _ = cut_out(rgb, "small")
    assert len(looks) == 2
    assert max(looks[1]) < 130
    coarse = functional.interpolate(shrunk(rgb)[None, :1], (512, 512), mode="bilinear")[0]
    assert (alpha - rgb[:1]).abs().sum() < 0.5 * (coarse - rgb[:1]).abs().sum()


def test_a_second_look_that_sees_something_else_is_not_believed(monkeypatch):
    calls = []

    def fickle(rgb: Tensor) -> Tensor:
        calls.append(1)
        return shrunk(rgb)[:1] if len(calls) == 1 else 1 - shrunk(rgb)[:1]

    monkeypatch.setitem(cutout._NETWORKS, "small", fickle)
    alpha, _ = cut_out(square(512, 200, 200, 80), "small")
    assert len(calls) == 2
    assert alpha[0, 240, 240] == 1
    assert alpha[0, 190, 190] == 0


def test_nothing_found_is_nothing(looks):
    alpha, matte = cut_out(torch.zeros(3, 100, 80), "small")
    assert alpha.shape == (1, 100, 80)
    assert alpha.max() == 0
    assert matte.share == 0
