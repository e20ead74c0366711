"""Which pictures of an object are taken: groups of cameras and lights, drawn from a key of the object."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dd3g.core.cameras import RIG_FOV_Y_DEG, RIG_RADIUS, Cameras, orbit
from dd3g.core.errors import InputError
from dd3g.objects.draws import Draws
from dd3g.objects.lights import LIGHTS, SKY, Light, find_light, random_light
from dd3g.objects.mesh import FARTHEST_VERTEX

GENERATOR = "dd3g-rig-1"  # part of every key; a change of what is drawn is a new name


@dataclass(frozen=True)
class Rig:
    """How many pictures of what kind. "targets" are what a student must show, "inputs" what it may be shown."""

    canonical_views: int = 16  # evenly round the object from the front, elevation 0
    extra_orbits: int = 3  # of four views 90 degrees apart, with an azimuth and an elevation of their own
    extra_elevation_deg: tuple[float, float] = (-10.0, 40.0)
    free_views: int = 4
    free_elevation_deg: tuple[float, float] = (-20.0, 70.0)
    input_views: int = 12
    input_elevation_deg: tuple[float, float] = (-10.0, 40.0)
    input_fov_y_deg: tuple[float, float] = (20.0, 60.0)
    input_plain_every: int = 4  # every so many inputs one at elevation 0, under the canonical lens and the targets' light
    target_size: int = 128
    input_size: int = 192
    supersampling: int = 3
    light: str = SKY.name  # of all targets

    def __post_init__(self) -> None:
        counts = (self.canonical_views, self.extra_orbits, self.free_views, self.input_views)
        if min(counts) < 0 or sum(counts) == 0:
            raise InputError(f"rig: view counts are {counts}, expected none negative and at least one picture")
        if min(self.target_size, self.input_size, self.supersampling, self.input_plain_every) < 1:
            raise InputError("rig: sizes, supersampling and input_plain_every must be at least 1")
        find_light(self.light)
        for name, low_high, least, most in (
            ("extra_elevation_deg", self.extra_elevation_deg, -90, 90),
            ("free_elevation_deg", self.free_elevation_deg, -90, 90),
            ("input_elevation_deg", self.input_elevation_deg, -90, 90),
            ("input_fov_y_deg", self.input_fov_y_deg, 0, 180),
        ):
            if not least < low_high[0] <= low_high[1] < most:
                raise InputError(f"rig: {name} is {low_high}, expected (low, high) between {least} and {most}")


RIGS = {
    "standard": Rig(),
    "canonical": Rig(extra_orbits=0, free_views=0, input_views=0),  # what evaluation needs
    "small": Rig(extra_orbits=1, free_views=2, input_views=4),  # tests and examples
}


@dataclass(frozen=True)
class Shot:
    """One picture to take."""

    azimuth_deg: float
    elevation_deg: float
    fov_y_deg: float
    radius: float
    light: Light

    def about(self) -> dict[str, Any]:
        """For object.json."""
        angles = {"azimuth_deg": self.azimuth_deg, "elevation_deg": self.elevation_deg, "fov_y_deg": self.fov_y_deg}
        return {**angles, "radius": self.radius, "light": self.light.about()}


def target_shots(rig: Rig, object_digest: str, seed: int) -> list[Shot]:
    """The pictures of group "targets": canonical orbit, then extra orbits, then free views; all with the canonical lens."""
    light = LIGHTS[rig.light]
    angles = [(i * 360.0 / rig.canonical_views, 0.0) for i in range(rig.canonical_views)]
    draws = Draws(GENERATOR, "targets", object_digest, seed)
    for _ in range(rig.extra_orbits):
        offset, elevation = draws.uniform(0.0, 360.0), draws.uniform(*rig.extra_elevation_deg)
        angles += [((offset + quarter) % 360.0, elevation) for quarter in (0.0, 90.0, 180.0, 270.0)]
    angles += [(draws.uniform(0.0, 360.0), draws.uniform(*rig.free_elevation_deg)) for _ in range(rig.free_views)]
    return [Shot(azimuth, elevation, RIG_FOV_Y_DEG, RIG_RADIUS, light) for azimuth, elevation in angles]


def input_shots(rig: Rig, object_digest: str, seed: int) -> list[Shot]:
    """The pictures of group "inputs", as photographs see an object: any side, a little from above, any lens, any light."""
    draws = Draws(GENERATOR, "inputs", object_digest, seed)
    shots = []
    for i in range(rig.input_views):
        azimuth = draws.uniform(0.0, 360.0)
        elevation = draws.uniform(*rig.input_elevation_deg)
        fov_y_deg = draws.uniform(*rig.input_fov_y_deg)
        light = random_light(draws, azimuth)  # drawn in any case: the other views stay what they are when the plain ones change
        if i % rig.input_plain_every == 0:
            shots.append(Shot(azimuth, 0.0, RIG_FOV_Y_DEG, RIG_RADIUS, LIGHTS[rig.light]))
        else:
            shots.append(Shot(azimuth, elevation, fov_y_deg, radius_for(fov_y_deg), light))
    return shots


def radius_for(fov_y_deg: float) -> float:
    """Distance from which a sphere round the object fills the same part of the frame as on the canonical rig (0.77 of its side)."""
    seen = math.tan(math.asin(FARTHEST_VERTEX / RIG_RADIUS)) / math.tan(math.radians(RIG_FOV_Y_DEG / 2))
    return FARTHEST_VERTEX / math.sin(math.atan(seen * math.tan(math.radians(fov_y_deg / 2))))


def cameras_of(shots: Sequence[Shot], size: int) -> Cameras:
    """The cameras of square pictures."""
    return orbit(
        [shot.azimuth_deg for shot in shots],
        [shot.elevation_deg for shot in shots],
        size=size,
        radius=[shot.radius for shot in shots],
        fov_y_deg=[shot.fov_y_deg for shot in shots],
    )
