"""Pictures whose pixels can be computed by hand: checks 14 to 19 and 21 of the method's list."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from dd3g.core import Cameras, Gaussians, orbit
from dd3g.render import Render, rasterize
from dd3g.render.constants import ALPHA_CUTOFF, ALPHA_MAX, BLUR_PX2
from dd3g.render.reference import _rotations
from tests.render.scenes import BACKENDS, device_of, joined, leaves, one_gaussian, shell, two_views

ODD = orbit([0.0], size=65)  # the middle pixel's centre is where the origin lands
FOCAL_PX = 65 / 2 / math.tan(math.radians(49.1) / 2)
RED, BLUE, BLACK = (0.9, 0.2, 0.1), (0.1, 0.3, 0.8), torch.zeros(3)

pytestmark = pytest.mark.parametrize("backend", BACKENDS)


def draw(gaussians: Gaussians, cameras: Cameras, background: Tensor, backend: str, antialiased: bool = False) -> Render:
    device = device_of(backend)
    render = rasterize(gaussians.to(device), cameras.to(device), background.to(device), backend=backend, antialiased=antialiased)
    return Render(render.rgb.cpu(), render.alpha.cpu(), render.depth.cpu())


def sigma_px(scale: float) -> float:
    """Standard deviation on the picture of an isotropic Gaussian at the origin."""
    return math.sqrt((FOCAL_PX * scale / 1.5) ** 2 + BLUR_PX2)


def centroid_x(alpha: Tensor) -> float:
    columns = torch.arange(alpha.shape[-1]) + 0.5
    return float((alpha * columns).sum() / alpha.sum())


def test_a_tenth_of_a_unit_is_18_68_pixels(backend: str) -> None:
    """Check 14: at the origin, across the axis, at 256 px, 49.1 degrees, distance 1.5."""
    left, right = (centroid_x(draw(one_gaussian(mean=(x, 0, 0)), orbit([0.0], size=256), BLACK, backend).alpha) for x in (-0.05, 0.05))
    assert right - left == pytest.approx(18.68, abs=0.01)  # 18.682, and a little of the lens' widening towards the edge


def test_a_quaternion_and_its_negative_draw_the_same_bits(backend: str) -> None:
    """Check 15: R(q) = R(-q)."""
    quat = (0.3, -0.5, 0.7, 0.1)
    one, other = (
        draw(one_gaussian(quat=q, scale=(0.1, 0.03, 0.01)), ODD, BLACK, backend) for q in (quat, (-quat[0], -quat[1], -quat[2], -quat[3]))
    )
    assert torch.equal(one.rgb, other.rgb)


def test_a_quarter_turn_about_z_maps_x_to_y(backend: str) -> None:
    """Check 15: a rod along x, turned, is a rod along y."""
    half = math.sqrt(0.5)
    turned_rod = draw(one_gaussian(quat=(half, 0, 0, half), scale=(0.2, 0.02, 0.02)), ODD, BLACK, backend).alpha
    upright_rod = draw(one_gaussian(scale=(0.02, 0.2, 0.02)), ODD, BLACK, backend).alpha
    assert (turned_rod - upright_rod).abs().max() < 1e-5  # float32 of sqrt(1/2)
    assert upright_rod[0, 0, 14, 32] > 0.1 > upright_rod[0, 0, 32, 14]


def test_the_length_of_a_quaternion_does_not_matter(backend: str) -> None:
    """Check 15: unnormalised input is normalised."""
    quat = torch.tensor([0.3, -0.5, 0.7, 0.1])
    pictures = [
        draw(replace(one_gaussian(scale=(0.1, 0.03, 0.01)), quats_wxyz=quat[None] * length), ODD, BLACK, backend).rgb
        for length in (1.0, 1e-3, 50.0)
    ]
    assert (pictures[0] - pictures[1]).abs().max() < 1e-5  # rounding of the length
    assert (pictures[0] - pictures[2]).abs().max() < 1e-5


def test_the_covariance_has_the_squared_scales_as_eigenvalues(backend: str) -> None:
    """Check 16: Sigma = R S S^T R^T is symmetric with eigenvalues s^2; on the picture, the footprint is Sigma seen along the axis."""
    quat, scales = torch.tensor([[0.3, -0.5, 0.7, 0.1]]), torch.tensor([0.12, 0.08, 0.05])
    axes = _rotations(quat.double())[0] * scales.double()
    sigma = axes @ axes.T
    assert torch.allclose(torch.linalg.eigvalsh(sigma), scales.double().square().sort().values, rtol=1e-5)
    far = orbit([0.0], size=129, radius=50.0, fov_y_deg=1.0)  # nearly orthographic
    focal = float(far.intrinsics[0, 0, 0]) / 50
    alpha = draw(replace(one_gaussian(opacity=1.0), quats_wxyz=quat, scales=scales[None]), far, BLACK, backend).alpha[0, 0].double()
    expected = sigma[:2, :2] * focal**2 * torch.tensor([[1.0, -1.0], [-1.0, 1.0]]) + BLUR_PX2 * torch.eye(2)  # y is down
    inside = (alpha > 0.05) & (alpha < 0.9)
    y, x = inside.nonzero().double().T - 64
    fit = torch.stack([x * x, 2 * x * y, y * y], -1)
    conic = torch.linalg.lstsq(fit, -2 * alpha[inside].log()[:, None]).solution[:, 0]
    found = torch.linalg.inv(torch.stack([conic[:2], conic[1:]]))
    assert torch.allclose(found, expected, rtol=2e-3, atol=0.05)  # perspective bends it by 0.1 / 50


@pytest.mark.parametrize("opacity", [0.05, 0.8, 1.0])
def test_the_pixel_at_the_centre_mixes_colour_and_background(backend: str, opacity: float) -> None:
    """Check 17: alpha c + (1 - alpha) b, with alpha at most 0.999."""
    background = torch.tensor([0.2, 0.5, 1.0])
    render = draw(one_gaussian(opacity=opacity), ODD, background, backend)
    alpha = min(opacity, ALPHA_MAX)
    expected = alpha * torch.tensor([0.9, 0.2, 0.4]) + (1 - alpha) * background
    assert torch.allclose(render.rgb[0, :, 32, 32], expected, atol=2e-6)
    assert float(render.alpha[0, 0, 32, 32]) == pytest.approx(alpha, abs=2e-6)
    assert float(render.depth[0, 0, 32, 32]) == pytest.approx(1.5, abs=1e-5)


@pytest.mark.parametrize("scale", [0.001, 0.02, 0.1])
def test_the_width_on_the_picture_is_the_projected_width_and_the_blur(backend: str, scale: float) -> None:
    """Check 17: sigma in pixels = sqrt((f s / r)^2 + 0.3), read off the next pixel."""
    alpha = draw(one_gaussian(scale=scale), ODD, BLACK, backend).alpha[0, 0]
    ratio = math.exp(-1 / (2 * sigma_px(scale) ** 2))
    assert float(alpha[32, 33] / alpha[32, 32]) == pytest.approx(ratio, rel=1e-5)
    assert float(alpha[31, 32] / alpha[32, 32]) == pytest.approx(ratio, rel=1e-5)


def test_the_sum_of_alpha_is_the_integral_of_what_lies_above_the_cutoff(backend: str) -> None:
    """2 pi sqrt(det S) (o - 1/255): the Gaussian's integral less the tail that E9 skips."""
    alpha = draw(one_gaussian(scale=0.08), ODD, BLACK, backend).alpha
    expected = 2 * math.pi * sigma_px(0.08) ** 2 * (0.8 - ALPHA_CUTOFF)
    assert float(alpha.sum()) == pytest.approx(expected, rel=2e-3)  # pixels on the rim of the cut ellipse


