"""The GPU backend's kernels under Triton's interpreter: the oracle's values and gradients, on scenes small enough to interpret.

On a machine with a GPU test_agreement.py runs the compiled kernels on the large scenes, and this file the same small ones.
"""

from __future__ import annotations

import dataclasses
import warnings

import pytest
import torch

from dd3g.core import Gaussians
from dd3g.core.errors import InputError
from dd3g.render import rasterize
from dd3g.render.reference import stable_pixels
from tests.render.scenes import FIELDS, device_of, fog, gradients, leaves, shell, two_views
from tests.render.test_agreement import Case, draw, needles

pytest.importorskip("triton")

SMALL = {
    "shell": Case(lambda: shell(24, seed=1, scenes=2), two_views(height=11, width=18)),
    "antialiased": Case(lambda: needles(24), two_views(height=9, width=12), antialiased=True),
    "stops": Case(lambda: opaque(60), two_views(height=9, width=8)),
    "some behind the camera": Case(lambda: shell(24, seed=6, scenes=1), two_views(height=9, width=12, radius=0.3)),
    "fog out of the frame": Case(lambda: fog(30, seed=7, scenes=1), two_views(height=3, width=1, fov_y_deg=20.0)),
}


def opaque(n: int) -> Gaussians:
    """So many opaque splats that pixels stop before the last."""
    gaussians = fog(n, seed=3, scenes=1)
    return dataclasses.replace(gaussians, opacities=torch.full_like(gaussians.opacities, 0.97))


@pytest.mark.parametrize("name", SMALL)
def test_values_and_gradients_are_those_of_the_oracle(name: str) -> None:
    case = SMALL[name]
    exact = case.make().map(lambda t: t.double())
    stable = stable_pixels(exact, case.cameras, antialiased=case.antialiased)
    with torch.no_grad():
        seen = rasterize(exact, case.cameras, torch.zeros(3), antialiased=case.antialiased, backend="reference").alpha > 0.02
    assert (stable & seen).any()
    expected = draw(case, "reference", torch.float64, stable, seen)
    found = draw(case, "gpu", torch.float32, stable, seen)
    for field, mask in (("rgb", stable), ("alpha", stable), ("depth", stable & seen)):
        difference = torch.where(mask, getattr(found.render, field) - getattr(expected.render, field), 0).abs().max()
        assert difference < 1e-4, field
    for field, gradient in expected.gradients.items():
        assert (found.gradients[field] - gradient).norm() <= 1e-3 * gradient.norm(), field


def test_nothing_drawn_is_the_background_with_gradients() -> None:
    gaussians = leaves(shell(1, scenes=1).map(lambda t: t[:, :0]), torch.float32, device_of("gpu"))
    background = torch.rand(3, device=device_of("gpu"), requires_grad=True)
    render = rasterize(gaussians, two_views(4, 5).to(device_of("gpu")), background, backend="gpu")
    assert torch.equal(render.rgb, background[:, None, None].expand_as(render.rgb))
    assert render.alpha.abs().max() == 0
    render.rgb.sum().backward()
    assert background.grad is not None
    assert torch.allclose(background.grad, torch.full_like(background, 40.0))


def test_a_scene_has_the_same_bits_alone_and_in_a_batch() -> None:
    both = leaves(shell(12, seed=2, scenes=2), torch.float32, device_of("gpu"))
    alone = leaves(shell(12, seed=2, scenes=2).map(lambda t: t[1:]), torch.float32, device_of("gpu"))
    cameras = two_views(9, 9).to(device_of("gpu"))
    pictures = [rasterize(g, cameras, torch.zeros(3, device=device_of("gpu")), backend="gpu").rgb[-1] for g in (both, alone)]
    assert torch.equal(*pictures)
    for picture in pictures:
        picture.square().sum().backward()
    for field, gradient in gradients(alone).items():
        assert torch.equal(gradients(both)[field][1], gradient[0]), field


@pytest.mark.filterwarnings("ignore:(overflow|invalid|divide by zero):RuntimeWarning")  # NumPy, which interprets, minds them
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_refused_after_it_was_drawn_without_harm(value: float) -> None:
    device = device_of("gpu")
    for field in FIELDS:
        spoilt = shell(4).map(lambda t: t.clone())
        getattr(spoilt, field)[1, 2] = value
        with pytest.raises(InputError, match=rf"gaussians\.{field}\[1, 2.*\]: found -?(nan|inf)"):
            rasterize(spoilt.to(device), two_views(3, 4).to(device), torch.zeros(3, device=device), backend="gpu")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="a CPU waits for nobody")
def test_a_call_waits_for_the_gpu_once() -> None:
    gaussians, cameras, background = shell(50).to("cuda"), two_views().to("cuda"), torch.zeros(3, device="cuda")
    rasterize(gaussians, cameras, background, backend="gpu")  # compiles
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as waits:
            warnings.simplefilter("always")
            rasterize(gaussians, cameras, background, backend="gpu")
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len([w for w in waits if "synchroniz" in str(w.message)]) <= 1
