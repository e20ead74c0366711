"""The compositing kernels as one differentiable function of the splats' records."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from dd3g.render.constants import ALPHA_CUTOFF, ALPHA_MAX, TRANSMITTANCE_STOP
from dd3g.render.gpu.binning import TILE, Bins
from dd3g.render.gpu.kernels import RECORD, add_up, composite_backward, composite_forward

_SETTINGS = {"ALPHA_MAX": ALPHA_MAX, "CUTOFF": ALPHA_CUTOFF, "STOP": TRANSMITTANCE_STOP, "TILE": TILE, "RECORD": RECORD}
_LAUNCH: dict[str, Any] = {"num_warps": 1}  # a tile is one warp's work: sums over its pixels need no barrier
_SPLATS_A_PROGRAM = 64


def composite(records: Float[Tensor, "m 10"], bins: Bins, images: int, height: int, width: int) -> Float[Tensor, "i 5 h w"]:
    """Colour without background, sum of weighted depths, and transmittance, of all images.

    Args:
        records: Fields of every splat, as kernels.py orders them.
        bins: The tiles' lists of them.
        images: How many pictures the tiles make up.
        height: Of a picture.
        width: Of a picture.
    """
    return _Composite.apply(records, bins, images, height, width)  # type: ignore[no-any-return] - torch does not type apply


class _Composite(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, records: Tensor, bins: Bins, images: int, height: int, width: int) -> Tensor:
        rows, columns = -(-height // TILE), -(-width // TILE)
        gathered = records[bins.splats]
        out = records.new_empty(images, 5, height, width)
        composite_forward[(images * rows * columns,)](gathered, bins.tile_starts, out, rows, columns, height, width, **_SETTINGS, **_LAUNCH)
        ctx.save_for_backward(gathered, out)
        ctx.bins, ctx.count = bins, len(records)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        gathered, out = ctx.saved_tensors
        bins: Bins = ctx.bins
        images, _, height, width = out.shape
        rows, columns = -(-height // TILE), -(-width // TILE)
        pair_sums = torch.zeros_like(gathered)
        composite_backward[(images * rows * columns,)](
            gathered, bins.tile_starts, bins.slots, out, grads[0].contiguous(), pair_sums, rows, columns, height, width,
            **_SETTINGS, **_LAUNCH,
        )  # fmt: skip
        sums = gathered.new_empty(ctx.count, RECORD)
        add_up[(-(-ctx.count // _SPLATS_A_PROGRAM),)](
            pair_sums, bins.splat_starts, sums, ctx.count, RECORD=RECORD, WIDTH=16, BLOCK=_SPLATS_A_PROGRAM
        )
        return sums, None, None, None, None
