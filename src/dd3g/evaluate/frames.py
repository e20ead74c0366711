"""Other projects' splat files, brought into the frame that evaluation compares in: +Y up, and the side that the picture shows faces +Z.

    dd3g     our own files (docs/conventions.md)
    lgm      3DTopia/LGM. y up, the first view on +z, radius 1.5, 49.1 deg: our frame. Its first released weights normalise rotations
             along the wrong axis, and its rasterizer takes quaternions of any length as they are: so are they taken here
    trellis  microsoft/TRELLIS. z up, front at -y, written as (x, -z, y); objects fill a unit cube, so that box centre and farthest splat
             are brought to ours. Its frame is the object's own and not the picture's: see the columns of quarter turns, or --align
    sharp    apple/ml-sharp. The camera's frame (x right, y down, z forward), metres. The lens that it assumed stands in the file; across
             the axis splats are stretched so that the input view is what it was through that lens, all is scaled about the camera until
             the median depth is the input's distance, and what lies outside of the picture's matte is background and left out

Sources: these projects' writers as of 2026, read and not run.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from dd3g.core import Cameras, Gaussians
from dd3g.core.errors import SplatError
from dd3g.formats import load, ply
from dd3g.formats.orientation import turned_to
from dd3g.objects.mesh import FARTHEST_VERTEX

Frame = Literal["dd3g", "lgm", "trellis", "sharp"]
FRAMES: tuple[Frame, ...] = ("dd3g", "lgm", "trellis", "sharp")
_SEEN = 0.1  # opacity from which a splat counts when an object is measured
_EXTENT_QUANTILE = 0.999  # of the distance from the centre: a few floaters must not shrink an object
_NUMPY = {"float": "<f4", "float32": "<f4", "double": "<f8", "uint": "<u4", "uint32": "<u4", "int": "<i4", "int32": "<i4", "uchar": "u1"}


def load_in_frame(path: str | os.PathLike[str], frame: Frame, camera: Cameras, matte: Float[Tensor, "1 h w"], distance: float) -> Gaussians:
    """Splats of a file in the frame in which the input camera stands at azimuth 0.

    Args:
        path: The file.
        frame: Whose it is.
        camera: The input's one camera in that frame; ``sharp`` needs it.
        matte: The input's alpha; likewise.
        distance: Of the camera from the object's centre.

    Raises:
        SplatError: The file can't be read, or shows nothing.
    """
    if frame == "dd3g":
        return load(path)
    if Path(path).suffix.lower() != ".ply":
        raise SplatError(f"{path}: frame {frame} is that of PLY files; with other suffixes give --frame dd3g")
    columns = ply.read_columns(path)
    stored = columns("rot_0", "rot_1", "rot_2", "rot_3")
    if frame == "lgm":
        splats = ply.activated(path, columns, F.normalize(stored, dim=-1))
        return with_covariances(splats, covariances(stored, splats.scales))
    splats = ply.activated(path, columns, F.normalize(stored, dim=-1))
    if frame == "trellis":
        return normalised(turned_to(splats, "opencv"), str(path))
    return _from_camera(splats, _lens(Path(path)), camera, matte, distance, str(path))


def covariances(quats_wxyz: Float[Tensor, "n 4"], scales: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3 3"]:
    """R S S R' with R(q) by the formula of unit quaternions, whatever their length: what the INRIA rasterizer computes."""
    w, x, y, z = quats_wxyz.double().unbind(-1)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    half = torch.stack([torch.stack(row, -1) for row in rows], -2) * scales.double()[:, None]
    return half @ half.transpose(-1, -2)


def with_covariances(splats: Gaussians, sigma: Float[Tensor, "n 3 3"]) -> Gaussians:
    """The same splats with other covariances: their axes and deviations."""
    values, axes = torch.linalg.eigh(sigma.double())
    axes = torch.where((torch.linalg.det(axes) < 0)[:, None, None], -axes, axes)
    quats = quaternions(axes)
    return replace(splats, quats_wxyz=quats.float(), scales=values.clamp_min(1e-14).sqrt().float())


