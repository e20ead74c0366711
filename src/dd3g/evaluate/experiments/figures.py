"""What is read off an input's row of figures: names, words, and which way is better."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dd3g.evaluate.report import Column
from dd3g.evaluate.report.blocks import Better

_SMALL = 1e-9


@dataclass(frozen=True)
class Measure:
    """A figure of one input."""

    label: str
    of: Callable[[Mapping[str, Any]], float]
    better: Better | None = None
    digits: int = 3

    def column(self) -> Column:
        """As a table's column."""
        return Column(self.label, self.digits, self.better)


def _plain(key: str) -> Callable[[Mapping[str, Any]], float]:
    return lambda row: float(row[key])


MEASURES = {
    "own_db": Measure("PSNR to the draw of its noise, dB", _plain("paired_db"), "higher", 2),
    "novel_db": Measure("PSNR of unsupervised views, dB", _plain("novel_db"), "higher", 2),
    "gap_db": Measure("own minus others' noise, dB", lambda row: row["paired_db"] - row["shuffled_db"], "higher"),
    "found": Measure("right draw found", _plain("views_found"), "higher"),
    "mse_ratio": Measure("MSE / variance of the draws", lambda row: row["paired_mse"] / max(row["variance"], _SMALL), "lower", 2),
    "spread_ratio": Measure("spread of renders / of the draws", lambda row: row["spread"] / max(row["variance"], _SMALL), "one"),
    "diversity": Measure("diversity over the teacher's", lambda row: row["distance_ours"] / max(row["distance"], _SMALL), "one"),
    "codec": Measure("distance of codec features", _plain("distance_codec"), "lower"),
    "saturation": Measure("saturation over the truth's", _plain("saturation"), "one"),
    "outside": Measure("alpha outside the matte", _plain("outside"), "lower"),
    "outside_log": Measure("its logarithm, base 10", lambda row: math.log10(max(row["outside"], 1e-6)), "lower", 2),
    "target_off": Measure("draws' distance from what they stand for", _plain("target_off"), "lower"),
    "fit_db": Measure("PSNR of fitted views, dB", _plain("fit_db"), "higher", 2),
    "unseen_db": Measure("PSNR of views between, dB", _plain("unseen_db"), "higher", 2),
    "roughness": Measure("longest step over mean step", _plain("roughness"), "one", 2),
    "auc": Measure("real told from spoilt views (AUC)", _plain("auc"), "higher"),
    "auc_blurred": Measure("AUC, blurred and pale", _plain("auc_blurred"), "higher"),
    "auc_inconsistent": Measure("AUC, one view of another back", _plain("auc_inconsistent"), "higher"),
    "excess_blurred": Measure("residual over real's, blurred and pale", _plain("excess_blurred"), "higher"),
    "excess_inconsistent": Measure("residual over real's, inconsistent", _plain("excess_inconsistent"), "higher"),
    "ranked": Measure("residual, inconsistent minus blurred", lambda row: row["excess_inconsistent"] - row["excess_blurred"], "higher"),
    "norm": Measure("gradient norm, w(t) |eps_hat - eps|, blurred", _plain("norm_blurred")),
    "cosine_truth": Measure("cosine to the way to the truth, blurred", _plain("cosine_truth_blurred"), "higher"),
    "cosine_truth_inconsistent": Measure("the same, inconsistent", _plain("cosine_truth_inconsistent"), "higher"),
    "cosine_explicit": Measure("cosine to explicit supervision, blurred", _plain("cosine_explicit_blurred"), "higher"),
    "noise_share": Measure("share of variance due to eps, blurred", _plain("noise_share_blurred"), "lower"),
    "saturation_share": Measure("share along saturation, blurred and pale", _plain("saturation_share_blurred")),
    "saturation_share_explicit": Measure("explicit supervision's share", _plain("saturation_share_explicit_blurred")),
    "saturation_excess": Measure(
        "share along saturation minus explicit supervision's",
        lambda row: row["saturation_share_blurred"] - row["saturation_share_explicit_blurred"],
    ),
}
