"""The plan of a large run follows from its rates by arithmetic that is said beside it."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "plan_training.py"


@pytest.fixture(scope="module")
def planner():
    spec = importlib.util.spec_from_file_location("plan_training", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["plan_training"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["plan_training"]


RATES = {
    "parameters": 1e8,
    "batch": 8,
    "bytes_per_parameter": 20,
    "peak_bytes": 10e9,  # 2 of state, 1 a sample
    "seconds": {"data": 0.008, "network": 0.2, "render": 0.1, "loss": 0.1, "optimiser": 0.01},
}


def test_on_one_node_nothing_crosses_the_network_and_time_is_proportional(planner):
    made = planner.plan(RATES, planner.Wanted(1e8, 64, steps=1000))
    assert (made.nodes, made.parallel, made.batch_per_gpu, made.accumulate) == (1, "ddp", 8, 1)
    assert made.exchange_s == 0
    assert made.step_s == pytest.approx(0.4 + 0.01)
    assert made.hours == pytest.approx(0.41 * 1000 / 3600)
    assert made.memory_per_gpu_gb == pytest.approx(10)


def test_more_is_asked_for_until_it_is_done_in_time(planner):
    wanted = planner.Wanted(1e8, 256, steps=200_000, within_hours=30)
    made = planner.plan(RATES, wanted)
    assert made.in_time
    assert made.nodes == 4
    assert made.exchange_s == pytest.approx(4e8 * 2 * 3 / 4 / 25e9)
    assert not planner.plan(RATES, replace(wanted, within_hours=0.001)).in_time


def test_what_does_not_fit_whole_is_sharded_and_what_does_not_fit_at_once_takes_passes(planner):
    made = planner.plan(RATES, planner.Wanted(4e9, 64, within_hours=1e9))  # 80 GB of state, 40 a sample
    assert made.parallel == "fsdp"
    assert made.accumulate == 8
    assert made.memory_per_gpu_gb == pytest.approx(80 / 8 + 40)
    with pytest.raises(ValueError, match="does not fit"):
        planner.plan(RATES, planner.Wanted(1e10, 64))


def test_rates_of_a_cpu_are_refused(planner):
    with pytest.raises(ValueError, match="peak_bytes"):
        planner.plan({**RATES, "peak_bytes": None}, planner.Wanted(1e8, 64))
