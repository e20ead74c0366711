"""A folder of views as one small file, to carry to another machine: pictures as lossy WebP sheets, depth as 8 bit.

    ARCHIVE (zip)
      archive.json        format, identity of the views it was made from, names, credits, sizes
      cameras.npz         of every group: camera_from_world, intrinsics
      NAME/GROUP.webp     all pictures of a group side by side, straight RGBA
      NAME/GROUP.depth.webp   lossless: first surface in red, last in green, 0 nothing, 1..255 from the nearest to the farthest of a picture

About 50 KB an object where the folder has 600. Training from an archive is training on what the archive shows: it has an identity of
its own.
`dd3g train ARCHIVE` unpacks it once, beside the file.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dd3g.core.errors import ViewsError
from dd3g.core.files import write_atomically, write_folder_atomically
from dd3g.core.noise import digest
from dd3g.core.progress import Progress
from dd3g.recipes.views_pack import GROUPS, PackedGroup, ViewsPack, make_maps

FORMAT = "dd3g-archive-1"
_SHEET_COLUMNS = 8
_DEPTH_SIDE = 96  # of stored depth, at most; geometry is asked for on a grid of 64 over the object


def write_archive(pack: ViewsPack, credits: dict[str, Any], out: str | os.PathLike[str], *, quality: int = 75, quiet: bool = False) -> Path:
    """Writes a pack as one file.

    Args:
        pack: Views, packed.
        credits: What they were made of; training puts it into the model file.
        out: The file to write.
        quality: Of WebP, 0 to 100.
        quiet: No progress on standard error.
    """
    progress = Progress(len(pack), "archiving", quiet=quiet)
    header: dict[str, Any] = {"format": FORMAT, "views": pack.digest, "quality": quality, "names": list(pack.names), "credits": credits}
    cameras, ranges = {}, {}
    with write_atomically(out) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name in GROUPS:
            group: PackedGroup = getattr(pack, name)
            header[name] = {"views": group.rgba.shape[1], "size": list(group.rgba.shape[-2:]), "depth": group.depth is not None}
            cameras |= {f"{name}.camera_from_world": group.camera_from_world, f"{name}.intrinsics": group.intrinsics}
            ranges[name] = []
        for i, object_name in enumerate(pack.names):
            for name in GROUPS:
                group = getattr(pack, name)
                archive.writestr(f"{object_name}/{name}.webp", _encoded(_sheet(group.rgba[i]), quality=quality, method=4))
                if group.depth is not None:
                    codes, low_high = _depth_codes(group.depth[i], float(group.depth_step[i]))
                    archive.writestr(f"{object_name}/{name}.depth.webp", _encoded(_sheet(codes), lossless=True, method=4))
                    ranges[name].append(low_high)
            progress.advance(note=object_name)
        for name in GROUPS:
            if ranges[name]:
                cameras[f"{name}.depth_range"] = np.stack(ranges[name])
        table = io.BytesIO()
        np.savez_compressed(table, **cameras)
        archive.writestr("cameras.npz", table.getvalue())
        archive.writestr("archive.json", json.dumps(header))
    progress.close()
    return Path(out)


def archive_credits(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What the views of an archive were made of."""
    return _header(Path(path))["credits"]


def unpack_archive(path: str | os.PathLike[str], *, workers: int | None = None, quiet: bool = False) -> tuple[Path, tuple[str, ...], str]:
    """Unpacks an archive beside it, once; returns the folder of maps, the objects' names and the archive's identity.

    Raises:
        ViewsError: Not an archive of views, or a damaged one.
    """
    source = Path(path)
    header = _header(source)
    identity = digest(source.read_bytes())
    place = source.with_name(source.name + ".pack")
    names = tuple(header["names"])
    done = place / "pack.json"
    if done.is_file() and json.loads(done.read_text()).get("digest") == identity:
        return place, names, identity
    with write_folder_atomically(place) as temporary:
        _make_maps(source, header, temporary)
        count = min(workers or os.cpu_count() or 1, len(names))
        shares = [_Share(source, temporary, names, range(k, len(names), count)) for k in range(count)]
        if count == 1:
            _unpack(shares[0])
        else:
            with ProcessPoolExecutor(count, get_context("spawn")) as pool:
                list(pool.map(_unpack, shares))
        (temporary / "pack.json").write_text(json.dumps({"format": FORMAT, "digest": identity}))
    if not quiet:
        print(f"unpacked {len(names)} objects of {source.name}", flush=True)
    return place, names, identity


