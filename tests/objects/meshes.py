"""Small meshes for tests, as parts and as files of our own writing."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dd3g.objects import Material, Mesh, Part, Texture, assemble

RED, GREEN, BLUE = (1.0, 0.0, 0.0, 1.0), (0.0, 1.0, 0.0, 1.0), (0.0, 0.0, 1.0, 1.0)


def floats(values: Any) -> np.ndarray:
    """As float32."""
    return np.array(values, np.float32)


CUBE_CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32)
CUBE_FACES = np.array(
    [
        *([0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5]),
        *([0, 4, 5], [0, 5, 1], [2, 3, 7], [2, 7, 6]),
        *([0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]),
    ],
    np.int32,
)


def cube_part(size: float = 1.0, centre: tuple[float, float, float] = (0.0, 0.0, 0.0), colour=(1.0, 1.0, 1.0, 1.0)) -> Part:
    """An axis-aligned cube with outward faces."""
    return Part(CUBE_CORNERS * (size / 2) + np.array(centre, np.float32), CUBE_FACES, Material(colour))


def cube(colour=(1.0, 1.0, 1.0, 1.0)) -> Mesh:
    """A normalised cube: its corners are at 0.5 from the centre, so its sides are 1 / sqrt(3) long."""
    return assemble([cube_part(colour=colour)], "cube")


def sphere_part(segments: int = 24) -> Part:
    """A sphere of radius 1 at the origin, closed over its seam, without normals of its own."""
    v, u = np.meshgrid(np.linspace(0, np.pi, segments + 1), np.linspace(0, 2 * np.pi, 2 * segments + 1), indexing="ij")
    points = np.stack([np.sin(v) * np.sin(u), np.cos(v), np.sin(v) * np.cos(u)], -1)
    points[:, -1] = points[:, 0]
    points[0], points[-1] = points[0, 0], points[-1, 0]
    index = np.arange(points[..., 0].size).reshape(points.shape[:2])
    quads = np.stack([index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]], -1).reshape(-1, 4)
    return Part(points.reshape(-1, 3).astype(np.float32), np.concatenate([quads[:, :3], quads[:, [0, 2, 3]]]).astype(np.int32))


def plate_part(material: Material, z: float = 0.0, size: float = 1.0, rgba=None, uv_scale: float = 1.0, uv_shift: float = 0.0) -> Part:
    """A square that faces +Z; the texture stands upright on it."""
    half = size / 2
    positions = np.array([[-half, -half, z], [half, -half, z], [half, half, z], [-half, half, z]], np.float32)
    uvs = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], np.float32) * uv_scale + np.float32(uv_shift)
    return Part(positions, np.array([[0, 1, 2], [0, 2, 3]], np.int32), material, None, uvs.astype(np.float32), rgba)


def plate(texture: Texture | None = None, **kwargs: Any) -> Mesh:
    """A normalised square plate that faces +Z: its half side is 0.5 / sqrt(2)."""
    return assemble([plate_part(Material(texture=texture), **kwargs)], "plate")


def texels(rows: list[list[tuple[int, ...]]]) -> np.ndarray:
    """Texels from rows of colours; alpha 255 where it is not given."""
    return np.array([[(*colour, 255)[:4] for colour in row] for row in rows], np.uint8)


def letter_f(size: int = 16) -> np.ndarray:
    """A black F on white: no mirror image or turn of it looks the same."""
    picture = np.full((size, size, 4), 255, np.uint8)
    u = size // 8
    for top, left, bottom, right in ((1, 2, 7, 3), (1, 2, 2, 6), (3, 2, 4, 5)):
        picture[top * u : bottom * u, left * u : right * u, :3] = 0
    return picture


def png(pixels: np.ndarray) -> bytes:
    """An encoded picture."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


class GlbWriter:
    """Collects accessors and writes a GLB: an independent, minimal writer that the reader is tested against."""

    def __init__(self) -> None:
        self.tree: dict[str, Any] = {"asset": {"version": "2.0"}, "bufferViews": [], "accessors": [], "meshes": [], "nodes": []}
        self.data = b""

    def view(self, data: bytes, stride: int | None = None) -> int:
        self.data += b"\0" * (-len(self.data) % 4)
        view: dict[str, Any] = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(data)}
        if stride:
            view["byteStride"] = stride
        self.tree["bufferViews"].append(view)
        self.data += data
        return len(self.tree["bufferViews"]) - 1

    def accessor(self, values: np.ndarray, **more: Any) -> int:
        kinds = {"float32": 5126, "uint16": 5123, "uint8": 5121, "uint32": 5125, "int8": 5120, "int16": 5122}
        width = 1 if values.ndim == 1 else int(np.prod(values.shape[1:]))
        accessor = {
            "bufferView": self.view(np.ascontiguousarray(values).tobytes()),
            "componentType": kinds[values.dtype.name],
            "count": len(values),
            "type": {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}[width],
        }
        self.tree["accessors"].append({**accessor, **more})
        return len(self.tree["accessors"]) - 1

    def primitive(self, positions: np.ndarray, triangles: np.ndarray | None = None, **more: Any) -> dict[str, Any]:
        primitive: dict[str, Any] = {"attributes": {"POSITION": self.accessor(positions.astype(np.float32))}}
        if triangles is not None:
            primitive["indices"] = self.accessor(triangles.reshape(-1).astype(np.uint16))
        primitive["attributes"].update({name: self.accessor(more.pop(name)) for name in list(more) if name.isupper()})
        return {**primitive, **more}

    def mesh(self, *primitives: dict[str, Any], **node: Any) -> int:
        """A node with a mesh; returns the node's index."""
        self.tree["meshes"].append({"primitives": list(primitives)})
        self.tree["nodes"].append({"mesh": len(self.tree["meshes"]) - 1, **node})
        return len(self.tree["nodes"]) - 1

    def textured(self, picture: bytes | None, **sampler: int) -> int:
        """A material with a texture (a picture inside the file, or none of its own); returns its index."""
        image = {"bufferView": self.view(picture), "mimeType": "image/png"} if picture is not None else {"uri": "wood.png"}
        self.tree.setdefault("images", []).append(image)
        self.tree.setdefault("samplers", []).append(sampler)
        self.tree.setdefault("textures", []).append({"source": len(self.tree["images"]) - 1, "sampler": len(self.tree["samplers"]) - 1})
        return self.material(baseColorTexture={"index": len(self.tree["textures"]) - 1})

    def material(self, **surface: Any) -> int:
        self.tree.setdefault("materials", []).append({"pbrMetallicRoughness": surface})
        return len(self.tree["materials"]) - 1

    def bytes(self) -> bytes:
        tree = {**self.tree, "buffers": [{"byteLength": len(self.data)}]}
        text = json.dumps(tree).encode()
        text += b" " * (-len(text) % 4)
        data = self.data + b"\0" * (-len(self.data) % 4)
        chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(data), b"BIN\0") + data
        return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks

    def write(self, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.bytes())
        return path


def cube_glb(path: Path, **material: Any) -> Path:
    """A whole file with one cube."""
    writer = GlbWriter()
    index = writer.material(**material)
    writer.mesh(writer.primitive(CUBE_CORNERS, CUBE_FACES, material=index))
    return writer.write(path)
