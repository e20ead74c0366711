"""The door refuses what can't be rendered, in one sentence that names the argument, the find and the mend."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from dd3g.core import Cameras, Gaussians
from dd3g.core.errors import DD3GError, InputError
from dd3g.render import rasterize
from tests.render.scenes import BACKENDS, FIELDS, device_of, leaves, shell, two_views

BLACK = torch.zeros(3)


def bare(kind: type, like: Any, **changes: Any) -> Any:
    """A record with fields that don't fit together, past the check that tests make when one is built."""
    record = object.__new__(kind)
    for name, value in {**vars(like), **changes}.items():
        object.__setattr__(record, name, value)
    return record


def unbatched(gaussians: Gaussians) -> Gaussians:
    return gaussians.map(lambda t: t[0])


def spoilt(field: str, index: tuple[int, ...], value: float) -> Callable[[Gaussians], Gaussians]:
    def spoil(gaussians: Gaussians) -> Gaussians:
        tensor = getattr(gaussians, field).clone()
        tensor[index] = value
        return replace(gaussians, **{field: tensor})

    return spoil


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoilt("means", (1, 3, 2), float("nan")), r"^gaussians\.means\[1, 3, 2\]: found nan, expected a finite number$"),
        (spoilt("means", (0, 0, 0), float("inf")), r"gaussians\.means\[0, 0, 0\]: found inf"),
        (spoilt("quats_wxyz", (0, 7, 1), float("-inf")), r"gaussians\.quats_wxyz\[0, 7, 1\]: found -inf"),
        (spoilt("rgb", (1, 9, 0), float("nan")), r"gaussians\.rgb\[1, 9, 0\]: found nan"),
        (spoilt("scales", (1, 2, 0), -0.5), r"gaussians\.scales\[1, 2, 0\]: found -0\.5, expected .*exp\(log_scales\)"),
        (spoilt("opacities", (0, 4), 1.5), r"gaussians\.opacities\[0, 4\]: found 1\.5, expected 0 to 1 \(sigmoid"),
        (spoilt("opacities", (0, 4), -2.0), r"gaussians\.opacities\[0, 4\]: found -2, expected 0 to 1"),
        (spoilt("quats_wxyz", (1, 5), 0.0), r"gaussians\.quats_wxyz\[1, 5\]: found 0, expected a quaternion of a length other than 0"),
    ],
)
def test_bad_values_are_named_with_their_first_index(spoil: Callable[[Gaussians], Gaussians], message: str) -> None:
    with pytest.raises(InputError, match=message):
        rasterize(spoil(shell(10)), two_views(), BLACK)


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend_refuses_what_is_not_finite(backend: str) -> None:
    device = device_of(backend)
    for field in FIELDS:
        spoilt_one = spoilt(field, (1, 6), float("nan"))(shell(10)).to(device)
        with pytest.raises(InputError, match=rf"gaussians\.{field}\[1, 6.*\]: found nan"):
            rasterize(spoilt_one, two_views().to(device), BLACK.to(device), backend=backend)


def test_the_index_is_that_of_the_tensor_given() -> None:
    one_scene = unbatched(spoilt("means", (0, 3, 2), float("nan"))(shell(10)))
    with pytest.raises(InputError, match=r"gaussians\.means\[3, 2\]: found nan"):
        rasterize(one_scene, two_views(), BLACK)
    zero = unbatched(spoilt("quats_wxyz", (0, 5), 0.0)(shell(10)))
    with pytest.raises(InputError, match=r"gaussians\.quats_wxyz\[5\]: found 0"):
        rasterize(zero, two_views(), BLACK)


def test_large_finite_values_are_no_error() -> None:
    gaussians = shell(10)
    far_out = replace(gaussians, means=torch.full_like(gaussians.means, 3e38))  # their sum is infinite
    assert not rasterize(far_out, two_views(), BLACK).alpha.any()


def test_bad_cameras_and_backgrounds_are_named() -> None:
    cameras = two_views()
    lens = cameras.intrinsics.clone()
    lens[1, 0, 0] = -5
    with pytest.raises(InputError, match=r"cameras\.intrinsics\[1, 0\]: found -5, expected positive focal lengths"):
        rasterize(shell(10), replace(cameras, intrinsics=lens), BLACK)
    pose = cameras.camera_from_world.clone()
    pose[0, 2, 3] = float("nan")
    with pytest.raises(InputError, match=r"cameras\.camera_from_world\[0, 2, 3\]: found nan"):
        rasterize(shell(10), replace(cameras, camera_from_world=pose), BLACK)
    with pytest.raises(InputError, match=r"background\[1\]: found nan"):
        rasterize(shell(10), cameras, torch.tensor([0, float("nan"), 0]))
    with pytest.raises(InputError, match=r"0 x 43 pixels has none"):
        rasterize(shell(10), replace(cameras, height=0), BLACK)
    with pytest.raises(InputError, match=r"backend 'cpu' takes up to 32768 a side"):
        rasterize(shell(10), replace(cameras, width=40000, height=1), BLACK)