def test_the_gradient_to_the_opacity_is_the_gaussian(backend: str) -> None:
    """d alpha / d o = exp(-sigma) at one pixel."""
    gaussians = leaves(one_gaussian(scale=0.08), device=device_of(backend))
    alpha = rasterize(gaussians, ODD.to(device_of(backend)), BLACK.to(device_of(backend)), backend=backend).alpha
    alpha[0, 0, 35, 30].backward()
    assert gaussians.opacities.grad is not None
    assert float(gaussians.opacities.grad) == pytest.approx(math.exp(-(3**2 + 2**2) / (2 * sigma_px(0.08) ** 2)), rel=1e-4)


def test_antialiasing_keeps_the_light_of_a_splat_below_a_pixel(backend: str) -> None:
    """The blur widens a small splat by sqrt(det S / det S0) in area; the compensation dims it by as much."""
    scale = 0.02
    sharp = (FOCAL_PX * scale / 1.5) ** 2
    plain = draw(one_gaussian(scale=scale), ODD, BLACK, backend).alpha[0, 0, 32, 32]
    dimmed = draw(one_gaussian(scale=scale), ODD, BLACK, backend, antialiased=True).alpha[0, 0, 32, 32]
    assert float(dimmed / plain) == pytest.approx(sharp / (sharp + BLUR_PX2), rel=1e-5)


