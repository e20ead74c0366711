"""From a network's probabilities to the object's mask: its parts kept, specks and pinholes removed, the soft edge left soft."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from dd3g.photos.components import components, holes

_SURE = (0.1, 0.9)  # probabilities below and above are taken as 0 and 1
_KEPT_PART = 0.15  # a part at least this large, relative to the largest, belongs to the object
_SECOND_OBJECT = 0.3  # ... and one this large is likely another object
_PINHOLE = 0.004  # holes below this share of the object are mistakes; larger ones are handles and chair backs
_EDGE_PX = 5  # how far the soft edge of a part may reach out, at the network's resolution


@dataclass(frozen=True)
class Matte:
    """A cleaned mask and what was seen while cleaning."""

    alpha: Float[Tensor, "1 h w"]
    share: float  # of the picture that is object
    large_parts: int  # parts that could each be an object
    unsure: float  # half-decided area over the object's area


def cleaned(probability: Float[Tensor, "1 h w"]) -> Matte:
    """Keeps the largest part and others of its order, fills pinholes, and stretches the rest of the doubt.

    Args:
        probability: In [0, 1], at the network's resolution.
    """
    solid = (probability[0] > 0.5).numpy()
    labels, areas = components(solid)
    if len(areas) == 0:
        return Matte(torch.zeros_like(probability), 0.0, 0, 0.0)
    kept_count = int((areas >= _KEPT_PART * areas[0]).sum())
    kept = (labels > 0) & (labels <= kept_count)
    hole_labels, hole_areas = holes(kept)
    small = np.flatnonzero(hole_areas < _PINHOLE * kept.sum()) + 1
    filled = np.isin(hole_labels, small)
    alpha = _stretched(probability, *_SURE)
    alpha = torch.where(torch.from_numpy(filled), 1.0, alpha) * _near(kept | filled, labels > kept_count)
    half_decided = ((alpha > 0.2) & (alpha < 0.8)).float().mean().item()
    share = float((kept | filled).mean())
    return Matte(alpha, share, int((areas >= _SECOND_OBJECT * areas[0]).sum()), half_decided / share)


def _stretched(x: Tensor, low: float, high: float) -> Tensor:
    return ((x - low) / (high - low)).clamp(0, 1)


def _near(kept: np.ndarray, dropped: np.ndarray) -> Float[Tensor, "1 h w"]:
    """1 in a kept part and near it, but not in a part that was dropped."""
    grown = functional.max_pool2d(torch.from_numpy(kept).float()[None, None], 2 * _EDGE_PX + 1, 1, _EDGE_PX)[0]
    return grown * torch.from_numpy(~dropped).float()
