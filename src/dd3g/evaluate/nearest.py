"""What in the training set is most like an object: without it nobody can tell a model that understands from one that remembers.

Likeness is of small premultiplied pictures of the four canonical views (the root of the mean squared difference), at the best of four
quarter turns. It needs no network, so it favours no model, and it sees outlines and colours rather than meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from dd3g.core.errors import ViewsError
from dd3g.core.views import premultiplied
from dd3g.recipes.views_pack import ViewsPack

_SIDE = 24
_QUARTERS = 4
_CHUNK = 64


@dataclass(frozen=True)
class Neighbour:
    """A training object, seen as the object that it is nearest to is seen."""

    name: str
    distance: float  # root of the mean squared difference of small pictures, [0, 1]; 0 is the same object
    rgba: Float[Tensor, "4 h w"]  # straight, from the side that matched the object's front


def nearest_training_objects(objects: Mapping[str, Float[Tensor, "4 4 h w"]], training: ViewsPack) -> dict[str, Neighbour]:
    """The nearest object of a pack of training views for each of some objects.

    Args:
        objects: Name -> straight RGBA at azimuths 0, 90, 180, 270 on the canonical rig.
        training: Views whose first targets are the evenly spaced canonical orbit, as ``dd3g objects`` makes them.

    Raises:
        ViewsError: The pack has fewer canonical views than four quarters need.
    """
    orbit = _orbit_views(training)
    quarters = [round(k * orbit / _QUARTERS) for k in range(_QUARTERS)]
    theirs = torch.cat([_features(_rgba(training, slice(s, s + _CHUNK), quarters)) for s in range(0, len(training), _CHUNK)])
    found = {}
    for name, views in objects.items():
        wanted = _features(views[None])
        turned = torch.stack([(theirs.roll(-turn, 1) - wanted).square().mean((1, 2)) for turn in range(_QUARTERS)])
        turn, index = divmod(int(turned.argmin()), len(training))
        rgba = _rgba(training, slice(index, index + 1), [quarters[turn]])[0, 0]
        found[name] = Neighbour(training.names[index], float(turned[turn, index].sqrt()), rgba)
    return found


def _orbit_views(training: ViewsPack) -> int:
    """How many of the first targets make up the canonical orbit: all at one height and distance, evenly round."""
    pose = torch.from_numpy(np.array(training.targets.camera_from_world[0])).double()
    place = -(pose[:, :3, :3].transpose(1, 2) @ pose[:, :3, 3:])[..., 0]
    azimuth = torch.atan2(place[:, 0], place[:, 2]).rad2deg() % 360
    for views in range(len(pose), _QUARTERS - 1, -1):
        even = torch.arange(views) * 360 / views
        off = (azimuth[:views] - even + 180) % 360 - 180
        if views % _QUARTERS == 0 and off.abs().max() < 0.5 and place[:views, 1].abs().max() < 0.05:
            return views
    raise ViewsError(
        f"{training.names[0]}: its first targets are no orbit of 4, 8, 12, ... views at elevation 0; name views that `dd3g objects` made"
    )


def _rgba(pack: ViewsPack, objects: slice, views: list[int]) -> Float[Tensor, "n q 4 h w"]:
    return torch.from_numpy(np.array(pack.targets.rgba[objects][:, views])).float() / 255


def _features(rgba: Float[Tensor, "n q 4 h w"]) -> Float[Tensor, "n q f"]:
    light = premultiplied(rgba)
    small = F.interpolate(light.flatten(0, 1), (_SIDE, _SIDE), mode="bilinear", antialias=True, align_corners=False)
    return small.flatten(1).unflatten(0, rgba.shape[:2])
