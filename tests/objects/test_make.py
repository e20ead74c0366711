"""Objects of our own."""

import numpy as np
import pytest

from dd3g.core.errors import InputError
from dd3g.objects.draws import Draws
from dd3g.objects.made.paint import Recipe, parts_of
from dd3g.objects.made.palette import draw_palette
from dd3g.objects.make import KINDS, make_object
from dd3g.objects.mesh import assemble

RECIPES: list[Recipe] = [recipe for recipes, _ in KINDS for recipe in recipes]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.__name__)
def test_every_recipe_makes_sound_meshes(recipe):
    draws = Draws("test", recipe.__name__)
    mesh = assemble(parts_of(recipe(draws, draw_palette(draws.branch("colours")))), recipe.__name__)
    assert 12 <= len(mesh.faces) < 40_000
    np.testing.assert_allclose(np.linalg.norm(mesh.corner_normals, axis=-1), 1, atol=1e-4)
    assert np.isfinite(mesh.corner_uvs).all()
    assert min(np.ptp(mesh.vertices, axis=0)) > 0.004  # nothing is a flat sheet


# faces, materials, mean absolute coordinate, mean texel
GOLDEN = [
    (0, (1328, 2, 0.1628849, 104.5104)),
    (1, (1530, 8, 0.1811251, 131.0115)),
    (2, (376, 2, 0.1058079, 0.0)),
    (1_000_000, (416, 2, 0.1439576, 99.8078)),
]


def test_a_seed_always_makes_the_same_object():
    for seed in (0, 17):
        one, other = make_object(seed), make_object(seed)
        assert one.vertices.tobytes() == other.vertices.tobytes()
        assert one.corner_uvs.tobytes() == other.corner_uvs.tobytes()
        assert [m.factor_rgba for m in one.materials] == [m.factor_rgba for m in other.materials]
        for a, b in zip(one.materials, other.materials, strict=True):
            assert (a.texture is None) == (b.texture is None)
            assert a.texture is None or b.texture is None or np.array_equal(a.texture.texels, b.texture.texels)


@pytest.mark.parametrize(("seed", "golden"), GOLDEN)
def test_golden_objects(seed, golden):
    """The same on every machine: sines differ in the last bit from one C library to the next, so the numbers have six digits."""
    mesh = make_object(seed)
    texels = [m.texture.texels.mean() for m in mesh.materials if m.texture is not None]
    found = (len(mesh.faces), len(mesh.materials), float(np.abs(mesh.vertices).mean()), float(np.mean(texels or [0.0])))
    assert found == pytest.approx(golden, rel=1e-5, abs=1e-6)


def test_seeds_make_different_objects():
    counts = {(len(mesh.faces), len(mesh.materials)) for mesh in map(make_object, range(20))}
    assert len(counts) > 15


def test_every_recipe_can_come():
    """The weights leave nothing out: over many seeds each kind is drawn about as often as its weight says."""
    total = sum(weight for _, weight in KINDS)
    kinds = [recipes for recipes, _ in KINDS]
    drawn = [Draws("dd3g-objects-1", seed).pick(list(range(len(kinds))), [weight for _, weight in KINDS]) for seed in range(4000)]
    for i, (_, weight) in enumerate(KINDS):
        share = weight / total
        assert drawn.count(i) / 4000 == pytest.approx(share, abs=5 * (share / 4000) ** 0.5)


def test_most_objects_have_a_front():
    """What is seen from the front differs from what is seen from behind, more often than not."""
    from dd3g.core.cameras import orbit
    from dd3g.objects import SKY, render_views

    differences = []
    for seed in range(12):
        views = render_views(make_object(seed), orbit([0.0, 180.0], 0.0, size=24), SKY, supersampling=1)
        differences.append(float((views.rgb * views.alpha)[0].sub((views.rgb * views.alpha)[1].flip(-1)).abs().mean()))
    assert np.median(differences) > 0.01


def test_negative_seed_is_refused():
    with pytest.raises(InputError, match="seed: found -1"):
        make_object(-1)
