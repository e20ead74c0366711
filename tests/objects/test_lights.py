"""Lights."""

import numpy as np
import pytest

from dd3g.core.cameras import orbit
from dd3g.core.errors import InputError
from dd3g.objects import AMBIENT, LIGHTS, SKY, find_light, random_light
from dd3g.objects.draws import Draws


def test_named_lights_are_frozen():
    """Every figure of evaluation stands on these numbers; a change of them is a new name."""
    assert {name: (light.ground, light.sky, light.key_strength) for name, light in LIGHTS.items()} == {
        "sky": (0.5, 1.0, 0.0),
        "ambient": (1.0, 1.0, 0.0),
    }


def test_unknown_light_is_refused_with_the_known_ones():
    assert find_light("sky") is SKY
    with pytest.raises(InputError, match="found 'sun', expected one of sky, ambient"):
        find_light("sun")


@pytest.mark.parametrize(("azimuth", "elevation"), [(0, 0), (90, 0), (200, 35)])
def test_key_light_stands_where_a_camera_of_these_angles_stands(azimuth, elevation):
    light = type(SKY)("key", 0.1, 0.1, 1.0, azimuth, elevation)
    position = orbit([azimuth], elevation, radius=1.0).positions()[0].numpy()
    np.testing.assert_allclose(light.direction(), position, atol=1e-6)


def test_warm_light_is_redder_than_blue_and_cold_light_the_other_way():
    warm, cold = (type(SKY)("key", 0.1, 0.1, 1.0, key_warmth=w).key_rgb() for w in (1.0, -1.0))
    assert warm[0] > warm[1] > warm[2]
    assert cold[0] < cold[1] < cold[2]


def test_random_lights_stay_in_a_photographers_range():
    lights = [random_light(Draws("lights", i), 100.0) for i in range(300)]
    softs = [light for light in lights if light.key_strength == 0]
    assert 45 < len(softs) < 105  # one in four
    for light in lights:
        brightest = light.sky + light.key_strength
        assert 0.1 < light.ground <= light.sky
        assert 0.6 < brightest < 2.0
        assert light.key_strength == 0 or abs((light.key_azimuth_deg - 100 + 180) % 360 - 180) <= 110


def test_random_light_takes_the_same_number_of_draws_whatever_comes_out():
    draws = [Draws("n", i) for i in range(20)]
    for one in draws:
        random_light(one, 0.0)
    fresh = [Draws("n", i) for i in range(20)]
    for one in fresh:
        one.uniforms(8)
    assert [one.uniform() for one in draws] == [one.uniform() for one in fresh]


def test_named_light_is_told_by_its_name_and_a_random_one_by_its_numbers():
    assert SKY.about() == {"name": "sky"}
    assert AMBIENT.about() == {"name": "ambient"}
    assert random_light(Draws("x"), 0.0).about()["sky"] > 0
