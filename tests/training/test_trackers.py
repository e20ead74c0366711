"""What is watched elsewhere is what the journal says; what is not installed is named."""

import sys
from dataclasses import replace
from importlib.util import find_spec
from types import SimpleNamespace

import pytest

from dd3g.core.errors import MissingExtraError
from dd3g.training import fit
from dd3g.training.journal import read_journal
from tests.training.test_engine import CONFIG, QUIET
from tests.training.toy import toy_recipe


def test_wandb_is_told_every_event_under_the_runs_name(tmp_path, monkeypatch):
    logged, begun = [], []
    session = SimpleNamespace(log=lambda values, step: logged.append((step, values)))
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=lambda **told: begun.append(told) or session))
    fit(toy_recipe(), replace(CONFIG, steps=8), tmp_path / "mine", replace(QUIET, wandb=True))
    assert begun[0]["id"] == "mine"
    assert begun[0]["config"]["fit"]["lr"] == CONFIG.lr
    events = read_journal(tmp_path / "mine" / "metrics.jsonl")
    assert [step for step, _ in logged] == [event["step"] for event in events]
    assert logged[0][1]["train/loss"] == events[0]["loss"]


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_what_is_not_installed_is_named_with_its_extra(tmp_path, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=rf"dd3g\[{name}\]"):
        fit(toy_recipe(), CONFIG, tmp_path, replace(QUIET, **{name: True}))


@pytest.mark.slow
@pytest.mark.skipif(find_spec("tensorboard") is None, reason="the extra 'tensorboard' is not installed")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_reads_what_the_journal_says(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # pyright: ignore[reportMissingImports] - an extra

    fit(toy_recipe(), replace(CONFIG, steps=8), tmp_path, replace(QUIET, tensorboard=True))
    read = EventAccumulator(str(tmp_path / "tensorboard"))
    read.Reload()
    events = [e for e in read_journal(tmp_path / "metrics.jsonl") if e["kind"] == "train"]
    assert [s.step for s in read.Scalars("train/loss")] == [e["step"] for e in events]
    assert [s.value for s in read.Scalars("train/loss")] == pytest.approx([e["loss"] for e in events])
