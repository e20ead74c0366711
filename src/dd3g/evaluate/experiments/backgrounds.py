"""What stands behind the object while a student learns."""

from __future__ import annotations

import math
from dataclasses import replace

from dd3g.evaluate.experiments.cell import Cell
from dd3g.evaluate.experiments.claims import Claim
from dd3g.evaluate.experiments.experiment import Experiment
from dd3g.evaluate.experiments.scale import Scale


def background(scale: Scale) -> Experiment:
    """A2: a fixed white background leaves white Gaussians around the object."""
    base = scale.base()

    def arm(white: float, matte: float) -> Cell:
        explicit = replace(base.loss.explicit, alpha=matte)
        return replace(base, data=replace(base.data, white=white), loss=replace(base.loss, explicit=explicit))

    return Experiment(
        title="Random backgrounds against white",
        question="With a fixed white background, white Gaussians stay around the object, to be seen on black.",
        differs="data.white; in the first two loss.explicit.alpha is 0, since a matte loss hides the matter",
        arms={
            "random": arm(0.0, 0.0),
            "white": arm(1.0, 0.0),
            "random, matte loss": base,
            "white, matte loss": arm(1.0, base.loss.explicit.alpha),
        },
        claims=(
            Claim("white leaves more alpha outside the matte", "white", "random", "outside"),
            Claim("five times as much", "white", "random", "outside_log", margin=math.log10(5)),
            Claim("with a matte loss white still does", "white, matte loss", "random, matte loss", "outside"),
        ),
        measures=("outside", "outside_log", "own_db", "novel_db", "saturation"),
    )
