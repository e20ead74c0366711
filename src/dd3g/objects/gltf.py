"""glTF 2.0 and GLB: what stands in the default scene, as parts in world space.

Read here and not through trimesh, which stores linear colour factors in 8 bits (dark colours jump by several sRGB steps), drops texture
wrap modes, and goes on without a texture that it can't read. Files are taken as hostile: every offset is checked before it is used.

Read: triangles (lists, strips, fans), node transforms, interleaved, normalised and sparse accessors, base colour factors, textures, samplers and
vertex colours, alpha modes, KHR_texture_transform, KHR_mesh_quantization, EXT_texture_webp, the diffuse side of
KHR_materials_pbrSpecularGlossiness. Skins and morph targets are left in the pose in which the vertices are stored.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from dd3g.core.errors import MeshError
from dd3g.objects.mesh import Material, Part, Texture, Wrap
from dd3g.objects.resources import beside, decode_texture, read_beside

_COMPONENTS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
_WRAPS: dict[int, Wrap] = {10497: "repeat", 33071: "clamp", 33648: "mirror"}
_KNOWN_EXTENSIONS = {
    "KHR_texture_transform",
    "KHR_mesh_quantization",
    "KHR_materials_unlit",
    "KHR_materials_pbrSpecularGlossiness",
    "KHR_lights_punctual",
    "EXT_texture_webp",
}  # and all others of KHR_materials_: they change gloss, not the base colour
_DEEPEST_NODE = 256
_MOST_PARTS = 100_000


def read_gltf(path: Path) -> list[Part]:
    """The parts of a ``.glb`` or ``.gltf`` file.

    Raises:
        MeshError: Damaged, needs an extension that is not known here, or names a file that is not there.
    """
    document = _open(path)
    try:
        return list(_parts(document))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, struct.error) as error:
        raise MeshError(f"{path}: not a valid glTF 2.0 file ({type(error).__name__}: {error}); export it again") from None


def files_of_gltf(path: Path) -> list[Path]:
    """The file itself and the files that it names: buffers and pictures."""
    document = _open(path)
    try:
        named = [item["uri"] for kind in ("buffers", "images") for item in document.tree.get(kind, []) if "uri" in item]
        return [path, *(beside(path, unquote(uri)) for uri in named if not uri.startswith("data:"))]
    except (KeyError, TypeError, AttributeError) as error:
        raise MeshError(f"{path}: not a valid glTF 2.0 file ({type(error).__name__}: {error}); export it again") from None


def credit_of_gltf(path: Path) -> str | None:
    """The file's copyright line, if it has one."""
    line = _open(path).tree["asset"].get("copyright")
    return line if isinstance(line, str) and line else None


@dataclass(frozen=True)
class _Document:
    path: Path
    tree: Mapping[str, Any]
    binary: bytes | None  # GLB's own buffer

    @cached_property
    def buffers(self) -> list[bytes]:
        return [self._buffer(i, buffer) for i, buffer in enumerate(self.tree.get("buffers", []))]

    @cached_property
    def textures(self) -> dict[int, np.ndarray]:  # texels by image index, filled as they are asked for
        return {}

    def _buffer(self, index: int, buffer: Mapping[str, Any]) -> bytes:
        data = self.resource(buffer["uri"], f"buffer {index}") if "uri" in buffer else self.binary
        if data is None or len(data) < buffer["byteLength"]:
            found = 0 if data is None else len(data)
            raise MeshError(f"{self.path}: buffer {index} has {found} bytes, expected {buffer['byteLength']}; the file is cut off, export it again")
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
        view = _at(self.tree["bufferViews"], index)
        data, start = _at(self.buffers, view["buffer"]), view.get("byteOffset", 0)
        if start < 0 or view["byteLength"] < 0 or start + view["byteLength"] > len(data):
            raise MeshError(f"{self.path}: bufferView {index} ends at byte {start + view['byteLength']} of {len(data)}; the file is damaged, export it again")
        return data[start : start + view["byteLength"]]


def _open(path: Path) -> _Document:
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
    needed = [
        name for name in tree.get("extensionsRequired", []) if name not in _KNOWN_EXTENSIONS and not str(name).startswith("KHR_materials_")
    ]
    if needed:
        raise MeshError(f"{path}: needs {', '.join(map(str, needed))}, which is not known here; export it without compression and extensions")
    return _Document(path, tree, binary)


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


def _at(items: Sequence[Any], index: int) -> Any:
    if not isinstance(index, int) or not 0 <= index < len(items):
        raise IndexError(f"index {index} of {len(items)}")
    return items[index]


# ---------------------------------------------------------------- geometry
def _parts(document: _Document) -> Iterator[Part]:
    tree = document.tree
    count = 0
    for node, world_from_node in _nodes(tree):
        if "mesh" not in node:
            continue
        for primitive in _at(tree["meshes"], node["mesh"])["primitives"]:
            count += 1
            if count > _MOST_PARTS:
                raise MeshError(f"{document.path}: has more than {_MOST_PARTS} parts; simplify the object")
            if primitive.get("mode", 4) in (4, 5, 6):
                yield _part(document, primitive, world_from_node)


