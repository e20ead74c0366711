"""One picture through the student, the same bytes wherever and with whatever else it is done."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from dd3g.core import Gaussians, NoiseKey, draw_noise
from dd3g.core.errors import InputError
from dd3g.core.threads import one_thread
from dd3g.student.config import AnchoredDecodingConfig
from dd3g.student.pepd import PEPD

GAUSSIANS = 8_192  # splats of one object, before those that no pixel can show are dropped
MOST_GAUSSIANS = 1_000_000  # the decoder of the preset "small" needs 1.7 kB each
_INVISIBLE = 1 / 255  # below this opacity every renderer skips a splat
# The student learns sigmas in pictures of 64 to 96 px, where the rasterizer's low-pass fills what is left between splats. Seen at 256 px
# they leave gaps: factors from 1.35 to 1.6 gave 0.2 dB on `dev` at that size, and 1 dB and more on the input's own view.
_WIDENED = 1.4


@dataclass(frozen=True)
class Inferred:
    """What the student made of one picture."""

    gaussians: Gaussians  # one scene
    elevation_deg: float  # of the input camera: given, or predicted


@torch.inference_mode()
def infer(
    student: PEPD,
    rgba: Float[Tensor, "4 h w"],
    key: NoiseKey,
    *,
    elevation_deg: float | None = None,
    distance: float | None = None,
    gaussians: int | None = None,
    image_tokens: Float[Tensor, "t given"] | None = None,
) -> Inferred:
    """Makes one object.

    Args:
        student: In evaluation mode.
        rgba: The prepared picture: straight sRGB and alpha.
        key: Of the noise N.
        elevation_deg: Of the camera that took the picture; predicted if None.
        distance: Of that camera, object units (1.5 for views of the rig); predicted if None.
        gaussians: How many splats to make, rounded to a multiple of the student's tokens; None: GAUSSIANS, or the decoder's own number
            where its taps are free.
        image_tokens: The picture as a frozen network's tokens, for students that read those.

    Raises:
        InputError: Fewer Gaussians than tokens, more than memory bears, another number than free taps have, or tokens that are missing.
    """
    device = next(student.parameters()).device
    noise = draw_noise(key, student.config.noise_shape)[None].to(device)
    elevation, away = (None if value is None else torch.tensor([float(value)], device=device) for value in (elevation_deg, distance))
    conditions = student.config.rig.conditions()[None].to(device)
    with one_thread():
        decoded = student.decode(
            noise,
            conditions,
            rgba[None].to(device),
            elevation,
            away,
            gaussians_per_token(student, gaussians),
            both_ways=True,
            image_tokens=None if image_tokens is None else image_tokens[None].to(device),
        )
    splats = decoded.gaussians.map(lambda t: t[0].cpu())
    if decoded.seeds is not None:
        splats = replace(splats, scales=splats.scales * _WIDENED)
    visible = splats.opacities >= _INVISIBLE
    return Inferred(splats.map(lambda t: t[visible]), decoded.view.camera.elevation_deg.item())


def gaussians_per_token(student: PEPD, gaussians: int | None) -> int | None:
    """How many splats each token makes for a budget; None for decoders that have their own number.

    Raises:
        InputError: Fewer Gaussians than tokens, more than memory bears, or another number than free taps have.
    """
    config = student.config
    if not (isinstance(config.decoding, AnchoredDecodingConfig) and config.decoding.seeded):
        if gaussians not in (None, config.gaussian_count):
            raise InputError(
                f"gaussians: found {gaussians}, expected {config.gaussian_count}: this model has free taps, and no other number; "
                "leave the option out"
            )
        return None
    tokens = config.extraction.token_count
    if gaussians is None:
        gaussians = GAUSSIANS
    if not tokens <= gaussians <= MOST_GAUSSIANS:
        raise InputError(f"gaussians: found {gaussians}, expected {tokens} (one a token) to {MOST_GAUSSIANS}")
    return round(gaussians / tokens)
