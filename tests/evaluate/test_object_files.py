"""Which file is which object: the very ones by their hashes, missing ones by their names, scans in every layout that they come in."""

import hashlib
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dd3g.cli.main import main
from dd3g.core.errors import InputError, MeshError
from dd3g.evaluate.object_files import find_objects, mesh_file, require_all
from dd3g.evaluate.protocol import ProtocolObject, load_protocol
from dd3g.evaluate.truth import true_views
from tests.evaluate.small import small_protocol

trimesh = pytest.importorskip("trimesh", reason="meshes are read with the extra 'train'")
SHARED = Path(__file__).parents[3] / "shared" / "objects"


def protocol_of(layout, **objects):
    name = "gso-v1" if layout == "gso" else "gso-small-v1"
    return small_protocol(name, objects=tuple(ProtocolObject(n, s) for n, s in objects.items()))


def sum_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def glbs(tmp_path):
    folder = tmp_path / "glb" / "deeper"
    folder.mkdir(parents=True)
    for name in ("cup", "shoe"):
        trimesh.creation.box((1, 2, 1)).export(folder / f"{name}.glb")
    return folder.parent


def test_objects_are_found_anywhere_below_and_by_their_hashes(glbs):
    sums = {name: sum_of(glbs / "deeper" / f"{name}.glb") for name in ("cup", "shoe")}
    found = find_objects(glbs, protocol_of("glb", **sums))
    assert [(f.name, f.sha256, f.source) for f in found.files] == [(n, s, f"deeper/{n}.glb") for n, s in sums.items()]
    require_all(found, glbs, protocol_of("glb", **sums), partial=False)


def test_missing_and_different_files_are_named_and_partial_goes_on(glbs):
    protocol = protocol_of("glb", cup=sum_of(glbs / "deeper" / "cup.glb"), shoe="0" * 64, hat="1" * 64)
    found = find_objects(glbs, protocol)
    assert (found.missing, found.different) == (("hat",), ("shoe",))
    with pytest.raises(InputError, match=r"of the 3 objects of protocol test 1 missing: hat; 1 with other contents: shoe; --partial"):
        require_all(found, glbs, protocol, partial=False)
    require_all(found, glbs, protocol, partial=True)
    nothing = find_objects(glbs, protocol_of("glb", hat="1" * 64))
    with pytest.raises(InputError, match="name the folder that holds them"):
        require_all(nothing, glbs, protocol, partial=True)


def test_the_command_says_in_its_result_what_was_left_out(glbs, tmp_path, capsys):
    protocol = protocol_of("glb", cup=sum_of(glbs / "deeper" / "cup.glb"), shoe="0" * 64)
    (tmp_path / "p.json").write_text(json.dumps(protocol.about()))
    views = tmp_path / "renders" / "cup"
    views.mkdir(parents=True)
    for i in range(4):
        Image.new("RGB", (32, 32), (255, 255, 255)).save(views / f"{i:03d}.png")
    command = ["evaluate", "--protocol", str(tmp_path / "p.json"), "--objects", str(glbs), "--renders", str(views.parent), "--quiet"]
    assert main([*command, "--out", str(tmp_path / "r")]) == 2
    assert "with other contents: shoe" in capsys.readouterr().err
    assert main([*command, "--out", str(tmp_path / "r"), "--partial", "--workers", "1"]) == 0
    assert "partial: of the protocol's objects are left out 1 different" in capsys.readouterr().out
    assert json.loads((tmp_path / "r" / "results.json").read_text())["partial"] == {"missing": [], "different": ["shoe"]}
    assert main([*command, "--out", str(tmp_path / "r"), "--list", "x.txt"]) == 2
    assert "has its own list" in capsys.readouterr().err


OBJ = """mtllib material.mtl
usemtl material_0
v 0 0 0\nv 1 0 0\nv 0 0 3\nv 0 1 0
vt 0 0\nvt 1 0\nvt 0 1
f 1/1 2/2 3/3\nf 1/1 3/3 4/2\nf 2/1 3/2 4/3\nf 1/1 2/2 4/3
"""


