"""Noise and views: is the pair what teaches, and which pairs are worth drawing?"""

from __future__ import annotations

from dataclasses import replace

from dd3g.evaluate.experiments.cell import Cell
from dd3g.evaluate.experiments.claims import Claim
from dd3g.evaluate.experiments.decoding import decoded
from dd3g.evaluate.experiments.draws import DrawPlan
from dd3g.evaluate.experiments.experiment import Experiment
from dd3g.evaluate.experiments.interpolation import Interpolation
from dd3g.evaluate.experiments.scale import Scale
from dd3g.evaluate.experiments.verifying import joint

_MEASURES = ("own_db", "gap_db", "found", "mse_ratio", "spread_ratio", "novel_db")


def noise(scale: Scale) -> Experiment:
    """A1: the heart of the paper."""
    return _noise(
        scale,
        scale.base(),
        "The noise that belongs to the views",
        "A student that is given the noise which the teacher began at learns a function; with any other noise it learns a mean over draws, "
        "and its error can't fall below their variance.",
    )


def noise_centres_last(scale: Scale) -> Experiment:
    """A1 with the decoder that hears best (X3): what the paper's order hides in a short training."""
    return _noise(
        scale,
        decoded(scale.base(), order=("ca", "sq", "mu")),
        "The noise that belongs to the views, heard by a student that decodes centres last",
        "As in noise, for a student whose centres come after all of its blocks: the depth before them decides how soon the noise is heard.",
    )


def _noise(scale: Scale, base: Cell, title: str, question: str) -> Experiment:
    chance = 1 / scale.held_out_draws
    return Experiment(
        title=title,
        question=question,
        differs="noise",
        arms={
            "own": base,
            "shuffled": replace(base, noise="shuffled"),
            "fresh": replace(base, noise="fresh"),
            "zero": replace(base, noise="zero"),
        },
        claims=(
            Claim("own noise beats other draws' noise", "own", "shuffled", "own_db"),
            Claim("own noise makes a smaller squared error than other draws' noise", "own", "shuffled", "mse_ratio", lower=True),
            Claim("own noise beats noise of no draw", "own", "fresh", "own_db"),
            Claim("own noise beats none", "own", "zero", "own_db"),
            Claim("with own noise the right draw is found", "own", chance, "found"),
            Claim("with other draws' noise it is found too", "shuffled", chance, "found"),
            Claim("with own noise the error falls below the draws' variance", "own", 1.0, "mse_ratio", lower=True),
        ),
        measures=_MEASURES,
        note="MSE / variance of the draws is at least the floor 7/8 of a perfect mean over eight draws where noise says nothing "
        "(method.md, A1).",
    )


