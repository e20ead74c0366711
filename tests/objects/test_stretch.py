"""Stretched objects: what is drawn, what the map keeps, and how the result is lit, named and described."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dd3g.core import orbit
from dd3g.core.errors import InputError, MeshError, ViewsError
from dd3g.core.views_folder import load_object_views, original_name
from dd3g.objects import SKY, Part, Rig, Texture, assemble, make_object, render_views
from dd3g.objects.collection import find_meshes, jobs_for_files, jobs_for_seeds, render_collection
from dd3g.objects.job import ObjectJob
from dd3g.objects.stretch import Stretch, Stretching, stretched

from .meshes import CUBE_CORNERS, CUBE_FACES, cube, cube_glb, cube_part, floats, letter_f, plate, sphere_part

SMALL = Rig(canonical_views=2, extra_orbits=0, free_views=1, input_views=2, target_size=12, input_size=16, supersampling=1)
SCALES = (1.3, 0.7, 0.9)


def _jobs(root: Path, out: Path, stretching: Stretching | None = None) -> list[ObjectJob]:
    jobs = jobs_for_files(root, find_meshes(root), SMALL, 0, out)
    return jobs if stretching is None else [job.stretched(stretching) for job in jobs]


def _digests(out: Path) -> dict[str, str]:
    return {
        path.relative_to(out).as_posix(): hashlib.md5(path.read_bytes()).hexdigest() for path in sorted(out.rglob("*")) if path.is_file()
    }


def _two_cubes(root: Path) -> Path:
    cube_glb(root / "a.glb", baseColorFactor=[1, 0, 0, 1])
    cube_glb(root / "b.glb", baseColorFactor=[1, 0, 0, 1])
    return root


# ---------------------------------------------------------------- what is drawn
def test_draws_depend_on_name_seed_and_stretch_seed_and_on_nothing_else():
    one = Stretching(0.35).of("chair", 0)
    assert Stretching(0.35, 1).of("chair", 0) == one
    others = [Stretching(0.35).of("table", 0), Stretching(0.35).of("chair", 1), Stretching(0.35, 2).of("chair", 0)]
    assert len({one, *others}) == 4


def test_draws_fill_their_range_and_the_axes_are_independent():
    drawn = [Stretching(0.35).of(f"object-{i}", 0) for i in range(2000)]
    values = np.array([[*np.log(stretch.scales), 3 * stretch.taper] for stretch in drawn])
    assert np.abs(values).max() <= 0.35 + 1e-5  # they are rounded to 1e-6
    np.testing.assert_allclose(values.mean(0), 0, atol=4 * 0.35 / np.sqrt(3 * 2000))  # four standard errors of a uniform mean
    np.testing.assert_allclose(values.std(0), 0.35 / np.sqrt(3), rtol=0.05)
    np.testing.assert_allclose(np.corrcoef(values.T), np.eye(4), atol=4 / np.sqrt(2000))


def test_a_smaller_amount_is_the_same_stretch_but_milder():
    strong, mild = Stretching(0.4).of("chair", 0), Stretching(0.2).of("chair", 0)
    np.testing.assert_allclose(np.log(mild.scales), np.log(strong.scales) / 2, atol=2e-6)
    assert mild.taper == pytest.approx(strong.taper / 2, abs=2e-6)


@pytest.mark.parametrize(("amount", "seed"), [(0.0, 1), (-0.1, 1), (1.01, 1), (float("nan"), 1), (0.3, 0), (0.3, -1)])
def test_impossible_requests_are_refused(amount, seed):
    with pytest.raises(InputError, match="--stretch"):
        Stretching(amount, seed)


# ---------------------------------------------------------------- the map
def test_no_stretch_is_the_same_mesh():
    mesh = make_object(3)
    assert stretched(mesh, Stretch()) is mesh


@pytest.mark.parametrize("taper", [0.0, 0.12, -0.12])
def test_result_is_normalised(taper):
    mesh = stretched(make_object(3), Stretch(SCALES, taper))
    np.testing.assert_allclose(mesh.vertices.min(0), -mesh.vertices.max(0), atol=1e-7)
    assert np.linalg.norm(mesh.vertices, axis=1).max() == pytest.approx(0.5, abs=1e-6)
    np.testing.assert_allclose(np.linalg.norm(mesh.corner_normals, axis=-1), 1, atol=1e-6)


def test_extents_scale_as_drawn():
    mesh = make_object(3)
    before, after = np.ptp(mesh.vertices, axis=0), np.ptp(stretched(mesh, Stretch(SCALES)).vertices, axis=0)
    np.testing.assert_allclose(after / after[0], before * SCALES / (before[0] * SCALES[0]), rtol=1e-5)


def test_taper_narrows_the_top_and_widens_the_bottom():
    mesh = stretched(cube(), Stretch(taper=0.2))
    top, bottom = (mesh.vertices[np.sign(mesh.vertices[:, 1]) == side] for side in (1, -1))
    half = 1 / np.sqrt(3)  # of the cube's half side, as a part of 0.5
    assert np.ptp(top[:, 0]) / np.ptp(bottom[:, 0]) == pytest.approx((1 - 0.2 * half) / (1 + 0.2 * half), rel=1e-5)
    assert np.ptp(top[:, 1]) == 0  # horizontal stays horizontal


def test_what_lies_on_a_plane_or_a_line_stays_there():
    generator = np.random.default_rng(0)
    corners = generator.uniform(-1, 1, (4, 3))
    line = corners[0] + np.linspace(0, 1, 7)[:, None] * (corners[1] - corners[0])
    plane = corners[2] + generator.uniform(0, 1, (8, 2)) @ (corners[:2] - corners[2])
    points = np.concatenate([corners, line, plane]).astype(np.float32)
    triangles = np.array([[0, 1, 2], [0, 1, 3], *([i, i + 1, 3] for i in range(4, 10)), *([i, i + 1, 3] for i in range(11, 18))], np.int32)
    whole = assemble([Part(points, triangles)], "x")
    # positions before and after are found by their faces: welding sorts vertices
    before, after = whole.vertices[whole.faces], stretched(whole, Stretch(SCALES, 0.3)).vertices[whole.faces]
    assert np.abs(after - before).max() > 0.05
    a, b, c = after[0].astype(np.float64)
    normal = np.cross(b - a, c - a)
    normal /= np.linalg.norm(normal)
    on_plane = after[8:, :2].reshape(-1, 3)
    np.testing.assert_allclose((on_plane - a) @ normal, 0, atol=2e-6)
    on_line = after[2:8, :2].reshape(-1, 3) - a
    np.testing.assert_allclose(np.cross(on_line, b - a), 0, atol=2e-6)


def test_faces_that_lose_their_area_are_dropped_with_all_that_belongs_to_them():
    thin = Part(floats([[0, 0, 0], [1, 0, 0], [0, 1e-10, 0]]), np.array([[0, 1, 2]], np.int32))
    mesh = assemble([cube_part(), thin], "x")
    assert len(mesh.faces) == 13
    less = stretched(mesh, Stretch((1.0, 1e-3, 1.0)))
    assert len(less.faces) == 12
    assert less.face_materials.tolist() == [0] * 12
    assert len(less.faces) == len(less.corner_normals) == len(less.corner_uvs) == len(less.corner_rgba)
    with pytest.raises(MeshError, match="none of its 12 faces has an area"):
        stretched(cube(), Stretch((1e-13, 1e-13, 1.0)))


# ---------------------------------------------------------------- light
def _ellipsoid(own_normals: bool) -> tuple[Part, Part]:
    """A sphere, and the ellipsoid that it becomes."""
    ball = sphere_part()
    normals = ball.positions if own_normals else None
    gradient = (ball.positions / np.array(SCALES)).astype(np.float32) if own_normals else None
    longer = (ball.positions * np.array(SCALES)).astype(np.float32)
    return replace(ball, normals=normals), replace(ball, positions=longer, normals=gradient)


@pytest.mark.parametrize(("own_normals", "degrees"), [(True, 0.05), (False, 1.5)])
def test_stretched_sphere_is_the_ellipsoid_made_directly(own_normals, degrees):
    sphere, ellipsoid = _ellipsoid(own_normals)
    found, expected = stretched(assemble([sphere], "x"), Stretch(SCALES)), assemble([ellipsoid], "x")
    order, other = (np.lexsort(mesh.vertices[mesh.faces].reshape(-1, 9).round(5).T) for mesh in (found, expected))
    np.testing.assert_allclose(found.vertices[found.faces][order], expected.vertices[expected.faces][other], atol=2e-5)
    # normals made up from facets differ a little from the stretched ones; the file's own don't
    cosines = (found.corner_normals[order] * expected.corner_normals[other]).sum(-1)
    assert cosines.min() > np.cos(np.radians(degrees))


def test_stretched_sphere_is_lit_as_the_ellipsoid():
    sphere, ellipsoid = _ellipsoid(own_normals=True)
    cameras = orbit([0.0, 60.0], [10.0, 50.0], size=48)
    found = render_views(stretched(assemble([sphere], "x"), Stretch(SCALES)), cameras, SKY)
    expected = render_views(assemble([ellipsoid], "x"), cameras, SKY)
    torch.testing.assert_close(found.alpha, expected.alpha, atol=0.12, rtol=0)  # a ray of nine on an edge
    inside = (found.alpha == 1) & (expected.alpha == 1)
    torch.testing.assert_close(found.rgb * inside, expected.rgb * inside, atol=2e-3, rtol=0)
    assert float((found.rgb * inside).amax((1, 2, 3)).min()) > 0.8


@pytest.mark.parametrize("taper", [0.0, 0.3, -0.3])
def test_normals_of_flat_faces_are_those_of_the_stretched_faces(taper):
    turned = CUBE_CORNERS @ np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    mesh = stretched(assemble([Part(turned.astype(np.float32), CUBE_FACES)], "x"), Stretch(SCALES, taper))
    triangles = mesh.vertices[mesh.faces].astype(np.float64)
    flat = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    np.testing.assert_allclose(mesh.corner_normals, np.repeat(flat[:, None], 3, 1), atol=2e-6)


def test_normals_of_a_tapered_sphere_follow_its_surface():
    mesh = stretched(assemble([_ellipsoid(own_normals=True)[0]], "x"), Stretch(SCALES, 0.3))
    triangles = mesh.vertices[mesh.faces].astype(np.float64)
    flat = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    mean = mesh.corner_normals.mean(1)
    mean /= np.linalg.norm(mean, axis=1, keepdims=True)
    assert (mean * flat).sum(-1).min() > np.cos(np.radians(3))  # a facet turns by 7.5 degrees and more


def test_texture_goes_with_the_surface():
    mesh = plate(Texture(letter_f(16), "clamp", "clamp"))
    wider = stretched(mesh, Stretch((2.0, 1.0, 1.0)))
    np.testing.assert_array_equal(wider.corner_uvs, mesh.corner_uvs)
    assert wider.materials == mesh.materials


# ---------------------------------------------------------------- folders of views
@pytest.mark.usefixtures("in_this_process")
def test_folder_names_the_version_and_describes_what_was_drawn(tmp_path):
    root, out, stretching = _two_cubes(tmp_path / "m"), tmp_path / "v", Stretching(0.35, 2)
    render_collection(_jobs(root, out, stretching), workers=1, quiet=True)
    views = load_object_views(out / "a~2")
    drawn = stretching.of("a", 0)
    assert (views.name, original_name(views.name)) == ("a~2", "a")
    assert views.about["source"] == "a.glb"
    assert views.about["stretch"] == {"scales": list(drawn.scales), "taper": drawn.taper}
    assert json.loads((out / "about.json").read_text())["plan"]["stretch"] == {"amount": 0.35, "seed": 2}


@pytest.mark.usefixtures("in_this_process")
def test_same_stretch_gives_the_same_bytes_and_other_names_other_pictures(tmp_path):
    root = _two_cubes(tmp_path / "m")
    folders = []
    for folder, stretching in (("v1", Stretching(0.35)), ("v2", Stretching(0.35)), ("v3", Stretching(0.35, 2)), ("v4", None)):
        render_collection(_jobs(root, tmp_path / folder, stretching), workers=1, quiet=True)
        folders.append(_digests(tmp_path / folder))
    first, again, other, plain = folders
    assert first == again
    front = "targets/000.png"  # taken from one place whatever the object is
    assert len({first[f"a~1/{front}"], first[f"b~1/{front}"], other[f"a~2/{front}"], plain[f"a/{front}"]}) == 4
    assert plain[f"a/{front}"] == plain[f"b/{front}"]  # the two files are equal


@pytest.mark.usefixtures("in_this_process")
def test_second_run_renders_nothing_and_another_stretch_is_another_plan(tmp_path):
    root, out = _two_cubes(tmp_path / "m"), tmp_path / "v"
    render_collection(_jobs(root, out, Stretching(0.35)), workers=1, quiet=True)
    before = _digests(out)
    assert render_collection(_jobs(root, out, Stretching(0.35)), workers=1, quiet=True).skipped == 2
    with pytest.raises(ViewsError, match=r"stretch \{'amount': 0\.35, 'seed': 1\} there, None here"):
        render_collection(_jobs(root, out), workers=1, quiet=True)
    with pytest.raises(ViewsError, match=r"'amount': 0\.2"):
        render_collection(_jobs(root, out, Stretching(0.2)), workers=1, quiet=True)
    assert _digests(out) == before


def test_procedural_objects_stretch_too(tmp_path):
    plain, job = (jobs_for_seeds(1, SMALL, 3, tmp_path)[0] for _ in range(2))
    job = job.stretched(Stretching(0.35))
    assert job.name == "made-003000000~1"
    assert job.digest() != plain.digest()  # and with it the random views
    assert job.stretch == Stretching(0.35).of("made-003000000", 3)
