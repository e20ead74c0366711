"""Reading glTF: geometry against trimesh as an independent reader, materials, and hostile files."""

import base64
import json
import math
import struct
import zlib
from typing import TypeVar

import numpy as np
import pytest
import trimesh

from dd3g.core.errors import MeshError
from dd3g.objects import load_mesh
from dd3g.objects.gltf import credit_of_gltf, read_gltf
from dd3g.objects.gltf_document import files_of_gltf

from .meshes import CUBE_CORNERS, CUBE_FACES, GlbWriter, cube_glb, floats, letter_f, png, texels

SQUARE = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
HALVES = np.array([[0, 1, 2], [0, 2, 3]])
UVS = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], np.float32)


Value = TypeVar("Value")


def _there(value: Value | None) -> Value:
    assert value is not None
    return value


def _sorted(triangles: np.ndarray) -> np.ndarray:
    """Triangles in an order that does not depend on how they are stored."""
    rounded = triangles.astype(np.float64).round(4) + 0.0
    rounded = np.stack([corners[np.lexsort(corners.T)] for corners in rounded])
    return rounded[np.lexsort(rounded.reshape(len(rounded), -1).T)]


def test_node_transforms_agree_with_an_independent_reader(tmp_path):
    writer = GlbWriter()
    cube = writer.primitive(CUBE_CORNERS, CUBE_FACES)
    child = writer.mesh(cube, translation=[3, 1, 0], rotation=[0.1, 0.7, 0.1, 0.7], scale=[1, 2, 0.5])
    matrix = np.array([[0, 0, 1, 4], [0, 2, 0, 0], [-1, 0, 0, 1], [0, 0, 0, 1]], float)
    parent = writer.mesh(cube, matrix=matrix.T.reshape(-1).tolist(), children=[child])
    writer.tree["scenes"], writer.tree["scene"] = [{"nodes": []}, {"nodes": [parent]}], 1
    path = writer.write(tmp_path / "a.glb")
    oracle = trimesh.load_mesh(path)
    found = np.concatenate([part.positions[part.triangles] for part in read_gltf(path)])
    np.testing.assert_allclose(_sorted(found), _sorted(np.asarray(oracle.vertices)[oracle.faces]), atol=2e-5)


def test_only_the_default_scene_is_read(tmp_path):
    writer = GlbWriter()
    cube = writer.primitive(CUBE_CORNERS, CUBE_FACES)
    writer.mesh(cube)
    writer.mesh(cube, translation=[9, 0, 0])
    writer.tree["scenes"] = [{"nodes": [0]}]
    assert len(read_gltf(writer.write(tmp_path / "a.glb"))) == 1


def test_normals_turn_with_the_inverse_transpose(tmp_path):
    writer = GlbWriter()
    slope = np.array([[0, 0, 0], [1, 1, 0], [0, 0, 1]], np.float32)
    normal = np.tile(floats([-1, 1, 0]) / np.sqrt(np.float32(2)), (3, 1))
    writer.mesh(writer.primitive(slope, np.array([[0, 2, 1]]), NORMAL=normal), scale=[2, 1, 1])
    part = read_gltf(writer.write(tmp_path / "a.glb"))[0]
    assert part.normals is not None
    found = part.normals / np.linalg.norm(part.normals, axis=1, keepdims=True)
    np.testing.assert_allclose(found, np.tile(np.array([-1, 2, 0]) / math.sqrt(5), (3, 1)), atol=1e-6)


@pytest.mark.parametrize(
    ("mode", "order", "expected"),
    [(4, [0, 1, 2, 0, 2, 3], [[0, 1, 2], [0, 2, 3]]), (5, [1, 2, 0, 3], [[1, 2, 0], [2, 3, 0]]), (6, [0, 1, 2, 3], [[0, 1, 2], [0, 2, 3]])],
)
def test_lists_strips_and_fans_are_the_same_square(tmp_path, mode, order, expected):
    writer = GlbWriter()
    writer.mesh(writer.primitive(SQUARE, np.array(order), mode=mode))
    part = read_gltf(writer.write(tmp_path / "a.glb"))[0]
    normals = np.cross(
        part.positions[part.triangles[:, 1]] - part.positions[part.triangles[:, 0]],
        part.positions[part.triangles[:, 2]] - part.positions[part.triangles[:, 0]],
    )
    assert sorted(map(sorted, part.triangles.tolist())) == sorted(map(sorted, expected))
    assert (normals[:, 2] > 0).all()  # all windings the same


def test_lines_and_points_are_left_out(tmp_path):
    writer = GlbWriter()
    writer.mesh(writer.primitive(SQUARE, HALVES), writer.primitive(SQUARE, mode=0), writer.primitive(SQUARE, mode=1))
    assert len(read_gltf(writer.write(tmp_path / "a.glb"))) == 1


