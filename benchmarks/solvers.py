"""How near fewer steps of a better solver come to where many steps of DDIM end, on a teacher or on data known in closed form.

    python benchmarks/solvers.py                                                 a mixture of Gaussians, its predictor exact
    python benchmarks/solvers.py --teacher CKPT [--collection DIR] [--guidance 1 3] [--inputs 4] [--device cpu] [--json FILE]

Inputs are those of a collection, or front views of procedural objects; the noise of each is its first draw. Each row is held against three
ends: 50 steps of DDIM, which define the paper's quadruples; 500 steps of DDIM, which begin at 999 and not at 981, and so are another map;
and the end of the ODE from 981 (200 steps of UniPC; how far 100 are from it is told). RMSE of latents, PSNR of decoded views (premultiplied
RGBA), seconds of the processor.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dd3g.core import NoiseKey, canonical_rig, draw_noise
from dd3g.core.machine import machine_name
from dd3g.core.views import premultiplied
from dd3g.teacher.ddim import Epsilon
from dd3g.teacher.schedule import scaled_linear
from dd3g.teacher.solvers import SOLVERS, Solver, ode_sample
from dd3g.teacher.teacher import Teacher, condition_of, decode, epsilon_of, load_teacher, on_device

_FINE = 200  # steps of UniPC that stand for the ODE's own end
_SPREAD, _MODES = 0.3, 8  # of the mixture


def main() -> None:
    """Prints a table for each guidance."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher")
    parser.add_argument("--collection")
    parser.add_argument("--inputs", type=int, default=4)
    parser.add_argument("--guidance", type=float, nargs="+", default=[1.0, 3.0])
    parser.add_argument("--steps", type=int, nargs="+", default=[5, 8, 10, 15, 20, 25, 50])
    parser.add_argument("--many", type=int, default=500, help="steps of DDIM that the rest is held against, beside 50")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with torch.inference_mode():
        if options.teacher is None:
            noise = torch.randn(64, 4, 4, 16, 16, generator=torch.Generator().manual_seed(0))
            tables = {"mixture": table(mixture(noise[0].numel()), noise, None, options.steps, options.many)}
        else:
            tables = of_teacher(on_device(load_teacher(options.teacher), options.device), options)
    for name, found in tables.items():
        print(f"\n{name}: latents' RMS {found['rms']:.3f}; the ODE's end is known to {found['end_known_to']:.4f}; {found['seconds']}")
        print(f"{'solver':<7} {'steps':>5} {'s':>7}" + "".join(f" {'to ' + end:>9} {'dB':>5}" for end in ("DDIM-50", "DDIM-many", "ODE")))
        for row in found["rows"]:
            pairs = [(row[end], row[f"{end}_db"]) for end in ("ddim_50", "ddim_many", "ode")]
            cells = "".join(f" {error:>9.4f} {'-' if db is None else f'{db:.1f}':>5}" for error, db in pairs)
            print(f"{row['solver']:<7} {row['steps']:>5} {row['seconds']:>7.1f}{cells}")
    if options.json:
        options.json.write_text(
            json.dumps({"machine": machine_name(options.device), "teacher": options.teacher, **tables}, indent=2) + "\n"
        )


