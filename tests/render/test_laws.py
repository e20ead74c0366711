"""What any renderer of this kind must obey: order, batches, threads, shifts, scale, saturation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from dd3g.core import Cameras, Gaussians, orbit
from dd3g.render import Render, rasterize
from dd3g.render.constants import TRANSMITTANCE_STOP
from tests.render.scenes import BIT_EXACT, FIELDS, fog, gradients, joined, leaves, one_gaussian, shell, two_views

BACKGROUND = torch.tensor([0.2, 0.7, 0.4])


def pictures_and_gradients(gaussians: Gaussians, cameras: Cameras, backend: str) -> list[Tensor]:
    """Everything a training step would see, weights fixed by pixel."""
    own = leaves(gaussians)
    render = rasterize(own, cameras, BACKGROUND, backend=backend)
    layers = torch.cat([render.rgb, render.alpha, render.depth], -3)
    weights = torch.randn(layers.shape[-4:], generator=torch.Generator().manual_seed(0))  # the same for every scene
    (layers * weights).sum().backward()
    return [layers.detach(), *gradients(own).values()]


def same_bits(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("scene", [shell, fog])
def test_any_number_of_threads_gives_the_same_bits(scene: Callable[..., Gaussians]) -> None:
    gaussians, cameras = scene(700), two_views(height=70, width=50)
    results = []
    for threads in (1, 2, 3, 2):
        torch.set_num_threads(threads)
        results.append(pictures_and_gradients(gaussians, cameras, "cpu"))
    assert all(same_bits(results[0], other) for other in results[1:])


def test_a_scene_alone_gives_the_same_bits_as_in_a_batch() -> None:
    gaussians, cameras = shell(300, scenes=3), two_views()
    batch = pictures_and_gradients(gaussians, cameras, "cpu")
    for scene in range(3):
        alone = pictures_and_gradients(gaussians.map(lambda t, s=scene: t[s]), cameras, "cpu")
        assert same_bits(alone, [t[scene] for t in batch])


@pytest.mark.parametrize("backend", BIT_EXACT)
def test_a_view_alone_gives_the_same_picture_as_among_others(backend: str) -> None:
    gaussians, cameras = shell(300, scenes=1).map(lambda t: t[0]), two_views()
    both = rasterize(gaussians, cameras, BACKGROUND, backend=backend)
    for view in range(2):
        alone = rasterize(gaussians, cameras.pick(slice(view, view + 1)), BACKGROUND, backend=backend)
        assert torch.equal(alone.rgb[0], both.rgb[view])


def test_permuted_gaussians_give_the_same_bits_and_permuted_gradients() -> None:
    gaussians, cameras = shell(500, scenes=1).map(lambda t: t[0]), two_views()
    p = torch.randperm(500, generator=torch.Generator().manual_seed(1))
    # equal depths are drawn by index, and would change places
    z = torch.einsum("vj,nj->vn", cameras.camera_from_world[:, 2, :3], gaussians.means) + cameras.camera_from_world[:, 2, 3:]
    assert all(len(view.unique()) == 500 for view in z)
    plain = pictures_and_gradients(gaussians, cameras, "cpu")
    permuted = pictures_and_gradients(gaussians.map(lambda t: t[p]), cameras, "cpu")
    assert torch.equal(plain[0], permuted[0])
    assert same_bits([t[p] for t in plain[1:]], permuted[1:])


@pytest.mark.parametrize("backend", BIT_EXACT)
def test_equal_depths_are_drawn_by_index(backend: str) -> None:
    first, second = one_gaussian(opacity=0.7, rgb=(1.0, 0.0, 0.0)), one_gaussian(opacity=0.7, rgb=(0.0, 0.0, 1.0))
    for pair, front in ((joined(first, second), 0), (joined(second, first), 2)):
        pixel = rasterize(pair, orbit([0.0], size=65), torch.zeros(3), backend=backend).rgb[0, :, 32, 32]
        assert float(pixel[front]) == pytest.approx(0.7, abs=1e-5)
        assert float(pixel[2 - front]) == pytest.approx(0.21, abs=1e-5)


def shifted(cameras: Cameras, x: int, y: int) -> Cameras:
    intrinsics = cameras.intrinsics.clone()
    intrinsics[:, 0, 2] += x
    intrinsics[:, 1, 2] += y
    return replace(cameras, intrinsics=intrinsics)


@pytest.mark.parametrize("backend", BIT_EXACT)
@pytest.mark.parametrize(("right", "down"), [(5, 3), (32, 0), (-7, 40)])
def test_moving_the_principal_point_moves_the_picture(backend: str, right: int, down: int) -> None:
    # a small ball: the Jacobian of splats far out is clamped where the frame ends, and the frame does not move along
    gaussians = fog(200, scenes=1).map(lambda t: t[0]).transformed(torch.tensor(0.3), torch.zeros(3))
    cameras = orbit([30.0], 10.0, size=96)
    plain = rasterize(gaussians, cameras, BACKGROUND, backend=backend).rgb
    moved = rasterize(gaussians, shifted(cameras, right, down), BACKGROUND, backend=backend).rgb
    back = moved.roll((-down, -right), (-2, -1))
    inside = (slice(max(-down, 0), 96 - max(down, 0)), slice(max(-right, 0), 96 - max(right, 0)))
    difference = (back - plain)[(..., *inside)].abs()
    assert (difference > 1e-4).float().mean() < 0.01  # alphas at the cutoff, which rounding may push over
    assert difference.max() < 5e-3
    assert (plain - BACKGROUND[:, None, None])[(..., *inside)].abs().max() > 0.1


@pytest.mark.parametrize("backend", BIT_EXACT)
def test_scaling_scene_and_cameras_by_two_changes_depth_alone(backend: str) -> None:
    gaussians, cameras = shell(300), two_views()
    pose = cameras.camera_from_world.clone()
    pose[:, :3, 3] *= 2
    doubled = gaussians.transformed(torch.full((2,), 2.0), torch.zeros(2, 3))
    plain = rasterize(gaussians, cameras, BACKGROUND, backend=backend)
    twice = rasterize(doubled, replace(cameras, camera_from_world=pose), BACKGROUND, backend=backend)
    assert torch.equal(plain.rgb, twice.rgb)  # a factor of two is exact in floats
    assert torch.equal(2 * plain.depth, twice.depth)


def test_a_million_gaussians_obey_the_laws_of_mixing() -> None:
    """Too many for the oracle. T of all is T of one half times T of the other; one colour for all comes out as that colour times alpha,
    and what the colours' gradients add up to is the alpha that they are weighted by."""
    g = torch.Generator().manual_seed(5)
    n = 1_000_000
    colour = torch.tensor([0.9, 0.2, 0.5])
    means = 0.5 * torch.nn.functional.normalize(torch.randn(n, 3, generator=g), dim=-1) * torch.rand(n, 1, generator=g) ** (1 / 3)
    scales, opacities = torch.full((n, 3), 1e-3) * torch.rand(n, 3, generator=g), 0.01 * torch.rand(n, generator=g)
    haze = Gaussians(means, torch.randn(n, 4, generator=g), scales, opacities, colour.expand(n, 3).contiguous())
    own, cameras = leaves(haze), orbit([40.0], 20.0, size=64)
    render = rasterize(own, cameras, torch.zeros(3), backend="cpu")
    halves = [
        rasterize(haze.map(lambda t, s=s: t[s]), cameras, torch.zeros(3), backend="cpu").alpha
        for s in (slice(0, None, 2), slice(1, None, 2))
    ]
    through = (1 - halves[0]) * (1 - halves[1])
    assert through.min() > 10 * TRANSMITTANCE_STOP  # no pixel stops
    assert through.min() < 0.5
    assert torch.allclose(1 - render.alpha.detach(), through, rtol=1e-4)  # a thousand factors, each rounded to 6e-8
    assert torch.allclose(render.rgb.detach(), colour[:, None, None] * render.alpha.detach(), rtol=1e-4, atol=1e-6)
    render.rgb.sum().backward()
    weighed = gradients(own)["rgb"].double().sum(0)
    assert torch.allclose(weighed, render.alpha.detach().double().sum().expand(3), rtol=1e-4)