def test_interleaved_values_and_vertices_without_indices(tmp_path):
    writer = GlbWriter()
    mixed = np.concatenate([SQUARE[HALVES].reshape(-1, 3), UVS[HALVES].reshape(-1, 2)], 1).astype(np.float32)
    view = writer.view(mixed.tobytes(), stride=20)
    for offset, width in ((0, "VEC3"), (12, "VEC2")):
        writer.tree["accessors"].append({"bufferView": view, "byteOffset": offset, "componentType": 5126, "count": 6, "type": width})
    material = writer.textured(png(texels([[(1, 2, 3)]])))
    writer.mesh({"attributes": {"POSITION": 0, "TEXCOORD_0": 1}, "material": material})
    part = read_gltf(writer.write(tmp_path / "a.glb"))[0]
    np.testing.assert_array_equal(part.positions, SQUARE[HALVES].reshape(-1, 3))
    np.testing.assert_array_equal(part.uvs, UVS[HALVES].reshape(-1, 2))


def test_normalised_integers_and_sparse_values(tmp_path):
    writer = GlbWriter()
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [128, 128, 128]], np.uint8).repeat(1, 0)
    colours = np.concatenate([colours, np.full((4, 1), 255, np.uint8)], 1)
    primitive = writer.primitive(SQUARE, HALVES)
    primitive["attributes"]["COLOR_0"] = writer.accessor(colours, normalized=True)
    position = writer.tree["accessors"][primitive["attributes"]["POSITION"]]
    rows, values = writer.view(np.array([2], np.uint16).tobytes()), writer.view(floats([[5, 6, 7]]).tobytes())
    position["sparse"] = {"count": 1, "indices": {"bufferView": rows, "componentType": 5123}, "values": {"bufferView": values}}
    writer.mesh(primitive)
    part = read_gltf(writer.write(tmp_path / "a.glb"))[0]
    np.testing.assert_array_equal(part.positions, [[0, 0, 0], [1, 0, 0], [5, 6, 7], [0, 1, 0]])
    np.testing.assert_allclose(_there(part.rgba), colours / 255, atol=1e-6)


def test_skinned_vertices_stand_where_their_joints_put_them(tmp_path):
    writer = GlbWriter()
    primitive = writer.primitive(SQUARE, HALVES)
    primitive["attributes"]["JOINTS_0"] = writer.accessor(np.array([[0, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]], np.uint8))
    primitive["attributes"]["WEIGHTS_0"] = writer.accessor(floats([[1, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0], [0.5, 0.5, 0, 0]]))
    node = writer.mesh(primitive, skin=0, translation=[100, 100, 100])  # a skinned node's own place does not count
    writer.tree["nodes"] += [{"translation": [0, 0, 3]}, {"translation": [0, 4, 0]}]
    back = np.stack([np.eye(4), np.eye(4)]).astype(np.float32)
    back[0, 3, :3] = [0, 0, -3]  # column by column: the last row holds the shift
    writer.tree["skins"] = [{"joints": [node + 1, node + 2], "inverseBindMatrices": writer.accessor(back)}]
    part = read_gltf(writer.write(tmp_path / "a.glb"))[0]
    np.testing.assert_allclose(part.positions, [[0, 0, 0], [1, 0, 0], [1, 5, 0], [0, 3, 0]], atol=1e-6)


# ---------------------------------------------------------------- materials
def _square_with(writer: GlbWriter, material: int, tmp_path, **attributes):
    writer.mesh(writer.primitive(SQUARE, HALVES, TEXCOORD_0=UVS, material=material, **attributes))
    return read_gltf(writer.write(tmp_path / "a.glb"))[0]


def test_dark_factors_keep_their_value(tmp_path):
    writer = GlbWriter()
    part = _square_with(writer, writer.material(baseColorFactor=[0.001, 0.002, 0.5, 1]), tmp_path)
    assert part.material.factor_rgba == (0.001, 0.002, 0.5, 1)  # 8 bits would make 0 and 1 / 255 of them


def test_texture_and_its_wrap_modes(tmp_path):
    writer = GlbWriter()
    part = _square_with(writer, writer.textured(png(letter_f()), wrapS=33071, wrapT=33648), tmp_path)
    assert part.material.texture is not None
    np.testing.assert_array_equal(part.material.texture.texels, letter_f())
    assert (part.material.texture.wrap_u, part.material.texture.wrap_v) == ("clamp", "mirror")


