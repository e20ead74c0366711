"""glTF 2.0 as bytes: the JSON tree, its buffers, and accessors as arrays. Files are hostile: every offset is checked."""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from jaxtyping import Float64

from dd3g.core.errors import MeshError
from dd3g.objects.resources import beside, read_beside

_COMPONENTS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
_MOST_VALUES = 1 << 28
_MOST_IMPLIED_VALUES = 1 << 22  # zeros of an accessor without data: the one place where a short file can ask for much memory
_KNOWN_EXTENSIONS = {
    "KHR_texture_transform",
    "KHR_mesh_quantization",
    "KHR_lights_punctual",
    "EXT_texture_webp",
}  # and all of KHR_materials_: those that are not read change gloss, not the base colour


def files_of_gltf(path: Path) -> list[Path]:
    """The file itself and the files that it names: buffers and pictures."""
    document = open_document(path)
    try:
        named = [entry["uri"] for kind in ("buffers", "images") for entry in document.tree.get(kind, []) if "uri" in entry]
        return [path, *(beside(path, unquote(uri)) for uri in named if not uri.startswith("data:"))]
    except (KeyError, TypeError, AttributeError) as error:
        raise MeshError(f"{path}: not a valid glTF 2.0 file ({type(error).__name__}: {error}); export it again") from None


def credit_of_gltf(path: Path) -> str | None:
    """The file's copyright line, if it has one."""
    line = open_document(path).tree["asset"].get("copyright")
    return line if isinstance(line, str) and line else None


@dataclass(frozen=True)
class Document:
    """An open file."""

    path: Path
    tree: Mapping[str, Any]
    binary: bytes | None  # GLB's own buffer

    @cached_property
    def buffers(self) -> list[bytes]:
        """The bytes of all buffers."""
        return [self._buffer(i, buffer) for i, buffer in enumerate(self.tree.get("buffers", []))]

    def _buffer(self, index: int, buffer: Mapping[str, Any]) -> bytes:
        data = self.resource(buffer["uri"], f"buffer {index}") if "uri" in buffer else self.binary
        if data is None or len(data) < buffer["byteLength"]:
            found = 0 if data is None else len(data)
            raise MeshError(
                f"{self.path}: buffer {index} has {found} bytes, expected {buffer['byteLength']}; the file is cut off, export it again"
            )
        return data

    def resource(self, uri: str, what: str) -> bytes:
        """The bytes behind a URI: inline, or a file at or below the mesh's folder."""
        if uri.startswith("data:"):
            head, comma, body = uri.partition(",")
            if not comma or not head.endswith(";base64"):
                raise MeshError(f"{self.path}: {what} is a data URI that is not base64; export it again")
            try:
                return base64.b64decode(body, validate=True)
            except binascii.Error as error:
                raise MeshError(f"{self.path}: {what} is not valid base64 ({error}); export it again") from None
        return read_beside(self.path, unquote(uri), what)

    def view(self, index: int) -> bytes:
        """The bytes of a buffer view."""
        view = item(self.tree["bufferViews"], index)
        data, start = item(self.buffers, view["buffer"]), view.get("byteOffset", 0)
        if start < 0 or view["byteLength"] < 0 or start + view["byteLength"] > len(data):
            end = start + view["byteLength"]
            raise MeshError(f"{self.path}: bufferView {index} ends at byte {end} of {len(data)}; the file is damaged, export it again")
        return data[start : start + view["byteLength"]]


