"""Shading normals."""

import numpy as np

from dd3g.objects import assemble
from dd3g.objects.normals import corner_normals

from .meshes import CUBE_CORNERS, CUBE_FACES, cube, floats, sphere_part

NONE_GIVEN = np.full((12, 3, 3), np.nan, np.float32)


def test_sharp_edges_stay_sharp():
    mesh = cube()
    triangles = mesh.vertices[mesh.faces]
    flat = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    np.testing.assert_allclose(mesh.corner_normals, np.repeat(flat[:, None], 3, 1), atol=1e-6)


def test_crease_angle_decides():
    smooth = corner_normals(CUBE_CORNERS, CUBE_FACES, NONE_GIVEN, crease_deg=91)
    corners = CUBE_CORNERS[CUBE_FACES] / np.sqrt(3)
    np.testing.assert_allclose(
        smooth, corners, atol=1e-6
    )  # weighted by angle, the three sides of a corner count alike however they are cut


def test_round_things_are_smooth_over_the_seam_too():
    mesh = assemble([sphere_part()], "sphere")
    radial = mesh.vertices[mesh.faces] / np.linalg.norm(mesh.vertices[mesh.faces], axis=-1, keepdims=True)
    # one side of a facet turns by 7.5 degrees; its mean normal is off by a small part of that
    assert (mesh.corner_normals * radial).sum(-1).min() > np.cos(np.radians(1.0))


def test_given_normals_are_kept_and_made_unit():
    given = np.broadcast_to(floats([0, 3, 0]), (12, 3, 3)).copy()
    np.testing.assert_allclose(corner_normals(CUBE_CORNERS, CUBE_FACES, given), given / 3)


def test_only_bad_given_normals_are_replaced():
    given = np.broadcast_to(floats([0, 1, 0]), (12, 3, 3)).copy()
    given[4, 1] = 0
    given[7, 2] = np.nan
    computed = corner_normals(CUBE_CORNERS, CUBE_FACES, NONE_GIVEN)
    found = corner_normals(CUBE_CORNERS, CUBE_FACES, given)
    np.testing.assert_allclose(found[4, 1], computed[4, 1])
    np.testing.assert_allclose(found[7, 2], computed[7, 2])
    found[4, 1] = found[7, 2] = [0, 1, 0]
    np.testing.assert_array_equal(found, np.broadcast_to(floats([0, 1, 0]), found.shape))