def draws(scale: Scale) -> Experiment:
    """A3: draws an input at a fixed total."""
    base = scale.base()
    total = scale.world.train * scale.draws
    plans = [
        DrawPlan(images=scale.world.train // k, draws=total // (scale.world.train // k)) for k in (1, 2, 4, 8) if scale.world.train >= k
    ]
    arms = {f"{p.images} x {p.draws}": replace(base, train=(p,)) for p in plans}
    names = list(arms)
    return Experiment(
        title="Draws of one input at a fixed total",
        question="More draws of each input make the noise heard; more inputs make new inputs look right.",
        differs="train: inputs x draws, the product being the same",
        arms=arms,
        claims=(
            Claim("more draws an input make the noise heard", names[-1], names[0], "gap_db"),
            Claim("more inputs make new ones look right", names[0], names[-1], "own_db"),
        ),
        measures=_MEASURES,
        over={name: float(p.draws) for name, p in zip(names, plans, strict=True)},
        over_label="draws an input",
    )


def inversion(scale: Scale) -> Experiment:
    """Quadruples drawn by the teacher, true views followed back to their noise, and both."""
    base = scale.base()
    n = scale.world.train
    half = max(scale.draws // 2, 1)
    drawn, inverted = DrawPlan(images=n, draws=half), DrawPlan("invert", images=n, draws=half)
    return Experiment(
        title="Drawn against inverted quadruples",
        question="(Beyond the paper, method.md 13.1.) True views, followed back along the ODE to the noise that leads to them, teach as "
        "well as "
        "what the teacher draws; a mix of both teaches best.",
        differs="train",
        arms={
            "drawn": base,
            "inverted": replace(base, train=(DrawPlan("invert", images=n, draws=scale.draws),)),
            "half and half": replace(base, train=(drawn, inverted)),
        },
        claims=(
            Claim("inverted quadruples teach worse than drawn ones", "inverted", "drawn", "own_db", lower=True),
            Claim("a mix teaches better than drawn ones alone", "half and half", "drawn", "own_db"),
            Claim("inverted noise is heard less", "inverted", "drawn", "gap_db", lower=True),
        ),
        measures=_MEASURES,
        note="All are scored on drawn noise, which is what generation begins at. The exact teacher draws true views: here the two kinds "
        "differ "
        "in their noise alone.",
    )


def solver(scale: Scale) -> Experiment:
    """A4: steps of the teacher's solver."""
    base = scale.base()
    counts = (10, 20, 50, 100)

    def arm(steps: int) -> Cell:
        return replace(base, train=tuple(replace(p, steps=steps) for p in base.train), held_out=replace(base.held_out, steps=steps))

    return Experiment(
        title="Steps of the teacher's solver",
        question="The paper draws with 50 steps. Fewer steps make another map from noise to views: is it as easy to learn, and as true?",
        differs="steps of train and held_out",
        arms={f"{steps} steps": base if steps == 50 else arm(steps) for steps in counts},
        claims=(
            Claim("50 steps are easier to learn than 10", "50 steps", "10 steps", "gap_db"),
            Claim("50 steps make better students than 10", "50 steps", "10 steps", "own_db"),
            Claim("100 steps make better students than 50", "100 steps", "50 steps", "own_db"),
        ),
        measures=(*_MEASURES[:4], "target_off"),
        over={f"{steps} steps": float(steps) for steps in counts},
        over_label="steps",
    )


def diversity(scale: Scale) -> Experiment:
    """The paper's stated weakness: a conservative student."""
    base = scale.base()
    siblings = replace(base, data=replace(base.data, siblings=2), loss=replace(base.loss, diversity=2.0))
    return Experiment(
        title="Diversity",
        question="The student is conservative: its draws differ less than the teacher's. (Ours: a loss on distances between draws mends "
        "it.)",
        differs="loss: explicit alone; with verification under the curriculum; with loss.diversity 2 on two draws of an input side by side",
        arms={"explicit": base, "joint": joint(base), "diversity loss": siblings},
        claims=(
            Claim("the student is less diverse than its teacher", "explicit", 1.0, "diversity", lower=True),
            Claim("so it is with verification", "joint", 1.0, "diversity", lower=True),
            Claim("a loss on distances makes it more diverse", "diversity loss", "explicit", "diversity"),
            Claim("and costs likeness", "diversity loss", "explicit", "own_db", lower=True),
        ),
        measures=("diversity", "spread_ratio", "own_db", "gap_db", "found"),
    )


def interpolation(scale: Scale) -> Experiment:
    """Smooth ways between noises and between pictures."""
    base = scale.base()
    pairs = min(8, scale.world.held_out)

    def arm(what: str) -> Interpolation:
        return Interpolation(base, what, scale.frames, pairs)  # pyright: ignore[reportArgumentType]

    return Experiment(
        title="Interpolation",
        question="Between inputs the student's shapes change smoothly: its latent space is continuous, and not a memory of the training "
        "set.",
        differs="what is walked: slerp of N with the student, with the teacher, or the line between two pictures' features",
        arms={what: arm(what) for what in ("student, noise", "teacher, noise", "student, picture")},
        claims=(
            Claim(
                "the student goes from noise to noise more evenly than its teacher",
                "student, noise",
                "teacher, noise",
                "roughness",
                lower=True,
            ),
            Claim("from picture to picture no step is three times the mean", "student, picture", 3.0, "roughness", lower=True),
        ),
        measures=("roughness",),
        note="The exact teacher of this world jumps: its way from one completion to another happens in a step or two.",
    )
