"""What N quadruples of a teacher take, from a rate that was measured: GPU hours, and bytes as our own files have them.

    GPU hours = N x seconds of one quadruple / 3600

Nothing is assumed of the machine: seconds are those of `dd3g bench --teacher`, of the same batch and number format, and bytes those of a
file that is written and weighed. Pictures are stored once an image and come on top, as does whatever fails and is made again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dd3g.core.errors import InputError
from dd3g.evaluate.bench_teacher import DECODE, ONCE, STEP
from dd3g.quadruples import Quadruple
from dd3g.quadruples.shard import write_shard

_WEIGHED = 256  # records in the file that is weighed: what `dd3g collect --unit 256` writes


@dataclass(frozen=True)
class CollectionPlan:
    """What a collection takes."""

    quadruples: int
    gpus: int
    steps: int
    device: str
    dtype: str
    batch: int
    seconds_each: float
    tflop_each: float
    gpu_hours: float
    hours: float  # on that many GPUs, each with its own share
    bytes_each: float
    bytes: float


def plan_collection(bench: Mapping[str, Any], quadruples: int, *, gpus: int = 1, steps: int = 50, decoded: bool = False) -> CollectionPlan:
    """Plans a collection.

    Args:
        bench: One teacher's record of `dd3g bench --json`.
        quadruples: N.
        gpus: Of the kind that was measured.
        steps: Of the ODE.
        decoded: Whether views are decoded as they are drawn; collections keep latents, and decode them once for training.

    Raises:
        InputError: No teacher's record, or a number below 1.
    """
    if min(quadruples, gpus, steps) < 1:
        raise InputError(f"plan: found {quadruples} quadruples, {gpus} GPUs and {steps} steps; expected 1 or more of each")
    try:
        stages = {stage["name"]: stage for stage in bench["stages"]}
        times = {ONCE: 1, STEP: steps} | ({DECODE: 1} if decoded else {})
        batch, shape = int(bench["about"]["batch"]), tuple(int(n) for n in bench["about"]["latent_shape"])
        seconds = sum(stages[name]["ms"] * count for name, count in times.items()) / 1e3 / batch
        tflop = sum(stages[name]["gflop"] * count for name, count in times.items()) / 1e3 / batch
        device, dtype = str(bench["device"]), str(bench["dtype"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"rates: hold no teacher's stages ({error}); make them with `dd3g bench --teacher imagedream --json`") from None
    each, hours = bytes_of_one(shape), quadruples * seconds / 3600
    return CollectionPlan(quadruples, gpus, steps, device, dtype, batch, seconds, tflop, hours, hours / gpus, each, each * quadruples)


def bytes_of_one(shape: tuple[int, ...]) -> float:
    """Bytes of one drawn quadruple on disk: a file of them is written and weighed."""
    generator = torch.Generator().manual_seed(0)
    drawn = [
        Quadruple(f"{k:032x}", k, 5.0, 0.0, 5.0, torch.randn(shape, generator=generator).half().float(), None, None)
        for k in range(_WEIGHED)
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weighed.parquet"
        write_shard(path, drawn, (shape[0], shape[1], shape[2], shape[3]))
        return path.stat().st_size / _WEIGHED


def as_text(plan: CollectionPlan) -> str:
    """The plan in three lines."""
    return (
        f"{plan.quadruples:,} quadruples, {plan.steps} steps, measured on {plan.device} in {plan.dtype}, {plan.batch} at once:\n"
        f"  {plan.gpu_hours:,.2f} GPU hours ({plan.seconds_each:.3g} s and {plan.tflop_each:.4g} TFLOP each); {plan.hours:,.2f} h on "
        f"{plan.gpus}\n"
        f"  {plan.bytes / 1e9:,.3f} GB on disk ({plan.bytes_each:,.0f} bytes each, as written and weighed), pictures not counted"
    )