def open_document(path: Path) -> Document:
    """Reads a ``.glb`` or ``.gltf`` file's tree.

    Raises:
        MeshError: Not glTF 2, cut off, or in need of an extension that is not known here.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MeshError(f"{path}: can't be read ({error.strerror})") from None
    text, binary = _chunks(path, data) if data[:4] == b"glTF" else (data, None)
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MeshError(f"{path}: neither GLB nor glTF's JSON ({error}); export the object as GLB") from None
    if not isinstance(tree, dict) or not isinstance(tree.get("asset"), dict) or not str(tree["asset"].get("version", "")).startswith("2"):
        raise MeshError(f"{path}: not glTF of version 2; export the object as GLB")
    required = tree.get("extensionsRequired", [])
    names = list(map(str, required)) if isinstance(required, list) else [str(required)]
    needed = [name for name in names if name not in _KNOWN_EXTENSIONS and not name.startswith("KHR_materials_")]
    if needed:
        raise MeshError(f"{path}: needs {', '.join(needed)}, which is not known here; export it without compression and extensions")
    return Document(path, tree, binary)


def _chunks(path: Path, data: bytes) -> tuple[bytes, bytes | None]:
    """JSON and binary chunk of a GLB."""
    if len(data) < 20:
        raise MeshError(f"{path}: {len(data)} bytes are too few for a GLB; the file is cut off, export it again")
    version, length = struct.unpack("<II", data[4:12])
    if version != 2 or length > len(data):
        raise MeshError(f"{path}: a GLB of version {version} with {len(data)} bytes, expected version 2 with {length}; export it again")
    found, at = {}, 12
    while at + 8 <= length:
        size, kind = struct.unpack("<I4s", data[at : at + 8])
        if at + 8 + size > length:
            raise MeshError(f"{path}: a chunk ends at byte {at + 8 + size} of {length}; the file is cut off, export it again")
        found.setdefault(kind, data[at + 8 : at + 8 + size])
        at += 8 + size
    if b"JSON" not in found:
        raise MeshError(f"{path}: a GLB without its JSON chunk; export it again")
    return found[b"JSON"], found.get(b"BIN\0")


def item(items: Sequence[Any], index: int) -> Any:
    """An item of one of the tree's lists; negative and other wrong indices are errors."""
    if not isinstance(index, int) or not 0 <= index < len(items):
        raise IndexError(f"index {index} of {len(items)}")
    return items[index]


def accessor_values(document: Document, index: int, width: int | None = None) -> Float64[np.ndarray, "count width"]:
    """An accessor's values, normalised integers as numbers in [-1, 1] or [0, 1].

    Raises:
        ValueError: It has another width than asked for, or does not fit into its buffer.
    """
    accessor = item(document.tree["accessors"], index)
    found = _WIDTHS[accessor["type"]]
    if width is not None and found != width:
        raise ValueError(f"accessor {index} is {accessor['type']}, expected {width} components")
    count, kind = accessor["count"], np.dtype(_COMPONENTS[accessor["componentType"]])
    if not isinstance(count, int) or not 0 <= count <= _MOST_VALUES:
        raise ValueError(f"accessor {index} has a count of {count}")
    if "bufferView" in accessor:
        values = _strided(document, accessor["bufferView"], accessor.get("byteOffset", 0), count, found, kind).astype(np.float64)
    elif "sparse" in accessor and count <= _MOST_IMPLIED_VALUES:
        values = np.zeros((count, found))
    else:
        raise ValueError(f"accessor {index} has no data")
    if "sparse" in accessor:
        sparse = accessor["sparse"]
        where, what = sparse["indices"], sparse["values"]
        rows = _strided(
            document, where["bufferView"], where.get("byteOffset", 0), sparse["count"], 1, np.dtype(_COMPONENTS[where["componentType"]])
        )
        rows = rows.reshape(-1).astype(np.int64)
        if len(rows) and (rows.min() < 0 or rows.max() >= count):
            raise ValueError(f"accessor {index} names value {rows.max()} of {count}")
        values[rows] = _strided(document, what["bufferView"], what.get("byteOffset", 0), sparse["count"], found, kind)
    if accessor.get("normalized", False) and kind.kind in "iu":
        values = np.maximum(values / np.iinfo(kind).max, -1.0)
    return values


def _strided(document: Document, view_index: int, offset: int, count: int, width: int, kind: np.dtype) -> np.ndarray:
    data = document.view(view_index)
    size = width * kind.itemsize
    stride = document.tree["bufferViews"][view_index].get("byteStride", size) or size
    if offset < 0 or count < 0 or stride < size or offset + (stride * (count - 1) + size if count else 0) > len(data):
        raise ValueError(f"{count} values of {size} bytes every {stride} from byte {offset} don't fit into {len(data)} bytes")
    if count == 0:
        return np.zeros((0, width), kind)
    return np.ndarray((count, width), kind, data, offset, (stride, kind.itemsize))
