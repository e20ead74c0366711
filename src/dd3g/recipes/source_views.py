"""Pictures of a pack as the student's inputs: each camera taken apart, the object framed like a photograph, its surfaces beside it.

Everything is batched and runs where the pictures are. A picture taken by another lens than the rig's is framed; the similarity between
the student's frame and the object's own is known here, so that targets may stay what they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from dd3g.core.cameras import RIG_RADIUS
from dd3g.core.errors import ViewsError
from dd3g.photos.framing import Framing, apply_framing, framing_of, whole_picture
from dd3g.recipes.views_pack import PackedGroup, ViewsPack
from dd3g.student.seeding import HALF_FRAME

_LARGEST_SCALE = 1.5  # an object seen end on is small in its picture; blown up to fill the frame it would leave the student's space


class PictureStore:
    """One group of several packs behind one index. On a GPU all pictures are copied there once; on a CPU they stay in their files."""

    def __init__(self, packs: Sequence[ViewsPack], group: str, device: torch.device) -> None:
        self.groups: list[PackedGroup] = [getattr(pack, group) for pack in packs]
        first = self.groups[0]
        for pack, other in zip(packs, self.groups, strict=True):
            if other.rgba.shape[1:] != first.rgba.shape[1:] or (other.depth is None) != (first.depth is None):
                raise ViewsError(
                    f"{pack.names[0]}: its {group} are {other.rgba.shape[1:]}, the first folder's {first.rgba.shape[1:]}; "
                    "render all folders of a run with the same options"
                )
        self.device = device
        self.starts = np.cumsum([0, *(len(pack) for pack in packs)])
        self.views, (self.height, self.width) = first.rgba.shape[1], first.rgba.shape[-2:]
        self.has_depth = first.depth is not None
        self.poses = np.concatenate([g.camera_from_world for g in self.groups])
        self.lenses = np.concatenate([g.intrinsics for g in self.groups])
        self._steps = np.concatenate([g.depth_step for g in self.groups])
        self._resident: dict[str, Tensor] = {}
        if device.type != "cpu":
            for name in ("rgba", "depth") if self.has_depth else ("rgba",):
                # GPUs can't index 16 bit numbers without a sign
                dtype = torch.uint8 if name == "rgba" else torch.int32
                parts = [_tensor(getattr(g, name)).to(dtype).to(device) for g in self.groups]
                self._resident[name] = torch.cat(parts) if len(parts) > 1 else parts[0]

    def rgba(self, objects: Int[np.ndarray, "*#batch"], views: Int[np.ndarray, "*#batch"]) -> Float[Tensor, "*batch 4 h w"]:
        """Straight sRGB and alpha of object ``objects[k]``'s picture ``views[k]``, in [0, 1]."""
        return self._take("rgba", objects, views).float() / 255

    def depth(self, objects: Int[np.ndarray, "*#batch"], views: Int[np.ndarray, "*#batch"]) -> Float[Tensor, "*batch 2 h w"]:
        """First and last surface, camera z; 0 where none. Of the pictures' size or a whole fraction of it."""
        steps = torch.from_numpy(self._steps[objects]).to(self.device)
        return self._take("depth", objects, views).float() * steps[..., None, None, None]

    def whole(self, start: int, stop: int) -> UInt8[Tensor, "n v 4 h w"]:
        """All pictures of objects ``start`` to ``stop``, as they are kept: for those who want every one of them once."""
        found = []
        for first, group in zip(self.starts[:-1], self.groups, strict=True):
            low, high = max(start - first, 0), min(stop - first, len(group.rgba))
            if low < high:
                found.append(_tensor(np.ascontiguousarray(group.rgba[low:high])))
        return torch.cat(found).to(self.device)

    def _take(self, name: str, objects: Int[np.ndarray, "*#batch"], views: Int[np.ndarray, "*#batch"]) -> Tensor:
        if self._resident:
            return self._resident[name][torch.from_numpy(objects).to(self.device), torch.from_numpy(views).to(self.device)]
        flat_objects, flat_views = np.broadcast_arrays(objects, views)
        pack = np.searchsorted(self.starts, flat_objects.ravel(), side="right") - 1
        found = [
            getattr(self.groups[p], name)[i - self.starts[p], m]
            for p, i, m in zip(pack, flat_objects.ravel(), flat_views.ravel(), strict=True)
        ]
        shape = (*flat_objects.shape, *getattr(self.groups[0], name).shape[2:])
        return _tensor(np.stack(found)).reshape(shape) if found else torch.zeros(shape)  # the encoder's samples have no targets