def _header(path: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as archive:
            header = json.loads(archive.read("archive.json"))
    except FileNotFoundError:
        raise ViewsError(f"{path}: no such file; write it with `dd3g archive VIEWS --out {path}`") from None
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ViewsError(f"{path}: not a whole archive of views ({error}); write it again with `dd3g archive`") from None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ViewsError(f"{path}: an archive of another version, expected {FORMAT}; write it again with `dd3g archive`")
    return header


def _make_maps(source: Path, header: dict[str, Any], place: Path) -> None:
    """Empty maps for the pictures, and whole ones for the cameras."""
    count = len(header["names"])
    with zipfile.ZipFile(source) as archive, np.load(io.BytesIO(archive.read("cameras.npz"))) as tables:
        for name in GROUPS:
            views, (height, width) = header[name]["views"], header[name]["size"]
            folder = place / name
            folder.mkdir()
            make_maps(folder / "rgba.npy", np.uint8, (count, views, 4, height, width))
            step = np.ones(count, np.float32)
            if header[name]["depth"]:
                make_maps(folder / "depth.npy", np.uint16, (count, views, 2, *(_depth_side(side) for side in (height, width))))
                step = np.maximum(tables[f"{name}.depth_range"].max((1, 2)), 1e-6).astype(np.float32) / 65535
            np.save(folder / "depth_step.npy", step)
            np.save(folder / "camera_from_world.npy", tables[f"{name}.camera_from_world"])
            np.save(folder / "intrinsics.npy", tables[f"{name}.intrinsics"])


@dataclass(frozen=True)
class _Share:
    """Objects that one process unpacks."""

    source: Path
    place: Path
    names: Sequence[str]
    mine: range


def _unpack(share: _Share) -> None:
    with zipfile.ZipFile(share.source) as archive, np.load(io.BytesIO(archive.read("cameras.npz"))) as tables:
        for name in GROUPS:
            folder = share.place / name
            rgba = np.load(folder / "rgba.npy", mmap_mode="r+")
            for i in share.mine:
                rgba[i] = _pictures(archive.read(f"{share.names[i]}/{name}.webp"), "RGBA", rgba.shape[1], rgba.shape[-2:])
            if (folder / "depth.npy").is_file():
                depth, steps, ranges = np.load(folder / "depth.npy", mmap_mode="r+"), np.load(folder / "depth_step.npy"), None
                ranges = tables[f"{name}.depth_range"]
                for i in share.mine:
                    codes = _pictures(archive.read(f"{share.names[i]}/{name}.depth.webp"), "RGB", depth.shape[1], depth.shape[-2:])[:, :2]
                    low, high = (ranges[i, :, k, None, None, None] for k in (0, 1))
                    metres = np.where(codes > 0, low + (codes.astype(np.float32) - 1) / 254 * (high - low), 0)
                    depth[i] = np.round(metres / steps[i]).clip(0, 65535)


def _sheet(pictures: np.ndarray) -> Image.Image:
    """Pictures (v, c, h, w) side by side."""
    v, c, h, w = pictures.shape
    rows = -(-v // _SHEET_COLUMNS)
    grid = np.zeros((rows * _SHEET_COLUMNS, c, h, w), np.uint8)
    grid[:v] = pictures
    tiled = grid.reshape(rows, _SHEET_COLUMNS, c, h, w).transpose(0, 3, 1, 4, 2).reshape(rows * h, _SHEET_COLUMNS * w, c)
    return Image.fromarray(np.ascontiguousarray(tiled))


def _pictures(data: bytes, mode: str, count: int, size: tuple[int, ...]) -> np.ndarray:
    """Inverse of :func:`_sheet`."""
    with Image.open(io.BytesIO(data), formats=("WEBP",)) as image:
        tiled = np.asarray(image.convert(mode))
    (h, w), c = size, tiled.shape[-1]
    grid = tiled.reshape(-1, h, _SHEET_COLUMNS, w, c).transpose(0, 2, 4, 1, 3).reshape(-1, c, h, w)
    return grid[:count]


def _depth_codes(depth: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Depth (v, 2, h, w) as codes (v, 3, h2, w2), and each picture's range (v, 2)."""
    stride = depth.shape[-1] // _depth_side(depth.shape[-1])
    metres = depth[..., ::stride, ::stride].astype(np.float32) * step
    seen = metres > 0
    low = np.where(seen, metres, np.inf).min((1, 2, 3), keepdims=True)
    high = metres.max((1, 2, 3), keepdims=True)
    low = np.where(np.isfinite(low), low, high)
    codes = np.where(seen, 1 + np.round(254 * (metres - low) / np.maximum(high - low, 1e-6)), 0).astype(np.uint8)
    return np.concatenate([codes, np.zeros_like(codes[:, :1])], 1), np.concatenate([low, high], 1)[:, :, 0, 0].astype(np.float32)


def _depth_side(side: int) -> int:
    """Of a depth picture whose colours have this side: a whole fraction of it."""
    return side // -(-side // _DEPTH_SIDE) if side % -(-side // _DEPTH_SIDE) == 0 else side


def _encoded(image: Image.Image, **options: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, "WEBP", **options)
    return data.getvalue()
