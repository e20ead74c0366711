"""The table of experiments: name -> what it asks, in a few words, and the function that makes it at a scale."""

from __future__ import annotations

from collections.abc import Callable

from dd3g.core.errors import InputError
from dd3g.evaluate.experiments.backgrounds import background
from dd3g.evaluate.experiments.decoding import extraction, look_back, order, progressive, shapes
from dd3g.evaluate.experiments.experiment import Experiment
from dd3g.evaluate.experiments.pairing import diversity, draws, interpolation, inversion, noise, noise_centres_last, solver
from dd3g.evaluate.experiments.scale import Scale
from dd3g.evaluate.experiments.verifying import curriculum, gradients, verification

EXPERIMENTS: dict[str, Callable[[Scale], Experiment]] = {
    "noise": noise,
    "noise-centres-last": noise_centres_last,
    "verification": verification,
    "order": order,
    "inversion": inversion,
    "background": background,
    "progressive": progressive,
    "gradients": gradients,
    "curriculum": curriculum,
    "draws": draws,
    "solver": solver,
    "diversity": diversity,
    "extraction": extraction,
    "look-back": look_back,
    "shapes": shapes,
    "interpolation": interpolation,
}


def experiment_of(name: str, scale: Scale) -> Experiment:
    """An experiment at a scale.

    Raises:
        InputError: There is none of that name.
    """
    if name not in EXPERIMENTS:
        raise InputError(f"experiment {name}: unknown; known are {', '.join(EXPERIMENTS)}, or all")
    return EXPERIMENTS[name](scale)
