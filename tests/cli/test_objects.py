"""`dd3g objects` and meshes that can't be rendered, with its real processes."""

import json

import pytest

from dd3g.core.views_folder import list_object_folders
from tests.objects.meshes import cube_glb

from .conftest import names

SMALL = ("--rig", "small", "--size", "12", "--input-size", "12", "--supersampling", "1", "--workers", "1", "--quiet")
TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 {} 0\nf 1 2 3\n"


def test_bad_meshes_are_named_with_their_mend_and_the_rest_is_rendered(dd3g, tmp_path):
    pytest.importorskip("embreex", reason="views are rendered with the extra 'train'")
    meshes, out = tmp_path / "meshes", tmp_path / "views"
    cube_glb(meshes / "good.glb")
    (meshes / "faceless.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\n")
    (meshes / "nan.obj").write_text(TRIANGLE.format("nan"))
    whole = (meshes / "good.glb").read_bytes()
    (meshes / "cut.glb").write_bytes(whole[: len(whole) // 2])
    done = dd3g("objects", meshes, "--out", out, *SMALL)
    assert done.status == 2
    lines = done.err.splitlines()
    assert len(lines) == 3
    for name, words in {"faceless.obj": "holds no faces", "nan.obj": "not finite numbers", "cut.glb": ""}.items():
        (line,) = [line for line in lines if name in line]
        assert line.startswith(f"dd3g objects: {meshes / name}: ")
        assert words in line
        assert ";" in line
    assert "1 objects rendered, 0 were there, 3 failed" in done.out
    assert [folder.name for folder in list_object_folders(out)] == ["good"]
    assert [entry["source"] for entry in json.loads((out / "failures.json").read_text())] == ["cut.glb", "faceless.obj", "nan.obj"]
    assert not [name for name in names(out) if "partial" in name]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "no such folder; "),
        (lambda path: path.write_text(""), "no such folder; "),
        (lambda path: path.mkdir(), "holds no meshes, expected files that end in .glb"),
    ],
)
def test_a_folder_that_holds_no_meshes(dd3g, tmp_path, make, words):
    make(tmp_path / "meshes")
    done = dd3g("objects", tmp_path / "meshes", "--out", tmp_path / "views", *SMALL)
    assert done.status == 2
    assert done.err.startswith(f"dd3g objects: {tmp_path / 'meshes'}: ")
    assert words in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "views").exists()