def quaternions(rotation: Float[Tensor, "n 3 3"]) -> Float[Tensor, "n 4"]:
    """Unit quaternions, w first, of rotation matrices: from the largest of the four components, so that none is divided by little."""
    m = rotation
    trace = m.diagonal(dim1=-2, dim2=-1)
    x, y, z = trace.unbind(-1)
    squares = torch.stack([1 + x + y + z, 1 + x - y - z, 1 - x + y - z, 1 - x - y + z], -1)  # 4 w^2, 4 x^2, ...
    wx, wy, wz = m[:, 2, 1] - m[:, 1, 2], m[:, 0, 2] - m[:, 2, 0], m[:, 1, 0] - m[:, 0, 1]
    xy, xz, yz = m[:, 0, 1] + m[:, 1, 0], m[:, 0, 2] + m[:, 2, 0], m[:, 1, 2] + m[:, 2, 1]
    table = torch.stack(
        [
            torch.stack([squares[:, 0], wx, wy, wz], -1),
            torch.stack([wx, squares[:, 1], xy, xz], -1),
            torch.stack([wy, xy, squares[:, 2], yz], -1),
            torch.stack([wz, xz, yz, squares[:, 3]], -1),
        ],
        -2,
    )
    largest = squares.argmax(-1)
    return F.normalize(table[torch.arange(len(m)), largest], dim=-1)


def normalised(splats: Gaussians, where: str) -> Gaussians:
    """Box centre at the origin and the farthest splat at 0.5, as meshes are."""
    seen = splats.means[splats.opacities >= _SEEN]
    if not len(seen):
        raise SplatError(f"{where}: none of its {len(splats)} splats is visible; export it again")
    low, high = seen.quantile(1 - _EXTENT_QUANTILE, 0), seen.quantile(_EXTENT_QUANTILE, 0)
    centre = (low + high) / 2
    scale = FARTHEST_VERTEX / (seen - centre).norm(dim=-1).quantile(_EXTENT_QUANTILE).clamp_min(1e-6)
    return splats.transformed(scale, -centre * scale)


def _from_camera(splats: Gaussians, lens: tuple[float, float], camera: Cameras, matte: Tensor, distance: float, where: str) -> Gaussians:
    """From the frame of the input's camera."""
    focal = camera.intrinsics[0, [0, 1], [0, 1]] / torch.tensor([camera.width, camera.height])
    stretch = torch.tensor([lens[0] / focal[0], lens[1] / focal[1], 1.0])
    means = splats.means * stretch
    pixel = means[:, :2] / means[:, 2:].clamp_min(1e-6) * camera.intrinsics[0, [0, 1], [0, 1]] + camera.intrinsics[0, :2, 2]
    column, row = pixel.floor().long().unbind(-1)
    inside = (means[:, 2] > 0) & (column >= 0) & (column < camera.width) & (row >= 0) & (row < camera.height)
    inside[inside.clone()] = matte[0, row[inside], column[inside]] >= 0.5
    seen = inside & (splats.opacities >= _SEEN)
    if not bool(seen.any()):
        raise SplatError(f"{where}: none of its splats lies on the object in the input view; was it made from that picture?")
    scale = distance / means[seen, 2].median()
    matrix = torch.diag(stretch).double() * scale
    sigma = matrix @ covariances(splats.quats_wxyz, splats.scales) @ matrix.T
    pose = camera.camera_from_world[0]
    rotation = pose[:3, :3].T
    moved = replace(splats, means=(means * scale - pose[:3, 3]) @ rotation.T)
    turned = with_covariances(moved, rotation.double() @ sigma @ rotation.double().T)
    return turned.map(lambda t: t[inside])


def _lens(path: Path) -> tuple[float, float]:
    """Focal lengths over the picture's sides, from the elements that follow the splats."""
    data = path.read_bytes()
    end = data.find(b"end_header")
    elements: list[tuple[str, int, list[tuple[str, str]]]] = []
    for line in data[:end].decode("latin-1").splitlines():
        match line.split():
            case ["element", name, count]:
                elements.append((name, int(count), []))
            case ["property", kind, name] if elements and kind in _NUMPY:
                elements[-1][2].append((name, _NUMPY[kind]))
    at, found = data.find(b"\n", end) + 1, {}
    for name, count, columns in elements:
        row = np.dtype(columns)
        if len(data) - at < count * row.itemsize:
            raise SplatError(f"{path}: cut off before its {name}; copy it again")
        if len(columns) == 1:
            found[name] = np.frombuffer(data, row, count, at)[columns[0][0]]
        at += count * row.itemsize
    if "intrinsic" not in found or "image_size" not in found or len(found["intrinsic"]) != 9 or len(found["image_size"]) != 2:
        raise SplatError(f"{path}: says nothing of its lens (elements intrinsic and image_size), as SHARP's files do; give another --frame")
    width, height = found["image_size"].tolist()
    return float(found["intrinsic"][0]) / width, float(found["intrinsic"][4]) / height
