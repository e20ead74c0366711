"""The plan of a large run follows from its rates by arithmetic that is said beside it."""

from dataclasses import replace

import pytest

from tests.load_script import script_fixture

planner = script_fixture("benchmarks/plan_training.py")


def sizes(planner, parameters=1e8, flops=1e10, gaussians=4096, views=4, px=64):
    return planner.Sizes(parameters, flops, gaussians, views, px)


RATES = {
    "preset": "made up",
    "kind": "cuda",
    "device": "a device",
    "threads": 1,
    "clock": "wall",
    "batch": 8,
    "sizes": {"parameters": 1e8, "flops": 1e10, "gaussians": 4096, "views": 4, "render_px": 64},
    "bytes_per_parameter": 20,
    "base_bytes": 1e9,
    "peak_bytes": 11e9,  # 1 before it, 2 of state, 1 a sample
    "matmul_flops": 1e13,
    "seconds": {"data": 0.008, "network": 0.2, "render": 0.1, "loss": 0.1, "optimiser": 0.01},
}


def test_on_one_node_nothing_crosses_the_network_and_time_is_proportional(planner):
    made = planner.plan(RATES, planner.Wanted(sizes(planner), 64, steps=1000))
    assert (made.nodes, made.parallel, made.batch_per_device, made.accumulate) == (1, "ddp", 8, 1)
    assert made.exchange_s == 0
    assert made.step_s == pytest.approx(0.4 + 0.01)
    assert made.hours == pytest.approx(0.41 * 1000 / 3600)
    assert made.memory_per_device_gb == pytest.approx(10)


def test_more_is_asked_for_until_it_is_done_in_time(planner):
    wanted = planner.Wanted(sizes(planner), 256, steps=200_000, within_hours=30)
    made = planner.plan(RATES, wanted)
    assert made.in_time
    assert made.nodes == 4
    assert made.exchange_s == pytest.approx(4e8 * 2 * 3 / 4 / 25e9)
    assert not planner.plan(RATES, replace(wanted, within_hours=0.001)).in_time


def test_what_does_not_fit_whole_is_sharded_and_what_does_not_fit_at_once_takes_passes(planner):
    large = sizes(planner, parameters=4e9, flops=4e11)
    made = planner.plan(RATES, planner.Wanted(large, 64, within_hours=1e9))  # 80 GB of state, 40 a sample
    assert made.parallel == "fsdp"
    assert made.accumulate == 8
    assert made.memory_per_device_gb == pytest.approx(80 / 8 + 40)
    with pytest.raises(ValueError, match="does not fit"):
        planner.plan(RATES, planner.Wanted(sizes(planner, parameters=1e10, flops=1e12), 64))


def test_each_part_grows_with_what_it_hangs_on(planner):
    """Twice the FLOP, four times the pixels, twice the Gaussians in half the views: the renderer goes by the larger of the last two."""
    wanted = planner.Wanted(sizes(planner, flops=2e10, gaussians=8192, views=4, px=128), 64)
    assert planner.ratios(RATES, wanted) == {"network": 2, "render": 4, "loss": 4, "optimiser": 1, "speed": 1}
    many = planner.Wanted(sizes(planner, gaussians=40960), 64)
    assert planner.ratios(RATES, many)["render"] == 10
    made = planner.plan(RATES, wanted)
    assert made.compute_s == pytest.approx(0.2 * 2 + 0.1 * 4 + 0.1 * 4 + 0.01)


def test_rates_of_a_cpu_are_called_that_and_a_faster_device_is_faster_in_all_but_data(planner):
    rates = {**RATES, "kind": "cpu", "device": "a processor"}
    wanted = planner.Wanted(sizes(planner), 64, device_flops=1e15)
    made = planner.plan(rates, wanted)
    assert made.compute_s == pytest.approx(0.41 / 100)
    assert made.data_s == pytest.approx(0.008 * 8)
    assert made.step_s == made.data_s  # 64 samples are made in the time of 64
    text = planner.as_text(rates, wanted, made)
    assert "measured, on one a processor (cpu, 1 threads, wall time)" in text
    assert "the planned device 100 times as fast" in text
    assert text.index("measured") < text.index("counted") < text.index("extrapolated") < text.index("assumed")


def test_what_is_known_of_the_planned_device_replaces_what_would_be_guessed(planner):
    """The network of RATES takes 0.2 s for 8 samples of 3 x 10 GFLOP on 10 TFLOP/s: it gets 12 %."""
    assert planner.share_of(RATES) == pytest.approx(0.12)
    known = planner.Wanted(sizes(planner), 64, device_flops=1e14, device_share=0.3, render_ms=2.0, data_ms=0.1)
    made = planner.plan(RATES, known)
    network, render, loss, optimiser = 3 * 1e10 / (1e14 * 0.3), 2e-3, 0.1 / 8 / 10, 0.01 / 10
    assert made.compute_s == pytest.approx(8 * (network + render + loss) + optimiser)
    assert made.data_s == pytest.approx(64 * 1e-4)
    assert "the network gets of it 0.3; ms to render a sample 2; ms to make one 0.1" in planner.as_text(RATES, known, made)


def test_rates_of_an_older_script_are_refused_by_what_is_missing(planner):
    with pytest.raises(ValueError, match="base_bytes, matmul_flops: not in the rates"):
        planner.plan({k: v for k, v in RATES.items() if k not in ("base_bytes", "matmul_flops")}, planner.Wanted(sizes(planner), 64))


@pytest.mark.parametrize(("preset", "parameters"), [("tiny", 0.5e6), ("paper-32k", 60e6)])
def test_a_preset_is_counted_with_nothing_computed(planner, preset, parameters):
    """Sizes to a factor of two, which tells presets apart."""
    found = planner.sizes_of(preset, 4, 256, 128)
    assert parameters / 2 < found.parameters < parameters * 2
    assert found.flops > 2 * found.parameters  # every weight multiplies at least once
    assert found.pixels == 4 * 256**2
