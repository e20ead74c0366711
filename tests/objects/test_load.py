"""Choosing a reader, and the digest of all that pictures depend on."""

import pytest

from dd3g.core.errors import MeshError
from dd3g.objects import load_mesh
from dd3g.objects.load import credit_of_mesh_file, digest_mesh_file

from .meshes import cube_glb, letter_f, png


def test_suffix_may_be_capital(tmp_path):
    assert len(load_mesh(cube_glb(tmp_path / "A.GLB")).faces) == 12


def test_unknown_suffix_and_missing_file_are_refused(tmp_path):
    (tmp_path / "a.fbx").write_bytes(b"")
    with pytest.raises(MeshError, match=r"a.fbx: .*expected one that ends in .glb, .gltf, .obj"):
        load_mesh(tmp_path / "a.fbx")
    with pytest.raises(MeshError, match=r"b.glb: no such file"):
        load_mesh(tmp_path / "b.glb")


def test_digest_follows_every_file_that_a_mesh_names(tmp_path):
    obj, mtl, picture = tmp_path / "a.obj", tmp_path / "a.mtl", tmp_path / "f.png"
    obj.write_text("mtllib a.mtl\nusemtl m\nv 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nf 1/1 2/1 3/1\n")
    mtl.write_text("newmtl m\nmap_Kd f.png\n")
    picture.write_bytes(png(letter_f()))
    seen = [digest_mesh_file(obj)]
    assert digest_mesh_file(obj) == seen[0]
    picture.write_bytes(png(letter_f(32)))
    seen.append(digest_mesh_file(obj))
    mtl.write_text("newmtl m\nmap_Kd f.png\n\n")
    seen.append(digest_mesh_file(obj))
    obj.write_text(obj.read_text() + "\n")
    seen.append(digest_mesh_file(obj))
    assert len(set(seen)) == 4
    picture.unlink()
    with pytest.raises(MeshError, match=r"f\.png, which can't be read"):
        digest_mesh_file(obj)


def test_digest_does_not_follow_the_name(tmp_path):
    assert digest_mesh_file(cube_glb(tmp_path / "a.glb")) == digest_mesh_file(cube_glb(tmp_path / "b" / "c.glb"))


def test_obj_has_no_credit_line(tmp_path):
    (tmp_path / "a.obj").write_text("v 0 0 0\n")
    assert credit_of_mesh_file(tmp_path / "a.obj") is None