def table(epsilon: Epsilon, noise: Tensor, views_of: Callable[[Tensor], Tensor] | None, steps: Sequence[int], many: int) -> dict[str, Any]:
    """Every solver at every number of steps, against the three ends.

    Args:
        epsilon: The predictor.
        noise: N.
        views_of: Decodes latents; None where they mean nothing.
        steps: Numbers of them.
        many: Steps of the second reference.
    """
    schedule = scaled_linear()

    def ended(count: int, solver: Solver) -> tuple[Tensor, float]:
        began = time.process_time()
        return ode_sample(epsilon, noise, schedule, count, solver), time.process_time() - began

    references = {"ddim_50": ended(50, "ddim"), "ddim_many": ended(many, "ddim"), "ode": ended(_FINE, "unipc")}
    ends = {name: (z, views_of(z) if views_of else None) for name, (z, _) in references.items()}
    rows: list[dict[str, Any]] = []
    for solver, count in itertools.product(SOLVERS, steps):
        z, seconds = ended(count, solver)
        seen = views_of(z) if views_of else None
        row: dict[str, Any] = {"solver": solver, "steps": count, "calls": count, "seconds": seconds}
        for name, (end, shown) in ends.items():
            error = _rmse(seen, shown) if seen is not None and shown is not None else 0.0
            row |= {name: _rmse(z, end), f"{name}_db": -20 * math.log10(error) if error else None}
        rows.append(row)
    return {
        "rms": ends["ode"][0].square().mean().sqrt().item(),
        "end_known_to": _rmse(ended(_FINE // 2, "unipc")[0], ends["ode"][0]),
        "seconds": {name: round(seconds, 1) for name, (_, seconds) in references.items()},
        "rows": rows,
    }


def of_teacher(teacher: Teacher, options: argparse.Namespace) -> dict[str, Any]:
    """A table for each weight of guidance."""
    images = (_of_collection(options.collection, options.inputs) if options.collection else _procedural(options.inputs)).to(options.device)
    config = teacher.network.config
    shape = (config.views, config.latent_channels, config.latent_size, config.latent_size)
    noise = torch.stack([draw_noise(NoiseKey(f"solvers {i}", 0), shape) for i in range(len(images))]).to(options.device)
    grey = torch.full((len(images),), 0.5, device=images.device) if teacher.opaque else None
    cameras = canonical_rig(elevation_deg=teacher.elevation_deg).conditions().expand(len(images), -1, -1).to(images)
    condition = condition_of(teacher, images, grey)

    def views_of(z: Tensor) -> Tensor:
        opaque = lambda rgb, _: torch.cat([rgb, torch.ones_like(rgb[:, :1])], 1)  # noqa: E731 - compared as they were drawn
        return premultiplied(decode(teacher, z, grey, opaque))

    return {
        f"guidance {w:g}": table(epsilon_of(teacher, condition, cameras, w), noise, views_of, options.steps, options.many)
        for w in options.guidance
    }


def mixture(numbers: int) -> Epsilon:
    """The exact predictor for data that are a few Gaussians of one spread, round means of unit size: (z - signal E[z_0 | z]) / noise."""
    schedule = scaled_linear()
    means = torch.randn(_MODES, numbers, generator=torch.Generator().manual_seed(1))

    def epsilon(z: Tensor, t: int) -> Tensor:
        signal, noise = schedule.signal(t), schedule.noise(t)
        flat, variance = z.flatten(1), (signal * _SPREAD) ** 2 + noise**2
        away = flat[:, None] - signal * means
        belongs = (-away.square().sum(2) / (2 * variance)).softmax(1)
        return (noise / variance * (belongs[..., None] * away).sum(1)).reshape(z.shape)

    return epsilon


def _rmse(one: Tensor, other: Tensor) -> float:
    return (one - other).square().mean().sqrt().item()


def _of_collection(folder: str, count: int) -> Tensor:
    from dd3g.quadruples import open_quadruples
    from dd3g.quadruples.inputs import stacked

    inputs = list(open_quadruples(folder).inputs.values())
    return stacked(inputs[:: max(1, len(inputs) // count)][:count])


def _procedural(count: int) -> Tensor:
    from dd3g.objects import Rig, make_object
    from dd3g.objects.job import render_groups

    rig = Rig(canonical_views=1, extra_orbits=0, free_views=0, input_views=0, target_size=192)
    fronts = [render_groups(make_object(seed), rig, f"object {seed}", 0)[0]["targets"] for seed in range(count)]
    return torch.stack([torch.cat([front.rgb[0], front.alpha[0]]) for front in fronts])


if __name__ == "__main__":
    main()
