"""One object's output against its truth, and the baselines that any model must beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from dd3g.core.views import Views
from dd3g.evaluate.metrics import METRICS, mean_of, ssim_of_many
from dd3g.evaluate.perceptual import Lookers
from dd3g.evaluate.protocol import Protocol, Setting
from dd3g.evaluate.silhouettes import hull_share, silhouette_iou
from dd3g.evaluate.sources import Shown

_OURS = "ours"
OF_OBJECTS = frozenset({"hull"})  # figures of all views together: without one of the input view


def columns_of(protocol: Protocol, lookers: Lookers) -> list[str]:
    """The figures that can be computed here, in the protocol's order."""
    return [name for name in protocol.metrics if name not in lookers.why]


def with_inputs(columns: Sequence[str]) -> list[str]:
    """Columns and those of the input view."""
    return [*columns, *(f"{column}_input" for column in columns if column not in OF_OBJECTS)]


def score(
    shown: Shown,
    truth: Views,
    protocol: Protocol,
    setting: Setting,
    lookers: Lookers,
    mean_object: Float[Tensor, "v 3 h w"] | None,
) -> dict[str, Any]:
    """Figures of one object at one setting: what a row of ``results.json`` holds of them (evaluate/results.py)."""
    true = truth.over(torch.tensor(protocol.background))
    guesses = {_OURS: shown.rgb, **baselines(true, mean_object, protocol, setting)}
    each = _compared(true, guesses, protocol, lookers)
    row = _means(each[_OURS], setting)
    views = {column: values.tolist() for column, values in each[_OURS].items()}
    if shown.alpha is not None and "iou" in protocol.metrics:
        iou = silhouette_iou(shown.alpha, truth.alpha)
        row |= _means({"iou": iou}, setting)
        views["iou"] = iou.tolist()
    if shown.alpha is not None and "hull" in protocol.metrics:
        row["hull"] = hull_share(shown.alpha, shown.cameras)
    kinds = {kind: {c: v for c, v in _means(each[kind], setting).items() if not c.endswith("_input")} for kind in guesses if kind != _OURS}
    return {
        **row,
        "views": views,
        "quarter": _best_quarter(shown, truth, true, each[_OURS], protocol, setting, lookers),
        "baselines": {"white": None, "copy": None, "mean": None, **kinds},
        "gaussians": None if shown.splats is None else len(shown.splats),
    }


def baselines(
    truth: Float[Tensor, "v 3 h w"], mean_object: Float[Tensor, "v 3 h w"] | None, protocol: Protocol, setting: Setting
) -> dict[str, Float[Tensor, "n 3 h w"]]:
    """Guesses that need no model: nothing but background, the input shown to every camera, the mean of the training objects.

    One picture stands for all views.
    """
    nothing = torch.tensor(protocol.background)[:, None, None].expand_as(truth[0])
    found = {"white": nothing[None], "copy": truth[setting.input_view][None]}
    if mean_object is not None:
        found["mean"] = mean_object
    return found


def _compared(truth: Tensor, guesses: Mapping[str, Tensor], protocol: Protocol, lookers: Lookers) -> dict[str, dict[str, Tensor]]:
    """Figures of guesses, by guess and column, view by view."""
    found: dict[str, dict[str, Tensor]] = {name: {} for name in guesses}
    for column in protocol.metrics:
        if column == "ssim":
            for name, values in ssim_of_many(truth, guesses).items():
                found[name][column] = values
        elif column in METRICS:
            for name, pictures in guesses.items():
                found[name][column] = METRICS[column](pictures.expand_as(truth), truth)
        elif column in lookers.here:
            for name, values in lookers.here[column].figures(truth, guesses).items():
                found[name][column] = values
    return found


def _means(each: Mapping[str, Tensor], setting: Setting) -> dict[str, float]:
    means = {column: mean_of(values[setting.others].tolist()) for column, values in each.items()}
    return means | {f"{column}_input": float(values[setting.input_view]) for column, values in each.items()}


def _best_quarter(
    shown: Shown, truth: Views, true: Tensor, as_is: Mapping[str, Tensor], protocol: Protocol, setting: Setting, lookers: Lookers
) -> dict[str, float] | None:
    """The figures at that of four quarter turns of the output that has the best PSNR: what a wrong idea of "front" costs.

    A turn by a quarter is the view of a camera that stands a quarter further round, so nothing is rendered again.
    """
    turns = {turn: setting.quarter(turn) for turn in range(1, 4)}
    if any(order is None for order in turns.values()) or "psnr" not in as_is:
        return None
    likeness = {0: mean_of(as_is["psnr"][setting.others].tolist())}
    for turn, order in turns.items():
        likeness[turn] = mean_of(METRICS["psnr"](shown.rgb[order], true)[setting.others].tolist())
    best = max(likeness, key=lambda turn: likeness[turn])  # the first of equals: no turn
    order = turns.get(best) or list(range(len(true)))
    each = as_is if best == 0 else _compared(true, {_OURS: shown.rgb[order]}, protocol, lookers)[_OURS]
    figures = {column: value for column, value in _means(each, setting).items() if not column.endswith("_input")}
    if shown.alpha is not None and "iou" in protocol.metrics:
        figures["iou"] = mean_of(silhouette_iou(shown.alpha[order], truth.alpha)[setting.others].tolist())
    return {"turn_deg": 90.0 * best, **figures}
