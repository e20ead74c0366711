"""What a ray finds on a textured face, against a slow and plain sampler."""

import numpy as np
import pytest

from dd3g.objects import Material, Texture, assemble
from dd3g.objects.rays import Hits
from dd3g.objects.surface import Surface, linear_from_srgb, shade, surface_of

from .meshes import floats, plate, plate_part, texels

RANDOM = np.random.default_rng(0)
PICTURE = np.concatenate([RANDOM.integers(0, 256, (5, 7, 3)), np.full((5, 7, 1), 255)], -1).astype(np.uint8)


def _index(i: int, size: int, wrap: str) -> int:
    if wrap == "repeat":
        return i % size
    if wrap == "clamp":
        return min(max(i, 0), size - 1)
    return [*range(size), *reversed(range(size))][i % (2 * size)]


def _oracle(picture: np.ndarray, u: float, v: float, wrap_u: str, wrap_v: str) -> np.ndarray:
    height, width = picture.shape[:2]
    x, y = u * width - 0.5, v * height - 0.5
    total = np.zeros(3)
    for i in (int(np.floor(x)), int(np.floor(x)) + 1):
        for j in (int(np.floor(y)), int(np.floor(y)) + 1):
            weight = (1 - abs(x - i)) * (1 - abs(y - j))
            total += weight * linear_from_srgb(picture[_index(j, height, wrap_v), _index(i, width, wrap_u), :3] / 255)
    return total


def _look(surface: Surface, face: int, bary: tuple[float, float], distance: float = 1.0, spacing: float = 0.0):
    """Albedo, shading normal and geometric normal where a ray along -z meets a face."""
    hits = Hits(np.array([face], np.int32), floats([bary[0]]), floats([bary[1]]), floats([distance]))
    found = shade(surface, hits, floats([[0, 0, -1]]), spacing)
    return found.albedo[0], found.normals[0], found.outward[0]


@pytest.mark.parametrize("wrap_u", ["repeat", "clamp", "mirror"])
@pytest.mark.parametrize("wrap_v", ["repeat", "clamp", "mirror"])
def test_bilinear_sample_wraps_as_the_sampler_says(wrap_u, wrap_v):
    mesh = plate(Texture(PICTURE, wrap_u, wrap_v), uv_scale=4.3, uv_shift=-1.9)
    surface = surface_of(mesh)
    for bary in [(0.1, 0.2), (0.9, 0.05), (0.0, 1.0), (0.31, 0.44), (0.6, 0.4)]:
        b = np.array([1 - sum(bary), *bary])
        u, v = b @ mesh.corner_uvs[0].astype(np.float64)
        albedo, _, _ = _look(surface, 0, bary)
        # barycentric weights in float32 times texture coordinates of some units times seven texels
        np.testing.assert_allclose(albedo[:3], _oracle(PICTURE, u, v, wrap_u, wrap_v), atol=2e-5)


def test_factor_vertex_colour_and_texture_multiply():
    colours = np.tile(floats([0.5, 1.0, 0.25, 1.0]), (4, 1))
    texture = Texture(texels([[(255, 128, 255)]]))
    surface = surface_of(assemble([plate_part(Material((1.0, 0.5, 0.5, 1.0), texture), rgba=colours)], "x"))
    np.testing.assert_allclose(_look(surface, 0, (0.2, 0.2))[0], [0.5, 0.5 * 0.21586, 0.125, 1.0], atol=1e-5)


def test_coarse_levels_are_means_and_chosen_by_the_distance():
    board = np.where((np.indices((64, 64)).sum(0) % 2)[..., None] == 0, 255, 0).astype(np.uint8).repeat(3, -1)
    texture = Texture(np.concatenate([board, np.full((64, 64, 1), 255, np.uint8)], -1))
    surface = surface_of(plate(texture))
    near = _look(surface, 0, (0.2003, 0.1004), spacing=1e-4)[0][:3]
    far = _look(surface, 0, (0.2003, 0.1004), spacing=0.1)[0][:3]
    np.testing.assert_allclose(far, 0.5, atol=1e-6)  # half of the texels are white: half of the light
    assert abs(near[0] - 0.5) > 0.1


def test_mask_cuts_at_its_cutoff():
    fade = Texture(texels([[(255, 255, 255, 100)]]))
    for cutoff, expected in ((0.39, 1.0), (0.40, 0.0)):
        surface = surface_of(assemble([plate_part(Material((1, 1, 1, 1), fade, "mask", cutoff))], "x"))
        assert _look(surface, 0, (0.2, 0.2))[0][3] == expected


def test_missed_ray_has_no_alpha():
    assert _look(surface_of(plate()), -1, (0.0, 0.0))[0][3] == 0


def test_normals_look_towards_the_viewer_however_the_face_is_turned():
    part = plate_part(Material())
    for triangles in (part.triangles, part.triangles[:, ::-1].copy()):
        for normal in (None, np.tile(floats([0, 0.6, 0.8]), (4, 1)), np.tile(floats([0, -0.6, -0.8]), (4, 1))):
            mesh = assemble([type(part)(part.positions, triangles, part.material, normal, part.uvs)], "x")
            _, shading, outward = _look(surface_of(mesh), 0, (0.3, 0.3))
            np.testing.assert_allclose(outward, [0, 0, 1], atol=1e-6)
            np.testing.assert_allclose(shading, [0, 0, 1] if normal is None else [0, 0.6, 0.8], atol=1e-6)


def test_a_texture_that_two_materials_share_is_stored_once():
    texture = Texture(PICTURE)
    one = surface_of(plate(texture))
    two = surface_of(assemble([plate_part(Material(texture=texture)), plate_part(Material((1, 0, 0, 1), texture), z=1)], "x"))
    assert len(one.texels) == len(two.texels)