@pytest.mark.parametrize("backend", BIT_EXACT)
def test_a_pixel_stops_before_the_layer_that_would_close_it(backend: str) -> None:
    """Layers of alpha 0.92 leave T = 0.08, 0.0064, 0.000512; the fourth would leave 0.00004 and is not drawn."""
    layers = joined(*(one_gaussian(mean=(0, 0, -0.01 * k), opacity=0.92, scale=5.0, rgb=(k / 20, 0.0, 1.0)) for k in range(20)))
    layers = leaves(layers)
    render = rasterize(layers, orbit([0.0], size=65), torch.zeros(3), backend=backend)
    middle, transmittance = render.rgb[0, :, 32, 32].detach(), 1 - render.alpha.detach()
    assert float(middle[0]) == pytest.approx(sum(0.92 * 0.08**k * k / 20 for k in range(3)), abs=1e-6)
    assert float(transmittance[0, 0, 32, 32]) == pytest.approx(0.000512, rel=1e-3)
    assert (transmittance >= TRANSMITTANCE_STOP).all()
    render.rgb[0, :, 32, 32].sum().backward()
    found = gradients(layers)
    assert (found["rgb"][:3] > 0).all()
    assert not found["rgb"][3:].any()
    assert not found["opacities"][3:].any()


@pytest.mark.parametrize("backend", BIT_EXACT)
def test_twenty_saturated_layers_are_those_of_the_oracle(backend: str) -> None:
    layers = joined(*(one_gaussian(mean=(0.002 * k, 0, -0.01 * k), opacity=1.0, scale=0.1, rgb=(k / 20, 0.5, 1.0)) for k in range(20)))
    found = pictures_and_gradients(layers, orbit([0.0], size=65), backend)
    truth = leaves(layers, torch.float64)
    expected = rasterize(truth, orbit([0.0], size=65), BACKGROUND.double(), backend="reference")
    difference = (found[0][:, :3] - expected.rgb).abs()
    assert (difference > 1e-4).float().mean() < 0.01  # pixels at a cutoff
    assert all(t.isfinite().all() for t in found)


