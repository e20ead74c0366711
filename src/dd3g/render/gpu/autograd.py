"""The kernels as differentiable functions: of Gaussians to their splats' records, and of records to pictures."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from dd3g.core.cameras import Cameras
from dd3g.core.gaussians import Gaussians
from dd3g.render.constants import (
    ALPHA_CUTOFF,
    ALPHA_MAX,
    BLUR_PX2,
    COMPENSATION_FLOOR,
    FAR,
    FRUSTUM_MARGIN,
    NEAR,
    QUAT_LENGTH_MIN,
    TRANSMITTANCE_STOP,
)
from dd3g.render.gpu.binning import TILE, Bins
from dd3g.render.gpu.composite import add_up, composite_backward, composite_forward
from dd3g.render.gpu.project import BOX, RECORD, project_backward, project_forward

_GAUSSIANS_A_PROGRAM = 128
_PROJECTION: dict[str, Any] = {
    "NEAR": NEAR, "FAR": FAR, "BLUR": BLUR_PX2, "MARGIN": FRUSTUM_MARGIN, "LENGTH_MIN": QUAT_LENGTH_MIN, "RECORD": RECORD,
    "BLOCK": _GAUSSIANS_A_PROGRAM, "num_warps": 4, "enable_fp_fusion": True,
}  # fmt: skip
_COMPOSITING: dict[str, Any] = {
    "ALPHA_MAX": ALPHA_MAX, "CUTOFF": ALPHA_CUTOFF, "STOP": TRANSMITTANCE_STOP, "TILE": TILE, "RECORD": RECORD,
    "num_warps": 1, "enable_fp_fusion": True,  # a tile is one warp's work: sums over its pixels need no barrier
}  # fmt: skip
_SPLATS_A_PROGRAM = 64


def project(
    gaussians: Gaussians, cameras: Cameras, *, antialiased: bool
) -> tuple[Float[Tensor, "m 10"], Int[Tensor, "m 3"], Int[Tensor, " m"]]:
    """Every Gaussian in every picture, m = s * v * n, by picture: its record with gradients, its box of tiles, and their number.

    Args:
        gaussians: (s n), float32. Their colours go into the records as they are: ten floats in a row are fetched as two sectors of
            32 bytes, and colours in bfloat16 would save none of them while costing gradients their digits.
        cameras: (s v).
        antialiased: Whether thin splats are dimmed.
    """
    fields = (gaussians.means, gaussians.quats_wxyz, gaussians.scales, gaussians.opacities, gaussians.rgb)
    return _Project.apply(*fields, cameras, antialiased)  # type: ignore[no-any-return] - torch does not type apply


def composite(records: Float[Tensor, "m 10"], bins: Bins, images: int, height: int, width: int) -> Float[Tensor, "i 5 h w"]:
    """Colour without background, sum of weighted depths, and transmittance, of all images.

    Args:
        records: Fields of every splat, as project.py writes them.
        bins: The tiles' lists of them.
        images: How many pictures the tiles make up.
        height: Of a picture.
        width: Of a picture.
    """
    return _Composite.apply(records, bins, images, height, width)  # type: ignore[no-any-return] - torch does not type apply


class _Project(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, means: Tensor, quats: Tensor, scales: Tensor, opacities: Tensor, rgb: Tensor, cameras: Cameras, antialiased: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        scenes, n, views = *opacities.shape, cameras.intrinsics.shape[1]
        pose, lens = (t.contiguous() for t in (cameras.camera_from_world, cameras.intrinsics))
        records = means.new_empty(scenes * views * n, RECORD)
        boxes = means.new_empty(len(records), BOX, dtype=torch.int32)
        counts = means.new_empty(len(records), dtype=torch.int32)
        size = (n, views, cameras.width, cameras.height)
        project_forward[(-(-n // _GAUSSIANS_A_PROGRAM), scenes * views)](
            means.contiguous(), quats.contiguous(), scales.contiguous(), opacities.contiguous(), rgb.contiguous(), pose, lens,
            records, boxes, counts, *size, ANTIALIASED=antialiased, CUTOFF=ALPHA_CUTOFF, TILE=TILE, BOX=BOX, **_PROJECTION,
        )  # fmt: skip
        ctx.save_for_backward(means, quats, scales, opacities, pose, lens)
        ctx.size, ctx.antialiased = size, antialiased
        ctx.mark_non_differentiable(boxes, counts)
        return records, boxes, counts

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        means, quats, scales, opacities, pose, lens = (t.contiguous() for t in ctx.saved_tensors)
        found = [torch.empty_like(t) for t in (means, quats, scales, opacities, means)]  # colours have the shape of means
        project_backward[(-(-means.shape[1] // _GAUSSIANS_A_PROGRAM), means.shape[0])](
            means, quats, scales, opacities, pose, lens, grads[0].contiguous(), *found, *ctx.size,
            ANTIALIASED=ctx.antialiased, FLOOR=COMPENSATION_FLOOR, **_PROJECTION,
        )  # fmt: skip
        return (*found, None, None)


class _Composite(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, records: Tensor, bins: Bins, images: int, height: int, width: int) -> Tensor:
        rows, columns = -(-height // TILE), -(-width // TILE)
        gathered = records[bins.splats]
        out = records.new_empty(images, 5, height, width)
        composite_forward[(images * rows * columns,)](gathered, bins.tile_starts, out, rows, columns, height, width, **_COMPOSITING)
        ctx.save_for_backward(gathered, out)
        ctx.bins, ctx.count = bins, len(records)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        gathered, out = ctx.saved_tensors
        bins: Bins = ctx.bins
        images, _, height, width = out.shape
        rows, columns = -(-height // TILE), -(-width // TILE)
        pair_sums = torch.zeros_like(gathered)
        composite_backward[(images * rows * columns,)](
            gathered, bins.tile_starts, bins.slots, out, grads[0].contiguous(), pair_sums, rows, columns, height, width, **_COMPOSITING
        )
        sums = gathered.new_empty(ctx.count, RECORD)
        add_up[(-(-ctx.count // _SPLATS_A_PROGRAM),)](
            pair_sums, bins.splat_starts, sums, ctx.count, RECORD=RECORD, WIDTH=16, BLOCK=_SPLATS_A_PROGRAM
        )
        return sums, None, None, None, None