@pytest.mark.parametrize("shape", [(4,), (3, 3), (3, 1, 3), (2, 3, 3)])
def test_a_background_that_does_not_broadcast_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"background: shape \(.*\), expected \(3,\), \(views, 3\) or \(scenes, views, 3\)"):
        rasterize(shell(10), two_views(), torch.zeros(shape))


def test_shapes_that_do_not_go_together_are_refused() -> None:
    gaussians, cameras = shell(10), two_views()
    with pytest.raises(InputError, match=r"gaussians\.rgb: shape \(2, 9, 3\), expected \(2, 10, 3\) to go with means"):
        rasterize(bare(Gaussians, gaussians, rgb=gaussians.rgb[:, :9]), cameras, BLACK)
    with pytest.raises(InputError, match=r"gaussians\.quats_wxyz: shape \(2, 10, 3\), expected \(2, 10, 4\)"):
        rasterize(bare(Gaussians, gaussians, quats_wxyz=gaussians.means), cameras, BLACK)
    with pytest.raises(InputError, match=r"flatten further batch axes"):
        rasterize(gaussians.map(lambda t: t[None]), cameras, BLACK)
    with pytest.raises(InputError, match=r"cameras: camera_from_world \(2, 4, 4\) and intrinsics \(1, 3, 3\)"):
        rasterize(gaussians, bare(Cameras, cameras, intrinsics=cameras.intrinsics[:1]), BLACK)
    three_scenes = replace(
        cameras, camera_from_world=cameras.camera_from_world.expand(3, 2, 4, 4), intrinsics=cameras.intrinsics.expand(3, 2, 3, 3)
    )
    with pytest.raises(InputError, match=r"cameras: 3 scenes, expected 2 as the Gaussians have"):
        rasterize(gaussians, three_scenes, BLACK)
    with pytest.raises(InputError, match=r"since the Gaussians have no scene axis"):
        rasterize(unbatched(gaussians), three_scenes, BLACK)


def test_spherical_harmonics_are_refused() -> None:
    with pytest.raises(InputError, match=r"gaussians\.sh_rest: .*set sh_rest to None"):
        rasterize(replace(shell(10), sh_rest=torch.zeros(2, 10, 3, 3)), two_views(), BLACK)


def test_dtypes_that_are_no_floats_or_differ_are_refused() -> None:
    gaussians = shell(10)
    with pytest.raises(InputError, match=r"gaussians\.rgb: dtype torch\.int64, expected a float type"):
        rasterize(bare(Gaussians, gaussians, rgb=gaussians.rgb.long()), two_views(), BLACK)
    with pytest.raises(InputError, match=r"different precision \(means float64, quats_wxyz float32"):
        rasterize(replace(gaussians, means=gaussians.means.double()), two_views(), BLACK)


def test_tensors_on_several_devices_are_refused() -> None:
    gaussians = shell(10)
    with pytest.raises(InputError, match=r"gaussians\.scales: is on meta, expected cpu like gaussians\.means"):
        rasterize(replace(gaussians, scales=gaussians.scales.to("meta")), two_views(), BLACK)


def test_all_refusals_are_errors_of_this_package() -> None:
    with pytest.raises(DD3GError):
        rasterize(spoilt("means", (0, 0, 0), float("nan"))(shell(10)), two_views(), BLACK)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_as_autocast_gives_it_is_drawn_in_float32(dtype: torch.dtype) -> None:
    half = leaves(shell(50), dtype)
    half = replace(half, means=half.means.detach().float().requires_grad_())  # heads often keep the means in float32
    with torch.autocast("cpu", dtype=torch.bfloat16):
        render = rasterize(half, two_views(), BLACK)
        oracle = rasterize(half, two_views(), BLACK, backend="reference")
    assert render.rgb.dtype == oracle.rgb.dtype == torch.float32
    assert torch.equal(render.rgb, rasterize(half.map(lambda t: t.float()), two_views(), BLACK).rgb)
    assert (render.rgb - oracle.rgb).abs().median() < 1e-6  # the oracle's products were not in bfloat16 either
    render.rgb.sum().backward()
    assert half.scales.grad is not None
    assert half.scales.grad.dtype == dtype
