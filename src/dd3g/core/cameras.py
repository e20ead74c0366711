"""Cameras: OpenCV axes, pixel centres at +0.5, and the orbits of docs/conventions.md."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from dd3g.core.errors import InputError

RIG_RADIUS = 1.5  # LGM's rig on the same teacher: inside both public ranges of ImageDream's lenses (method.md 4.2)
RIG_FOV_Y_DEG = 49.1
RIG_AZIMUTHS_DEG = (0.0, 90.0, 180.0, 270.0)


@dataclass(frozen=True)
class Cameras:
    """Pinhole cameras of one picture size.

    ``camera_from_world`` has OpenCV axes (x right, y down, z forward). ``intrinsics`` are in pixels, with the centre of pixel
    (row i, column j) at (j + 0.5, i + 0.5), so that a centred principal point is ``width / 2``. No skew, no distortion.
    """

    camera_from_world: Float[Tensor, "*batch v 4 4"]
    intrinsics: Float[Tensor, "*batch v 3 3"]
    height: int
    width: int

    def __len__(self) -> int:
        """Number of views of one scene."""
        return self.intrinsics.shape[-3]

    def to(self, device: torch.device | str) -> Cameras:
        """The same cameras on another device."""
        return replace(self, camera_from_world=self.camera_from_world.to(device), intrinsics=self.intrinsics.to(device))

    def pick(self, index) -> Cameras:
        """Indexes the leading dimension: views, or scenes where there is a batch dimension."""
        return replace(self, camera_from_world=self.camera_from_world[index], intrinsics=self.intrinsics[index])

    def resized(self, height: int, width: int) -> Cameras:
        """The same lenses at another resolution."""
        factor = torch.tensor([width / self.width, height / self.height, 1.0], device=self.intrinsics.device)
        return replace(self, intrinsics=self.intrinsics * factor[:, None], height=height, width=width)

    def positions(self) -> Float[Tensor, "*batch v 3"]:
        """Camera centres in the world."""
        rotation, translation = self.camera_from_world[..., :3, :3], self.camera_from_world[..., :3, 3]
        return -(rotation.transpose(-1, -2) @ translation[..., None])[..., 0]

    def conditions(self) -> Float[Tensor, "*batch v 16"]:
        """What a network is told of a camera: ``world_from_camera``, position scaled to length 1, row-major (C of the paper)."""
        centre = torch.nn.functional.normalize(self.positions(), dim=-1)
        rotation = self.camera_from_world[..., :3, :3].transpose(-1, -2)
        bottom = torch.zeros_like(self.camera_from_world[..., 3, :])
        bottom[..., 3] = 1
        world_from_camera = torch.cat([torch.cat([rotation, centre[..., None]], -1), bottom[..., None, :]], -2)
        return world_from_camera.flatten(-2)


def orbit(
    azimuths_deg: Sequence[float] | Float[Tensor, " v"],
    elevations_deg: float | Sequence[float] | Float[Tensor, " v"] = 0.0,
    *,
    size: int | tuple[int, int] = 256,
    radius: float | Sequence[float] | Float[Tensor, " v"] = RIG_RADIUS,
    fov_y_deg: float | Sequence[float] | Float[Tensor, " v"] = RIG_FOV_Y_DEG,
) -> Cameras:
    """Cameras on a sphere round the origin, looking at it, world +Y up in the picture.

    Azimuth 0 stands on +Z and sees the front; azimuth grows towards +X; elevation grows upwards.

    Args:
        azimuths_deg: One azimuth a view.
        elevations_deg: One for all, or one a view; strictly between -90 and 90.
        size: Side of a square picture, or (height, width), in pixels.
        radius: Distance from the origin, in world units.
        fov_y_deg: Vertical field of view.

    Raises:
        InputError: An elevation at a pole, where "up" is undefined, or a picture size or lens that is not positive.
    """
    height, width = (size, size) if isinstance(size, int) else size
    azimuth = torch.as_tensor(azimuths_deg, dtype=torch.float64)
    per_view = [torch.as_tensor(x, dtype=torch.float64).expand_as(azimuth) for x in (elevations_deg, radius, fov_y_deg)]
    elevation, distance, fov = per_view
    if elevation.numel() and float(elevation.abs().max()) >= 90:
        raise InputError(f"elevations_deg: found {float(elevation.abs().max())}; orbits need values between -90 and 90")
    if height < 1 or width < 1 or not bool((distance > 0).all()) or not bool(((fov > 0) & (fov < 180)).all()):
        raise InputError("orbit: size and radius must be positive and fov_y_deg between 0 and 180")
    a, e = azimuth * math.pi / 180, elevation * math.pi / 180
    outward = torch.stack([a.sin() * e.cos(), e.sin(), a.cos() * e.cos()], -1)
    right = torch.stack([a.cos(), torch.zeros_like(a), -a.sin()], -1)
    forward = -outward
    down = torch.linalg.cross(forward, right)
    camera_from_world = torch.zeros(*azimuth.shape, 4, 4, dtype=torch.float64)
    camera_from_world[..., :3, :3] = torch.stack([right, down, forward], -2)
    camera_from_world[..., 2, 3] = distance
    camera_from_world[..., 3, 3] = 1
    focal_px = height / 2 / (fov * math.pi / 360).tan()
    intrinsics = torch.zeros(*azimuth.shape, 3, 3, dtype=torch.float64)
    intrinsics[..., 0, 0] = intrinsics[..., 1, 1] = focal_px
    intrinsics[..., 0, 2], intrinsics[..., 1, 2], intrinsics[..., 2, 2] = width / 2, height / 2, 1
    return Cameras(camera_from_world.float(), intrinsics.float(), height, width)


def canonical_rig(size: int = 256, elevation_deg: float = 0.0) -> Cameras:
    """The four supervised cameras: azimuths 0, 90, 180, 270 from the front."""
    return orbit(RIG_AZIMUTHS_DEG, elevation_deg, size=size)


def stacked(each: Sequence[Cameras]) -> Cameras:
    """Sets of cameras of one picture size as one batch, a scene each."""
    poses, lenses = (torch.stack(t) for t in zip(*((c.camera_from_world, c.intrinsics) for c in each), strict=True))
    return replace(each[0], camera_from_world=poses, intrinsics=lenses)


def mirrored(cameras: Cameras, which: Bool[Tensor, " b"]) -> Cameras:
    """Cameras (b, v) of scenes of which some are mirrored left to right: the mirrored picture is the mirrored world's, seen by this one."""
    signs = torch.where(which[:, None], torch.tensor([-1.0, 1, 1, 1], device=which.device), 1.0)
    both = torch.diag_embed(signs)[:, None].to(cameras.camera_from_world)
    return replace(cameras, camera_from_world=both @ cameras.camera_from_world @ both)


def turned(cameras: Cameras, azimuth_deg: float | Float[Tensor, "*batch"]) -> Cameras:
    """The same pictures in a world turned so that what stood at ``azimuth_deg`` stands at azimuth 0.

    With a batch of scenes, one angle a scene.
    """
    angle = torch.as_tensor(azimuth_deg, dtype=torch.float64) * math.pi / 180
    sin, cos, zero, one = angle.sin(), angle.cos(), torch.zeros_like(angle), torch.ones_like(angle)
    old_from_new = torch.stack([cos, zero, sin, zero, zero, one, zero, zero, -sin, zero, cos, zero, zero, zero, zero, one], -1)
    matrix = old_from_new.reshape(*angle.shape, 4, 4).to(cameras.camera_from_world)
    if angle.ndim:
        matrix = matrix[..., None, :, :]
    return replace(cameras, camera_from_world=cameras.camera_from_world @ matrix)