@dataclass(frozen=True)
class SourceViews:
    """Pictures of objects with their cameras taken apart."""

    rgba: Float[Tensor, "b 4 h w"]
    depth: Float[Tensor, "b 2 h2 w2"] | None
    azimuth_deg: Float[Tensor, " b"]
    elevation_deg: Float[Tensor, " b"]
    radius: Float[Tensor, " b"]
    half_width: Float[Tensor, " b"]  # half the frame's side at the plane through the origin, object units

    @property
    def on_rig(self) -> Bool[Tensor, " b"]:
        """Whether the rig's own lens took it, so that it may be used as it is."""
        return ((self.half_width - HALF_FRAME).abs() < 1e-3) & ((self.radius - RIG_RADIUS).abs() < 1e-3)


def read_sources(store: PictureStore, objects: Int[np.ndarray, "*#batch"], views: Int[np.ndarray, "*#batch"]) -> SourceViews:
    """Picture ``views[k]`` of object ``objects[k]``."""
    pose, focal_px = store.poses[objects, views].astype(np.float64), store.lenses[objects, views, 1, 1].astype(np.float64)
    position = -(pose[:, :3, :3].transpose(0, 2, 1) @ pose[:, :3, 3:])[..., 0]
    radius = np.linalg.norm(position, axis=-1)
    numbers = (
        np.degrees(np.arctan2(position[:, 0], position[:, 2])),
        np.degrees(np.arcsin(position[:, 1] / radius)),
        radius,
        radius * store.height / 2 / focal_px,
    )
    return SourceViews(
        store.rgba(objects, views),
        store.depth(objects, views) if store.has_depth else None,
        *(torch.from_numpy(n.astype(np.float32)).to(store.device) for n in numbers),
    )


@dataclass(frozen=True)
class FramedInputs:
    """Pictures as the student gets them, and where its frame lies in the object's (turned) frame."""

    image: Float[Tensor, "b 4 p p"]
    towards: Float[Tensor, "b 2 p p"]  # true first and last surface towards the input camera, student's frame; NaN where none
    scale: Float[Tensor, " b"]  # student = scale * object + offset
    offset: Float[Tensor, "b 3"]


def frame_inputs(source: SourceViews, size: int, *, as_is: Bool[Tensor, " b"]) -> FramedInputs:
    """Frames pictures like photographs (or leaves them as they are)."""
    side = source.rgba.shape[-1]
    framing, whole = framing_of(source.rgba[:, 3:]), whole_picture(side, side)
    keep = as_is | (HALF_FRAME / (source.half_width * framing.side / side) > _LARGEST_SCALE)
    centre_x = torch.where(keep, whole.centre_x.to(framing.centre_x), framing.centre_x)
    centre_y = torch.where(keep, whole.centre_y.to(framing.centre_y), framing.centre_y)
    crop = torch.where(keep, whole.side.to(framing.side), framing.side)
    rgb, alpha = apply_framing(source.rgba[:, :3], source.rgba[:, 3:], Framing(centre_x, centre_y, crop), size)
    scale = (HALF_FRAME / (source.half_width * crop / side)).float()
    sideways = ((centre_x / side * 2 - 1) * source.half_width).float()  # right of the origin
    downwards = ((centre_y / side * 2 - 1) * source.half_width).float()
    angle = torch.deg2rad(source.elevation_deg)
    centre = torch.stack([sideways, -downwards * angle.cos(), downwards * angle.sin()], -1)
    image = torch.cat([rgb, alpha], 1)
    if source.depth is None:
        towards = torch.full_like(image[:, :2], float("nan"))
    else:
        there = source.depth.shape[-1] / side  # depth may be kept coarser than colour
        seen = _nearest(source.depth, centre_x * there, centre_y * there, crop * there, size)
        towards = torch.where(seen > 0, (source.radius[:, None, None, None] - seen) * scale[:, None, None, None], float("nan"))
    return FramedInputs(image, towards, scale, -scale[:, None] * centre)


def _nearest(pictures: Float[Tensor, "b c h w"], centre_x: Tensor, centre_y: Tensor, crop: Tensor, size: int) -> Float[Tensor, "b c p p"]:
    """The pixel under each pixel of the framed picture; 0 outside."""
    line = (torch.arange(size, device=pictures.device) + 0.5) / size - 0.5
    column, row = (torch.floor(centre[:, None] + line * crop[:, None]).long() for centre in (centre_x, centre_y))
    height, width = pictures.shape[-2:]
    inside = ((row >= 0) & (row < height))[:, :, None] & ((column >= 0) & (column < width))[:, None, :]
    which = torch.arange(len(pictures), device=pictures.device)[:, None, None]
    found = pictures[which, :, row.clamp(0, height - 1)[:, :, None], column.clamp(0, width - 1)[:, None, :]].movedim(-1, 1)
    return torch.where(inside[:, None], found, 0.0)


def _tensor(array: np.ndarray) -> Tensor:
    """A tensor of an array; of a read-only map a copy, which is what a GPU needs anyway."""
    return torch.from_numpy(array if array.flags.writeable else np.array(array))
