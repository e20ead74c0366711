"""A training on many GPUs, planned from rates that were measured on one: nodes, memory, step time, hours.

    python benchmarks/plan_training.py RATES.json [--target-parameters 1.0e9] [--target-batch 256] [--steps 200000] [--gpus-per-node 8]
        [--gpu-memory-gb 80] [--within-hours 72] [--network-gb-s 25] [--json FILE]

RATES.json is what `benchmarks/training.py --device cuda --json` writes. What is taken from it is called measured. Everything else is
extrapolated, by four assumptions, each of which is printed with the plan:
time and activations grow with parameters and with the batch in proportion; gradients cross the slower of the links once a step, as a ring,
and nothing of that is hidden; every rank makes the whole batch (docs/decisions/0007-ranks.md); a GPU is filled to nine tenths.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_FILLED = 0.9
_NODES_MOST = 4096


@dataclass(frozen=True)
class Wanted:
    """What is to be trained, on what, by when."""

    parameters: float
    batch: int
    steps: int = 200_000
    gpus_per_node: int = 8
    gpu_memory_gb: float = 80.0
    within_hours: float = 72.0
    network_gb_s: float = 25.0  # of a node's link


@dataclass(frozen=True)
class Plan:
    """The fewest nodes that are done in time."""

    nodes: int
    parallel: str  # ddp where a whole state fits beside one sample's activations, else fsdp
    batch_per_gpu: int
    accumulate: int  # passes of a step
    memory_per_gpu_gb: float
    step_s: float
    compute_s: float
    data_s: float
    exchange_s: float
    hours: float
    in_time: bool


def plan(rates: Mapping[str, Any], wanted: Wanted) -> Plan:
    """Plans a run.

    Args:
        rates: Keys ``parameters``, ``batch``, ``seconds`` (by phase), ``bytes_per_parameter`` and ``peak_bytes`` of one device.
        wanted: The run.

    Returns:
        The first of 1, 2, 3, ... nodes that is done in time; else the fastest number tried, with ``in_time`` False.

    Raises:
        ValueError: The rates hold no peak of memory (they were not measured on a GPU), or one sample does not fit on a GPU.
    """
    if not rates.get("peak_bytes"):
        raise ValueError("peak_bytes: none in the rates; measure them with benchmarks/training.py --device cuda --json")
    made = [p for p in (_plan_on(rates, wanted, nodes) for nodes in range(1, _NODES_MOST // wanted.gpus_per_node + 1)) if p is not None]
    if not made:
        raise ValueError(f"one sample of {wanted.parameters:.3g} parameters does not fit {wanted.gpu_memory_gb} GB; try --recompute rates")
    return next((p for p in made if p.in_time), min(made, key=lambda p: p.hours))


def _plan_on(rates: Mapping[str, Any], wanted: Wanted, nodes: int) -> Plan | None:
    """The plan on a number of nodes; None where the batch can't be cut so, or a sample does not fit."""
    gpus = nodes * wanted.gpus_per_node
    if wanted.batch % gpus:
        return None
    each, larger = wanted.batch // gpus, wanted.parameters / rates["parameters"]
    state = rates["bytes_per_parameter"] * wanted.parameters
    per_sample = max(rates["peak_bytes"] - rates["bytes_per_parameter"] * rates["parameters"], 0) / rates["batch"] * larger
    room = wanted.gpu_memory_gb * 1e9 * _FILLED
    parallel = "ddp" if state + per_sample <= room else "fsdp"
    held = state if parallel == "ddp" else state / gpus
    if held + per_sample > room:
        return None
    accumulate = next(k for k in range(1, each + 1) if each % k == 0 and held + each / k * per_sample <= room)
    seconds = rates["seconds"]
    of_samples = (seconds["network"] + seconds["render"] + seconds["loss"]) / rates["batch"] * larger * each
    of_weights = seconds["optimiser"] * larger / (gpus if parallel == "fsdp" else 1)
    data = seconds["data"] / rates["batch"] * wanted.batch
    passed = 4 * wanted.parameters * (2 if parallel == "ddp" else 3)  # reduce-scatter, all-gather; shards are gathered twice a step
    exchange = passed * (nodes - 1) / nodes / (wanted.network_gb_s * 1e9)
    step = max(of_samples + of_weights + exchange, data)  # the next batch is made meanwhile
    hours = step * wanted.steps / 3600
    memory = (held + each / accumulate * per_sample) / 1e9
    return Plan(
        nodes, parallel, each, accumulate, memory, step, of_samples + of_weights, data, exchange, hours, hours <= wanted.within_hours
    )


def as_text(rates: Mapping[str, Any], wanted: Wanted, made: Plan) -> str:
    """The plan, with what is measured apart from what is extrapolated."""
    return f"""measured, on one {rates.get("device", "device")}: {rates["parameters"]:,} parameters, batch {rates["batch"]}, \
{sum(rates["seconds"].values()):.3g} s a step, peak {rates["peak_bytes"] / 1e9:.1f} GB
extrapolated, to {wanted.parameters:.3g} parameters, batch {wanted.batch}, {wanted.steps:,} steps:
  {made.nodes} nodes of {wanted.gpus_per_node} GPUs, {made.parallel}, {made.batch_per_gpu} samples a GPU in {made.accumulate} passes
  {made.memory_per_gpu_gb:.1f} of {wanted.gpu_memory_gb:.0f} GB a GPU
  {made.step_s:.3g} s a step: {made.compute_s:.3g} computing, {made.exchange_s:.3g} exchanging, {made.data_s:.3g} making the batch meanwhile
  {made.hours:.1f} h ({"within" if made.in_time else "NOT within"} {wanted.within_hours:.0f} h)
assumed: time and activations in proportion to parameters and samples (pictures and Gaussians as measured); a ring over \
{wanted.network_gb_s:.0f} GB/s, not hidden; every rank makes the whole batch; GPUs filled to {_FILLED:.0%}; no scoring"""


def main() -> int:
    """Prints the plan; exit status 1 where it is not in time, 2 where there is none."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rates", type=Path)
    parser.add_argument("--target-parameters", type=float, help="default: as measured")
    parser.add_argument("--target-batch", type=int, default=256)
    parser.add_argument("--steps", type=int, default=200_000)
    parser.add_argument("--gpus-per-node", type=int, default=8)
    parser.add_argument("--gpu-memory-gb", type=float, default=80.0)
    parser.add_argument("--within-hours", type=float, default=72.0)
    parser.add_argument("--network-gb-s", type=float, default=25.0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rates = json.loads(options.rates.read_text())
    wanted = Wanted(
        options.target_parameters or rates["parameters"],
        options.target_batch,
        options.steps,
        options.gpus_per_node,
        options.gpu_memory_gb,
        options.within_hours,
        options.network_gb_s,
    )
    try:
        made = plan(rates, wanted)
    except ValueError as error:
        print(f"{options.rates}: {error}", file=sys.stderr)
        return 2
    print(as_text(rates, wanted, made))
    if options.json:
        options.json.write_text(json.dumps({"wanted": asdict(wanted), "plan": asdict(made)}, indent=2) + "\n")
    return 0 if made.in_time else 1


if __name__ == "__main__":
    sys.exit(main())