def test_texture_transform_and_second_coordinates(tmp_path):
    writer = GlbWriter()
    material = writer.textured(png(letter_f()))
    turn = {"offset": [0.5, 0.25], "scale": [2, 3], "rotation": math.pi / 2, "texCoord": 1}
    writer.tree["materials"][material]["pbrMetallicRoughness"]["baseColorTexture"]["extensions"] = {"KHR_texture_transform": turn}
    part = _square_with(writer, material, tmp_path, TEXCOORD_1=floats([[0, 0], [1, 0], [1, 1], [0, 1]]))
    # scale, then a quarter turn (u grows where v did), then the offset: KHR_texture_transform's formula by hand
    np.testing.assert_allclose(_there(part.uvs), [[0.5, 0.25], [0.5, -1.75], [3.5, -1.75], [3.5, 0.25]], atol=1e-6)


@pytest.mark.parametrize(("mode", "expected"), [("OPAQUE", "opaque"), ("MASK", "mask"), ("BLEND", "blend")])
def test_alpha_modes(tmp_path, mode, expected):
    writer = GlbWriter()
    material = writer.material(baseColorFactor=[1, 1, 1, 0.5])
    writer.tree["materials"][material].update(alphaMode=mode, alphaCutoff=0.25)
    part = _square_with(writer, material, tmp_path)
    assert (part.material.alpha_mode, part.material.alpha_cutoff) == (expected, 0.25)


def test_diffuse_of_the_older_material_model(tmp_path):
    writer = GlbWriter()
    material = writer.material()
    writer.tree["materials"][material]["extensions"] = {"KHR_materials_pbrSpecularGlossiness": {"diffuseFactor": [0.1, 0.2, 0.3, 1]}}
    assert _square_with(writer, material, tmp_path).material.factor_rgba == (0.1, 0.2, 0.3, 1)


def test_embedded_and_outside_files_give_the_same_mesh(tmp_path):
    writer = GlbWriter()
    writer.mesh(writer.primitive(SQUARE, HALVES, TEXCOORD_0=UVS, material=writer.textured(png(letter_f()))))
    binary = load_mesh(writer.write(tmp_path / "a.glb"))
    tree = dict(writer.tree)
    (tmp_path / "a data.bin").write_bytes(writer.data)
    (tmp_path / "tex").mkdir()
    (tmp_path / "tex" / "f.png").write_bytes(png(letter_f()))
    tree["images"] = [{"uri": "tex/f.png"}]
    tree["buffers"] = [{"byteLength": len(writer.data), "uri": "a%20data.bin"}]
    (tmp_path / "outside.gltf").write_text(json.dumps(tree))
    tree["buffers"] = [
        {"byteLength": len(writer.data), "uri": "data:application/octet-stream;base64," + base64.b64encode(writer.data).decode()}
    ]
    (tmp_path / "inline.gltf").write_text(json.dumps(tree))
    for name in ("outside.gltf", "inline.gltf"):
        mesh = load_mesh(tmp_path / name)
        np.testing.assert_array_equal(mesh.vertices, binary.vertices)
        inside, outside = (_there(m.materials[0].texture).texels for m in (binary, mesh))
        np.testing.assert_array_equal(inside, outside)
    names = [path.name for path in files_of_gltf(tmp_path / "outside.gltf")]
    assert names == ["outside.gltf", "a data.bin", "f.png"]


def test_credit_line(tmp_path):
    writer = GlbWriter()
    writer.mesh(writer.primitive(SQUARE, HALVES))
    assert credit_of_gltf(writer.write(tmp_path / "a.glb")) is None
    writer.tree["asset"]["copyright"] = "A. Person, CC0"
    assert credit_of_gltf(writer.write(tmp_path / "a.glb")) == "A. Person, CC0"


# ---------------------------------------------------------------- broken and hostile files
def test_cut_off_file_is_refused_at_every_length(tmp_path):
    data = cube_glb(tmp_path / "whole.glb").read_bytes()
    path = tmp_path / "cut.glb"
    for length in range(0, len(data), 7):
        path.write_bytes(data[:length])
        with pytest.raises(MeshError, match=r"cut\.glb"):
            load_mesh(path)


def test_damaged_bytes_are_refused_or_harmless(tmp_path):
    data = bytearray(cube_glb(tmp_path / "whole.glb", baseColorFactor=[1, 0, 0, 1]).read_bytes())
    path, random = tmp_path / "bad.glb", np.random.default_rng(1)
    outcomes = {"read": 0, "refused": 0}
    for _ in range(400):
        broken = bytearray(data)
        broken[random.integers(0, len(data))] = random.integers(0, 256)
        path.write_bytes(broken)
        try:
            mesh = load_mesh(path)
        except MeshError:
            outcomes["refused"] += 1
        else:
            assert np.isfinite(mesh.vertices).all()
            outcomes["read"] += 1
    assert min(outcomes.values()) > 20


