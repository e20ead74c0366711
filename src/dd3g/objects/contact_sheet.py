"""A picture of a folder of views, to be looked at: a row an object, targets over white, inputs over grey checks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from dd3g.core.files import write_atomically
from dd3g.core.sheet import sheet
from dd3g.core.views import Views
from dd3g.core.views_folder import load_object_views

_MOST_ROWS = 64
_TILE = 128
_CHECK = 16


def draw_contact_sheet(root: Path, names: Sequence[str], path: Path, *, per_group: int = 6) -> None:
    """Draws the named objects of a folder of views, as far as they are there; evenly chosen ones where there are more than 64."""
    there = [name for name in names if (root / name / "object.json").exists()]
    chosen = [there[i * len(there) // _MOST_ROWS] for i in range(_MOST_ROWS)] if len(there) > _MOST_ROWS else there
    if not chosen:
        return
    rows = []
    for name in chosen:
        groups = load_object_views(root / name).groups
        rows.append([tile for group, views in groups.items() for tile in _tiles(views, checks=group == "inputs", count=per_group)])
    with write_atomically(path) as temporary:
        sheet(rows, row_titles=chosen).save(temporary)


def _tiles(views: Views, checks: bool, count: int) -> list[Float[Tensor, "3 h w"]]:
    """Evenly chosen views, at the sheet's size, over white or checks."""
    index = [i * len(views) // count for i in range(count)] if len(views) > count else list(range(len(views)))
    picked = views.pick(index)
    premultiplied = torch.cat([picked.rgb * picked.alpha, picked.alpha], 1)
    small = torch.nn.functional.interpolate(
        premultiplied, size=(_TILE, _TILE), mode="area" if views.cameras.height >= _TILE else "bilinear"
    )
    background = _checkerboard() if checks else torch.ones(3, _TILE, _TILE)
    return list(small[:, :3] + (1 - small[:, 3:]) * background)


def _checkerboard() -> Float[Tensor, "3 h w"]:
    cell = torch.arange(_TILE) // _CHECK
    return torch.where((cell[:, None] + cell) % 2 == 0, 0.62, 0.75).expand(3, -1, -1)