@pytest.mark.parametrize("backend", BIT_EXACT)
def test_flat_and_point_like_splats_have_finite_gradients(backend: str) -> None:
    flat, point = one_gaussian(scale=(0.1, 0.1, 0.0)), one_gaussian(mean=(0.2, 0.1, 0.0), scale=0.0)
    for antialiased in (False, True):
        own = leaves(joined(flat, point))
        render = rasterize(own, two_views(), BACKGROUND, backend=backend, antialiased=antialiased)
        (render.rgb.sum() + render.depth.sum()).backward()
        assert all(gradient.isfinite().all() for gradient in gradients(own).values())


def test_a_footprint_beyond_float32_is_culled() -> None:
    monster = one_gaussian(mean=(0, 0, 1.45), scale=1e12)
    own = leaves(joined(monster, one_gaussian()))
    render = rasterize(own, two_views(), BACKGROUND, backend="cpu")
    alone = rasterize(one_gaussian(), two_views(), BACKGROUND, backend="cpu")
    assert torch.equal(render.rgb, alone.rgb)
    render.rgb.sum().backward()
    assert all(gradient.isfinite().all() for gradient in gradients(own).values())


def test_records_are_frozen() -> None:
    render = rasterize(one_gaussian(), two_views(), BACKGROUND)
    assert isinstance(render, Render)
    with pytest.raises(AttributeError):
        render.rgb = render.alpha  # pyright: ignore[reportAttributeAccessIssue]


def test_all_scenes_share_cameras_and_a_background_has_a_colour_a_view() -> None:
    gaussians, cameras = shell(100), two_views()
    colours = torch.rand(2, 2, 3, generator=torch.Generator().manual_seed(3))
    shared = rasterize(gaussians, cameras, colours)
    for scene in range(2):
        for view in range(2):
            alone = rasterize(gaussians.map(lambda t, s=scene: t[s]), cameras.pick(slice(view, view + 1)), colours[scene, view])
            assert torch.equal(shared.rgb[scene, view], alone.rgb[0])
    both = replace(
        cameras,
        camera_from_world=torch.stack([cameras.camera_from_world, cameras.camera_from_world.flip(0)]),
        intrinsics=torch.stack([cameras.intrinsics, cameras.intrinsics.flip(0)]),
    )
    own = rasterize(gaussians, both, torch.zeros(3))
    assert torch.equal(own.rgb[1].flip(0), rasterize(gaussians, cameras, torch.zeros(3)).rgb[1])


def test_one_scene_without_a_batch_axis_has_gradients_of_its_own_shape() -> None:
    own = leaves(shell(50, scenes=1).map(lambda t: t[0]))
    rasterize(own, two_views(), BACKGROUND).rgb.sum().backward()
    assert [tuple(g.shape) for g in gradients(own).values()] == [tuple(getattr(own, name).shape) for name in FIELDS]
