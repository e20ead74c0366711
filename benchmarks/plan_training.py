"""A training of the student on many devices, planned from rates that were measured on one: nodes, memory, step time, hours.

    python benchmarks/plan_training.py RATES.json [--target-preset paper] [--target-batch 256] [--target-views 4] [--target-px 256]
        [--steps 200000] [--device-tflops 400 [--device-share 0.35] [--render-ms 3.2] [--data-ms 0.19]]
        [--devices-per-node 8] [--device-memory-gb 80] [--node-link-gb-s 25] [--within-hours 72] [--json FILE]

RATES.json is what `benchmarks/training.py --json` writes, on a GPU or on a CPU. What is taken from it is called measured; parameters and
FLOP of the presets are counted; everything else is extrapolated, by assumptions that are printed with the plan:

- network and activations in proportion to counted FLOP; renderer in proportion to Gaussians x views or to pixels, whichever grows more;
  loss in proportion to pixels; optimiser to parameters; data to samples
- with --device-tflops another device than the measured one: as much faster in all but data as it multiplies matrices faster; but what is
  known of it replaces that: the share of it that the network gets, and the time to render or to make a sample of the wanted sizes
- memory as `--dry-run` counts it: 20 bytes a parameter (weight, gradient, two moments, average), and a peak of activations above that
- gradients cross the nodes' links once a step, as a ring, and nothing of that is hidden; links within a node are not counted
- every rank makes the whole batch (docs/decisions/0007-ranks.md); a device is filled to nine tenths; no scoring
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_FILLED = 0.9
_NODES_MOST = 512


@dataclass(frozen=True)
class Sizes:
    """What a step's parts are in proportion to, of one sample."""

    parameters: float
    flops: float  # of one forward pass, counted
    gaussians: int
    views: int
    render_px: int

    @property
    def pixels(self) -> int:
        """Of all views."""
        return self.views * self.render_px**2


@dataclass(frozen=True)
class Wanted:
    """What is to be trained, on what, by when."""

    sizes: Sizes
    batch: int
    steps: int = 200_000
    device_flops: float | None = None  # FLOP/s of a large matrix product on the planned device; None: the measured device
    device_share: float | None = None  # of that which the network's passes get; None: as on the measured device
    render_ms: float | None = None  # of one wanted sample on the planned device, both ways; None: from the measured one
    data_ms: float | None = None  # likewise, to make one
    devices_per_node: int = 8
    device_memory_gb: float = 80.0
    within_hours: float = 72.0
    node_link_gb_s: float = 25.0


@dataclass(frozen=True)
class Plan:
    """The fewest nodes that are done in time."""

    nodes: int
    parallel: str  # ddp where a whole state fits beside one sample's activations, else fsdp
    batch_per_device: int
    accumulate: int  # passes of a step
    memory_per_device_gb: float
    step_s: float
    compute_s: float
    data_s: float
    exchange_s: float
    hours: float
    in_time: bool


def plan(rates: Mapping[str, Any], wanted: Wanted) -> Plan:
    """Plans a run.

    Args:
        rates: Keys ``sizes``, ``batch``, ``seconds`` (by phase), ``bytes_per_parameter``, ``peak_bytes``, ``base_bytes`` and
            ``matmul_flops`` of one device.
        wanted: The run.

    Returns:
        The first of 1, 2, 3, ... nodes that is done in time; else the fastest number tried, with ``in_time`` False.

    Raises:
        ValueError: The rates are of an older script, or one sample does not fit on a device.
    """
    missing = [name for name in ("sizes", "peak_bytes", "base_bytes", "matmul_flops") if name not in rates]
    if missing:
        raise ValueError(f"{', '.join(missing)}: not in the rates; measure them again with benchmarks/training.py --json")
    made = [p for p in (_plan_on(rates, wanted, nodes) for nodes in range(1, _NODES_MOST + 1)) if p is not None]
    if not made:
        raise ValueError(
            f"one sample of {wanted.sizes.parameters:.3g} parameters does not fit {wanted.device_memory_gb} GB, or no number of devices "
            f"divides a batch of {wanted.batch}; try --recompute rates"
        )
    return next((p for p in made if p.in_time), min(made, key=lambda p: p.hours))


def ratios(rates: Mapping[str, Any], wanted: Wanted) -> dict[str, float]:
    """How much more a sample of the wanted run is than a measured one, part by part, and how much faster the planned device."""
    ours, theirs = wanted.sizes, Sizes(**rates["sizes"])
    pixels = ours.pixels / theirs.pixels
    return {
        "network": ours.flops / theirs.flops,
        "render": max(ours.gaussians * ours.views / (theirs.gaussians * theirs.views), pixels),
        "loss": pixels,
        "optimiser": ours.parameters / theirs.parameters,
        "speed": 1.0 if wanted.device_flops is None else wanted.device_flops / rates["matmul_flops"],
    }


