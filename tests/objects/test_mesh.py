"""Joining and normalising parts."""

import numpy as np
import pytest

from dd3g.core.errors import MeshError
from dd3g.objects import Material, Part, assemble

from .meshes import CUBE_CORNERS, CUBE_FACES, cube, cube_part, floats


def _lopsided() -> Part:
    return Part(
        np.array([[0, 0, 0], [3, 0, 0], [0, 1, 0], [0, 0, 2]], np.float32), np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]], np.int32)
    )


def test_box_centre_is_at_the_origin_and_the_farthest_vertex_at_a_half():
    mesh = assemble([_lopsided()], "x")
    np.testing.assert_allclose(mesh.vertices.min(0), -mesh.vertices.max(0), atol=1e-7)
    assert np.linalg.norm(mesh.vertices, axis=1).max() == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_size_and_place_of_the_file_do_not_matter(scale):
    part = _lopsided()
    other = Part((part.positions * scale + floats([5, -2, 1]) * scale).astype(np.float32), part.triangles)
    # float32 positions five units from the origin: 5 * 2^-23 of a size of about 2
    np.testing.assert_allclose(assemble([other], "x").vertices, assemble([part], "x").vertices, atol=2e-6)


def test_axes_stay_the_files():
    mesh = assemble([_lopsided()], "x")
    extent = np.ptp(mesh.vertices, axis=0)
    np.testing.assert_allclose(extent / extent[0], [1, 1 / 3, 2 / 3], atol=1e-6)


def test_parts_keep_their_materials_and_welding_keeps_the_faces():
    mesh = assemble([cube_part(colour=(1, 0, 0, 1)), cube_part(centre=(1, 0, 0), colour=(0, 1, 0, 1))], "x")
    assert len(mesh.vertices) == 12  # four corners are common
    assert mesh.face_materials.tolist() == [0] * 12 + [1] * 12
    assert [material.factor_rgba[:2] for material in mesh.materials] == [(1, 0), (0, 1)]


def test_faces_without_area_and_unused_vertices_are_dropped():
    positions = np.concatenate([CUBE_CORNERS, np.full((1, 3), np.nan, np.float32)])  # nobody uses the NaN
    faces = np.concatenate([CUBE_FACES, [[0, 0, 1]]]).astype(np.int32)
    mesh = assemble([Part(positions, faces)], "x")
    assert len(mesh.faces) == 12
    np.testing.assert_array_equal(mesh.vertices, cube().vertices)


def test_part_that_nobody_can_see_does_not_count():
    ghost = Part(CUBE_CORNERS * 100, CUBE_FACES, Material((1, 1, 1, 0), alpha_mode="blend"))
    np.testing.assert_array_equal(assemble([cube_part(2.0), ghost], "x").vertices, cube().vertices)


NOTHING = np.zeros((0, 3), np.int32)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (Part(CUBE_CORNERS, NOTHING), "holds no faces"),
        (Part(CUBE_CORNERS * np.float32(np.nan), CUBE_FACES), "8 of 8 vertices are not finite"),
        (Part(np.where(CUBE_CORNERS > 0, np.float32(np.inf), CUBE_CORNERS), CUBE_FACES), "not finite"),
        (Part(CUBE_CORNERS * 0, CUBE_FACES), "stand at one point"),
        (Part(CUBE_CORNERS, CUBE_FACES + 1), "names vertex 8 of 8"),
        (Part(CUBE_CORNERS, CUBE_FACES - 1), "names vertex -1 of 8"),
        (Part(CUBE_CORNERS * floats([1, 0, 0]), CUBE_FACES), "none of its 12 faces has an area"),
        (Part(CUBE_CORNERS, CUBE_FACES, Material((1, 1, 1, 0), alpha_mode="blend")), "fully transparent"),
    ],
)
def test_broken_mesh_is_refused_with_its_name_and_the_mend(part, words):
    with pytest.raises(MeshError, match=words) as caught:
        assemble([part], "chair.glb")
    assert str(caught.value).startswith("chair.glb: ")
    assert ";" in str(caught.value)  # what to do about it
