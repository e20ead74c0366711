"""Alignment: does a student's answer to a noise look like the views that the teacher's ODE ties to that noise, more than like others'?

For one picture with D draws at the same cameras, D renders stand against D true sets of views. Where noise and views belong together, the
diagonal of that matrix wins. A student that has learnt the mean over draws and no more is as near to any draw as to its own, and no
nearer than the draws' variance Var(OI | II) lets it be (method.md, 9.3 and A1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from dd3g.evaluate.intervals import RESAMPLES, Interval, bootstrap

Distance = Callable[[Tensor, Tensor], Tensor]  # pictures (n, 3, h, w) in [0, 1], twice -> (n,)
Render = Callable[[Tensor], Tensor]  # noise (n, v, c, l, l) -> views (n, v, 3, h, w) over the truth's background
_PERFECT = 1e-10  # MSE: 100 dB, as everywhere


@dataclass(frozen=True)
class ImageFigures:
    """One picture's draws. PSNR is of each view, then a mean; MSE runs over all values of all views."""

    draws: int
    paired_db: float  # render of a draw's noise against that draw's views
    shuffled_db: float  # against the other draws' views
    fresh_db: float  # renders of noise that no draw has, against all draws' views
    floor_db: float  # no render: the mean of the other draws' views against a draw's
    paired_mse: float
    shuffled_mse: float
    fresh_mse: float
    floor_mse: float  # D / (D - 1) of the variance
    variance: float  # of the draws' views, unbiased: what knowing the picture and not the noise leaves
    spread: float  # the same of the renders
    distance: float  # mean over pairs of draws' views (D of method.md 9.3)
    distance_ours: float  # the same of the renders; over the former, 1 where the student is as diverse as the teacher
    views_found: float  # share of renders whose nearest true views are their own draw's; ties count by their number
    noise_found: float  # share of true views whose nearest render is that of their own noise


@torch.no_grad()
def compare(
    truth: Float[Tensor, "d v 3 h w"],
    noise: Float[Tensor, "d v c l l"],
    fresh: Float[Tensor, "f v c l l"],
    render: Render,
    *,
    at_once: int = 8,
    distance: Distance | None = None,
) -> tuple[ImageFigures, Float[Tensor, "d v 3 h w"]]:
    """Compares the renders of one picture's draws with every draw's views.

    Args:
        truth: Views of D >= 2 draws at the same cameras, in [0, 1].
        noise: Those draws' noise, in their order.
        fresh: Noise of no draw.
        render: The student.
        at_once: Noises that it is given in one call.
        distance: Between two pictures; the root of the mean squared difference where it is None.

    Returns:
        The figures, and the renders of ``noise``, cut to [0, 1].
    """
    d = len(truth)
    assert d >= 2, "nothing can be mistaken for the only draw"
    ours = _rendered(render, noise, at_once)
    paired, between = errors_between(ours, truth), ~torch.eye(d, dtype=torch.bool)
    strange = errors_between(_rendered(render, fresh, at_once), truth)
    deviation = (truth - truth.mean(0)).double() * (d / (d - 1))  # a draw from the mean of the others
    floor = deviation.square().mean((2, 3, 4)).cpu()
    likeness = _decibel(paired).mean(2)
    figures = ImageFigures(
        draws=d,
        paired_db=likeness.diagonal().mean().item(),
        shuffled_db=likeness[between].mean().item(),
        fresh_db=_decibel(strange).mean().item(),
        floor_db=_decibel(floor).mean().item(),
        paired_mse=paired.mean(2).diagonal().mean().item(),
        shuffled_mse=paired[between].mean().item(),
        fresh_mse=strange.mean().item(),
        floor_mse=floor.mean().item(),
        variance=variance_of(truth),
        spread=variance_of(ours),
        distance=mean_distance(truth, distance),
        distance_ours=mean_distance(ours, distance),
        views_found=found_first(likeness),
        noise_found=found_first(likeness.T),
    )
    return figures, ours


