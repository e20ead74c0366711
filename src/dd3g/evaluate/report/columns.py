"""Columns of results as reports show them: their names, decimals, and which end is the good one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dd3g.evaluate.intervals import Interval
from dd3g.evaluate.metrics import LOWER_IS_BETTER
from dd3g.evaluate.report.blocks import Better, Column

NAMES = {
    "psnr": "PSNR (dB)",
    "ssim": "SSIM",
    "lpips_alex": "LPIPS-Alex",
    "lpips_squeeze": "LPIPS-Squeeze",
    "lpips_vgg": "LPIPS-VGG",
    "clip": "CLIP-I",
    "iou": "silhouette IoU",
    "hull": "hull consistency",
    "distillation_psnr": "distillation PSNR (dB)",
    "lead_over_shuffled_db": "lead over other draws' noise (dB)",
    "lead_over_fresh_db": "lead over noise of no draw (dB)",
    "retrieval_views": "views of a noise found",
    "retrieval_noise": "noise of views found",
    "student_diversity": "diversity over the teacher's",
}
SIGNATURE_MEANINGS: dict[str, tuple[str, Better, str]] = {
    "alpha_outside": ("alpha outside", "zero", "share of all alpha that lies outside the true silhouette; white paper hides it"),
    "white_gaussians": ("white Gaussians", "zero", "share of the Gaussians' weight that is near white and stands outside the object"),
    "saturation": ("saturation", "one", "mean chroma over the truth's: below 1 dull, above 1 oversaturated"),
    "oversaturation": ("oversaturation", "zero", "how far the distribution of chroma exceeds the truth's"),
    "contradicted": ("contradicted", "zero", "share of the surface that one view sees and another looks through"),
    "janus": ("second front", "zero", "how much nearer views from behind are to the front than to the true back"),
}


def name_of(column: str) -> str:
    """A metric's name for people."""
    return NAMES.get(column, column)


def better_of(column: str) -> Better:
    """Which end of a metric is the good one."""
    if column in SIGNATURE_MEANINGS:
        return SIGNATURE_MEANINGS[column][1]
    return "lower" if column.removesuffix("_input") in LOWER_IS_BETTER else "higher"


def heading(column: str) -> Column:
    """A metric's column in a table."""
    name = column.removesuffix("_input")
    return Column(name_of(name), 2 if name == "psnr" else 3, better_of(column))


def estimate(found: Mapping[str, Any] | None) -> Interval | None:
    """An interval of ``results.json``."""
    return None if found is None else Interval(found["mean"], found["low"], found["high"])


def metrics_of(table: Mapping[str, Any]) -> list[str]:
    """The metrics that a table has figures of, without the input view's own."""
    return [name for name, found in table["figures"].items() if found is not None and not name.endswith("_input")]
