"""The CPU renderer as a torch function.

Forward: project, order, composite. Backward: composite_backward, gather. Memory held in between: 76 bytes a Gaussian and picture, 12
a pixel and the pictures themselves; backward takes 46 bytes more a pair of Gaussian and row of tiles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from dd3g.core.cameras import Cameras
from dd3g.core.errors import InputError
from dd3g.core.gaussians import Gaussians
from dd3g.render.cpu.composite import composite
from dd3g.render.cpu.composite_backward import composite_backward
from dd3g.render.cpu.gather import gather
from dd3g.render.cpu.layout import CHUNK, RECORD, SUMS, TILE_HEIGHT, TILE_WIDTH
from dd3g.render.cpu.order import count_rows, list_rows
from dd3g.render.cpu.pool import run_tasks
from dd3g.render.cpu.project import camera_rows, project
from dd3g.render.record import Render

_MOST_GAUSSIANS = 2**24 - 1  # positions in a tile's list are compared as float32
_LARGEST_SIDE_PX = 2**15  # pixel positions keep 8 bits below the pixel in float32


def rasterize(gaussians: Gaussians, cameras: Cameras, background: Float[Tensor, "s v 3"], *, antialiased: bool) -> Render:
    """See :class:`dd3g.render.record.RasterizeBatch`. The same bits at any number of threads and any batch of scenes.

    Raises:
        InputError: More Gaussians a scene, or pixels a side, than float32 can number.
    """
    if len(gaussians) > _MOST_GAUSSIANS:
        raise InputError(f"gaussians: {len(gaussians)} in a scene, backend 'cpu' takes up to {_MOST_GAUSSIANS}; split the scene")
    if max(cameras.height, cameras.width) > _LARGEST_SIDE_PX:
        raise InputError(f"cameras: {cameras.height} x {cameras.width} px, backend 'cpu' takes up to {_LARGEST_SIDE_PX} a side; use tiles")
    fields = (gaussians.means, gaussians.quats_wxyz, gaussians.scales, gaussians.opacities, gaussians.rgb)
    rgb, alpha, depth = _Rasterize.apply(*fields, background, cameras, antialiased)
    return Render(rgb, alpha, depth)


@dataclass(frozen=True)
class _Grid:
    """Sizes of one call."""

    scenes: int
    n: int
    views: int
    height: int
    width: int

    @property
    def images(self) -> int:
        return self.scenes * self.views

    @property
    def rows(self) -> int:
        return -(-self.height // TILE_HEIGHT)

    @property
    def tiles(self) -> int:
        return -(-self.width // TILE_WIDTH)

    @property
    def chunks(self) -> int:
        return -(-self.n // CHUNK)


class _Rasterize(torch.autograd.Function):
    @staticmethod
    def forward(ctx, means, quats, scales, opacities, rgb, background, cameras, antialiased):
        grid = _Grid(means.shape[0], means.shape[1], background.shape[1], cameras.height, cameras.width)
        inputs = [_array(t) for t in (means, quats, scales, opacities, rgb)]
        colour = _array(background).reshape(grid.images, 3)
        pose, lens = (_array(t).reshape(grid.images, *t.shape[2:]) for t in (cameras.camera_from_world, cameras.intrinsics))
        rows = camera_rows(pose, lens, grid.height, grid.width)
        binned = _project_and_bin(grid, antialiased, inputs, rows)
        pictures, endings = _composite(grid, binned, colour)
        ctx.grid, ctx.antialiased = grid, antialiased
        ctx.set_materialize_grads(False)
        out = [torch.from_numpy(p).view(grid.scenes, grid.views, *p.shape[1:]) for p in pictures]
        kept = [torch.from_numpy(a) for a in (rows, *binned, *endings)]
        ctx.save_for_backward(means, quats, scales, opacities, rgb, background, out[1], out[2], *kept)
        return tuple(out)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        v_rgb, v_alpha, v_depth = grad_outputs
        grid = ctx.grid
        saved = ctx.saved_tensors
        inputs, colour = [_array(t) for t in saved[:5]], _array(saved[5]).reshape(grid.images, 3)
        alpha, depth = (_array(t).reshape(grid.images, grid.height, grid.width) for t in saved[6:8])
        rows, records, _, tile_rows, slots, starts, offsets, ids, t_end, stops, used = (t.numpy() for t in saved[8:])
        shape = (grid.images, grid.height, grid.width)
        v_rgb = _incoming(v_rgb, (grid.images, 3, grid.height, grid.width))
        v_alpha, v_depth = _incoming(v_alpha, shape), _incoming(v_depth, shape)
        sums = np.empty((ids.size, SUMS), np.float32)
        run_tasks(
            composite_backward, grid.images * grid.rows, grid.n, grid.width, grid.height, grid.rows, grid.tiles, records, tile_rows,
            starts, slots, ids, offsets, colour, alpha, depth, t_end, stops, used, v_rgb, v_alpha, v_depth, sums,
        )  # fmt: skip
        gradients = [np.empty_like(a) for a in inputs]
        run_tasks(
            gather, grid.scenes * grid.chunks, grid.chunks, grid.n, grid.views, ctx.antialiased, *inputs, rows, records, tile_rows,
            slots, offsets, sums, *gradients,
        )  # fmt: skip
        v_background = None
        if ctx.needs_input_grad[5]:
            shown = (v_rgb * t_end[:, None]).reshape(grid.images, 3, -1).sum(-1)  # NumPy's sums don't depend on threads
            v_background = torch.from_numpy(shown.reshape(grid.scenes, grid.views, 3))
        return (*(torch.from_numpy(g) for g in gradients), v_background, None, None)


def _project_and_bin(grid: _Grid, antialiased: bool, inputs: list[np.ndarray], rows: np.ndarray) -> tuple[np.ndarray, ...]:
    images, n = grid.images, grid.n
    records, depths, tile_rows = (
        np.empty((images, n, RECORD), np.float32),
        np.empty((images, n), np.float32),
        np.empty((images, n, 2), np.int16),
    )
    run_tasks(
        project, grid.scenes * grid.chunks, grid.chunks, n, grid.views, grid.width, grid.height, antialiased, *inputs, rows, records,
        depths, tile_rows,
    )  # fmt: skip
    slots, starts = np.empty((images, n), np.int32), np.empty((images, grid.rows + 1), np.int64)
    run_tasks(count_rows, images, n, tile_rows, slots, starts)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(starts[:, -1])])
    ids = np.empty(offsets[-1], np.int32)
    run_tasks(list_rows, images, n, tile_rows, starts, offsets, ids)
    return records, depths, tile_rows, slots, starts, offsets, ids


def _composite(grid: _Grid, binned: tuple[np.ndarray, ...], colour: np.ndarray) -> tuple[list[np.ndarray], tuple[np.ndarray, ...]]:
    records, depths, _, _, starts, offsets, ids = binned
    shape = (grid.images, grid.height, grid.width)
    rgb = np.empty((grid.images, 3, grid.height, grid.width), np.float32)
    alpha, depth, t_end, stops = (np.empty(shape, np.float32) for _ in range(4))
    used = np.empty((grid.images, grid.rows, grid.tiles), np.int32)
    run_tasks(
        composite, grid.images * grid.rows, grid.n, grid.width, grid.height, grid.rows, grid.tiles, records, depths, starts, ids, offsets,
        colour, rgb, alpha, depth, t_end, stops, used,
    )  # fmt: skip
    return [rgb, alpha[:, None], depth[:, None]], (t_end, stops, used)


def _array(tensor: Tensor) -> np.ndarray:
    """A view where the tensor is contiguous, as all but expanded cameras and backgrounds are."""
    return tensor.detach().contiguous().numpy()


def _incoming(gradient: Tensor | None, shape: tuple[int, ...]) -> np.ndarray:
    return np.zeros(shape, np.float32) if gradient is None else _array(gradient).reshape(shape)