def share_of(rates: Mapping[str, Any]) -> float:
    """FLOP of the network's passes, the backward counted as two forward ones, over what large products would get in that time."""
    return 3 * rates["sizes"]["flops"] * rates["batch"] / rates["seconds"]["network"] / rates["matmul_flops"]


def _plan_on(rates: Mapping[str, Any], wanted: Wanted, nodes: int) -> Plan | None:
    """The plan on a number of nodes; None where the batch can't be cut so, or a sample does not fit."""
    devices = nodes * wanted.devices_per_node
    if wanted.batch % devices:
        return None
    each, more, seconds = wanted.batch // devices, ratios(rates, wanted), rates["seconds"]
    state = rates["bytes_per_parameter"] * wanted.sizes.parameters
    measured_state = rates["bytes_per_parameter"] * rates["sizes"]["parameters"]
    per_sample = max(rates["peak_bytes"] - rates["base_bytes"] - measured_state, 0) / rates["batch"] * more["network"]
    room = wanted.device_memory_gb * 1e9 * _FILLED
    parallel = "ddp" if state + per_sample <= room else "fsdp"
    held = state if parallel == "ddp" else state / devices
    if held + per_sample > room:
        return None
    accumulate = next(k for k in range(1, each + 1) if each % k == 0 and held + each / k * per_sample <= room)
    sample = {part: seconds[part] / rates["batch"] * more[part] / more["speed"] for part in ("network", "render", "loss")}
    if wanted.device_share is not None:
        sample["network"] *= share_of(rates) / wanted.device_share
    if wanted.render_ms is not None:
        sample["render"] = wanted.render_ms / 1e3
    of_weights = seconds["optimiser"] * more["optimiser"] / more["speed"] / (devices if parallel == "fsdp" else 1)
    compute = sum(sample.values()) * each + of_weights
    data = (seconds["data"] / rates["batch"] if wanted.data_ms is None else wanted.data_ms / 1e3) * wanted.batch
    passed = 4 * wanted.sizes.parameters * (2 if parallel == "ddp" else 3)  # reduce-scatter, all-gather; shards are gathered twice a step
    exchange = passed * (nodes - 1) / nodes / (wanted.node_link_gb_s * 1e9)
    step = max(compute + exchange, data)  # the next batch is made meanwhile
    hours = step * wanted.steps / 3600
    memory = (held + each / accumulate * per_sample) / 1e9
    return Plan(nodes, parallel, each, accumulate, memory, step, compute, data, exchange, hours, hours <= wanted.within_hours)


def as_text(rates: Mapping[str, Any], wanted: Wanted, made: Plan) -> str:
    """The plan, with what is measured and counted apart from what is extrapolated."""
    theirs, more = Sizes(**rates["sizes"]), ratios(rates, wanted)
    known = {
        "the network gets of it": wanted.device_share,
        "ms to render a sample": wanted.render_ms,
        "ms to make one": wanted.data_ms,
    }
    told = "".join(f"; {name} {value:g}" for name, value in known.items() if value is not None)
    device = "the measured device" if wanted.device_flops is None else f"devices of {wanted.device_flops / 1e12:.3g} TFLOP/s"
    before = rates["base_bytes"] / 1e9
    return f"""measured, on one {rates["device"]} ({rates["kind"]}, {rates["threads"]} threads, {rates["clock"]} time):
  {rates["preset"]}, batch {rates["batch"]}, {sum(rates["seconds"].values()):.3g} s a step
  peak {rates["peak_bytes"] / 1e9:.2f} GB, {before:.2f} of them before there was a network
  matrix products {rates["matmul_flops"] / 1e12:.3g} TFLOP/s, of which the network's passes get {share_of(rates):.0%}
counted, a sample: {theirs.parameters:.4g} parameters, {theirs.flops / 1e9:.4g} GFLOP forward, {theirs.gaussians:,} Gaussians, \
{theirs.views} views of {theirs.render_px} px; wanted {wanted.sizes.parameters:.4g}, {wanted.sizes.flops / 1e9:.4g}, \
{wanted.sizes.gaussians:,}, {wanted.sizes.views} of {wanted.sizes.render_px}
extrapolated, batch {wanted.batch}, {wanted.steps:,} steps, {device}:
  {made.nodes} nodes of {wanted.devices_per_node} devices, {made.parallel}, {made.batch_per_device} samples a device in \
{made.accumulate} passes
  {made.memory_per_device_gb:.1f} of {wanted.device_memory_gb:.0f} GB a device
  {made.step_s:.3g} s a step: {made.compute_s:.3g} computing, {made.exchange_s:.3g} exchanging, {made.data_s:.3g} making the batch meanwhile
  {made.hours:.1f} h ({"within" if made.in_time else "NOT within"} {wanted.within_hours:.0f} h)
assumed: a sample's network and activations x {more["network"]:.3g} (FLOP), renderer x {more["render"]:.3g} (Gaussians x views, or pixels)
  loss x {more["loss"]:.3g} (pixels), optimiser x {more["optimiser"]:.3g} (parameters)
  the planned device {more["speed"]:.3g} times as fast in all of these{told}
  a ring over {wanted.node_link_gb_s:.0f} GB/s a node, not hidden; every rank makes the whole batch
  devices filled to {_FILLED:.0%}; no scoring"""


