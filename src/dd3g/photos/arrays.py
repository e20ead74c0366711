"""Pictures handed over as arrays or tensors: shapes and ranges checked, values brought to [0, 1]."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from torch import Tensor

from dd3g.core.errors import PictureError

_RANGE = {"uint8": 255, "uint16": 65535, "bool": 1}


def pixels_of_array(array: np.ndarray) -> Float[np.ndarray, "h w c"]:
    """Float32 in [0, 1] of an array (h, w) or (h, w, c).

    Raises:
        PictureError: Another shape, type or range.
    """
    shape = array.shape
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or not 1 <= array.shape[2] <= 4:
        raise PictureError(f"array: has shape {shape}, expected (height, width) or (height, width, 1 to 4); reorder its axes")
    return _in_range(array, "array")


def pixels_of_tensor(tensor: Tensor) -> Float[np.ndarray, "h w c"]:
    """Float32 in [0, 1] of a tensor (h, w) or (c, h, w), on any device.

    Raises:
        PictureError: Another shape, type or range.
    """
    shape = tuple(tensor.shape)
    if tensor.ndim == 2:
        tensor = tensor[None]
    if tensor.ndim != 3 or not 1 <= tensor.shape[0] <= 4:
        raise PictureError(f"tensor: has shape {shape}, expected (height, width) or (1 to 4, height, width); reorder its axes")
    tensor = tensor.detach().cpu()
    tensor = tensor.float() if tensor.is_floating_point() else tensor
    return _in_range(tensor.permute(1, 2, 0).numpy(), "tensor")


def _in_range(pixels: np.ndarray, what: str) -> np.ndarray:
    if pixels.dtype.name in _RANGE:
        return pixels.astype(np.float32) / _RANGE[pixels.dtype.name]
    if pixels.dtype.kind != "f":
        raise PictureError(f"{what}: has type {pixels.dtype}, expected uint8, uint16, bool or float in [0, 1]; convert it")
    pixels = pixels.astype(np.float32)
    if not np.isfinite(pixels).all():
        raise PictureError(f"{what}: holds values that are not finite, expected floats from 0 to 1; repair it")
    if pixels.size and (pixels.min() < 0 or pixels.max() > 1):
        raise PictureError(f"{what}: holds floats from {pixels.min():g} to {pixels.max():g}, expected 0 to 1; scale it")
    return pixels
