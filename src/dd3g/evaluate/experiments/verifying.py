"""Implicit verification: when it begins, how it rises, how much of it; and whether its gradient is what the paper takes it for."""

from __future__ import annotations

from dataclasses import replace

from dd3g.distill.curriculum import Curriculum
from dd3g.distill.explicit import ExplicitWeights
from dd3g.distill.implicit import ImplicitConfig
from dd3g.evaluate.experiments.cell import Cell
from dd3g.evaluate.experiments.claims import Claim
from dd3g.evaluate.experiments.experiment import Experiment
from dd3g.evaluate.experiments.gradients import TIMES, GradientProbe
from dd3g.evaluate.experiments.scale import Scale

_MEASURES = ("novel_db", "own_db", "codec", "saturation", "gap_db", "diversity")
_NOTE = (
    "The exact teacher knows the four supervised cameras alone, so verification looks from there; unsupervised views are where it can "
    "show. "
    "It asks half of the batch's quarter every second step, at guidance 1."
)


def joint(base: Cell, curriculum: Curriculum | None = None, balance: float = 0.1) -> Cell:
    """The base with verification beside its explicit supervision."""
    implicit = ImplicitConfig(balance=balance, curriculum=curriculum or Curriculum(), guidance=1.0, supervised=1.0, every=2, one_in=4)
    return replace(base, loss=replace(base.loss, implicit=implicit))


def verification(scale: Scale) -> Experiment:
    """X2: when verification joins."""
    base = scale.base()
    alone = joint(base, Curriculum("constant"))
    alone = replace(
        alone,
        loss=replace(
            alone.loss,
            explicit=ExplicitWeights(mse=0.0, alpha=0.0, perceptual=0.0),
            implicit=replace(alone.loss.implicit, balance=0.0, weight=1.0),
        ),
    )
    return Experiment(
        title="When implicit verification begins",
        question="Verification from the first step harms, since early samples are too poor; under a curriculum it helps; alone it hardly "
        "converges; without it colours are dull and views may disagree.",
        differs="loss.implicit (and for alone loss.explicit, which is nothing)",
        arms={
            "never": base,
            "from 0": joint(base, Curriculum("constant")),
            "curriculum": joint(base),
            "step": joint(base, Curriculum("step", start=0.4)),
            "alone": alone,
        },
        claims=(
            Claim("under a curriculum it beats never, on unsupervised views", "curriculum", "never", "novel_db"),
            Claim(
                "under a curriculum it costs no 0.1 dB on supervised views: never wins by that", "never", "curriculum", "own_db", margin=0.1
            ),
            Claim("a curriculum beats beginning at once", "curriculum", "from 0", "novel_db"),
            Claim("a curriculum beats a step", "curriculum", "step", "novel_db"),
            Claim("alone it is worse than never", "alone", "never", "own_db", lower=True),
            Claim("without it colours are dull", "never", "curriculum", "saturation", lower=True),
        ),
        measures=_MEASURES,
        note=_NOTE,
    )


def curriculum(scale: Scale) -> Experiment:
    """C3: shape of the rise, its start, and the share of verification."""
    base = scale.base()
    arms = {
        "smoothstep": joint(base),
        "linear": joint(base, Curriculum("linear")),
        "cosine": joint(base, Curriculum("cosine")),
        "step": joint(base, Curriculum("step", start=0.4)),
        "start 0": joint(base, Curriculum(start=0.0)),
        "start 0.4": joint(base, Curriculum(start=0.4)),
        "share 0.03": joint(base, balance=0.03),
        "share 0.3": joint(base, balance=0.3),
    }
    return Experiment(
        title="The curriculum's shape, start and share",
        question="Results do not depend on the shape of the rise; they do on its share (0.3 saturates) and on beginning at once.",
        differs="loss.implicit.curriculum, or loss.implicit.balance",
        arms=arms,
        claims=(
            Claim("the shape matters by 0.1 dB: smoothstep beats linear", "smoothstep", "linear", "own_db", margin=0.1),
            Claim("the shape matters by 0.1 dB: smoothstep beats a step", "smoothstep", "step", "own_db", margin=0.1),
            Claim("beginning at once is worse", "start 0", "smoothstep", "own_db", lower=True),
            Claim("a share of 0.3 saturates more than 0.03", "share 0.3", "share 0.03", "saturation"),
            Claim("a share of 0.3 oversaturates", "share 0.3", 1.1, "saturation"),
        ),
        measures=_MEASURES,
        note=_NOTE,
    )


def gradients(scale: Scale) -> Experiment:
    """C2: score distillation at low noise as a discriminator."""
    arms = {f"t {t}": GradientProbe(t, scale.world.held_out, scale.probes) for t in TIMES}
    return Experiment(
        title="Is score distillation at low noise a verifier?",
        question="For t up to 300 the residual ranks real below blurred below inconsistent views and its expectation points to the truth; "
        "above, it points to other objects.",
        differs="t",
        arms=arms,
        claims=(
            Claim("at t 100 real views are told from spoilt ones (AUC 0.8)", "t 100", 0.8, "auc"),
            Claim("at t 300 too", "t 300", 0.8, "auc"),
            Claim("they are told better at t 100 than at t 700", "t 100", "t 700", "auc"),
            Claim("the expected gradient points to the truth at t 100", "t 100", 0.0, "cosine_truth"),
            Claim("more so than at t 700", "t 100", "t 700", "cosine_truth"),
            Claim("inconsistent views have the larger residual than blurred ones at t 100: ranked", "t 100", 0.0, "ranked"),
            Claim("at t 100 it changes saturation more than explicit supervision does", "t 100", 0.0, "saturation_excess"),
        ),
        measures=(
            "auc",
            "cosine_truth",
            "cosine_explicit",
            "saturation_share",
            "auc_blurred",
            "auc_inconsistent",
            "cosine_truth_inconsistent",
            "noise_share",
            "saturation_share_explicit",
            "norm",
        ),
        note="Nothing is trained; seeds are of the noises. The exact teacher memorises its world: its residual is as sharp as can be. "
        "Views with another back may be nearer to a third completion: the way to the views before is not the only right one.",
        over={f"t {t}": float(t) for t in TIMES},
        over_label="t",
    )
