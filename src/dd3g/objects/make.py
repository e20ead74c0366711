"""Objects of our own from a seed: the same shape and colours for the same seed on every machine."""

from __future__ import annotations

from dd3g.core.errors import InputError
from dd3g.objects.draws import Draws
from dd3g.objects.made import (
    belongings,
    compounds,
    creatures,
    crockery,
    food,
    furniture,
    gadgets,
    packages,
    playthings,
    tools,
    vehicles,
)
from dd3g.objects.made.paint import Recipe, Thing, parts_of, stretched, turned
from dd3g.objects.made.palette import draw_palette
from dd3g.objects.mesh import Mesh, assemble

GENERATOR = "dd3g-objects-1"  # part of every key; a change of what is made is a new name

# recipes of a kind with their weights, and the weight of the kind
KINDS: tuple[tuple[dict[Recipe, float], float], ...] = (
    (packages.RECIPES, 3.0),
    (crockery.RECIPES, 2.0),
    (furniture.RECIPES, 2.5),
    (food.RECIPES, 2.0),
    (vehicles.RECIPES, 2.0),
    (creatures.RECIPES, 2.5),
    (tools.RECIPES, 1.0),
    (gadgets.RECIPES, 1.5),
    (playthings.RECIPES, 1.5),
    (belongings.RECIPES, 2.0),
    (compounds.RECIPES, 2.5),
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
    recipe = draws.pick(list(recipes), list(recipes.values()))
    thing = recipe(draws.branch("thing"), draw_palette(draws.branch("colours")))
    return assemble(parts_of(_varied(draws.branch("stance"), thing)), f"seed {seed}")


def _varied(draws: Draws, thing: Thing) -> Thing:
    """A little taller or wider than the recipe has it, and now and then not quite square to the viewer."""
    thing = stretched(thing, draws.uniform(0.88, 1.14), draws.uniform(0.88, 1.14), draws.uniform(0.88, 1.14))
    return turned(thing, "y", draws.uniform(-35, 35)) if draws.chance(0.2) else thing
