"""The noise schedule's tables that the original file may hold: made anew and compared, never loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from dd3g.teacher.schedule import scaled_linear

TOLERANCE = 1e-5  # relative: the file's tables are float32; diffusers' are 9e-7 off


def schedule_tables() -> dict[str, Tensor]:
    """ImageDream's twelve tables of 1000 numbers, float64, by the names that the file has for them."""
    bar = scaled_linear().alphas_bar
    before = torch.cat([bar.new_ones(1), bar[:-1]])
    betas = 1 - bar / before
    variance = betas * (1 - before) / (1 - bar)
    return {
        "betas": betas,
        "alphas_cumprod": bar,
        "alphas_cumprod_prev": before,
        "sqrt_alphas_cumprod": bar.sqrt(),
        "sqrt_one_minus_alphas_cumprod": (1 - bar).sqrt(),
        "log_one_minus_alphas_cumprod": (1 - bar).log(),
        "sqrt_recip_alphas_cumprod": bar.rsqrt(),
        "sqrt_recipm1_alphas_cumprod": (1 / bar - 1).sqrt(),
        "posterior_variance": variance,
        "posterior_log_variance_clipped": variance.clamp_min(1e-20).log(),
        "posterior_mean_coef1": betas * before.sqrt() / (1 - bar),
        "posterior_mean_coef2": (1 - before) * (1 - betas).sqrt() / (1 - bar),
    }


def compare_schedule(names: Mapping[str, object], read: Callable[[str], Tensor]) -> tuple[bool, list[str]]:
    """Whether a file holds any of the tables, and which of them are another schedule's.

    Args:
        names: Of the file's tensors.
        read: Gives one of them.
    """
    wanted = schedule_tables()
    present = [name for name in wanted if name in names]
    differing = [name for name in present if not _close(read(name), wanted[name])]
    return bool(present), differing


def _close(found: Tensor, wanted: Tensor) -> bool:
    if found.shape != wanted.shape or not found.is_floating_point():
        return False
    kind = torch.finfo(found.dtype)
    # A table in half precision is one rounding off, and coarser still below the smallest normal number.
    relative, absolute = max(TOLERANCE, kind.eps), kind.smallest_normal * kind.eps
    return bool(((found.double() - wanted).abs() <= relative * wanted.abs() + absolute).all())