def sizes_of(preset: str, views: int, render_px: int, image_px: int) -> Sizes:
    """Counts a preset: its parameters, and the FLOP of one forward pass without the renderer. Nothing that need not be is computed.

    Args:
        preset: Its name.
        views: Supervised, of a sample.
        render_px: Side of their renders.
        image_px: Side of the input.
    """
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    from dd3g.core import canonical_rig
    from dd3g.encoders import GivenTokensConfig
    from dd3g.evaluate.flops import flops_of
    from dd3g.student import PEPD
    from dd3g.student.config import AnchoredDecodingConfig
    from dd3g.student.presets import PRESETS

    config = PRESETS[preset]()
    conditions = canonical_rig().conditions()[None]
    # seeds lie where the picture's alpha is: that needs a picture, and real numbers
    real = isinstance(config.decoding, AnchoredDecodingConfig)
    with contextlib.nullcontext() if real else FakeTensorMode(allow_non_fake_inputs=True):
        student = PEPD(config).eval()
        noise, zero = torch.zeros(1, *config.noise_shape), torch.zeros(1)
        tokens = torch.zeros(1, config.encoder.count, config.encoder.given_width) if isinstance(config.encoder, GivenTokensConfig) else None
        image = torch.ones(1, 4, image_px, image_px)
        flops = flops_of(lambda: student.decode(noise, conditions, image, zero, zero + 1.5, image_tokens=tokens))
    return Sizes(float(sum(p.numel() for p in student.parameters())), float(flops), config.gaussian_count, views, render_px)


def main() -> int:
    """Prints the plan; exit status 1 where it is not in time, 2 where there is none."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rates", type=Path)
    parser.add_argument("--target-preset", help="default: as measured")
    parser.add_argument("--target-batch", type=int, default=256)
    parser.add_argument("--target-views", type=int, help="default: as measured")
    parser.add_argument("--target-px", type=int, help="of the renders; default: as measured")
    parser.add_argument("--steps", type=int, default=200_000)
    parser.add_argument("--device-tflops", type=float, help="of large matrix products on the planned device; default: the measured device")
    parser.add_argument("--device-share", type=float, help="of these, that the network's passes get; default: as measured")
    parser.add_argument(
        "--render-ms", type=float, help="of one wanted sample there, forward and backward; default: from the measured device"
    )
    parser.add_argument("--data-ms", type=float, help="to make one there; default: as measured")
    parser.add_argument("--devices-per-node", type=int, default=8)
    parser.add_argument("--device-memory-gb", type=float, default=80.0)
    parser.add_argument("--within-hours", type=float, default=72.0)
    parser.add_argument("--node-link-gb-s", type=float, default=25.0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rates = json.loads(options.rates.read_text())
    try:
        measured = Sizes(**rates["sizes"])
        views, px = options.target_views or measured.views, options.target_px or measured.render_px
        wanted = Wanted(
            sizes_of(options.target_preset or rates["preset"], views, px, rates["image_size"]),
            options.target_batch,
            options.steps,
            None if options.device_tflops is None else options.device_tflops * 1e12,
            options.device_share,
            options.render_ms,
            options.data_ms,
            options.devices_per_node,
            options.device_memory_gb,
            options.within_hours,
            options.node_link_gb_s,
        )
        made = plan(rates, wanted)
    except (ValueError, KeyError) as error:
        print(f"{options.rates}: {error}; the rates of benchmarks/training.py --json are expected", file=sys.stderr)
        return 2
    print(as_text(rates, wanted, made))
    if options.json:
        options.json.write_text(json.dumps({"wanted": asdict(wanted), "plan": asdict(made)}, indent=2) + "\n")
    return 0 if made.in_time else 1


if __name__ == "__main__":
    sys.exit(main())
