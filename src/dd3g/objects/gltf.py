"""glTF 2.0 and GLB: what stands in the default scene, as parts in world space.

Read here and not through trimesh, which stores linear colour factors in 8 bits (dark colours jump by several sRGB steps), drops texture
wrap modes, and goes on without a texture that it can't read.

Read: triangles (lists, strips, fans), node transforms, skins in the pose in which their joints stand, interleaved, normalised and sparse
accessors, base colour factors, textures, samplers and vertex colours, alpha modes, KHR_texture_transform, KHR_mesh_quantization,
EXT_texture_webp, the diffuse side of KHR_materials_pbrSpecularGlossiness. Morph targets stay at rest.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from dd3g.core.errors import MeshError
from dd3g.objects.gltf_document import Document, accessor_values, item, open_document
from dd3g.objects.gltf_material import Looks
from dd3g.objects.mesh import Part

_DEEPEST_NODE = 256
_MOST_PARTS = 100_000
_DAMAGE = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RecursionError, struct.error)
Matrix = Float64[np.ndarray, "4 4"]


def read_gltf(path: Path) -> list[Part]:
    """The parts of a ``.glb`` or ``.gltf`` file.

    Raises:
        MeshError: Damaged, needs an extension that is not known here, or names a file that is not there.
    """
    document = open_document(path)
    try:
        return _parts(document)
    except _DAMAGE as error:
        raise MeshError(f"{path}: not a valid glTF 2.0 file ({type(error).__name__}: {error}); export it again") from None


def credit_of_gltf(path: Path) -> str | None:
    """The file's copyright line, if it has one."""
    line = open_document(path).tree["asset"].get("copyright")
    return line if isinstance(line, str) and line else None


def _parts(document: Document) -> list[Part]:
    looks, world_from_node, parts = Looks(document), _world_from_nodes(document.tree), []
    for index, matrix in world_from_node.items():
        node = document.tree["nodes"][index]
        if "mesh" not in node:
            continue
        joints = _joint_matrices(document, node["skin"], world_from_node) if "skin" in node else None
        for primitive in item(document.tree["meshes"], node["mesh"])["primitives"]:
            if primitive.get("mode", 4) in (4, 5, 6):
                parts.append(_part(document, primitive, matrix, joints, looks))
            if len(parts) > _MOST_PARTS:
                raise MeshError(f"{document.path}: has more than {_MOST_PARTS} parts; simplify the object")
    return parts


# ---------------------------------------------------------------- nodes
def _world_from_nodes(tree: Mapping[str, Any]) -> dict[int, Matrix]:
    """World transforms of all nodes of the default scene, parents first."""
    nodes = tree.get("nodes", [])
    if tree.get("scenes"):
        roots = item(tree["scenes"], tree.get("scene", 0)).get("nodes", [])
    else:
        children = {child for node in nodes for child in node.get("children", [])}
        roots = [i for i in range(len(nodes)) if i not in children]
    waiting = [(root, np.eye(4), 0) for root in reversed(roots)]
    placed: dict[int, Matrix] = {}
    while waiting:
        index, world_from_parent, depth = waiting.pop()
        node = item(nodes, index)
        if index in placed or depth > _DEEPEST_NODE:
            raise ValueError(f"node {index} has two parents or stands too deep")
        placed[index] = world_from_parent @ _parent_from_node(node)
        waiting += [(child, placed[index], depth + 1) for child in reversed(node.get("children", []))]
    return placed


def _parent_from_node(node: Mapping[str, Any]) -> Matrix:
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


def _joint_matrices(document: Document, index: int, world_from_node: Mapping[int, Matrix]) -> Float64[np.ndarray, "joints 4 4"]:
    """What takes a skin's vertices into the world, joint by joint. The skinned node's own transform does not count (glTF 3.7.3.3)."""
    skin = item(document.tree["skins"], index)
    world_from_joints = np.stack([world_from_node[joint] for joint in skin["joints"]])
    if "inverseBindMatrices" not in skin:
        return world_from_joints
    joint_from_mesh = accessor_values(document, skin["inverseBindMatrices"], 16).reshape(-1, 4, 4).transpose(0, 2, 1)
    return world_from_joints @ joint_from_mesh[: len(world_from_joints)]


