"""Rendering: silhouettes and depths in closed form, the camera convention, colours, light, edges."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from dd3g.core.cameras import Cameras, orbit
from dd3g.core.errors import InputError
from dd3g.objects import AMBIENT, SKY, Light, Material, Part, Texture, assemble, render, render_views
from dd3g.objects.mesh import FARTHEST_VERTEX

from .meshes import BLUE, CUBE_FACES, GREEN, RED, cube, cube_part, letter_f, plate, plate_part, texels

HALF = 0.5 / math.sqrt(3)  # half a side of the normalised cube
SIZE = 64


def _one(mesh, azimuth=0.0, elevation=0.0, light=AMBIENT, size=SIZE, **kwargs):
    views = render_views(mesh, orbit([azimuth], elevation, size=size), light, **kwargs)
    return views.rgb[0], views.alpha[0, 0], torch.zeros(2, size, size) if views.depth is None else views.depth[0]


def _box_area(size: int, half: float, distance: float) -> float:
    """Pixels that a square of this half side at this distance covers on the canonical lens."""
    focal_px = size / 2 / math.tan(math.radians(49.1) / 2)
    return (2 * half * focal_px / distance) ** 2


def test_silhouette_of_a_cube_has_the_area_of_its_front_face():
    _, alpha, _ = _one(cube(), supersampling=4)
    # a grid of 4 rays a pixel finds a straight edge to a quarter of a pixel: at most 4 edges * 20 px / 8
    assert float(alpha.sum()) == pytest.approx(_box_area(SIZE, HALF, 1.5 - HALF), abs=10)
    assert set(alpha.unique().tolist()) <= {i / 16 for i in range(17)}


def test_depth_of_a_cube_is_its_front_and_its_back():
    _, alpha, depth = _one(cube(), depth=True)
    middle = slice(SIZE // 2 - 6, SIZE // 2 + 6)
    torch.testing.assert_close(depth[0, middle, middle], torch.full((12, 12), 1.5 - HALF), atol=1e-5, rtol=0)
    torch.testing.assert_close(depth[1, middle, middle], torch.full((12, 12), 1.5 + HALF), atol=1e-5, rtol=0)
    assert not depth[:, alpha == 0].any()


def test_depth_is_measured_along_the_camera_axis_not_along_the_ray():
    _, _, depth = _one(cube(), depth=True)
    front = depth[0][depth[0] > 0]
    # the front face is parallel to the picture: one depth all over it, whatever the ray's slant
    torch.testing.assert_close(front, torch.full_like(front, 1.5 - HALF), atol=1e-5, rtol=0)


@pytest.mark.parametrize("azimuth", [0.0, 30.0, 77.0])
def test_first_surface_is_never_behind_the_last(azimuth):
    _, _, depth = _one(cube(), azimuth, 20.0, depth=True)
    assert bool((depth[0] <= depth[1]).all())
    assert bool(((depth[0] > 0) == (depth[1] > 0)).all())


def test_depth_and_camera_give_back_points_on_the_surface():
    cameras = orbit([40.0], 25.0, size=SIZE)
    views = render_views(cube(), cameras, AMBIENT, depth=True)
    assert views.depth is not None
    rows, columns = torch.nonzero(views.depth[0, 0] > 0, as_tuple=True)
    z = views.depth[0, :, rows, columns]
    centres = torch.stack([columns + 0.5, rows + 0.5, torch.ones_like(rows)]).float()
    inside = torch.linalg.inv(cameras.intrinsics[0]) @ centres
    world_from_camera = torch.linalg.inv(cameras.camera_from_world[0])
    for surface in z:
        points = world_from_camera[:3, :3] @ (inside * surface) + world_from_camera[:3, 3:]
        torch.testing.assert_close(points.abs().max(0).values, torch.full((len(rows),), HALF), atol=1e-5, rtol=0)


def _colour_of(rgb, alpha, column):
    """The mean colour of the covered part of a column of pixels."""
    weight = alpha[:, column]
    assert weight.sum() > 1
    return (rgb[:, :, column] * weight).sum(1) / weight.sum()


def test_red_on_the_right_from_the_front_and_in_front_from_azimuth_90():
    mesh = assemble([cube_part(0.4, (1, 0, 0), RED), cube_part(0.4, (-1, 0, 0), BLUE)], "pair")
    rgb, alpha, _ = _one(mesh)
    columns = torch.nonzero(alpha.sum(0) > 1)[:, 0]
    torch.testing.assert_close(_colour_of(rgb, alpha, columns[-1]), torch.tensor([1.0, 0.0, 0.0]))
    torch.testing.assert_close(_colour_of(rgb, alpha, columns[0]), torch.tensor([0.0, 0.0, 1.0]))
    rgb, alpha, depth = _one(mesh, 90.0, depth=True)
    torch.testing.assert_close(rgb[:, SIZE // 2, SIZE // 2], torch.tensor([1.0, 0.0, 0.0]))
    assert alpha[:, : SIZE // 4].sum() == 0
    assert depth[0, SIZE // 2, SIZE // 2] < 1.2


def test_up_is_up():
    mesh = assemble([cube_part(0.4, (0, 1, 0), GREEN), cube_part(0.4, (0, -1, 0), RED)], "pair")
    rgb, alpha, _ = _one(mesh)
    rows = torch.nonzero(alpha.sum(1) > 1)[:, 0]
    middle = SIZE // 2
    assert rgb[1, rows[1], middle] == 1
    assert rgb[0, rows[-2], middle] == 1


def test_higher_cameras_see_the_top():
    faces = np.array([5, 5, 5, 5, 5, 5, 4, 4, 5, 5, 5, 5])  # the top's two faces in another material
    parts = [
        replace(cube_part(), triangles=CUBE_FACES[faces == which], material=Material(colour)) for which, colour in ((5, BLUE), (4, RED))
    ]
    mesh = assemble(parts, "cube")
    above, below = _one(mesh, elevation=40.0)[0], _one(mesh, elevation=-40.0)[0]
    assert above[0].sum() > 100
    assert below[0].sum() == 0


@pytest.mark.parametrize("turn", [90.0, 180.0, 33.0])
def test_object_and_camera_turned_together_give_the_same_picture(turn):
    part = Part(
        np.array([[0, 0, 0.3], [1, 0, 0], [0, 1, 0], [0, -0.4, -0.6]], np.float32), np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1]], np.int32)
    )
    angle = math.radians(turn)
    rotation = np.array([[math.cos(angle), 0, math.sin(angle)], [0, 1, 0], [-math.sin(angle), 0, math.cos(angle)]])
    mesh = assemble([part], "a")
    other = replace(
        mesh,
        vertices=(mesh.vertices @ rotation.T).astype(np.float32),
        corner_normals=(mesh.corner_normals @ rotation.T).astype(np.float32),
    )
    first, last = _one(mesh, 20.0, 10.0, SKY), _one(other, 20.0 + turn, 10.0, SKY)
    # rays that graze an edge may fall on its other side; no more than a few pixels may change
    changed = ((first[0] * first[1] - last[0] * last[1]).abs().amax(0) > 1e-3).sum()
    assert changed <= 4


def test_texture_is_upright_and_not_mirrored():
    picture = letter_f(64)
    mesh = plate(Texture(picture, "clamp", "clamp"))
    # the lens that shows the plate one texel a pixel
    half = 0.5 / math.sqrt(2)
    views = render_views(mesh, orbit([0.0], size=64, fov_y_deg=2 * math.degrees(math.atan(half / 1.5))), AMBIENT)
    expected = torch.from_numpy(picture[..., :3].copy()).permute(2, 0, 1) / 255
    assert float((views.rgb[0] - expected).abs().mean()) < 0.03
    assert float((views.rgb[0].flip(-1) - expected).abs().mean()) > 0.1
    behind = render_views(mesh, orbit([180.0], size=64, fov_y_deg=2 * math.degrees(math.atan(half / 1.5))), AMBIENT)
    assert float((behind.rgb[0].flip(-1) - expected).abs().mean()) < 0.03  # seen through from behind, mirrored


def test_material_factor_is_linear_and_pictures_are_srgb():
    rgb, alpha, _ = _one(cube((0.5, 0.2140, 0.0021, 1.0)))
    inside = rgb[:, alpha == 1].mean(1)
    torch.testing.assert_close(inside, torch.tensor([0.7354, 0.5, 0.0271]), atol=2e-4, rtol=0)


def test_texels_are_srgb_and_come_back_as_they_are():
    rgb, alpha, _ = _one(plate(Texture(texels([[(200, 100, 7)]]))))
    torch.testing.assert_close(rgb[:, alpha == 1].mean(1) * 255, torch.tensor([200.0, 100.0, 7.0]), atol=0.02, rtol=0)


def test_vertex_colours_are_linear_and_interpolated():
    colours = np.array([[0, 0, 0, 1], [1, 0, 0, 1], [1, 0, 0, 1], [0, 0, 0, 1]], np.float32)
    rgb, alpha, _ = _one(plate(rgba=colours))
    columns = torch.nonzero(alpha[SIZE // 2] == 1)[:, 0]
    middle = float(rgb[0, SIZE // 2, columns].mean())
    linear = np.linspace(0, 1, 1000)
    expected = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055).mean()
    assert middle == pytest.approx(expected, abs=0.02)  # a column of pixels at each end may be missing


def test_several_materials_in_one_mesh():
    mesh = assemble(
        [plate_part(Material(RED), size=1.0), plate_part(Material(texture=Texture(texels([[(0, 0, 255)]]))), z=0.1, size=0.4)], "two"
    )
    rgb, alpha, _ = _one(mesh)
    assert rgb[2, SIZE // 2, SIZE // 2] == 1
    corner = torch.nonzero(alpha == 1)[0]
    torch.testing.assert_close(rgb[:, corner[0], corner[1]], torch.tensor([1.0, 0.0, 0.0]))


def test_colour_of_an_edge_is_the_objects_not_darker():
    rgb, alpha, _ = _one(cube((1.0, 1.0, 1.0, 1.0)), 20.0, 15.0)
    edge = (alpha > 0) & (alpha < 1)
    assert edge.sum() > 20
    torch.testing.assert_close(rgb[:, edge], torch.ones_like(rgb[:, edge]))
    assert not rgb[:, alpha == 0].any()


def test_mean_in_a_pixel_is_taken_in_srgb():
    stripes = Texture(texels([[(0, 0, 0), (255, 255, 255)]]), "repeat", "repeat")
    mesh = plate(stripes)
    inside = orbit([0.0], size=1, fov_y_deg=10.0)  # one pixel, all of it on the plate, half of it black
    grey = render_views(mesh, inside, AMBIENT, supersampling=64).rgb.flatten()
    # between the two texel centres the colours fade in linear light; sRGB's mean of that fade is known: integrate it
    u = 0.5 + np.tan(np.radians(5)) * 1.5 / (1 / math.sqrt(2)) * np.linspace(-1, 1, 4001)
    fade = np.interp(u, [0.25, 0.75], [0, 1])
    expected = np.where(fade <= 0.0031308, 12.92 * fade, 1.055 * fade ** (1 / 2.4) - 0.055).mean()
    torch.testing.assert_close(grey, torch.full((3,), float(expected)), atol=5e-3, rtol=0)


def test_sky_light_depends_on_the_height_of_the_normal_only():
    for azimuth in (0.0, 90.0, 180.0, 270.0):
        rgb, alpha, _ = _one(cube(), azimuth, light=SKY)
        torch.testing.assert_close(rgb[:, alpha == 1].mean(1), torch.full((3,), 0.8808), atol=1e-3, rtol=0)  # sRGB of 0.75
    top, bottom = (_one(cube(), 0.0, e, SKY)[0][0, SIZE // 2, SIZE // 2] for e in (89.0, -89.0))
    assert float(top) == pytest.approx(1.0, abs=1e-4)
    assert float(bottom) == pytest.approx(0.7354, abs=1e-3)  # sRGB of 0.5


def test_both_sides_of_a_face_are_lit_from_where_they_look():
    part = plate_part(Material())
    flat = replace(part, positions=part.positions[:, [0, 2, 1]])  # lies in the x-z plane
    for triangles in (part.triangles, part.triangles[:, ::-1].copy()):
        mesh = assemble([replace(flat, triangles=triangles)], "floor")
        above, below = (_one(mesh, 0.0, e, SKY)[0][0, SIZE // 2, SIZE // 2] for e in (60.0, -60.0))
        assert float(above) == pytest.approx(1.0, abs=1e-4)
        assert float(below) == pytest.approx(0.7354, abs=1e-3)


LAMP = Light("key", ground=0.2, sky=0.2, key_strength=0.6, key_azimuth_deg=0.0, key_elevation_deg=45.0)


def test_key_light_falls_by_the_cosine_and_on_its_side_only():
    front, behind = _one(cube(), 0.0, light=LAMP), _one(cube(), 180.0, light=LAMP)
    lit = 0.2 + 0.6 * math.cos(math.radians(45))
    assert float(front[0][0, SIZE // 2, SIZE // 2]) == pytest.approx(1.055 * lit ** (1 / 2.4) - 0.055, abs=1e-3)
    assert float(behind[0][0, SIZE // 2, SIZE // 2]) == pytest.approx(1.055 * 0.2 ** (1 / 2.4) - 0.055, abs=1e-3)


def test_key_light_casts_shadows():
    wall, stick = plate_part(Material(), size=1.0), cube_part(0.1, (0, 0.3, 0.3))
    light = replace(LAMP, key_elevation_deg=0.0)
    dark = []
    for mesh in (assemble([wall, stick], "wall"), assemble([wall], "wall")):
        rgb, alpha, _ = _one(mesh, 0.0, -35.0, light, supersampling=1)
        dark.append(int(((rgb[0] < 0.6) & (alpha == 1)).sum()))
    assert 10 < dark[0] < 400  # the stick's shadow, and its lower side
    assert dark[1] == 0


def test_lights_may_differ_by_view():
    cameras = orbit([0.0, 0.0], size=16)
    both = render_views(cube(), cameras, [AMBIENT, SKY])
    torch.testing.assert_close(both.rgb[0], render_views(cube(), cameras, AMBIENT).rgb[0])
    torch.testing.assert_close(both.rgb[1], render_views(cube(), cameras, SKY).rgb[1])


def test_masked_texels_let_the_ray_go_on():
    holes = texels([[(255, 0, 0, 255), (255, 0, 0, 0)]])
    grid = Material(texture=Texture(holes.repeat(8, 0).repeat(8, 1), "clamp", "clamp"), alpha_mode="mask")
    mesh = assemble([plate_part(grid), plate_part(Material(BLUE), z=-0.2)], "grid")
    rgb, alpha, depth = _one(mesh, depth=True)
    left, right = (SIZE // 2, SIZE // 2 - 8), (SIZE // 2, SIZE // 2 + 8)
    assert rgb[(slice(None), *left)].tolist() == [1, 0, 0]
    assert rgb[(slice(None), *right)].tolist() == [0, 0, 1]
    assert float(alpha.max()) == 1
    assert depth[(0, *left)] < depth[(0, *right)] - 0.1
    torch.testing.assert_close(depth[(0, *right)], depth[(1, *right)], atol=1e-5, rtol=0)


def test_blended_faces_let_their_share_through():
    glass = Material((1.0, 0.0, 0.0, 0.25), alpha_mode="blend")
    rgb, alpha, _ = _one(assemble([plate_part(glass)], "pane"))
    torch.testing.assert_close(alpha[alpha > 0].max(), torch.tensor(0.25))
    torch.testing.assert_close(rgb[:, SIZE // 2, SIZE // 2], torch.tensor([1.0, 0.0, 0.0]))
    rgb, alpha, depth = _one(assemble([plate_part(glass), plate_part(Material(BLUE), z=-0.2)], "panes"), depth=True)
    torch.testing.assert_close(rgb[:, SIZE // 2, SIZE // 2], torch.tensor([0.25, 0.0, 0.75]))
    assert alpha[SIZE // 2, SIZE // 2] == 1
    torch.testing.assert_close(*depth[:, SIZE // 2, SIZE // 2], atol=1e-5, rtol=0)  # the pane covers too little to count


def test_alpha_of_an_opaque_material_does_not_matter():
    _, alpha, _ = _one(assemble([plate_part(Material((1.0, 1.0, 1.0, 0.1)))], "x"))
    assert alpha[SIZE // 2, SIZE // 2] == 1


def test_supersampling_keeps_the_picture_and_smooths_its_edges():
    sharp, smooth = _one(cube(), 30.0, 20.0, SKY, supersampling=1), _one(cube(), 30.0, 20.0, SKY, supersampling=4)
    assert set(sharp[1].unique().tolist()) == {0.0, 1.0}
    same = (smooth[1] == 1) | (smooth[1] == 0)
    assert float((sharp[0] - smooth[0])[:, same].abs().mean()) < 5e-3
    assert len(smooth[1].unique()) > 8


def test_bands_do_not_show(monkeypatch):
    whole = _one(cube(), 30.0, 20.0, SKY, depth=True)
    monkeypatch.setattr(render, "_RAYS_AT_ONCE", 1000)
    for a, b in zip(whole, _one(cube(), 30.0, 20.0, SKY, depth=True), strict=True):
        assert torch.equal(a, b)


def test_same_bytes_again():
    first, again = _one(cube(), 12.0, 34.0, LAMP, depth=True), _one(cube(), 12.0, 34.0, LAMP, depth=True)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_object_beyond_the_frame_is_cut_at_the_frame():
    close = orbit([0.0], size=32, radius=FARTHEST_VERTEX + 0.05, fov_y_deg=40.0)
    assert bool((render_views(cube(), close, AMBIENT).alpha == 1).all())


def test_camera_inside_the_object_sees_its_walls():
    matrix = torch.eye(4)[None]
    lens = torch.tensor([[[16.0, 0, 16], [0, 16, 16], [0, 0, 1]]])
    views = render_views(cube(), Cameras(matrix, lens, 32, 32), AMBIENT, depth=True)
    assert bool((views.alpha == 1).all())
    assert views.depth is not None
    assert float(views.depth[0, 0, 16, 16]) == pytest.approx(HALF, abs=1e-5)


def test_picture_may_be_wide():
    views = render_views(cube(), orbit([0.0], size=(24, 48)), AMBIENT)
    assert views.rgb.shape == (1, 3, 24, 48)
    columns = torch.nonzero(views.alpha[0, 0].sum(0))[:, 0]
    assert int(columns[0]) == 47 - int(columns[-1])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: render_views(cube(), orbit([0.0], size=8), SKY, supersampling=0), "supersampling: found 0"),
        (lambda: render_views(cube(), orbit([0.0], size=8), [SKY, SKY]), "2 lights for 1 views"),
        (lambda: render_views(cube(), _batched(), SKY), "expected those of one scene"),
    ],
)
def test_wrong_arguments_are_refused(call, words):
    with pytest.raises(InputError, match=words):
        call()


def _batched() -> Cameras:
    cameras = orbit([0.0], size=8)
    return replace(cameras, camera_from_world=cameras.camera_from_world[None], intrinsics=cameras.intrinsics[None])