def two_in_a_row(front_rgb: tuple[float, float, float], behind_rgb: tuple[float, float, float]) -> Gaussians:
    front = one_gaussian(mean=(0, 0, 0.2), opacity=0.6, rgb=front_rgb)
    return joined(front, one_gaussian(mean=(0, 0, -0.2), opacity=0.7, rgb=behind_rgb))


def test_the_nearer_of_two_covers_the_farther(backend: str) -> None:
    """Check 18: c1 a1 + c2 a2 (1 - a1) + b (1 - a1)(1 - a2); depth is the mean of what is hit."""
    background = torch.tensor([1.0, 1.0, 1.0])
    render = draw(two_in_a_row(RED, BLUE), ODD, background, backend)
    expected = 0.6 * torch.tensor(RED) + 0.4 * 0.7 * torch.tensor(BLUE) + 0.4 * 0.3 * background
    assert torch.allclose(render.rgb[0, :, 32, 32], expected, atol=2e-6)
    assert float(render.depth[0, 0, 32, 32]) == pytest.approx((0.6 * 1.3 + 0.28 * 1.7) / 0.88, abs=1e-5)


def test_seen_from_behind_the_roles_are_swapped(backend: str) -> None:
    """Check 18: the camera on the other side sees the other one in front."""
    render = draw(two_in_a_row(RED, BLUE), orbit([180.0], size=65), torch.ones(3), backend)
    expected = 0.7 * torch.tensor(BLUE) + 0.3 * 0.6 * torch.tensor(RED) + 0.4 * 0.3
    assert torch.allclose(render.rgb[0, :, 32, 32], expected, atol=1e-5)  # float32 of sin(pi)


def test_the_order_in_the_list_changes_nothing(backend: str) -> None:
    """Check 18."""
    gaussians = two_in_a_row(RED, BLUE)
    swapped = gaussians.map(lambda t: t.flip(0))
    assert torch.equal(draw(gaussians, ODD, BLACK, backend).rgb, draw(swapped, ODD, BLACK, backend).rgb)


@pytest.mark.parametrize("what", ["none", "transparent", "behind", "outside", "too faint"])
def test_nothing_to_see_is_the_background_exactly(backend: str, what: str) -> None:
    """Check 19: picture = background to the bit, alpha = depth = 0; gradients are 0."""
    gaussians = {
        "none": one_gaussian().map(lambda t: t[:0]),
        "transparent": one_gaussian(opacity=0.0),
        "behind": one_gaussian(mean=(4.9, 0, 1.0)),  # both cameras
        "outside": one_gaussian(mean=(30.0, 0, 0)),
        "too faint": one_gaussian(opacity=ALPHA_CUTOFF * 0.99),
    }[what]
    gaussians = leaves(gaussians, device=device_of(backend))
    background = torch.rand(2, 3, generator=torch.Generator().manual_seed(0)).to(device_of(backend)).requires_grad_()
    render = rasterize(gaussians, two_views().to(device_of(backend)), background, backend=backend)
    assert torch.equal(render.rgb, background[:, :, None, None].expand_as(render.rgb))
    assert not render.alpha.any()
    assert not render.depth.any()
    (render.rgb.sum() + render.alpha.sum() + render.depth.sum()).backward()
    assert background.grad is not None
    assert torch.equal(background.grad, torch.full_like(background, 35 * 43))
    assert all(t.grad is None or not t.grad.any() for t in (gaussians.means, gaussians.scales, gaussians.opacities))


def test_the_picture_is_linear_in_the_background(backend: str) -> None:
    """Check 21: I(b2) - I(b1) = (b2 - b1) T; hence alpha from two backgrounds."""
    gaussians, cameras = shell(300), two_views()
    dark, light = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0.6, 1.0, 0.5])
    one, other = (draw(gaussians, cameras, b, backend) for b in (dark, light))
    transmittance = (other.rgb - one.rgb) / (light - dark)[:, None, None]
    assert (transmittance - (1 - one.alpha)).abs().max() < 1e-6
    assert torch.equal(one.alpha, other.alpha)
