"""The pictures that an evaluation kept beside its figures: truth, ours, from a few sides each.

truth/NAME/GROUP/NNN.png       folders of views, with their cameras in truth/NAME/object.json
renders/NAME/SETTING/NNN.png   what was evaluated, the same numbers
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from dd3g.core.cameras import Cameras
from dd3g.core.errors import InputError
from dd3g.core.files import read_json


@dataclass(frozen=True)
class KeptViews:
    """One object's pictures of one setting."""

    truth: Path
    ours: Path
    azimuths_deg: tuple[float, ...]  # of all views, in [0, 360)
    elevations_deg: tuple[float, ...]

    def around(self, count: int) -> list[int]:
        """``count`` views from all sides, evenly by azimuth, the lowest azimuth first."""
        order = sorted(range(len(self.azimuths_deg)), key=self.azimuths_deg.__getitem__)
        count = min(count, len(order))
        return [order[k * len(order) // count] for k in range(count)]

    def near(self, azimuth_deg: float) -> int:
        """The view that is nearest to an azimuth."""
        return min(range(len(self.azimuths_deg)), key=lambda k: abs((self.azimuths_deg[k] - azimuth_deg + 180) % 360 - 180))


def kept_views(report: Path, row: Mapping[str, Any]) -> KeptViews:
    """Where a row's pictures are, and from where they look.

    Raises:
        InputError: They are not beside the result any more.
    """
    truth, ours = report / row["truth"], report / row["ours"]
    for place in (truth, ours):
        if not (place / "000.png").is_file():
            raise InputError(f"{place}: the pictures of this result are not there; evaluate again into {report}")
    group = read_json(truth.parent / "object.json")["groups"][truth.name]
    cameras = Cameras(torch.tensor(group["camera_from_world"]), torch.tensor(group["intrinsics"]), group["height"], group["width"])
    towards = torch.nn.functional.normalize(cameras.positions(), dim=-1)
    azimuths = torch.atan2(towards[:, 0], towards[:, 2]).rad2deg().round(decimals=2) % 360 + 0.0  # no -0
    return KeptViews(truth, ours, tuple(azimuths.tolist()), tuple(towards[:, 1].asin().rad2deg().round(decimals=2).tolist()))


def pictures(folder: Path, views: Sequence[int]) -> Float[Tensor, "v 4 h w"]:
    """Views of a folder, straight RGBA."""
    found = []
    for view in views:
        path = folder / f"{view:03d}.png"
        try:
            with Image.open(path, formats=("PNG",)) as image:
                found.append(torch.from_numpy(np.array(image.convert("RGBA"))).permute(2, 0, 1).float() / 255)
        except (OSError, SyntaxError) as error:
            raise InputError(f"{path}: can't be read ({error}); evaluate again into the same folder") from None
    return torch.stack(found)
