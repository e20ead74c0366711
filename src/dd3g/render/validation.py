"""The checks at the door of :func:`dd3g.render.rasterize`: inside, every backend trusts its arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from dd3g.core.cameras import Cameras
from dd3g.core.errors import InputError
from dd3g.core.gaussians import Gaussians
from dd3g.render.constants import QUAT_LENGTH_MIN

_FIELDS = {"means": 3, "quats_wxyz": 4, "scales": 3, "opacities": None, "rgb": 3}  # name -> length of the last axis
_HALF = (torch.float16, torch.bfloat16)


def prepare_scenes(
    gaussians: Gaussians, cameras: Cameras, background: Float[Tensor, "*shape"]
) -> tuple[Gaussians, Cameras, Float[Tensor, "s v 3"]]:
    """Checks the arguments of the door and gives all of them a scene axis and one dtype.

    Half precision, which networks under autocast give, becomes float32: pixels are sums of many small terms.

    Raises:
        InputError: A shape, dtype, device or value that can't be rendered; the message names the argument and the first bad index.
    """
    scenes, posed, colour, refuse_bad_values = lay_out_scenes(gaussians, cameras, background)
    refuse_bad_values()
    return scenes, posed, colour


def lay_out_scenes(
    gaussians: Gaussians, cameras: Cameras, background: Float[Tensor, "*shape"]
) -> tuple[Gaussians, Cameras, Float[Tensor, "s v 3"], Callable[[], None]]:
    """As :func:`prepare_scenes`, but the values are judged only when the last of what it gives is called, which raises InputError.

    On a GPU the verdict is queued here and fetched while the host goes on, so that who draws first need not wait for it.

    Raises:
        InputError: A shape, dtype or device that can't be rendered.
    """
    if gaussians.sh_rest is not None:
        raise InputError("gaussians.sh_rest: the rasterizer takes colours that are the same from every side; set sh_rest to None")
    _check_shapes(gaussians)
    dtype = _working_dtype(gaussians)
    scenes = gaussians.map(lambda t: (t if gaussians.means.ndim == 3 else t[None]).to(dtype))
    posed = _scene_cameras(cameras, batched=gaussians.means.ndim == 3, scenes=scenes.means.shape[0], dtype=dtype)
    colour = _scene_background(background, (scenes.means.shape[0], len(posed), 3), dtype=dtype)
    tensors = {f"gaussians.{name}": getattr(scenes, name) for name in _FIELDS}
    tensors |= {"cameras.camera_from_world": posed.camera_from_world, "cameras.intrinsics": posed.intrinsics, "background": colour}
    _check_devices(tensors)
    all_good = _verdict(tensors)

    def refuse_bad_values() -> None:
        if not all_good():
            _refuse_first(tensors, batched=gaussians.means.ndim == 3, given=(cameras.intrinsics.ndim, background.ndim))

    return scenes, posed, colour, refuse_bad_values


def _check_shapes(gaussians: Gaussians) -> None:
    means = gaussians.means
    if means.ndim not in (2, 3):
        raise InputError(f"gaussians.means: shape {_shape(means)}, expected (n, 3) or (scenes, n, 3); flatten further batch axes")
    for name, length in _FIELDS.items():
        tensor = getattr(gaussians, name)
        expected = means.shape[:-1] if length is None else (*means.shape[:-1], length)
        if tuple(tensor.shape) != tuple(expected):
            raise InputError(f"gaussians.{name}: shape {_shape(tensor)}, expected {tuple(expected)} to go with means {_shape(means)}")


def _working_dtype(gaussians: Gaussians) -> torch.dtype:
    found = {name: getattr(gaussians, name).dtype for name in _FIELDS}
    for name, dtype in found.items():
        if not dtype.is_floating_point:
            raise InputError(f"gaussians.{name}: dtype {dtype}, expected a float type; convert it with .float()")
    working = {torch.float32 if dtype in _HALF else dtype for dtype in found.values()}
    if len(working) > 1:
        listing = ", ".join(f"{name} {str(dtype).removeprefix('torch.')}" for name, dtype in found.items())
        raise InputError(f"gaussians: fields of different precision ({listing}); convert them to one")
    return working.pop()


def _scene_cameras(cameras: Cameras, *, batched: bool, scenes: int, dtype: torch.dtype) -> Cameras:
    pose, lens = cameras.camera_from_world, cameras.intrinsics
    if cameras.height < 1 or cameras.width < 1:
        raise InputError(f"cameras: a picture of {cameras.height} x {cameras.width} pixels has none; height and width must be 1 or more")
    if pose.shape[-2:] != (4, 4) or lens.shape[-2:] != (3, 3) or pose.shape[:-2] != lens.shape[:-2]:
        raise InputError(f"cameras: camera_from_world {_shape(pose)} and intrinsics {_shape(lens)}, expected (v, 4, 4) and (v, 3, 3)")
    if pose.ndim not in ((3, 4) if batched else (3,)):
        wanted = "(v, 4, 4) or (scenes, v, 4, 4)" if batched else "(v, 4, 4), since the Gaussians have no scene axis"
        raise InputError(f"cameras.camera_from_world: shape {_shape(pose)}, expected {wanted}")
    if pose.ndim == 4 and pose.shape[0] != scenes:
        raise InputError(f"cameras: {pose.shape[0]} scenes, expected {scenes} as the Gaussians have, or cameras (v, ...) for all of them")
    pose, lens = (t.detach().to(dtype).expand(scenes, *t.shape[-3:]) for t in (pose, lens))
    return replace(cameras, camera_from_world=pose, intrinsics=lens)


def _scene_background(background: Float[Tensor, "*shape"], shape: tuple[int, int, int], *, dtype: torch.dtype) -> Float[Tensor, "s v 3"]:
    try:
        return background.to(dtype).broadcast_to(shape)
    except RuntimeError:
        wanted = f"(3,), (views, 3) or (scenes, views, 3) for {shape[0]} scenes of {shape[1]} views"
        raise InputError(f"background: shape {_shape(background)}, expected {wanted}") from None


def _check_devices(tensors: dict[str, Tensor]) -> None:
    device = tensors["gaussians.means"].device
    for name, tensor in tensors.items():
        if tensor.device != device:
            raise InputError(f"{name}: is on {tensor.device}, expected {device} like gaussians.means; move it with .to('{device}')")


def _verdict(tensors: dict[str, Tensor]) -> Callable[[], bool]:
    """Whether all values are good, to be asked later. One pass over the memory: a sum is finite only if all its terms are."""
    values = [tensor.detach() for tensor in tensors.values() if tensor.numel()]
    if not values:
        return lambda: True
    verdicts = [torch.stack([value.sum() for value in values]).isfinite().all(), (_focal(tensors) > 0).all()]
    if tensors["gaussians.opacities"].numel():
        least, most = torch.aminmax(tensors["gaussians.opacities"].detach())
        scale, length2 = tensors["gaussians.scales"].detach().amin(), _lengths2(tensors).amin()
        verdicts += [least >= 0, most <= 1, scale >= 0, length2 >= QUAT_LENGTH_MIN**2]
    verdict = torch.stack(verdicts).all()
    if verdict.device.type != "cuda":
        return lambda: bool(verdict)
    answer = torch.empty((), dtype=torch.bool, pin_memory=True)
    answer.copy_(verdict, non_blocking=True)
    copied = torch.cuda.Event()
    copied.record(torch.cuda.current_stream(verdict.device))

    def fetched() -> bool:
        copied.synchronize()
        return bool(answer)

    return fetched


def _refuse_first(tensors: dict[str, Tensor], *, batched: bool, given: tuple[int, int]) -> None:
    """Names the first bad value, if there is one after all (large finite values may have an infinite sum)."""
    axes = {name: tensor.ndim - (not batched) for name, tensor in tensors.items() if name.startswith("gaussians.")}
    axes |= {"cameras.camera_from_world": given[0], "cameras.intrinsics": given[0], "background": given[1]}
    for name, tensor in tensors.items():
        _refuse(name, tensor, ~tensor.isfinite(), axes[name], "a finite number")
    scales, opacities, lengths2, focal = tensors["gaussians.scales"], tensors["gaussians.opacities"], _lengths2(tensors), _focal(tensors)
    _refuse("gaussians.scales", scales, scales < 0, axes["gaussians.scales"], "a standard deviation of 0 or more (exp(log_scales))")
    wrong = (opacities < 0) | (opacities > 1)
    _refuse("gaussians.opacities", opacities, wrong, axes["gaussians.opacities"], "0 to 1 (sigmoid(opacity_logits))")
    zero = lengths2 < QUAT_LENGTH_MIN**2
    _refuse("gaussians.quats_wxyz", lengths2.sqrt(), zero, axes["gaussians.opacities"], "a quaternion of a length other than 0")
    _refuse("cameras.intrinsics", focal, focal <= 0, given[0] - 1, "positive focal lengths")


def _refuse(name: str, values: Tensor, bad: Bool[Tensor, "*shape"], axes: int, expected: str) -> None:
    """``axes``: how many of the last axes the caller gave; those before were added here."""
    if bool(bad.any()):
        index = bad.nonzero()[0].tolist()
        found = values[tuple(index)].item()
        raise InputError(f"{name}{index[len(index) - axes :]}: found {found:.6g}, expected {expected}")


def _lengths2(tensors: dict[str, Tensor]) -> Float[Tensor, "s n"]:
    quats = tensors["gaussians.quats_wxyz"].detach()
    return quats.square() @ quats.new_ones(4)  # three times as fast as a sum over so short an axis


def _focal(tensors: dict[str, Tensor]) -> Float[Tensor, "s v 2"]:
    return tensors["cameras.intrinsics"].diagonal(dim1=-2, dim2=-1)[..., :2]


def _shape(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape)