def _with(change) -> GlbWriter:
    writer = GlbWriter()
    writer.mesh(writer.primitive(SQUARE, HALVES, TEXCOORD_0=UVS, material=writer.textured(png(letter_f()))))
    change(writer.tree)
    return writer


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t["accessors"][0].update(count=10**9), "not a valid glTF"),
        (lambda t: t["accessors"][0].update(count=5), "don't fit"),
        (lambda t: t["accessors"][0].update(count=-1), "count of -1"),
        (lambda t: t["accessors"][0].update(byteOffset=-12), "don't fit"),
        (lambda t: t["accessors"][0].update(componentType=1), "not a valid glTF"),
        (lambda t: t["accessors"][0].update(type="VEC4"), "expected 3 components"),
        (lambda t: t["bufferViews"][0].update(byteLength=10**9), "ends at byte"),
        (lambda t: t["bufferViews"][0].update(byteOffset=-4), "ends at byte"),
        (lambda t: t["bufferViews"][1].update(byteStride=4), "don't fit"),
        (lambda t: t["nodes"][0].update(mesh=7), "index 7 of 1"),
        (lambda t: t["nodes"][0].update(mesh=-1), "index -1 of 1"),
        (lambda t: t["nodes"][0].update(children=[0]), "holds no faces"),
        (lambda t: (t["nodes"][0].update(children=[0]), t.update(scenes=[{"nodes": [0]}])), "two parents"),
        (lambda t: t.update(extensionsRequired=["KHR_draco_mesh_compression"]), "needs KHR_draco_mesh_compression"),
        (lambda t: t.update(extensionsRequired=3), "needs 3"),
        (lambda t: t["asset"].update(version="1.0"), "not glTF of version 2"),
        (lambda t: t.update(nodes=7), "not a valid glTF"),
        (lambda t: (t["accessors"][0].pop("bufferView"), t["accessors"][0].update(count=1 << 27, sparse={})), "has no data"),
        (lambda t: t["meshes"][0]["primitives"][0]["attributes"].pop("TEXCOORD_0"), "no TEXCOORD_0"),
        (lambda t: t["meshes"][0]["primitives"][0]["attributes"].pop("POSITION"), "POSITION"),
        (lambda t: t["meshes"][0]["primitives"].clear(), "holds no faces"),
        (lambda t: t["images"].__setitem__(0, {"uri": "wood.png"}), r"wood.png, which can't be read"),
        (lambda t: t["images"].__setitem__(0, {"uri": "../../etc/wood.png"}), "expected one in its own folder"),
        (lambda t: t["images"].__setitem__(0, {"uri": "/etc/wood.png"}), "expected one in its own folder"),
        (lambda t: t["images"].__setitem__(0, {"uri": "http://host/wood.png"}), "expected one in its own folder"),
        (lambda t: t["images"].__setitem__(0, {"uri": "data:image/png;base64,!!"}), "not valid base64"),
        (lambda t: t["images"].__setitem__(0, {"uri": "data:image/png,abc"}), "not base64"),
        (lambda t: t["images"].__setitem__(0, {"bufferView": 1}), "the texture can't be read"),
        (lambda t: t["textures"].__setitem__(0, {"extensions": {"KHR_texture_basisu": {"source": 0}}}), "no picture in a known format"),
        (lambda t: t["materials"][0].update(alphaMode="GLASS"), "not a valid glTF"),
        (lambda t: t["materials"][0]["pbrMetallicRoughness"].update(baseColorFactor=[1, 1]), "not a valid glTF"),
    ],
)
def test_lies_in_the_tree_are_refused_with_the_path(tmp_path, change, words):
    path = _with(change).write(tmp_path / "in" / "lie.glb")
    with pytest.raises(MeshError, match=words) as caught:
        load_mesh(path)
    assert "lie.glb" in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"glTF", b"not json", b"[]", b"{}", b'{"asset": 3}', b"\xff\xfe\x00"])
def test_what_is_no_gltf_is_refused(tmp_path, data):
    path = tmp_path / "a.gltf"
    path.write_bytes(data)
    with pytest.raises(MeshError, match=r"a\.gltf"):
        load_mesh(path)


def test_deep_json_is_refused(tmp_path):
    path = tmp_path / "deep.gltf"
    path.write_text('{"asset": ' + "[" * 100_000 + "]" * 100_000 + "}")
    with pytest.raises(MeshError, match="neither GLB nor"):
        load_mesh(path)


def test_huge_texture_is_refused_before_it_is_decoded(tmp_path):
    black = png(np.zeros((1, 1, 3), np.uint8))
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    writer = GlbWriter()
    writer.mesh(writer.primitive(SQUARE, HALVES, TEXCOORD_0=UVS, material=writer.textured(black[:8] + chunk + black[33:])))
    with pytest.raises(MeshError, match=r"20000x20000, expected at most|exceeds limit"):
        load_mesh(writer.write(tmp_path / "huge.glb"))
