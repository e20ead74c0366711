"""The paper's failure signatures of one output, beside its metrics."""

from __future__ import annotations

import torch
from torch import Tensor

from dd3g.core.views import Views
from dd3g.distill.signatures import SIGNATURES, signatures
from dd3g.evaluate.sources import Shown
from dd3g.render import Render


def failure_signatures(shown: Shown, truth: Views, background: Tensor, input_view: int) -> dict[str, float | None]:
    """A figure for every name of :data:`dd3g.distill.signatures.SIGNATURES`; None where it can't be told.

    Pictures without alpha tell none of them; pictures alone have neither depth (``contradicted``) nor Gaussians (``white_gaussians``).

    Args:
        shown: The output at the cameras of the truth.
        truth: The true views.
        background: That ``shown`` stands over.
        input_view: The view that the model was given.
    """
    if shown.alpha is None:
        return dict.fromkeys(SIGNATURES)
    light = shown.rgb - (1 - shown.alpha) * background[:, None, None]
    depth = torch.zeros_like(shown.alpha) if shown.depth is None else shown.depth
    found = signatures(
        Render(light, shown.alpha, depth),
        torch.cat([truth.rgb, truth.alpha], 1),
        shown.cameras,
        gaussians=shown.splats,
        front=input_view,
    )
    return found if shown.depth is not None else {**found, "contradicted": None}