def scan(folder, layout):
    """One scan, z up and 3 tall, in one of the layouts that it is handed out in."""
    picture = Image.fromarray(np.full((4, 4, 3), (200, 30, 30), np.uint8))
    if layout == "mirror":
        place = folder / "models" / "Tall_Thing"
        place.mkdir(parents=True)
        (place / "model.obj").write_text(OBJ)
        picture.save(place / "texture.png")
        return
    place = folder / ("Tall_Thing" if layout == "official" else "inside")
    (place / "meshes").mkdir(parents=True)
    (place / "materials" / "textures").mkdir(parents=True)
    (place / "meshes" / "model.obj").write_text(OBJ)
    (place / "meshes" / "model.mtl").write_text("newmtl material_0\nmap_Kd texture.png\n")  # which is not beside it
    picture.save(place / "materials" / "textures" / "texture.png")
    if layout == "zip":
        with zipfile.ZipFile(folder / "Tall_Thing.zip", "w") as archive:
            for file in sorted(place.rglob("*")):
                archive.write(file, file.relative_to(place))


@pytest.mark.parametrize("layout", ["official", "zip", "mirror"])
def test_scans_are_one_object_in_every_layout(tmp_path, layout):
    scan(tmp_path / "gso", layout)
    protocol = protocol_of("gso", tall_thing=None, other=None)
    found = find_objects(tmp_path / "gso", protocol)
    assert found.missing == ("other",)
    (file,) = found.files
    scan(tmp_path / "again", "official")
    assert file.sha256 == find_objects(tmp_path / "again", protocol).files[0].sha256  # whatever the layout
    views = true_views(file, protocol, protocol.settings[:1], tmp_path / "truth")["elevation0"]
    rows, columns = (views.alpha[0, 0] > 0.5).nonzero(as_tuple=True)
    assert rows.max() - rows.min() > 2 * (columns.max() - columns.min())  # z up became y up
    inside = views.alpha[0, 0] > 0.9
    red, green, _ = views.rgb[0][:, inside].mean(1)
    assert red > 3 * green  # the texture was found


def test_the_front_of_a_scan_is_its_minus_y(tmp_path):
    scan(tmp_path / "gso", "official")
    corners = OBJ.replace("v 0 1 0", "v 0 -9 0")  # far towards -y: towards our +z, so towards the camera at azimuth 0
    (tmp_path / "gso" / "Tall_Thing" / "meshes" / "model.obj").write_text(corners)
    protocol = protocol_of("gso", tall_thing=None)
    (file,) = find_objects(tmp_path / "gso", protocol).files
    views = true_views(file, protocol, protocol.settings[:1], tmp_path / "truth")["elevation0"]
    row, column = (views.alpha[1, 0] > 0.5).nonzero(as_tuple=True)  # from +x: +z is to the left
    tip = column[row >= row.max() - 1].float()
    assert column.float().min() == tip.min() < 16 < column.max()


def test_damaged_archives_and_folders_are_named(tmp_path):
    (tmp_path / "Tall_Thing.zip").write_bytes(b"PK nonsense")
    with pytest.raises(MeshError, match=r"Tall_Thing\.zip: not a whole archive"):
        find_objects(tmp_path, protocol_of("gso", tall_thing=None))
    (tmp_path / "Tall_Thing.zip").unlink()
    scan(tmp_path, "official")
    (tmp_path / "Tall_Thing" / "materials" / "textures" / "texture.png").unlink()
    with pytest.raises(MeshError, match="holds none of materials/textures/texture"):
        find_objects(tmp_path, protocol_of("gso", tall_thing=None))


def test_true_views_are_rendered_once_and_again_when_the_file_or_the_plan_changes(glbs, tmp_path):
    sums = {"cup": sum_of(glbs / "deeper" / "cup.glb")}
    protocol = protocol_of("glb", **sums)
    (file,) = find_objects(glbs, protocol).files
    settings = protocol.settings[:1]
    stamp = tmp_path / "truth" / "cup" / "object.json"

    def rendered(**changes):
        before = stamp.stat().st_mtime_ns if stamp.exists() else 0
        views = true_views(
            replace(file, sha256=changes.pop("sha256", file.sha256)), replace(protocol, **changes), settings, tmp_path / "truth"
        )
        assert torch.is_tensor(views["elevation0"].rgb)
        return stamp.stat().st_mtime_ns != before

    assert rendered()
    assert not rendered()
    assert not rendered(background=(0.0, 0.0, 0.0), seed=3)  # true views don't depend on them
    assert rendered(size=24)
    assert rendered(size=24, sha256="1" * 64)
    with mesh_file(file) as path:
        assert path == file.path


@pytest.mark.skipif(not SHARED.is_dir(), reason="the collection of objects is not beside the repository")
def test_the_published_protocol_names_the_collections_own_files():
    protocol = load_protocol("gso-small-v1")
    found = find_objects(SHARED, protocol)
    assert len(found.files) == 29
    assert (found.missing, found.different) == ((), ())
