"""Reading OBJ and MTL."""

from typing import TypeVar

import numpy as np
import pytest
import trimesh

from dd3g.core.cameras import orbit
from dd3g.core.errors import MeshError
from dd3g.objects import AMBIENT, load_mesh, render_views
from dd3g.objects.obj import files_of_obj, read_obj

from .meshes import letter_f, png

SQUARE = """
v 0 0 0
v 1 0 0
v 1 1 0
v 0 1 0
vt 0 0
vt 1 0
vt 1 1
vt 0 1
"""


Value = TypeVar("Value")


def _there(value: Value | None) -> Value:
    assert value is not None
    return value


def _write(tmp_path, text: str, **files: str | bytes):
    for name, content in files.items():
        path = tmp_path / name.replace("__", ".")
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path = tmp_path / "a.obj"
    path.write_text(text)
    return path


def test_polygons_become_fans_and_negative_numbers_count_from_the_end(tmp_path):
    forward = read_obj(_write(tmp_path, SQUARE + "f 1 2 3 4\n"))[0]
    backward = read_obj(_write(tmp_path, SQUARE + "f -4 -3 -2 -1\n"))[0]
    assert forward.triangles.shape == (2, 3)
    np.testing.assert_array_equal(forward.positions[forward.triangles], backward.positions[backward.triangles])


def test_geometry_agrees_with_an_independent_reader(tmp_path):
    sphere = trimesh.creation.icosphere(2)
    sphere.export(tmp_path / "s.obj")
    part = read_obj(tmp_path / "s.obj")[0]
    assert len(part.triangles) == len(sphere.faces)
    ours, theirs = (np.sort(t.mean(1).round(6), axis=0) for t in (part.positions[part.triangles], sphere.triangles))
    np.testing.assert_allclose(ours, theirs, atol=2e-6)


def test_texture_is_upright(tmp_path):
    mesh = load_mesh(
        _write(
            tmp_path,
            "mtllib a.mtl\nusemtl m\n" + SQUARE + "f 1/1 2/2 3/3 4/4\n",
            a__mtl="newmtl m\nKd 0.1 0.1 0.1\nmap_Kd f.png\n",
            f__png=png(letter_f(64)),
        )
    )
    views = render_views(mesh, orbit([0.0], size=64, fov_y_deg=26.55), AMBIENT)
    expected = letter_f(64)[..., :3].transpose(2, 0, 1) / 255
    assert float(np.abs(views.rgb[0].numpy() - expected).mean()) < 0.03


def test_materials_by_name_with_srgb_colours(tmp_path):
    library = "newmtl red one\nKd 0.5 0 0\n# comment\nnewmtl glass\nKd 1 1 1\nd 0.25\nnewmtl old glass\nTr 0.75\n"
    text = "mtllib a.mtl\n" + SQUARE + "usemtl red one\nf 1 2 3\nusemtl glass\nf 1 3 4\nusemtl old glass\nf 1 2 4\n"
    red, glass, old = (part.material for part in read_obj(_write(tmp_path, text, a__mtl=library)))
    assert red.factor_rgba == pytest.approx((0.21404, 0, 0, 1), abs=1e-5)
    assert (glass.factor_rgba[3], glass.alpha_mode) == (0.25, "blend")
    assert (old.factor_rgba[3], old.alpha_mode) == (0.25, "blend")


def test_faces_without_a_material_are_white(tmp_path):
    assert read_obj(_write(tmp_path, SQUARE + "f 1 2 3\n"))[0].material.factor_rgba == (1, 1, 1, 1)


def test_vertex_colours(tmp_path):
    part = read_obj(_write(tmp_path, "v 0 0 0 1 0 0\nv 1 0 0 0 1 0\nv 0 1 0 0.5 0.5 0.5\nf 1 2 3\n"))[0]
    np.testing.assert_allclose(_there(part.rgba), [[1, 0, 0, 1], [0, 1, 0, 1], [0.21404] * 3 + [1]], atol=1e-5)


