"""What is upright stays upright for whichever camera the picture is decoded."""

import math

import torch

from dd3g.student.look_back import points_on_rays
from dd3g.student.object_box import ObjectBox
from dd3g.student.seeding import HALF_FRAME
from dd3g.student.surfaces import set_upright

GRID = 16
BOX = ObjectBox(torch.tensor([[0.1, -0.2], [0.0, 0.3]]), torch.tensor([0.4, 0.6]))


def wall(elevation_deg):
    """An upright wall through the origin, across the view, as the camera at this elevation has it: half sides of the box."""
    line = (torch.arange(GRID) + 0.5) / GRID * 2 - 1
    up = -(BOX.centre[:, 1:] / BOX.half[:, None] + line)
    lean = torch.tan(elevation_deg * math.pi / 180)
    return (lean[:, None] * up)[:, None, :, None].expand(-1, 2, -1, GRID)


def test_a_wall_read_as_leaning_back_is_set_upright():
    read, used = torch.tensor([20.0, -5.0]), torch.tensor([0.0, 30.0])
    assert torch.allclose(set_upright(wall(read), BOX, read, used), wall(used), atol=1e-5)


def test_nothing_changes_where_the_camera_is_the_one_that_was_read():
    surfaces = torch.rand(2, 2, GRID, GRID)
    same = torch.tensor([12.0, 3.0])
    assert torch.equal(set_upright(surfaces, BOX, same, same), surfaces)


def test_the_wall_stands_at_one_depth_of_the_world():
    """For a far camera, whose rays are parallel, the wall's points all have z = 0 in the object's frame."""
    elevation, far = torch.tensor([25.0, -8.0]), torch.tensor([1e4, 1e4])
    line = (torch.arange(GRID) + 0.5) / GRID * 2 - 1
    y, x = torch.meshgrid(line, line, indexing="ij")
    places = BOX.outside(torch.stack([x, y], -1).reshape(1, -1, 2).expand(2, -1, -1))
    towards = (wall(elevation)[:, 0] * (BOX.half * HALF_FRAME)[:, None, None]).flatten(1)
    points = points_on_rays(places, towards, elevation, far)
    assert points[..., 2].abs().max() < 1e-3
