"""One object's renders against its truth, and the baselines that any model must beat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from dd3g.core.errors import WeightsError
from dd3g.evaluate.metrics import METRICS, Metric, mean_of
from dd3g.evaluate.protocol import Protocol

_LPIPS_AT_ONCE = 4  # views; bounds memory


@dataclass(frozen=True)
class Metrics:
    """The metrics that can be computed here, and why the others can't."""

    functions: Mapping[str, Metric]
    why: Mapping[str, str]  # name -> reason of absence


def available_metrics() -> Metrics:
    """PSNR and SSIM always; LPIPS-Alex where its weights are."""
    from dd3g.distill.lpips import load_lpips

    try:
        network = load_lpips("alex")
    except WeightsError as error:
        return Metrics(METRICS, {"lpips_alex": str(error)})

    def lpips_alex(first: Tensor, second: Tensor) -> Tensor:
        with torch.inference_mode():
            pairs = zip(first.split(_LPIPS_AT_ONCE), second.split(_LPIPS_AT_ONCE), strict=True)
            return torch.cat([network(a, b) for a, b in pairs])

    return Metrics({**METRICS, "lpips_alex": lpips_alex}, {})


def score_views(ours: Float[Tensor, "v 3 h w"], truth: Float[Tensor, "v 3 h w"], metrics: Metrics, protocol: Protocol) -> dict[str, float]:
    """Means over the views that are not the input; the input's own under ``NAME_input``."""
    scores = {}
    for name, metric in metrics.functions.items():
        each = metric(ours.clamp(0, 1), truth).tolist()
        scores[name] = mean_of([value for view, value in enumerate(each) if view != protocol.input_view])
        scores[f"{name}_input"] = each[protocol.input_view]
    return scores


def baselines(
    truth: Float[Tensor, "v 3 h w"], mean_object: Float[Tensor, "v 3 h w"] | None, protocol: Protocol
) -> dict[str, Float[Tensor, "v 3 h w"]]:
    """Views that need no model: nothing but background, the input shown to every camera, the mean of the training objects."""
    over = torch.tensor(protocol.background)[:, None, None]
    found = {"white": over.expand_as(truth), "copy": truth[protocol.input_view].expand_as(truth)}
    if mean_object is not None:
        found["mean"] = mean_object
    return found