# ---------------------------------------------------------------- parts
def _part(document: Document, primitive: Mapping[str, Any], world_from_node: Matrix, joints: np.ndarray | None, looks: Looks) -> Part:
    attributes = primitive["attributes"]
    positions = accessor_values(document, attributes["POSITION"], 3)
    world_from_mesh = np.broadcast_to(world_from_node, (1, 4, 4))
    if joints is not None and "JOINTS_0" in attributes:
        world_from_mesh = _skinned(document, attributes, joints)
        _same_length(world_from_mesh, positions)
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused as not finite when parts are joined
        world = np.einsum("nij,nj->ni", world_from_mesh[:, :3, :3], positions) + world_from_mesh[:, :3, 3]
        world = world.astype(np.float32)
    normals = None
    if "NORMAL" in attributes:
        given = _same_length(accessor_values(document, attributes["NORMAL"], 3), positions)
        normals = np.einsum("nij,nj->ni", _cofactors(world_from_mesh[:, :3, :3]), given).astype(np.float32)
    look = looks.of(primitive.get("material"))
    uvs = None
    if look.material.texture is not None:
        if f"TEXCOORD_{look.uv_set}" not in attributes:
            raise MeshError(f"{document.path}: a textured part has no TEXCOORD_{look.uv_set}; export it again with texture coordinates")
        given = _same_length(accessor_values(document, attributes[f"TEXCOORD_{look.uv_set}"], 2), positions)
        uvs = (given @ look.uv_transform[:2, :2].T + look.uv_transform[:2, 2]).astype(np.float32)
        if not np.isfinite(uvs).all():
            raise MeshError(f"{document.path}: texture coordinates are not finite numbers; export it again")
    rgba = None
    if "COLOR_0" in attributes:
        colours = _same_length(accessor_values(document, attributes["COLOR_0"]), positions).clip(0, 1)
        rgba = np.ones((len(positions), 4), np.float32)
        rgba[:, : colours.shape[1]] = colours
    return Part(world, _triangles(document, primitive, len(positions)), look.material, normals, uvs, rgba)


def _skinned(document: Document, attributes: Mapping[str, Any], joints: np.ndarray) -> Float64[np.ndarray, "n 4 4"]:
    """One transform a vertex: the mean of its joints' by weight, over all sets of four joints."""
    total, weight_sum, i = 0.0, 0.0, 0
    while f"JOINTS_{i}" in attributes:
        index = accessor_values(document, attributes[f"JOINTS_{i}"], 4).astype(np.int64)
        weights = accessor_values(document, attributes[f"WEIGHTS_{i}"], 4)
        if index.min(initial=0) < 0 or index.max(initial=0) >= len(joints):
            raise ValueError(f"a vertex hangs on joint {index.max()} of {len(joints)}")
        total = total + np.einsum("nk,nkij->nij", weights, joints[index])
        weight_sum = weight_sum + weights.sum(1)
        i += 1
    weight_sum = np.asarray(weight_sum)
    if not (weight_sum > 0).all():
        raise ValueError("a vertex of a skin hangs on no joint")
    return np.asarray(total) / weight_sum[:, None, None]


def _cofactors(linear: Float64[np.ndarray, "n 3 3"]) -> Float64[np.ndarray, "n 3 3"]:
    """What turns normals where ``linear`` turns positions: right under any scaling, mirrored and flat ones included."""
    return np.stack([np.cross(linear[:, (i + 1) % 3], linear[:, (i + 2) % 3]) for i in range(3)], 1)


def _same_length(values: np.ndarray, positions: np.ndarray) -> np.ndarray:
    if len(values) != len(positions):
        raise ValueError(f"{len(values)} attributes for {len(positions)} vertices")
    return values


def _triangles(document: Document, primitive: Mapping[str, Any], vertices: int) -> np.ndarray:
    order = np.arange(vertices)
    if "indices" in primitive:
        order = accessor_values(document, primitive["indices"], 1).reshape(-1).astype(np.int64)
    mode = primitive.get("mode", 4)
    if mode == 4:
        return order[: len(order) // 3 * 3].reshape(-1, 3).astype(np.int32)
    steps = np.arange(max(len(order) - 2, 0))
    if mode == 5:  # strip: every second triangle turns the other way
        odd = steps % 2
        return np.stack([order[steps + odd], order[steps + 1 - odd], order[steps + 2]], -1).astype(np.int32)
    return np.stack([order[np.zeros_like(steps)], order[steps + 1], order[steps + 2]], -1).astype(np.int32)
