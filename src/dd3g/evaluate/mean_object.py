"""The mean of the training objects, view by view: the best guess of somebody who never looks at the picture."""

from __future__ import annotations

import os

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from dd3g.core.errors import CheckpointError, ViewsError
from dd3g.core.model_file import load_model_file, save_model_file
from dd3g.core.views_folder import list_object_folders, load_object_views
from dd3g.core.weights import bundled
from dd3g.evaluate.protocol import Protocol, Setting

KIND = "mean-object"
_SIZE = 64  # the mean of hundreds of objects has no finer detail


def mean_object_for(mean_of: str | None, protocol: Protocol, setting: Setting) -> Float[Tensor, "v 3 h w"] | None:
    """The mean of a folder of views, or the bundled one if None; None where it was not seen from the setting's cameras.

    Raises:
        ViewsError: The folder's objects lack the views.
    """
    count = len(setting.azimuths_deg)
    orbit = [i * 360 / count for i in range(count)]
    if list(setting.azimuths_deg) != orbit or any(setting.elevations_deg):
        return None
    return bundled_mean_object(protocol) if mean_of is None else resized(mean_object_of(mean_of, protocol), protocol)


def mean_object_of(views: str | os.PathLike[str], protocol: Protocol) -> Float[Tensor, "v 3 s s"]:
    """Averages the canonical orbit of every object of a folder of views over the protocol's background.

    Raises:
        ViewsError: The folder's objects lack the protocol's views.
    """
    count = len(protocol.main.azimuths_deg)
    total, folders = torch.zeros(count, 3, _SIZE, _SIZE, dtype=torch.float64), list_object_folders(views)
    over = torch.tensor(protocol.background)
    for folder in folders:
        targets = load_object_views(folder, ["targets"]).groups["targets"]
        if len(targets) < count:
            raise ViewsError(f"{folder}: has {len(targets)} targets, expected at least the {count} of the canonical orbit")
        pictures = targets.pick(slice(0, count)).over(over)
        total += F.interpolate(pictures, (_SIZE, _SIZE), mode="bilinear", antialias=True, align_corners=False)
    return (total / len(folders)).float()


def save_mean_object(path: str | os.PathLike[str], mean: Float[Tensor, "v 3 s s"], about: dict[str, object]) -> None:
    """Writes the mean as a model file."""
    save_model_file(path, kind=KIND, config={"views": mean.shape[0]}, about=about, tensors={"rgb": mean}, dtype=torch.float16)


def bundled_mean_object(protocol: Protocol) -> Float[Tensor, "v 3 h w"] | None:
    """The bundled mean at the protocol's size, or None where the package has none or another number of views."""
    try:
        file = load_model_file(bundled("mean_object"), KIND)
    except CheckpointError:
        return None
    return resized(file.tensors["rgb"], protocol) if file.config["views"] == len(protocol.main.azimuths_deg) else None


def resized(mean: Float[Tensor, "v 3 s s"], protocol: Protocol) -> Float[Tensor, "v 3 h w"]:
    """At the protocol's size."""
    return F.interpolate(mean, (protocol.size, protocol.size), mode="bilinear", align_corners=False).clamp(0, 1)
