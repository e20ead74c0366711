"""Wavefront OBJ: faces by material, as parts. Its colours at vertices are taken as sRGB, as the viewers of that format show them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dd3g.core.errors import MeshError
from dd3g.objects.mesh import Material, Part
from dd3g.objects.mtl import Look, files_of_library, lines_of, read_library
from dd3g.objects.resources import beside
from dd3g.objects.surface import linear_from_srgb

Corner = tuple[int, int, int]  # rows of vertex, texture coordinate and normal; -1 where there is none


def read_obj(path: Path) -> list[Part]:
    """The parts of an ``.obj`` file.

    Raises:
        MeshError: Damaged, or a material, a material file or a texture is missing.
    """
    try:
        geometry = _read_geometry(path)
        looks: dict[str, Look] = {"": Look(Material())}
        for library in geometry.libraries:
            looks |= read_library(beside(path, library), path)
        return [_part(path, geometry, name, looks) for name in geometry.faces]
    except (ValueError, IndexError, OverflowError) as error:
        raise MeshError(f"{path}: not a valid OBJ file ({error}); export it again, best as GLB") from None


def files_of_obj(path: Path) -> list[Path]:
    """The file itself, its material files, and the textures that those name."""
    try:
        libraries = dict.fromkeys(_name(words) for word, *words in lines_of(path, path) if word == "mtllib" and words)
        named = [file for library in libraries for file in files_of_library(beside(path, library), path)]
    except (ValueError, IndexError) as error:
        raise MeshError(f"{path}: not a valid OBJ file ({error}); export it again, best as GLB") from None
    return list(dict.fromkeys([path, *named]))


@dataclass
class _Geometry:
    """What an OBJ file lists, and its faces by material."""

    vertices: list[list[float]] = field(default_factory=list)
    uvs: list[list[float]] = field(default_factory=list)
    normals: list[list[float]] = field(default_factory=list)
    faces: dict[str, list[list[Corner]]] = field(default_factory=dict)
    libraries: list[str] = field(default_factory=list)


def _read_geometry(path: Path) -> _Geometry:
    found, material = _Geometry(), ""
    for word, *words in lines_of(path, path):
        if word == "v":
            numbers = [float(x) for x in words]
            if len(numbers) < 3:
                raise ValueError(f"a vertex has {len(numbers)} numbers, expected 3")
            found.vertices.append(numbers[:6] if len(numbers) >= 6 else numbers[:3])
        elif word == "vt":
            found.uvs.append([float(words[0]), float(words[1]) if len(words) > 1 else 0.0])
        elif word == "vn":
            found.normals.append([float(words[0]), float(words[1]), float(words[2])])
        elif word == "f":
            found.faces.setdefault(material, []).append([_corner(corner, found) for corner in words])
        elif word == "usemtl":
            material = " ".join(words)
        elif word == "mtllib" and words:
            found.libraries.append(_name(words))
    return found


def _corner(text: str, found: _Geometry) -> Corner:
    """``vertex/uv/normal``, counted from 1, or back from the last where negative."""
    rows = []
    for word, values in zip([*text.split("/"), "", ""][:3], (found.vertices, found.uvs, found.normals), strict=True):
        number = int(word) if word else 0
        row = number - 1 if number > 0 else len(values) + number if number < 0 else -1
        if number and not 0 <= row < len(values):
            raise ValueError(f"a face names {text!r}, but only {len(values)} such values stand before it")
        rows.append(row)
    if rows[0] < 0:
        raise ValueError(f"a face's corner {text!r} names no vertex")
    return rows[0], rows[1], rows[2]


def _part(path: Path, geometry: _Geometry, name: str, looks: dict[str, Look]) -> Part:
    if name not in looks:
        libraries = ", ".join(geometry.libraries) or "none"
        raise MeshError(
            f"{path}: uses the material {name!r}, which its material files ({libraries}) don't have; put the right MTL file there"
        )
    look = looks[name]
    fans = [corner for face in geometry.faces[name] for i in range(2, len(face)) for corner in (face[0], face[i - 1], face[i])]
    unique, triangles = np.unique(np.array(fans, np.int64).reshape(-1, 3), axis=0, return_inverse=True)
    uvs = _rows(geometry.uvs, unique[:, 1], 2)
    if look.material.texture is not None:
        if not np.isfinite(uvs).all():
            raise MeshError(f"{path}: a face with the textured material {name!r} has no texture coordinates; export it again with them")
        uvs = uvs * look.uv_scale + look.uv_shift
        uvs[:, 1] = 1 - uvs[:, 1]  # OBJ counts v from the bottom
    vertices = [geometry.vertices[row] for row in unique[:, 0]]
    rgba = None
    if all(len(vertex) == 6 for vertex in vertices):
        colours = np.array([vertex[3:] for vertex in vertices]).reshape(-1, 3).clip(0, 1)
        rgba = np.concatenate([linear_from_srgb(colours), np.ones((len(vertices), 1))], 1).astype(np.float32)
    with np.errstate(over="ignore"):  # what overflows is refused as not finite
        positions = np.array([vertex[:3] for vertex in vertices]).reshape(-1, 3).astype(np.float32)
    normals = _rows(geometry.normals, unique[:, 2], 3).astype(np.float32)
    return Part(positions, triangles.reshape(-1, 3).astype(np.int32), look.material, normals, np.nan_to_num(uvs).astype(np.float32), rgba)


def _rows(values: list[list[float]], rows: np.ndarray, width: int) -> np.ndarray:
    """Values by row; NaN where the row is -1."""
    return np.array([*values, [np.nan] * width], np.float64).reshape(-1, width)[rows]


def _name(words: list[str]) -> str:
    return " ".join(words).replace("\\", "/")
