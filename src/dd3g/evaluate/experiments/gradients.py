"""Is score distillation at low noise a verifier (C2)? Nothing is trained: views that are real, blurred and pale, or inconsistent, are shown
to the teacher, time by time.

For latents z of such views, the residual eps_hat(z_t) - eps is what verification's gradient is made of. Asked is whether it tells real
views from spoilt ones, whether its expectation points to the truth, how much of it is the accident of eps, and how much only changes
saturation.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from dd3g.core import NoiseKey, draw_noise
from dd3g.core.files import write_atomically
from dd3g.core.sheet import sheet
from dd3g.core.views import premultiplied
from dd3g.distill.implicit import weight_of
from dd3g.evaluate.experiments.bench import Bench
from dd3g.evaluate.experiments.world import RIG_VIEWS

TIMES = (20, 60, 100, 200, 300, 500, 700, 900)
_BLUR_PX, _PALE = 1.5, 0.5  # sigma of the blur; share of colour that is left
_BACK = 2  # of the rig's views
_TINY = 1e-12


@dataclass(frozen=True)
class GradientProbe:
    """The teacher at one time, asked about views of held-out inputs."""

    t: int
    inputs: int
    draws: int  # of eps, for each


def run_probe(bench: Bench, probe: GradientProbe, seed: int, folder: Path) -> dict[str, Any]:
    """Figures input by input; see :data:`dd3g.evaluate.experiments.figures.MEASURES`."""
    rows, shown = [], []
    for k in range(probe.inputs):
        number = bench.world.config.train + k
        kinds = spoilt(bench, number)
        rows.append({"image": bench.world.inputs[number].name, **_figures(bench, probe, seed, number, kinds)})
        if k < 3:
            white = {name: v[:, :3] + 1 - v[:, 3:] for name, v in kinds.items()}
            shown.append([white[name][view] for name in ("real", "blurred", "inconsistent") for view in (1, 2)])
    with write_atomically(folder / "renders.png") as temporary:
        heads = [f"{name} {deg}" for name in ("real", "blurred", "inconsist.") for deg in (90, 180)]
        sheet(shown, column_titles=heads).save(temporary)
    return {"images": rows}


def spoilt(bench: Bench, number: int) -> dict[str, Float[Tensor, "v 4 h w"]]:
    """Premultiplied views of one completion: as they are; blurred and pale; and with the back of another one."""
    first, other = (premultiplied(bench.world.true_views(number, way)[list(RIG_VIEWS)]) for way in (0, bench.world.ways - 1))
    soft = _blurred(first)
    grey = soft[:, :3].mean(1, keepdim=True)
    blurred = torch.cat([grey + _PALE * (soft[:, :3] - grey), soft[:, 3:]], 1)
    inconsistent = first.clone()
    inconsistent[_BACK] = other[_BACK]
    return {"real": first, "blurred": blurred, "inconsistent": inconsistent}


def _figures(bench: Bench, probe: GradientProbe, seed: int, number: int, kinds: dict[str, Tensor]) -> dict[str, float]:
    source, t = bench.source, probe.t
    name = bench.world.inputs[number].image_id
    noise = torch.stack([draw_noise(NoiseKey(f"probe {name} {seed} {t}", k), source.shape) for k in range(probe.draws)])
    epsilon, weight = source.epsilon([number] * probe.draws, 1.0), weight_of(source.schedule, t)
    latents = {kind: source.encode(views[None])[0] for kind, views in kinds.items()}
    residuals = {kind: (epsilon(source.schedule.diffused(z.expand_as(noise), noise, t), t) - noise).detach() for kind, z in latents.items()}
    lengths = {kind: r.flatten(1).square().sum(1) for kind, r in residuals.items()}
    found: dict[str, float] = {}
    for kind in ("blurred", "inconsistent"):
        found[f"auc_{kind}"] = _auc(lengths[kind], lengths["real"])
        found[f"excess_{kind}"] = (lengths[kind].mean() / lengths["real"].mean().clamp_min(_TINY) - 1).item()
    found["auc"] = (found["auc_blurred"] + found["auc_inconsistent"]) / 2
    for kind in ("blurred", "inconsistent"):
        parts = _directions(bench, kinds[kind], kinds["real"], latents["real"], weight * residuals[kind])
        found |= {f"{key}_{kind}": value for key, value in parts.items()}
    return found


def _directions(bench: Bench, views: Tensor, real: Tensor, real_latents: Tensor, gradients: Float[Tensor, "n v c l l"]) -> dict[str, float]:
    """Where the expected gradient points, in latents and carried back to pixels, and how much of it is chance."""
    mean = gradients.mean(0)
    pixels = views.clone().requires_grad_()
    z = bench.source.encode(pixels[None])[0]
    (carried,) = torch.autograd.grad((z * mean).sum(), pixels)
    colour = views[:, :3]
    axis = colour - colour.mean(1, keepdim=True)  # along it every pixel's saturation changes in proportion, and nothing else does
    return {
        "norm": gradients.flatten(1).square().mean(1).sqrt().mean().item(),
        "cosine_truth": _cosine(-mean, real_latents - z.detach()),
        "cosine_explicit": _cosine(carried, views - real),
        "noise_share": (1 - mean.square().sum() / gradients.flatten(1).square().sum(1).mean().clamp_min(_TINY)).item(),
        "saturation_share": _cosine(carried[:, :3], axis) ** 2,
        "saturation_share_explicit": _cosine((views - real)[:, :3], axis) ** 2,
    }


def _auc(positive: Float[Tensor, " n"], negative: Float[Tensor, " n"]) -> float:
    """Share of pairs in which the positive is larger; ties count half."""
    above = (positive[:, None] > negative).double() + 0.5 * (positive[:, None] == negative).double()
    return above.mean().item()


def _cosine(a: Tensor, b: Tensor) -> float:
    return (torch.dot(a.flatten(), b.flatten()) / (a.norm() * b.norm()).clamp_min(_TINY)).item()


def _blurred(pictures: Float[Tensor, "v c h w"]) -> Float[Tensor, "v c h w"]:
    offsets = torch.arange(-4, 5, dtype=pictures.dtype)
    kernel = torch.softmax(-0.5 * (offsets / _BLUR_PX).square(), 0)
    flat = pictures.flatten(0, 1)[:, None]
    rows = F.conv2d(flat, kernel[None, None, None], padding=(0, 4))
    return F.conv2d(rows, kernel[None, None, :, None], padding=(4, 0)).reshape(pictures.shape)
