"""What is told of a run before it begins, and of runs side by side."""

from dataclasses import replace

import pytest

from dd3g.core.errors import InputError
from dd3g.training import fit
from dd3g.training.compare import as_text, differing_settings, find_runs, summarise
from dd3g.training.rehearsal import rehearse
from tests.training.test_engine import CONFIG, QUIET
from tests.training.toy import toy_recipe


def test_a_dry_run_counts_exactly_and_writes_nothing(tmp_path, capsys):
    told = rehearse(toy_recipe(), CONFIG, QUIET)
    count = 1 * 32 + 32 + 32 + 1
    assert told.parameters == told.trained == count
    assert told.bytes_held["weights"] == told.bytes_held["gradients"] == told.bytes_held["average"] == 4 * count
    assert told.bytes_held["optimiser"] == 8 * count + 4 * 4  # two moments, and a counter for each of four tensors
    assert told.seconds == pytest.approx(told.first_step_s + 39 * told.step_s)
    fit(toy_recipe(), CONFIG, tmp_path / "run", replace(QUIET, dry_run=True))
    assert not (tmp_path / "run").exists()
    assert "parameters: 97, 97 of them trained" in capsys.readouterr().out


def test_runs_are_found_summed_up_and_told_apart_by_what_differs(tmp_path):
    for name, lr in (("a", 0.01), ("b", 0.02)):
        fit(toy_recipe(), replace(CONFIG, steps=20, lr=lr), tmp_path / name, QUIET)
    first, second = (summarise(run) for run in find_runs([tmp_path]))
    assert (first.kind, first.step, first.steps) == ("toy", 20, 20)
    assert first.best["error min"] <= first.best["error max"]
    assert differing_settings([first, second]) == {"fit.lr": [0.01, 0.02]}
    assert "fit.lr: 0.01 | 0.02" in as_text([first, second])


def test_a_folder_without_runs_is_named(tmp_path):
    with pytest.raises(InputError, match="neither a run nor a folder of runs"):
        find_runs([tmp_path])
