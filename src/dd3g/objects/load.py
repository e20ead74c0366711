"""Mesh files, by their suffix."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from dd3g.core.errors import MeshError
from dd3g.objects.gltf import credit_of_gltf, read_gltf
from dd3g.objects.gltf_document import files_of_gltf
from dd3g.objects.mesh import Mesh, assemble
from dd3g.objects.obj import files_of_obj, read_obj

READERS = {".glb": (read_gltf, files_of_gltf), ".gltf": (read_gltf, files_of_gltf), ".obj": (read_obj, files_of_obj)}


def load_mesh(path: str | os.PathLike[str]) -> Mesh:
    """Reads a textured mesh and normalises it: box centre at the origin, farthest vertex at 0.5; axes stay the file's (+Y up, front +Z).

    Args:
        path: A ``.glb``, ``.gltf`` or ``.obj`` file; pictures and material files that it names must be there.

    Raises:
        MeshError: Not readable, damaged, without faces or extent, with vertices that aren't finite, or with a texture that is missing.
    """
    place = _checked(path)
    return assemble(READERS[place.suffix.lower()][0](place), str(place))


def digest_mesh_file(path: str | os.PathLike[str]) -> str:
    """Digest of a mesh file and of all files that it names: what its pictures depend on.

    Raises:
        MeshError: One of them can't be read.
    """
    place = _checked(path)
    total = hashlib.blake2b(digest_size=16)
    for file in READERS[place.suffix.lower()][1](place):
        try:
            data = file.read_bytes()
        except OSError as error:
            raise MeshError(f"{place}: names {file}, which can't be read ({error.strerror}); put the file there") from None
        total.update(hashlib.blake2b(data, digest_size=16).digest())
    return total.hexdigest()


def credit_of_mesh_file(path: str | os.PathLike[str]) -> str | None:
    """The credit line that a file carries (glTF's ``asset.copyright``), if any."""
    place = _checked(path)
    return credit_of_gltf(place) if place.suffix.lower() in (".glb", ".gltf") else None


def _checked(path: str | os.PathLike[str]) -> Path:
    place = Path(path)
    if place.suffix.lower() not in READERS:
        raise MeshError(f"{place}: not a mesh file by its name, expected one that ends in {', '.join(READERS)}; convert it to GLB")
    if not place.is_file():
        raise MeshError(f"{place}: no such file")
    return place
