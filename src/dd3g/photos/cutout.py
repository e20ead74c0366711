"""Cutting the object out with a network: the whole picture first, then once more from nearby where the object is small in it."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import lru_cache
from typing import Literal, TypeAlias, TypeVar, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from dd3g.photos import mask_network, u2netp
from dd3g.photos.framing import box_of
from dd3g.photos.matte import Matte, cleaned

_Network = TypeVar("_Network", bound=nn.Module)
NetworkName: TypeAlias = Literal["small", "u2netp"]
_CLOSER_BELOW = 0.5  # look again where the object's longest side is a smaller share of the picture's
_LARGER = 64  # px: a second, finer look of `small`; a multiple of its stride of 32
_MARGIN = 0.25  # of the object's longest side, on every side of the closer look


def cut_out(rgb: Float[Tensor, "3 h w"], network: NetworkName) -> tuple[Float[Tensor, "1 h w"], Matte]:
    """The object's alpha at the picture's size, and the cleaned mask it comes from. The network runs where the picture is.

    Raises:
        WeightsError: The network's weights are not here.
    """
    saliency = _NETWORKS[network]
    height, width = rgb.shape[-2:]
    matte = cleaned(saliency(rgb).cpu())
    if matte.share == 0:
        return rgb.new_zeros(1, height, width), matte
    alpha = _resized(matte.alpha.to(rgb), height, width)
    left, top, right, bottom = box_of(alpha).tolist()
    longest = max(right - left, bottom - top)
    if longest >= _CLOSER_BELOW * max(height, width):
        return alpha, matte
    margin = _MARGIN * longest
    rows = slice(max(int(top - margin), 0), min(int(bottom + margin) + 1, height))
    columns = slice(max(int(left - margin), 0), min(int(right + margin) + 1, width))
    closer = cleaned(saliency(rgb[:, rows, columns]).cpu())
    inside = _resized(closer.alpha.to(rgb), rows.stop - rows.start, columns.stop - columns.start)
    if not _agree(inside, alpha[:, rows, columns]):
        return alpha, matte  # out of its surroundings something else looks like the object
    alpha = torch.zeros_like(alpha)
    alpha[:, rows, columns] = inside
    return alpha, matte


def _agree(one: Float[Tensor, "1 h w"], other: Float[Tensor, "1 h w"]) -> bool:
    """Overlap of two masks above 0.6; a finer edge changes little."""
    return bool(torch.minimum(one, other).sum() > 0.6 * torch.maximum(one, other).sum())


def _resized(x: Float[Tensor, "c h w"], height: int, width: int) -> Float[Tensor, "c {height} {width}"]:
    return functional.interpolate(x[None], (height, width), mode="bilinear", align_corners=False, antialias=True)[0].clamp(0, 1)


@lru_cache(maxsize=4)
def _copied(load: Callable[[], nn.Module], device: torch.device) -> nn.Module:
    return deepcopy(load()).to(device)


def _there(load: Callable[[], _Network], device: torch.device) -> _Network:
    """A network on a device; on the CPU the one that everybody has."""
    return load() if device.type == "cpu" else cast(_Network, _copied(load, device))


@torch.no_grad()
def _small(rgb: Float[Tensor, "3 h w"]) -> Float[Tensor, "1 s s"]:
    """Mean of four opinions: the picture and its mirror image, at two sizes. What is torn in one is seldom torn in all."""
    network = _there(mask_network.load_bundled, rgb.device)
    side = network.config.input_size
    opinions = []
    for size in (side, side + _LARGER):
        picture = _resized(rgb, size, size)
        one, other = network(torch.stack([picture, picture.flip(-1)])).sigmoid()
        opinions.append(_resized((one + other.flip(-1)) / 2, side, side))
    return (opinions[0] + opinions[1]) / 2


@torch.no_grad()
def _u2netp(rgb: Float[Tensor, "3 h w"]) -> Float[Tensor, "1 s s"]:
    network = _there(u2netp.load_u2netp, rgb.device)
    return u2netp.stretched(network(u2netp.normalise(_resized(rgb, u2netp.INPUT_SIZE, u2netp.INPUT_SIZE)[None])))[0]


_NETWORKS: dict[NetworkName, Callable[[Tensor], Tensor]] = {"small": _small, "u2netp": _u2netp}
