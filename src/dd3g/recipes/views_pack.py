"""Folders of views as flat memory maps, made once beside them, so that training reads any picture of any object without decoding.

A pack stands in ``VIEWS/.pack`` and is remade when the folder's objects change. Pictures stay 8 bit (depth 16 bit) until a batch is made.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from dd3g.core.errors import ViewsError
from dd3g.core.files import write_folder_atomically
from dd3g.core.noise import digest
from dd3g.core.progress import Progress
from dd3g.core.views import Views
from dd3g.core.views_folder import list_object_folders, load_object_views

FORMAT = "dd3g-pack-1"
GROUPS = ("targets", "inputs")


@dataclass(frozen=True)
class PackedGroup:
    """One group of all objects: n objects with v views each."""

    rgba: np.ndarray  # (n, v, 4, h, w) uint8, straight
    depth: np.ndarray | None  # (n, v, 2, h, w) uint16 times depth_step[object]
    depth_step: np.ndarray  # (n,)
    camera_from_world: np.ndarray  # (n, v, 4, 4) float32
    intrinsics: np.ndarray  # (n, v, 3, 3) float32


@dataclass(frozen=True)
class ViewsPack:
    """A folder of views, packed."""

    names: tuple[str, ...]
    targets: PackedGroup
    inputs: PackedGroup
    digest: str  # of the names and of every object.json: the data's identity
    folder: Path | None = None  # where the maps stand, and what is made of them may be kept: it is remade when the data change

    def __len__(self) -> int:
        """Number of objects."""
        return len(self.names)


def epoch_of(packs: Sequence[ViewsPack], repeat: Sequence[tuple[str, int]]) -> np.ndarray:
    """Indices of all objects of packs, in their order; those whose name begins with a prefix of ``repeat`` that many times."""
    names = [name for pack in packs for name in pack.names]
    times = [max([n for prefix, n in repeat if name.startswith(prefix)], default=1) for name in names]
    return np.repeat(np.arange(len(names)), times)


def open_pack(root: str | os.PathLike[str], *, quiet: bool = False) -> ViewsPack:
    """Opens the pack of a folder of views, making it first where it is missing or out of date.

    An archive of views (a file, :mod:`dd3g.recipes.views_archive`) is unpacked beside itself.

    Raises:
        ViewsError: No views there, or objects with different numbers or sizes of views.
    """
    if Path(root).is_file():
        from dd3g.recipes.views_archive import unpack_archive

        place, names, identity = unpack_archive(root, quiet=quiet)
        return ViewsPack(names, _open_group(place / GROUPS[0]), _open_group(place / GROUPS[1]), identity, place)
    folders = list_object_folders(root)
    identity = digest(b"".join(folder.name.encode() + (folder / "object.json").read_bytes() for folder in folders))
    place = Path(root) / ".pack"
    header = place / "pack.json"
    if not header.is_file() or json.loads(header.read_text()).get("digest") != identity:
        _make_pack(folders, place, identity, quiet)
    return ViewsPack(tuple(f.name for f in folders), _open_group(place / GROUPS[0]), _open_group(place / GROUPS[1]), identity, place)


def _make_pack(folders: Sequence[Path], place: Path, identity: str, quiet: bool) -> None:
    progress = Progress(len(folders), f"packing {place.parent.name}", quiet=quiet)
    with write_folder_atomically(place) as temporary:
        writers = {name: _GroupWriter(temporary / name, len(folders)) for name in GROUPS}
        for i, folder in enumerate(folders):
            groups = load_object_views(folder, GROUPS).groups
            for name, writer in writers.items():
                writer.put(i, groups[name], folder)
            progress.advance(note=folder.name)
        for writer in writers.values():
            writer.close()
        (temporary / "pack.json").write_text(json.dumps({"format": FORMAT, "digest": identity}))
    progress.close()


class _GroupWriter:
    """Fills one group's maps, object by object; the first object fixes the shapes."""

    def __init__(self, place: Path, objects: int) -> None:
        place.mkdir()
        self._place, self._objects = place, objects
        self._maps: dict[str, np.memmap] = {}

    def put(self, i: int, views: Views, folder: Path) -> None:
        rgba = np.concatenate([views.rgb.numpy(), views.alpha.numpy()], 1)
        self._write("rgba", i, np.round(rgba * 255).astype(np.uint8), folder)
        step = np.float32(1)
        if views.depth is not None:
            step = np.float32(max(float(views.depth.max()), 1e-6) / 65535)
            self._write("depth", i, np.round(views.depth.numpy() / step).astype(np.uint16), folder)
        self._write("depth_step", i, np.array(step), folder)
        self._write("camera_from_world", i, views.cameras.camera_from_world.numpy(), folder)
        self._write("intrinsics", i, views.cameras.intrinsics.numpy(), folder)

    def _write(self, name: str, i: int, values: np.ndarray, folder: Path) -> None:
        if name not in self._maps:
            shape = (self._objects, *values.shape)
            self._maps[name] = make_maps(self._place / f"{name}.npy", values.dtype, shape)
        if self._maps[name].shape[1:] != values.shape:
            raise ViewsError(
                f"{folder}: {name} of group {self._place.name} is {values.shape}, the first object's is {self._maps[name].shape[1:]}; "
                "render all objects of a folder with the same options"
            )
        self._maps[name][i] = values

    def close(self) -> None:
        for array in self._maps.values():
            array.flush()


def make_maps(path: Path, dtype: DTypeLike, shape: tuple[int, ...]) -> np.memmap:
    """A new array on disk, to be filled."""
    return np.lib.format.open_memmap(path, "w+", dtype, shape)


def _open_group(place: Path) -> PackedGroup:
    depth = place / "depth.npy"
    return PackedGroup(
        np.load(place / "rgba.npy", mmap_mode="r"),
        np.load(depth, mmap_mode="r") if depth.is_file() else None,
        np.load(place / "depth_step.npy"),
        np.load(place / "camera_from_world.npy"),
        np.load(place / "intrinsics.npy"),
    )
