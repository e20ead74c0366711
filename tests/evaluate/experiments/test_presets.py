"""Every experiment compares what it says that it compares."""

from dataclasses import asdict, is_dataclass, replace

import pytest
import torch

from dd3g.evaluate.experiments.cell import Cell
from dd3g.evaluate.experiments.figures import MEASURES
from dd3g.evaluate.experiments.presets import EXPERIMENTS, experiment_of
from dd3g.evaluate.experiments.scale import SCALES, small, tiny
from dd3g.evaluate.experiments.shapes import ShapeFit, ShapeTable
from dd3g.student import PEPD

EACH = pytest.mark.parametrize("name", list(EXPERIMENTS))
# where arms of an experiment may differ from its first, by the beginning of the field's path
DIFFERS = {
    "noise": ("noise",),
    "noise-centres-last": ("noise",),
    "verification": ("loss.implicit", "loss.explicit"),
    "order": ("model.decoding.order", "model.decoding.layout"),
    "inversion": ("train",),
    "background": ("data.white", "loss.explicit.alpha"),
    "progressive": ("model.decoding.layout",),
    "gradients": ("t",),
    "curriculum": ("loss.implicit.curriculum", "loss.implicit.balance"),
    "draws": ("train",),
    "solver": ("train", "held_out.steps"),
    "diversity": ("loss.implicit", "loss.diversity", "data.siblings"),
    "extraction": ("model.extraction.blocks", "model.blocks"),
    "look-back": ("model.decoding",),
    "shapes": ("decoding.order", "decoding.layout"),
    "interpolation": ("what",),
}


def leaves(value, place=""):
    """Every plain value of nested records, by its path."""
    if is_dataclass(value) and not isinstance(value, type):
        value = {"type": type(value).__name__, **{name: getattr(value, name) for name in asdict(value)}}
    if isinstance(value, dict):
        return {path: leaf for name, item in value.items() for path, leaf in leaves(item, f"{place}.{name}" if place else name).items()}
    return {place: value}


@EACH
def test_arms_differ_in_the_stated_fields_and_in_no_other(name):
    first, *others = (leaves(arm) for arm in experiment_of(name, small()).arms.values())
    for other in others:
        differing = {path for path in first.keys() | other.keys() if first.get(path) != other.get(path)}
        assert differing
        assert all(path.startswith(DIFFERS[name]) for path in differing), differing


@EACH
@pytest.mark.parametrize("scale", list(SCALES))
def test_claims_are_about_arms_and_measures_that_there_are(name, scale):
    experiment = experiment_of(name, SCALES[scale]())
    for claim in experiment.claims:
        assert claim.arm in experiment.arms
        assert isinstance(claim.than, float) or claim.than in experiment.arms
        assert claim.measure in MEASURES
    assert set(experiment.measures) <= MEASURES.keys()
    assert experiment.over is None or experiment.over.keys() == experiment.arms.keys()


def parameters(arm):
    with torch.device("meta"):
        network = PEPD(arm.model) if isinstance(arm, Cell) else ShapeTable(arm)
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("name", ["progressive", "order", "extraction", "shapes"])
def test_arms_have_as_many_parameters_within_five_per_cent(name):
    counts = [parameters(arm) for arm in experiment_of(name, small()).arms.values() if isinstance(arm, Cell | ShapeFit)]
    assert max(counts) <= 1.05 * min(counts)


def test_a_small_student_has_one_to_two_million_parameters():
    assert 1e6 < parameters(small().base()) < 2e6


def test_draws_of_one_input_at_a_fixed_total():
    plans = [arm.train[0] for arm in experiment_of("draws", small()).arms.values() if isinstance(arm, Cell)]
    assert len(plans) == 4
    assert len({plan.images * plan.draws for plan in plans}) == 1


def test_the_best_known_arm_is_the_same_cell_in_every_experiment():
    """So that it is trained once: noise's own, order's first, verification's never, ..."""
    base = small().base()
    for name in ("noise", "verification", "order", "inversion", "progressive", "draws", "diversity", "extraction", "look-back"):
        assert base in experiment_of(name, small()).arms.values()


def test_a_seed_changes_nothing_but_the_seed():
    from dd3g.evaluate.experiments.experiment import seeded

    base = tiny().base()
    assert seeded(base, 3) == replace(base, fit=replace(base.fit, seed=3))
