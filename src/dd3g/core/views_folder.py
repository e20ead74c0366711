"""Views on disk: a folder an object, lossless pictures that any program opens.

    VIEWS/
      about.json            what made them: rig, lights, sizes
      NAME/object.json      source, credit, and for every group the cameras
      NAME/targets/000.png  straight RGBA, 8 bit
      NAME/inputs/000.png
      NAME/inputs/000.depth.png   16 bit grey, first surface above last surface, times "depth_step" = camera z; 0 is nothing

A group ("targets", "inputs", ...) holds pictures of one size. An object's folder appears whole or not at all.
NAME~1, NAME~2, ... are changed versions of the object NAME (stretched ones, say): whoever learns from one has seen the object.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dd3g.core.cameras import Cameras
from dd3g.core.errors import ViewsError
from dd3g.core.files import is_folder, make_folder, read_json, write_folder_atomically, write_json
from dd3g.core.views import Views

FORMAT = "dd3g-views-1"
_VERSION = re.compile(r"~[1-9][0-9]*$")


def version_name(name: str, number: int) -> str:
    """Name of a changed version of an object; ``number`` is at least 1."""
    return f"{name}~{number}"


def original_name(name: str) -> str:
    """Name of the object that views of this name show, changed or not."""
    return _VERSION.sub("", name)


@dataclass(frozen=True)
class ObjectViews:
    """All pictures of one object, by group."""

    name: str
    groups: Mapping[str, Views]
    about: Mapping[str, Any] = field(default_factory=dict)  # JSON: source file, digest, credit, light, per-view notes


def save_object_views(root: str | os.PathLike[str], views: ObjectViews) -> Path:
    """Writes one object's folder below ``root`` and returns its path."""
    folder = make_folder(root) / views.name
    with write_folder_atomically(folder) as temporary:
        groups = {}
        for name, group in views.groups.items():
            (temporary / name).mkdir()
            step = 1.0
            if group.depth is not None:
                step = max(float(group.depth.max()), 1e-6) / 65535
            for i in range(len(group)):
                _rgba_image(group.rgb[i], group.alpha[i]).save(temporary / name / f"{i:03d}.png", compress_level=4)
                if group.depth is not None:
                    stacked = (group.depth[i].reshape(-1, group.depth.shape[-1]) / step).round().clamp(0, 65535)
                    Image.fromarray(stacked.numpy().astype(np.uint16)).save(temporary / name / f"{i:03d}.depth.png", compress_level=4)
            cameras = group.cameras
            groups[name] = {
                "count": len(group),
                "height": cameras.height,
                "width": cameras.width,
                "depth_step": step if group.depth is not None else None,
                "camera_from_world": cameras.camera_from_world.tolist(),
                "intrinsics": cameras.intrinsics.tolist(),
            }
        write_json(temporary / "object.json", {"format": FORMAT, "name": views.name, "about": dict(views.about), "groups": groups})
    return folder


def list_object_folders(root: str | os.PathLike[str]) -> list[Path]:
    """The object folders below ``root``, sorted by name.

    Raises:
        ViewsError: ``root`` is no folder, or holds no object.
    """
    place = Path(root)
    if not is_folder(place):
        raise ViewsError(f"{place}: no such folder; make views with `dd3g objects DIR --out {place}`")
    folders = sorted(path.parent for path in place.glob("*/object.json") if not path.parent.name.startswith("."))
    if not folders:
        raise ViewsError(f"{place}: holds no views (no NAME/object.json); make them with `dd3g objects DIR --out {place}`")
    return folders


def load_object_views(folder: str | os.PathLike[str], groups: Collection[str] | None = None) -> ObjectViews:
    """Reads one object's folder.

    Args:
        folder: ``VIEWS/NAME``.
        groups: Groups to read; all if None.

    Raises:
        ViewsError: Not such a folder, a group or picture is missing, or a picture has another size than its cameras say.
    """
    place = Path(folder)
    header = read_json(place / "object.json")
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ViewsError(
            f"{place / 'object.json'}: format is {header.get('format') if isinstance(header, dict) else header!r}, expected {FORMAT}"
        )
    wanted = list(header["groups"]) if groups is None else list(groups)
    missing = [name for name in wanted if name not in header["groups"]]
    if missing:
        raise ViewsError(
            f"{place}: has no group {', '.join(missing)} (it has {', '.join(header['groups'])}); render it again with that group"
        )
    return ObjectViews(header["name"], {name: _load_group(place / name, header["groups"][name]) for name in wanted}, header["about"])


def _load_group(folder: Path, header: Mapping[str, Any]) -> Views:
    height, width, step = header["height"], header["width"], header["depth_step"]
    rgba, depth = [], []
    for i in range(header["count"]):
        rgba.append(_read_picture(folder / f"{i:03d}.png", "RGBA", (height, width)))
        if step is not None:
            depth.append(_read_picture(folder / f"{i:03d}.depth.png", "I;16", (2 * height, width)).reshape(2, height, width))
    pixels = torch.from_numpy(np.stack(rgba)).permute(0, 3, 1, 2).float() / 255
    cameras = Cameras(torch.tensor(header["camera_from_world"]), torch.tensor(header["intrinsics"]), height, width)
    stacked = torch.from_numpy(np.stack(depth).astype(np.float32) * float(step)) if step is not None else None
    return Views(pixels[:, :3].contiguous(), pixels[:, 3:].contiguous(), cameras, stacked)


def _read_picture(path: Path, mode: str, size: tuple[int, int]) -> np.ndarray:
    try:
        with Image.open(path, formats=("PNG",)) as image:
            pixels = np.asarray(image)
            found = image.mode
    except FileNotFoundError:
        raise ViewsError(f"{path}: missing; render this object again") from None
    except (OSError, SyntaxError) as error:
        raise ViewsError(f"{path}: not a whole PNG ({error}); render this object again") from None
    if pixels.shape[:2] != size or found != mode:
        raise ViewsError(
            f"{path}: is {pixels.shape[1]}x{pixels.shape[0]} {found}, object.json says {size[1]}x{size[0]} {mode}; render it again"
        )
    return pixels


def _rgba_image(rgb: Tensor, alpha: Tensor) -> Image.Image:
    pixels = (torch.cat([rgb, alpha]).clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0)
    return Image.fromarray(pixels.numpy(), "RGBA")