def _nodes(tree: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], np.ndarray]]:
    nodes = tree.get("nodes", [])
    if tree.get("scenes"):
        roots = _at(tree["scenes"], tree.get("scene", 0)).get("nodes", [])
    else:
        children = {child for node in nodes for child in node.get("children", [])}
        roots = [i for i in range(len(nodes)) if i not in children]
    waiting = [(root, np.eye(4), 0) for root in reversed(roots)]
    seen = set()
    while waiting:
        index, world_from_parent, depth = waiting.pop()
        if index in seen or depth > _DEEPEST_NODE:
            raise ValueError(f"node {index} has two parents or stands too deep")
        seen.add(index)
        node = _at(nodes, index)
        world_from_node = world_from_parent @ _parent_from_node(node)
        yield node, world_from_node
        waiting += [(child, world_from_node, depth + 1) for child in reversed(node.get("children", []))]


def _parent_from_node(node: Mapping[str, Any]) -> np.ndarray:
    if "matrix" in node:
        return np.array(node["matrix"], np.float64).reshape(4, 4).T  # stored column by column
    x, y, z, w = np.array(node.get("rotation", (0, 0, 0, 1)), np.float64).reshape(4)
    norm = math.sqrt(x * x + y * y + z * z + w * w) or 1.0
    x, y, z, w = x / norm, y / norm, z / norm, w / norm
    rotation = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(rotation) * np.array(node.get("scale", (1, 1, 1)), np.float64).reshape(3)
    matrix[:3, 3] = np.array(node.get("translation", (0, 0, 0)), np.float64).reshape(3)
    return matrix


def _part(document: _Document, primitive: Mapping[str, Any], world_from_node: np.ndarray) -> Part:
    attributes = primitive["attributes"]
    positions = _accessor(document, attributes["POSITION"], 3)
    linear = world_from_node[:3, :3]
    material, uv_set, uv_transform = _material(document, primitive.get("material"))
    normals = uvs = rgba = None
    if "NORMAL" in attributes:
        # cofactors: what turns normals under any scaling, mirrored and flat ones included
        cofactors = np.stack([np.cross(linear[(i + 1) % 3], linear[(i + 2) % 3]) for i in range(3)])
        normals = _same_length(_accessor(document, attributes["NORMAL"], 3) @ cofactors.T, positions).astype(np.float32)
    if material.texture is not None:
        if f"TEXCOORD_{uv_set}" not in attributes:
            raise MeshError(f"{document.path}: a textured part has no TEXCOORD_{uv_set}; export it again with texture coordinates")
        uvs = _accessor(document, attributes[f"TEXCOORD_{uv_set}"], 2)
        uvs = _same_length((np.concatenate([uvs, np.ones((len(uvs), 1))], 1) @ uv_transform.T)[:, :2], positions).astype(np.float32)
        if not np.isfinite(uvs).all():
            raise MeshError(f"{document.path}: texture coordinates are not finite numbers; export it again")
    if "COLOR_0" in attributes:
        colours = _accessor(document, attributes["COLOR_0"], None).clip(0, 1)
        rgba = np.ones((len(colours), 4), np.float32)
        rgba[:, : colours.shape[1]] = colours
        rgba = _same_length(rgba, positions)
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused as not finite
        world = (positions @ linear.T + world_from_node[:3, 3]).astype(np.float32)
    return Part(world, _triangles(document, primitive, len(positions)), material, normals, uvs, rgba)


def _same_length(values: np.ndarray, positions: np.ndarray) -> np.ndarray:
    if len(values) != len(positions):
        raise ValueError(f"{len(values)} attributes for {len(positions)} vertices")
    return values


