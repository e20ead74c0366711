"""The INRIA splat PLY, 17 columns of float32 (68 bytes a splat), which every viewer reads.

    x y z  nx ny nz  f_dc_0..2  opacity  scale_0..2  rot_0..3

opacity is a logit, scale a logarithm, f_dc = (rgb - 0.5) / C0, rot is w, x, y, z. Normals are zeros: several readers want them to be there.
No comments and no other elements: several readers stumble over them. What else is worth knowing goes into a JSON file beside it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from dd3g.core import Gaussians
from dd3g.core.errors import InputError, SplatError
from dd3g.core.files import write_atomically
from dd3g.formats.orientation import Orientation, turned_to

Columns = Callable[..., torch.Tensor]  # names of columns -> (n, names) float32

SH_C0 = 0.28209479177387814  # the constant spherical harmonic
COLUMNS = (
    ["x", "y", "z", "nx", "ny", "nz"]
    + [f"f_dc_{i}" for i in range(3)]
    + ["opacity"]
    + [f"scale_{i}" for i in range(3)]
    + [f"rot_{i}" for i in range(4)]
)
_LEAST_OPACITY = 1e-6  # keeps the logit finite
_MOST_HEADER_BYTES = 64 * 1024
_MOST_SPLATS = 10_000_000
_TYPES = {"float": "<f4", "float32": "<f4", "double": "<f8", "float64": "<f8", "uchar": "u1", "uint8": "u1", "int": "<i4", "uint": "<u4"}
_TYPES |= {"char": "i1", "int8": "i1", "short": "<i2", "int16": "<i2", "ushort": "<u2", "uint16": "<u2", "int32": "<i4", "uint32": "<u4"}


def save(gaussians: Gaussians, path: str | os.PathLike[str], *, orientation: Orientation = "supersplat") -> None:
    """Writes one scene atomically.

    Raises:
        InputError: No Gaussian, a batch of scenes, a value that is not finite, or spherical harmonics above degree 0.
        OutputError: The place can't be written.
    """
    if gaussians.means.ndim != 2 or len(gaussians) == 0:
        raise InputError(f"{path}: found Gaussians of shape {tuple(gaussians.means.shape)}; a PLY holds one scene of at least one splat")
    if gaussians.sh_rest is not None:
        raise InputError(f"{path}: spherical harmonics above degree 0 are not written here; drop sh_rest first")
    turned = turned_to(gaussians.to("cpu").detach(), orientation)
    alpha = turned.opacities.double().clamp(_LEAST_OPACITY, 1 - _LEAST_OPACITY)
    quats = torch.nn.functional.normalize(turned.quats_wxyz.double(), dim=-1)
    quats = torch.where(quats[:, :1] < 0, -quats, quats)
    table = torch.cat(
        [
            turned.means.double(),
            torch.zeros(len(turned), 3, dtype=torch.float64),
            (turned.rgb.double() - 0.5) / SH_C0,
            torch.logit(alpha)[:, None],
            turned.scales.double().log(),
            quats,
        ],
        1,
    )
    finite = torch.isfinite(table).all(1)
    if not bool(finite.all()):
        raise InputError(f"{path}: splat {int((~finite).nonzero()[0])} is not finite; nothing was written")
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {len(turned)}"]
    header = "\n".join([*lines, *(f"property float {name}" for name in COLUMNS), "end_header"]) + "\n"
    with write_atomically(path) as temporary:
        temporary.write_bytes(header.encode("ascii") + table.numpy().astype("<f4").tobytes())


def load(path: str | os.PathLike[str], *, orientation: Orientation = "supersplat") -> Gaussians:
    """Reads a splat PLY by its column names: order, extra columns, comments and normals don't matter.

    Raises:
        SplatError: Not a binary little-endian PLY, a point cloud without splat columns, cut off, or with values that are not finite.
    """
    columns = read_columns(path)
    quats = torch.nn.functional.normalize(columns("rot_0", "rot_1", "rot_2", "rot_3"), dim=-1)
    return turned_to(activated(path, columns, quats), orientation)


def read_columns(path: str | os.PathLike[str]) -> Columns:
    """The columns of a splat PLY as they are stored: ``columns("x", "y", "z")`` is (n, 3).

    Raises:
        SplatError: Not a binary little-endian PLY, a point cloud without splat columns, or cut off.
    """
    place = Path(path)
    try:
        data = place.read_bytes()
    except OSError as error:
        raise SplatError(f"{place}: can't be read ({error.strerror}); check the path") from None
    count, columns, start = _parse_header(place, data)
    missing = [name for name in COLUMNS if name not in dict(columns) and name not in ("nx", "ny", "nz")]
    if missing:
        raise SplatError(f"{place}: has no column {', '.join(missing[:4])}; it may be a point cloud: export it as Gaussian splats")
    row = np.dtype([(name, _TYPES[kind]) for name, kind in columns])
    if len(data) - start < count * row.itemsize:
        raise SplatError(
            f"{place}: {len(data) - start} bytes after the header, {count * row.itemsize} promised; the file is cut off: copy it again"
        )
    table = np.frombuffer(data, row, count, start)
    return lambda *names: torch.from_numpy(np.stack([table[name].astype(np.float32) for name in names], -1))


def activated(path: str | os.PathLike[str], columns: Columns, quats_wxyz: torch.Tensor) -> Gaussians:
    """Splats in the file's own frame, from its columns and the rotations made of them.

    Raises:
        SplatError: A value is not finite.
    """
    values = {
        "means": columns("x", "y", "z"),
        "quats_wxyz": quats_wxyz,
        "scales": columns("scale_0", "scale_1", "scale_2").exp(),
        "opacities": torch.sigmoid(columns("opacity"))[:, 0],
        "rgb": columns("f_dc_0", "f_dc_1", "f_dc_2") * SH_C0 + 0.5,
    }
    for name, value in values.items():
        if not bool(torch.isfinite(value).all()):
            bad = int((~torch.isfinite(value.reshape(len(value), -1)).all(1)).nonzero()[0])
            raise SplatError(f"{path}: {name} of splat {bad} is not finite; clean the file in a splat editor first")
    return Gaussians(**values)


def _parse_header(place: Path, data: bytes) -> tuple[int, list[tuple[str, str]], int]:
    """Number of vertices, their columns as (name, type), and where the data begin."""
    end = data.find(b"end_header", 0, _MOST_HEADER_BYTES)
    newline = data.find(b"\n", end) if end >= 0 else -1
    if not data.startswith(b"ply") or newline < 0:
        raise SplatError(f"{place}: not a PLY file (no header within {_MOST_HEADER_BYTES // 1024} KiB); export it again")
    count, columns, element = None, [], ""
    for line in data[:end].decode("latin-1").split("\n"):
        words = line.split()
        match words:
            case ["format", kind, *_] if kind != "binary_little_endian":
                raise SplatError(f"{place}: format {kind}, expected binary_little_endian; convert it with a splat editor")
            case ["element", name, number]:
                if count is None and name != "vertex":
                    raise SplatError(f"{place}: element {name} stands before the vertices, which is no plain splat PLY (compressed?)")
                element = name
                if name == "vertex":
                    if not number.isdecimal() or not 1 <= int(number) <= _MOST_SPLATS:
                        raise SplatError(f"{place}: promises {number} splats, expected 1 to {_MOST_SPLATS}")
                    count = int(number)
            case ["property", kind, name] if element == "vertex":
                if kind not in _TYPES or name in dict(columns):
                    raise SplatError(f"{place}: column {name} of type {kind} can't be read (unknown type, or named twice)")
                columns.append((name, kind))
            case ["property", "list", *_] if element == "vertex":
                raise SplatError(f"{place}: has lists among its vertex columns, which no splat file has")
            case _:
                pass
    if count is None:
        raise SplatError(f"{place}: has no vertices; export it again")
    return count, columns, newline + 1