def test_texture_options_scale_shift_and_clamp(tmp_path):
    library = "newmtl m\nmap_Kd -clamp on -s 2 3 -o 0.5 0.25 1 my wood.png\n"
    part = read_obj(
        _write(tmp_path, "mtllib a.mtl\nusemtl m\n" + SQUARE + "f 1/1 2/2 3/3\n", a__mtl=library, **{"my wood__png": png(letter_f())})
    )[0]
    assert _there(part.material.texture).wrap_u == "clamp"
    np.testing.assert_allclose(_there(part.uvs), [[0.5, 0.75], [2.5, 0.75], [2.5, -2.25]])


def test_mask_cuts_the_texture_out(tmp_path):
    mask = np.zeros((16, 16, 3), np.uint8)
    mask[:8] = 255
    library = "newmtl m\nmap_Kd f.png\nmap_d mask.png\n"
    part = read_obj(
        _write(
            tmp_path, "mtllib a.mtl\nusemtl m\n" + SQUARE + "f 1/1 2/2 3/3\n", a__mtl=library, f__png=png(letter_f()), mask__png=png(mask)
        )
    )[0]
    assert part.material.alpha_mode == "mask"
    np.testing.assert_array_equal(_there(part.material.texture).texels[..., 3], mask[..., 0])


def test_lines_may_go_on_and_backslashes_are_folders(tmp_path):
    (tmp_path / "tex").mkdir()
    (tmp_path / "tex" / "f.png").write_bytes(png(letter_f()))
    path = _write(tmp_path, "mtllib a.mtl\nusemtl m\n" + SQUARE + "f 1/1 2/2 \\\n3/3 4/4\n", a__mtl="newmtl m\nmap_Kd tex\\f.png\n")
    assert len(read_obj(path)[0].triangles) == 2
    assert [file.name for file in files_of_obj(path)] == ["a.obj", "a.mtl", "f.png"]


TEXTURED = "mtllib a.mtl\nusemtl m\n" + SQUARE + "f 1/1 2/2 3/3\n"


@pytest.mark.parametrize(
    ("text", "files", "words"),
    [
        (SQUARE, {}, "holds no faces"),
        ("", {}, "holds no faces"),
        (SQUARE + "f 1 2 9\n", {}, "only 4 such values"),
        (SQUARE + "f 1 2 -9\n", {}, "only 4 such values"),
        (SQUARE + "f 1 2 x\n", {}, "not a valid OBJ"),
        (SQUARE + "f /1 /2 /3\n", {}, "names no vertex"),
        ("v 1 2\n", {}, "a vertex has 2 numbers"),
        ("v 1 2 nan\nv 0 0 0\nv 1 0 0\nf 1 2 3\n", {}, "not finite"),
        ("v 1 2 \0\n", {}, "zero bytes"),
        ("usemtl m\n" + SQUARE + "f 1 2 3\n", {}, r"material 'm', which its material files \(none\)"),
        (TEXTURED, {}, "a.mtl can't be read"),
        (TEXTURED, {"a__mtl": "newmtl other\n"}, "material 'm', which its material files"),
        (TEXTURED, {"a__mtl": "newmtl m\nmap_Kd wood.png\n"}, "wood.png, which can't be read"),
        (TEXTURED, {"a__mtl": "newmtl m\nmap_Kd ../wood.png\n"}, "in its own folder"),
        (TEXTURED, {"a__mtl": "newmtl m\nmap_Kd C:\\wood.png\n"}, "in its own folder|can't be read"),
        (TEXTURED, {"a__mtl": "newmtl m\nmap_Kd wood.png\n", "wood__png": b"\x89PNG nonsense"}, "the texture can't be read"),
        (TEXTURED, {"a__mtl": "newmtl m\nmap_Kd -s 1 1\n"}, "names no file"),
        (TEXTURED, {"a__mtl": "newmtl m\nKd 1\n"}, "expected three numbers"),
        (TEXTURED.replace("1/1", "1"), {"a__mtl": "newmtl m\nmap_Kd f.png\n", "f__png": png(letter_f())}, "no texture coordinates"),
    ],
)
def test_broken_files_are_refused_with_the_path(tmp_path, text, files, words):
    path = _write(tmp_path, text, **files)
    with pytest.raises(MeshError, match=words) as caught:
        load_mesh(path)
    assert "a.obj" in str(caught.value) or "a.mtl" in str(caught.value)