def _triangles(document: _Document, primitive: Mapping[str, Any], vertices: int) -> np.ndarray:
    if "indices" in primitive:
        order = _accessor(document, primitive["indices"], 1).reshape(-1).astype(np.int64)
    else:
        order = np.arange(vertices)
    mode = primitive.get("mode", 4)
    if mode == 4:
        triangles = order[: len(order) // 3 * 3].reshape(-1, 3)
    else:
        steps = np.arange(max(len(order) - 2, 0))
        if mode == 5:  # strip: every second triangle turns the other way
            odd = steps % 2
            triangles = np.stack([order[steps + odd], order[steps + 1 - odd], order[steps + 2]], -1)
        else:
            triangles = np.stack([order[np.zeros_like(steps)], order[steps + 1], order[steps + 2]], -1)
    return triangles.astype(np.int32)


def _accessor(document: _Document, index: int, width: int | None) -> np.ndarray:
    """An accessor's values as float64 of shape (count, width)."""
    accessor = _at(document.tree["accessors"], index)
    found = _WIDTHS[accessor["type"]]
    if width is not None and found != width:
        raise ValueError(f"accessor {index} is {accessor['type']}, expected {width} components")
    count, kind = accessor["count"], np.dtype(_COMPONENTS[accessor["componentType"]])
    if not isinstance(count, int) or not 0 <= count <= 1 << 31:
        raise ValueError(f"accessor {index} has a count of {count}")
    if "bufferView" in accessor:
        values = _strided(document, accessor["bufferView"], accessor.get("byteOffset", 0), count, found, kind).astype(np.float64)
    elif "sparse" in accessor and count <= 1 << 26:
        values = np.zeros((count, found))
    else:
        raise ValueError(f"accessor {index} has no data")
    if "sparse" in accessor:
        sparse = accessor["sparse"]
        where, what = sparse["indices"], sparse["values"]
        rows = _strided(document, where["bufferView"], where.get("byteOffset", 0), sparse["count"], 1, np.dtype(_COMPONENTS[where["componentType"]]))
        rows = rows.reshape(-1).astype(np.int64)
        if len(rows) and (rows.min() < 0 or rows.max() >= count):
            raise ValueError(f"accessor {index} names value {rows.max()} of {count}")
        values[rows] = _strided(document, what["bufferView"], what.get("byteOffset", 0), sparse["count"], found, kind)
    if accessor.get("normalized", False) and kind.kind in "iu":
        values = np.maximum(values / np.iinfo(kind).max, -1.0)
    return values


def _strided(document: _Document, view_index: int, offset: int, count: int, width: int, kind: np.dtype) -> np.ndarray:
    data = document.view(view_index)
    size = width * kind.itemsize
    stride = document.tree["bufferViews"][view_index].get("byteStride", size) or size
    if offset < 0 or count < 0 or stride < size or offset + (stride * (count - 1) + size if count else 0) > len(data):
        raise ValueError(f"{count} values of {size} bytes every {stride} from byte {offset} don't fit into {len(data)} bytes")
    if count == 0:
        return np.zeros((0, width), kind)
    return np.ndarray((count, width), kind, data, offset, (stride, kind.itemsize))


# ---------------------------------------------------------------- material
def _material(document: _Document, index: int | None) -> tuple[Material, int, np.ndarray]:
    """The material, the number of its texture coordinates, and what turns them into the texture's."""
    if index is None:
        return Material(), 0, np.eye(3)
    material = _at(document.tree["materials"], index)
    legacy = material.get("extensions", {}).get("KHR_materials_pbrSpecularGlossiness")
    if legacy is not None:
        factor, reference = legacy.get("diffuseFactor"), legacy.get("diffuseTexture")
    else:
        surface = material.get("pbrMetallicRoughness", {})
        factor, reference = surface.get("baseColorFactor"), surface.get("baseColorTexture")
    red, green, blue, alpha = (float(x) for x in factor) if factor is not None else (1.0, 1.0, 1.0, 1.0)
    mode = material.get("alphaMode", "OPAQUE").lower()
    if mode not in ("opaque", "mask", "blend") or not all(map(math.isfinite, (red, green, blue, alpha))):
        raise ValueError(f"material {index} has alphaMode {mode!r} and factor {factor}")
    texture, uv_set, transform = None, 0, np.eye(3)
    if reference is not None:
        extension = reference.get("extensions", {}).get("KHR_texture_transform", {})
        uv_set = extension.get("texCoord", reference.get("texCoord", 0))
        texture, transform = _texture(document, reference["index"]), _uv_transform(extension)
    return Material((red, green, blue, alpha), texture, mode, float(material.get("alphaCutoff", 0.5))), uv_set, transform


def _texture(document: _Document, index: int) -> Texture:
    texture = _at(document.tree["textures"], index)
    source = texture.get("extensions", {}).get("EXT_texture_webp", {}).get("source", texture.get("source"))
    if source is None:
        raise MeshError(f"{document.path}: texture {index} has no picture in a known format; save its textures as PNG or JPEG")
    if source not in document.textures:
        image = _at(document.tree["images"], source)
        data = document.resource(image["uri"], f"image {source}") if "uri" in image else document.view(image["bufferView"])
        document.textures[source] = decode_texture(data, f"{document.path}, image {source}")
    sampler = _at(document.tree["samplers"], texture["sampler"]) if "sampler" in texture else {}
    return Texture(document.textures[source], _WRAPS[sampler.get("wrapS", 10497)], _WRAPS[sampler.get("wrapT", 10497)])


def _uv_transform(extension: Mapping[str, Any]) -> np.ndarray:
    """KHR_texture_transform: translation @ rotation @ scale, on (u, v, 1)."""
    angle = float(extension.get("rotation", 0.0))
    sin, cos = math.sin(angle), math.cos(angle)
    scale_u, scale_v = extension.get("scale", (1.0, 1.0))
    shift_u, shift_v = extension.get("offset", (0.0, 0.0))
    return np.array([[cos * scale_u, sin * scale_v, shift_u], [-sin * scale_u, cos * scale_v, shift_v], [0.0, 0.0, 1.0]])
