"""Named lights. All but `key` lights look the same from every side, so that a picture does not tell where its camera stands."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from dd3g.core.errors import InputError
from dd3g.objects.draws import Draws


@dataclass(frozen=True)
class Light:
    """Irradiance on a surface of unit normal n, linear, white = 1, to be multiplied with the albedo.

    ``ground + (sky - ground) (1 + n.y) / 2``, plus ``key_strength * tint * max(n . l, 0)`` where the light at ``key_azimuth_deg``,
    ``key_elevation_deg`` (angles as cameras have them) is not hidden.
    """

    name: str
    ground: float
    sky: float
    key_strength: float = 0.0
    key_azimuth_deg: float = 0.0
    key_elevation_deg: float = 0.0
    key_warmth: float = 0.0  # -1 blue sky light, 0 white, 1 the light of a bulb

    def direction(self) -> Float64[np.ndarray, " 3"]:
        """Unit vector towards the key light."""
        azimuth, elevation = math.radians(self.key_azimuth_deg), math.radians(self.key_elevation_deg)
        return np.array([math.sin(azimuth) * math.cos(elevation), math.sin(elevation), math.cos(azimuth) * math.cos(elevation)])

    def key_rgb(self) -> Float64[np.ndarray, " 3"]:
        """The key light's colour times its strength."""
        return self.key_strength * (1 + self.key_warmth * np.array([0.25, 0.0, -0.35]))

    def about(self) -> dict[str, Any]:
        """For object.json: the name, and the numbers of a light that has no fixed ones."""
        return {"name": self.name} if self.name in LIGHTS else asdict(self)


# Frozen: every figure of evaluation stands on `sky`. Upright faces get 0.75, which leaves whites white and shows which way a face looks.
SKY = Light("sky", ground=0.5, sky=1.0)
AMBIENT = Light("ambient", ground=1.0, sky=1.0)
LIGHTS = {light.name: light for light in (SKY, AMBIENT)}


def find_light(name: str) -> Light:
    """A light by name.

    Raises:
        InputError: No light of that name.
    """
    if name not in LIGHTS:
        raise InputError(f"light: found {name!r}, expected one of {', '.join(LIGHTS)}")
    return LIGHTS[name]


def random_light(draws: Draws, camera_azimuth_deg: float) -> Light:
    """A light as photographs have it: one time in four soft from above, else a sun or a lamp, rarely behind the object.

    Args:
        draws: Where the numbers come from; always the same count of them is drawn.
        camera_azimuth_deg: Side from which the picture is taken.
    """
    soft = draws.uniform() < 0.25
    brightness, fill_share, ground_share = draws.uniform(0.8, 1.1), draws.uniform(0.45, 0.75), draws.uniform(0.4, 1.0)
    beside, elevation = draws.uniform(-110.0, 110.0), draws.uniform(15.0, 75.0)
    gain, warmth = draws.uniform(1.0, 1.8), draws.uniform(-0.6, 0.9)
    if soft:
        return Light("soft", ground=brightness * ground_share, sky=brightness)
    fill = brightness * fill_share
    return Light(
        "key",
        ground=fill * ground_share,
        sky=fill,
        key_strength=(brightness - fill) * gain,
        key_azimuth_deg=(camera_azimuth_deg + beside) % 360.0,
        key_elevation_deg=elevation,
        key_warmth=warmth,
    )
