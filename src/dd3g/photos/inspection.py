"""What a prepared picture gives away about the result: cut off, several, small, blurred, doubtful."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from dd3g.photos.findings import Finding, note, warning
from dd3g.photos.framing import LONGEST_SIDE, Framing
from dd3g.photos.matte import Matte

_ALMOST_ALL = 0.95
_TOUCHES = 0.02  # share of a border line that is object
_UNSURE = 0.35
_SMALL_PX = 96  # longest side of the object in the source
_BLURRED = 0.02


def about_matte(matte: Matte) -> list[Finding]:
    """What the cut-out network's mask tells."""
    findings = []
    if matte.large_parts > 1:
        findings.append(note("several_objects", f"{matte.large_parts} separate parts were found; all of them are used as one object"))
    if matte.unsure > _UNSURE:
        findings.append(warning("unsure_mask", "the object's outline is doubtful; look at the prepared picture, or give one with alpha"))
    return findings


def about_alpha(alpha: Float[Tensor, "1 h w"], *, own: bool) -> list[Finding]:
    """What the mask's place in the picture tells.

    Args:
        alpha: Of the object.
        own: Whether the picture brought it. Such pictures are often trimmed to their object, and then it touches the border unharmed.
    """
    solid = alpha[0] > 0.5
    lines = {"left": solid[:, 0], "right": solid[:, -1], "top": solid[0], "bottom": solid[-1]}
    touched = [side for side, line in lines.items() if line.float().mean() > _TOUCHES]
    share = solid.float().mean().item()
    if share > _ALMOST_ALL or (len(touched) == 4 and not own):
        mend = "give a picture with alpha, or choose another background"
        return [warning("almost_all", f"the mask covers {share:.0%} of the picture and may hold its background; {mend}")]
    if touched and own:
        return [note("at_the_border", f"the object reaches the {' and '.join(touched)} of the picture; if it was cut there, that shows")]
    if touched:
        edges = " and ".join(touched)
        return [warning("cut_off", f"the object touches the {edges} of the picture; what lies beyond is not reconstructed")]
    return []


def about_framed(rgb: Float[Tensor, "3 s s"], alpha: Float[Tensor, "1 s s"], framing: Framing, size: int) -> list[Finding]:
    """What the object in its frame tells: too few pixels, or too soft ones."""
    longest = LONGEST_SIDE * float(framing.side)
    if longest < _SMALL_PX:
        return [warning("small_object", f"the object is only {longest:.0f} pixels large; a larger picture shows more of it")]
    if float(framing.side) < 0.8 * size:
        return [note("enlarged", f"the object was enlarged {size / float(framing.side):.1f} times")]
    if _sharpness(rgb, alpha) < _BLURRED:
        return [warning("blurred", "the object is out of focus or smooth; a sharper picture shows more of it")]
    return []


def _sharpness(rgb: Float[Tensor, "3 s s"], alpha: Float[Tensor, "1 s s"]) -> float:
    """99th percentile of the contrast between neighbouring pixels well inside the object, at the size that is used."""
    inside = -functional.max_pool2d(-alpha, 7, 1, 3)[:, 1:, 1:] > 0.9
    grey = rgb.mean(0, keepdim=True)
    contrast = (grey[:, 1:, 1:] - grey[:, :-1, 1:]).abs() + (grey[:, 1:, 1:] - grey[:, 1:, :-1]).abs()
    values = contrast[inside]
    return float(torch.quantile(values[:100_000], 0.99)) if values.numel() > 100 else 1.0
