"""Objects of our own from a seed: the same shape and colours for the same seed on every machine."""

from __future__ import annotations

from dd3g.core.errors import InputError
from dd3g.objects.draws import Draws
from dd3g.objects.made.compounds import COMPOUNDS
from dd3g.objects.made.creatures import CREATURES
from dd3g.objects.made.crockery import CROCKERY
from dd3g.objects.made.food import FOOD
from dd3g.objects.made.furniture import FURNITURE
from dd3g.objects.made.household import HOUSEHOLD
from dd3g.objects.made.packages import PACKAGES
from dd3g.objects.made.paint import Recipe, Thing, parts_of, stretched, turned
from dd3g.objects.made.palette import draw_palette
from dd3g.objects.made.vehicles import VEHICLES
from dd3g.objects.mesh import Mesh, assemble

GENERATOR = "dd3g-objects-1"  # part of every key; a change of what is made is a new name

KINDS: tuple[tuple[tuple[Recipe, ...], float], ...] = (
    (PACKAGES, 3.0),
    (CROCKERY, 2.0),
    (FURNITURE, 2.5),
    (FOOD, 2.0),
    (VEHICLES, 2.0),
    (CREATURES, 2.5),
    (HOUSEHOLD, 3.5),
    (COMPOUNDS, 2.5),
)


def make_object(seed: int) -> Mesh:
    """An object of our own: a package, a vessel, a piece of furniture, a fruit, a vehicle, a creature, a tool, or something without a name.

    Args:
        seed: Not negative. Shape, colours and textures depend on it and on nothing else.

    Raises:
        InputError: A negative seed.
    """
    if seed < 0:
        raise InputError(f"seed: found {seed}, expected 0 or more")
    draws = Draws(GENERATOR, seed)
    recipes = draws.pick([recipes for recipes, _ in KINDS], [weight for _, weight in KINDS])
    recipe = draws.pick(recipes)
    thing = recipe(draws.branch("thing"), draw_palette(draws.branch("colours")))
    return assemble(parts_of(_varied(draws.branch("stance"), thing)), f"seed {seed}")


def _varied(draws: Draws, thing: Thing) -> Thing:
    """A little taller or wider than the recipe has it, and now and then not quite square to the viewer."""
    thing = stretched(thing, draws.uniform(0.88, 1.14), draws.uniform(0.88, 1.14), draws.uniform(0.88, 1.14))
    return turned(thing, "y", draws.uniform(-35, 35)) if draws.chance(0.2) else thing
