"""Which pictures are taken."""

import math

import pytest

from dd3g.core.errors import InputError
from dd3g.objects import RIGS, SKY, Rig, cameras_of, input_shots, target_shots
from dd3g.objects.rig import radius_for

DIGEST = "00112233"


def test_canonical_orbit_comes_first():
    shots = target_shots(Rig(), DIGEST, 0)[:16]
    assert [shot.azimuth_deg for shot in shots] == [i * 22.5 for i in range(16)]
    assert {(shot.elevation_deg, shot.fov_y_deg, shot.radius) for shot in shots} == {(0.0, 49.1, 1.5)}


def test_every_target_is_lit_by_the_rigs_light():
    assert {shot.light for shot in target_shots(Rig(), DIGEST, 0)} == {SKY}
    assert {shot.light.name for shot in target_shots(Rig(light="ambient"), DIGEST, 0)} == {"ambient"}


def test_extra_orbits_are_quarters_at_one_elevation():
    shots = target_shots(Rig(), DIGEST, 0)[16:28]
    for i in range(0, 12, 4):
        azimuths = [shot.azimuth_deg for shot in shots[i : i + 4]]
        assert [round((a - azimuths[0]) % 360, 6) for a in azimuths] == [0, 90, 180, 270]
        assert len({shot.elevation_deg for shot in shots[i : i + 4]}) == 1
        assert -10 <= shots[i].elevation_deg <= 40


def test_free_views_and_inputs_stay_in_their_ranges():
    assert len(target_shots(Rig(), DIGEST, 0)) == 16 + 12 + 4
    for shot in target_shots(Rig(), DIGEST, 0)[28:]:
        assert -20 <= shot.elevation_deg <= 70
    inputs = input_shots(Rig(), DIGEST, 0)
    assert len(inputs) == 12
    for i, shot in enumerate(inputs):
        if i % 4 == 0:
            assert (shot.elevation_deg, shot.fov_y_deg, shot.radius, shot.light) == (0.0, 49.1, 1.5, SKY)
        else:
            assert -10 <= shot.elevation_deg <= 40
            assert 20 <= shot.fov_y_deg <= 60


def test_any_lens_shows_the_object_as_large_as_the_canonical_one():
    assert radius_for(49.1) == pytest.approx(1.5, abs=1e-9)
    for fov in (20.0, 35.0, 60.0):
        half_angle = math.asin(0.5 / radius_for(fov))
        assert math.tan(half_angle) / math.tan(math.radians(fov / 2)) == pytest.approx(0.774, abs=1e-3)


def test_views_depend_on_object_and_seed_only():
    assert target_shots(Rig(), DIGEST, 0) == target_shots(Rig(), DIGEST, 0)
    assert input_shots(Rig(), DIGEST, 0) != input_shots(Rig(), DIGEST, 1)
    assert input_shots(Rig(), DIGEST, 0) != input_shots(Rig(), "other", 0)


def test_fewer_inputs_are_the_first_of_more():
    assert input_shots(Rig(input_views=5), DIGEST, 0) == input_shots(Rig(), DIGEST, 0)[:5]


def test_cameras_have_the_shots_angles_and_lenses():
    shots = input_shots(Rig(), DIGEST, 0)
    cameras = cameras_of(shots, 32)
    for i, shot in enumerate(shots):
        x, y, z = cameras.positions()[i].tolist()
        assert math.degrees(math.atan2(x, z)) % 360 == pytest.approx(shot.azimuth_deg, abs=1e-3)
        assert math.degrees(math.asin(y / shot.radius)) == pytest.approx(shot.elevation_deg, abs=1e-3)
        assert 2 * math.degrees(math.atan(16 / float(cameras.intrinsics[i, 1, 1]))) == pytest.approx(shot.fov_y_deg, abs=1e-3)


def test_named_rigs():
    assert len(target_shots(RIGS["canonical"], DIGEST, 0)) == 16
    assert input_shots(RIGS["canonical"], DIGEST, 0) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"free_views": -1}, "none negative"),
        ({"canonical_views": 0, "extra_orbits": 0, "free_views": 0, "input_views": 0}, "at least one picture"),
        ({"target_size": 0}, "at least 1"),
        ({"light": "moon"}, "found 'moon'"),
        ({"input_fov_y_deg": (0.0, 40.0)}, "input_fov_y_deg"),
        ({"free_elevation_deg": (0.0, 90.0)}, "free_elevation_deg"),
        ({"extra_elevation_deg": (20.0, 10.0)}, "extra_elevation_deg"),
    ],
)
def test_impossible_rigs_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        Rig(**options)