def errors_between(ours: Float[Tensor, "n v 3 h w"], truth: Float[Tensor, "d v 3 h w"]) -> Float[Tensor, "n d v"]:
    """MSE of every render with every truth, view by view, in float64; one render at a time bounds memory."""
    return torch.stack([(one[None] - truth).square().double().mean((2, 3, 4)) for one in ours]).cpu()


def variance_of(views: Float[Tensor, "d v 3 h w"]) -> float:
    """Variance over draws (unbiased), mean over all values."""
    return views.double().var(0).mean().item()


def mean_distance(views: Float[Tensor, "d v 3 h w"], distance: Distance | None = None) -> float:
    """Mean distance of two draws, over all pairs and views."""
    first, second = torch.triu_indices(len(views), len(views), 1)
    measure = distance or (lambda a, b: (a - b).square().mean((1, 2, 3)).sqrt())
    pairs = [measure(views[i], views[j]).mean() for i, j in zip(first.tolist(), second.tolist(), strict=True)]
    return torch.stack(pairs).double().mean().item()


def found_first(likeness: Float[Tensor, "d d"]) -> float:
    """Share of rows whose largest entry stands on the diagonal: top-1 retrieval. Of n equally large ones, each counts 1 / n."""
    best = likeness == likeness.amax(1, keepdim=True)
    return (best.diagonal().double() / best.sum(1)).mean().item()


def columns_of(figures: ImageFigures) -> dict[str, float]:
    """One picture's figures under the names of :mod:`dd3g.evaluate.results`: more is better in all of them."""
    return {
        "distillation_psnr": figures.paired_db,  # of renders against the teacher's views of the same (N, II)
        "lead_over_shuffled_db": figures.paired_db - figures.shuffled_db,
        "lead_over_fresh_db": figures.paired_db - figures.fresh_db,
        "retrieval_views": figures.views_found,
        "retrieval_noise": figures.noise_found,
        "student_diversity": figures.distance_ours / max(figures.distance, _PERFECT),  # of this picture's draws, over the teacher's
    }


def summary(images: Sequence[ImageFigures], *, seed: int = 0) -> dict[str, Any]:
    """Means over images with their intervals, as results.json holds them."""

    def column(name: str) -> list[float]:
        return [getattr(image, name) for image in images]

    def interval(values: Sequence[float], over: Sequence[float] | None = None) -> dict[str, float | None]:
        found = bootstrap(values, over, seed=seed)
        return {f.name: getattr(found, f.name) for f in fields(Interval)}

    def gap(name: str) -> dict[str, float | None]:
        return interval([a - b for a, b in zip(column("paired_db"), column(name), strict=True)])

    variance, draws = column("variance"), column("draws")
    kinds = ("paired", "shuffled", "fresh", "floor")
    return {
        "images": len(images),
        "draws": int(sum(draws)),
        "draws_an_image": [int(min(draws)), int(max(draws))],
        "psnr": {kind: _mean(column(f"{kind}_db")) for kind in kinds},
        "mse": {kind: _mean(column(f"{kind}_mse")) for kind in kinds},
        "paired_minus_shuffled_db": gap("shuffled_db"),
        "paired_minus_fresh_db": gap("fresh_db"),
        "retrieval": {
            "views_of_noise": interval(column("views_found")),
            "noise_of_views": interval(column("noise_found")),
            "chance": _mean([1 / d for d in draws]),
        },
        # 1 for the mean over draws itself. Beyond it, shuffled tends to 2 where noise is followed, and paired to 0.
        "variance": _mean(variance),
        "mse_over_variance": {kind: interval(column(f"{kind}_mse"), variance) for kind in ("paired", "shuffled", "fresh")},
        "spread_over_variance": interval(column("spread"), variance),
        "diversity": interval(column("distance_ours"), column("distance")),  # rho_div; below 1 a student is conservative
        "bootstrap": {"over": "images", "level": 0.95, "resamples": RESAMPLES, "seed": seed},
    }


def _rendered(render: Render, noise: Tensor, at_once: int) -> Tensor:
    return torch.cat([render(part).clamp(0, 1) for part in noise.split(at_once)])


def _decibel(mse: Tensor) -> Tensor:
    return -10 * mse.clamp_min(_PERFECT).log10()


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
