"""What the student sees in one step: pictures of objects as inputs, other views of them as what its renders must show.

Every batch is a pure function of (seed, step). The frame of a sample is turned so that its input stands at azimuth 0. A picture taken
by another lens than the rig's is framed like a photograph; the similarity between the student's frame and the object's own is known
here, so the targets stay what they are and the Gaussians are carried over before rendering.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from dd3g.core import Cameras, canonical_rig, turned
from dd3g.core.cameras import RIG_RADIUS
from dd3g.photos.framing import apply_framing, framing_of, whole_picture
from dd3g.recipes.views_pack import PackedGroup, ViewsPack
from dd3g.student.seeding import HALF_FRAME

_LARGEST_SCALE = 1.5  # an object seen end on is small in its picture; blown up to fill the frame it would leave the student's space


@dataclass(frozen=True)
class StudentDataConfig:
    """How samples are drawn and changed."""

    batch: int = 8
    target_views: int = 6  # a view costs a twentieth of the network's pass; the encoder alone needs none
    image_size: int = 192  # of the framed input
    render_size: int = 64  # of the targets, at most their own size
    mirror: float = 0.5  # probability of a left-right flip of everything
    recolour: float = 0.5  # probability of other colours, the same for input and targets
    degrade: float = 0.3  # probability of blur and noise on the input alone
    repeat: tuple[tuple[str, int], ...] = ()  # (name prefix, times per epoch) for objects that should be seen more often


@dataclass(frozen=True)
class StudentBatch:
    """b samples with v target views each."""

    noise: Float[Tensor, "b n c l l"]
    conditions: Float[Tensor, "b n 16"]
    image: Float[Tensor, "b 4 p p"]
    elevation_deg: Float[Tensor, " b"]  # of the input camera
    distance: Float[Tensor, " b"]
    towards: Float[Tensor, "b 2 p p"]  # true first and last surface towards the input camera, student's frame; NaN where none
    target_rgb: Float[Tensor, "b v 3 h w"]
    target_alpha: Float[Tensor, "b v 1 h w"]
    cameras: Cameras  # of the targets, in the turned but not yet scaled frame of the object
    scale: Float[Tensor, " b"]  # student = scale * object + offset
    offset: Float[Tensor, "b 3"]
    background: Float[Tensor, "b v 3"]

    def to(self, device: torch.device | str) -> StudentBatch:
        """The same batch on another device."""
        return replace(self, **{f.name: getattr(self, f.name).to(device) for f in fields(self)})


class StudentBatches:
    """Draws batches from packs of views; call it with a step."""

    def __init__(self, packs: Sequence[ViewsPack], config: StudentDataConfig, noise_shape: tuple[int, int, int, int], seed: int) -> None:
        self.packs, self.config, self.noise_shape, self.seed = tuple(packs), config, noise_shape, seed
        self.samples = np.array(
            [
                (p, i)
                for p, pack in enumerate(packs)
                for i, name in enumerate(pack.names)
                for _ in range(max([times for prefix, times in config.repeat if name.startswith(prefix)], default=1))
            ]
        )
        self._conditions = canonical_rig().conditions()

    def __call__(self, step: int) -> StudentBatch:
        """The batch of a step."""
        config = self.config
        random = np.random.Generator(np.random.Philox(key=np.array([self.seed, step], np.uint64)))
        drawn = [self._sample(self.samples[k], random) for k in self._order(step)]
        stacked = {name: torch.stack([sample[name] for sample in drawn]) for name in drawn[0]}
        size = min(config.render_size, stacked["target"].shape[-1])
        cameras = Cameras(stacked.pop("camera_from_world"), stacked.pop("intrinsics"), *stacked["target"].shape[-2:])
        rgb, alpha = _shrunk(stacked.pop("target"), size)
        shape = (config.batch, *self.noise_shape)
        return StudentBatch(
            noise=torch.from_numpy(random.standard_normal(shape, np.float32)),
            conditions=self._conditions.expand(config.batch, -1, -1),
            target_rgb=rgb,
            target_alpha=alpha,
            cameras=cameras.resized(size, size),
            background=torch.from_numpy(random.random((config.batch, config.target_views, 3), np.float32)),
            **stacked,
        )

    def _order(self, step: int) -> list[int]:
        """Positions step * batch ... of an endless row of permutations, one an epoch, each from its own key."""
        n, chosen = len(self.samples), []
        for place in range(step * self.config.batch, (step + 1) * self.config.batch):
            epoch, within = divmod(place, n)
            chosen.append(int(_permutation(self.seed, epoch, n)[within]))
        return chosen

    def _sample(self, where: np.ndarray, random: np.random.Generator) -> dict[str, Tensor]:
        config, pack, i = self.config, self.packs[int(where[0])], int(where[1])
        source = read_input(pack.inputs, i, int(random.integers(pack.inputs.rgba.shape[1])))
        views = np.sort(random.choice(pack.targets.rgba.shape[1], config.target_views, replace=False))
        target = torch.from_numpy(pack.targets.rgba[i, views]).float() / 255
        cameras = Cameras(
            torch.from_numpy(pack.targets.camera_from_world[i, views]),
            torch.from_numpy(pack.targets.intrinsics[i, views]),
            *target.shape[-2:],
        )
        framed = frame_input(source, config.image_size, as_is=source.on_rig and random.random() < 0.5)
        world = turned(cameras, source.azimuth_deg).camera_from_world
        image, towards, offset = framed.image, framed.towards, framed.offset
        if random.random() < config.mirror:
            flip = torch.tensor([-1.0, 1.0, 1.0])
            image, towards, target, offset = image.flip(-1), towards.flip(-1), target.flip(-1), offset * flip
            both = torch.diag(torch.tensor([-1.0, 1.0, 1.0, 1.0]))
            world = both @ world @ both  # the mirrored picture is the mirrored world's, seen by the mirrored camera
        if random.random() < config.recolour:
            image, target = _recoloured([image, target], random)
        if random.random() < config.degrade:
            image = _degraded(image, random)
        return {
            "image": image,
            "towards": towards,
            "elevation_deg": torch.tensor(source.elevation_deg),
            "distance": framed.scale * source.radius,
            "target": target,
            "camera_from_world": world,
            "intrinsics": cameras.intrinsics,
            "scale": framed.scale,
            "offset": offset,
        }


@dataclass(frozen=True)
class SourceView:
    """One picture of an object with its camera taken apart."""

    rgba: Float[Tensor, "4 h w"]
    depth: Float[Tensor, "2 h w"] | None
    azimuth_deg: float
    elevation_deg: float
    radius: float
    half_width: float  # half the frame's side at the plane through the origin, object units

    @property
    def on_rig(self) -> bool:
        """Whether the rig's own lens took it, so that it may be used as it is."""
        return abs(self.half_width - HALF_FRAME) < 1e-3 and abs(self.radius - RIG_RADIUS) < 1e-3


def read_input(group: PackedGroup, i: int, m: int) -> SourceView:
    """Picture m of object i."""
    matrix, focal_px = group.camera_from_world[i, m], float(group.intrinsics[i, m, 1, 1])
    position = -matrix[:3, :3].T @ matrix[:3, 3]
    radius = float(np.linalg.norm(position))
    depth = None
    if group.depth is not None:
        depth = torch.from_numpy(group.depth[i, m].astype(np.float32) * group.depth_step[i])
    return SourceView(
        rgba=torch.from_numpy(np.array(group.rgba[i, m])).float() / 255,
        depth=depth,
        azimuth_deg=float(np.degrees(np.arctan2(position[0], position[2]))),
        elevation_deg=float(np.degrees(np.arcsin(position[1] / radius))),
        radius=radius,
        half_width=radius * group.rgba.shape[-2] / 2 / focal_px,
    )


@dataclass(frozen=True)
class FramedInput:
    """A picture as the student gets it, and where its frame lies in the object's (turned) frame."""

    image: Float[Tensor, "4 p p"]
    towards: Float[Tensor, "2 p p"]
    scale: Float[Tensor, ""]
    offset: Float[Tensor, 3]


def frame_input(source: SourceView, size: int, *, as_is: bool) -> FramedInput:
    """Frames a picture like a photograph (or leaves it as it is), with the similarity student = scale * object + offset."""
    side = source.rgba.shape[-1]
    framing = framing_of(source.rgba[3:])
    if as_is or HALF_FRAME / (source.half_width * float(framing.side) / side) > _LARGEST_SCALE:
        framing = whole_picture(side, side)
    centre_x, centre_y, crop = float(framing.centre_x), float(framing.centre_y), float(framing.side)
    rgb, alpha = apply_framing(source.rgba[:3], source.rgba[3:], framing, size)
    scale = HALF_FRAME / (source.half_width * crop / side)
    sideways = (centre_x / side * 2 - 1) * source.half_width  # right of the origin
    downwards = (centre_y / side * 2 - 1) * source.half_width
    angle = np.radians(source.elevation_deg)
    centre = sideways * np.array([1.0, 0.0, 0.0]) + downwards * np.array([0.0, -np.cos(angle), np.sin(angle)])
    towards = torch.full((2, size, size), float("nan"))
    if source.depth is not None:
        column = _pixels(centre_x, crop, size, side)
        row = _pixels(centre_y, crop, size, side)
        seen = source.depth[:, row.clamp(0, side - 1)][:, :, column.clamp(0, side - 1)]
        outside = ((row < 0) | (row >= side))[:, None] | ((column < 0) | (column >= side))[None]
        towards = torch.where((seen > 0) & ~outside, (source.radius - seen) * scale, float("nan"))
    return FramedInput(
        torch.cat([rgb, alpha]), towards, torch.tensor(scale, dtype=torch.float32), torch.tensor(-scale * centre, dtype=torch.float32)
    )


def _pixels(centre: float, crop: float, size: int, side: int) -> Tensor:
    """Source pixel under each pixel of the framed picture, along one axis."""
    return torch.floor(centre + ((torch.arange(size) + 0.5) / size - 0.5) * crop).long()


def _shrunk(rgba: Float[Tensor, "b v 4 h w"], size: int) -> tuple[Float[Tensor, "b v 3 s s"], Float[Tensor, "b v 1 s s"]]:
    """Straight colour and alpha at another size; colours are averaged premultiplied, as light adds up."""
    rgb, alpha = rgba[:, :, :3], rgba[:, :, 3:]
    premultiplied = torch.cat([rgb * alpha, alpha], 2)
    if rgba.shape[-1] != size and rgba.shape[1]:
        flat = F.interpolate(premultiplied.flatten(0, 1), (size, size), mode="bilinear", antialias=True, align_corners=False)
        premultiplied = flat.unflatten(0, rgba.shape[:2])
    rgb, alpha = premultiplied[:, :, :3], premultiplied[:, :, 3:]
    return (rgb / alpha.clamp_min(1e-4)).clamp(0, 1), alpha.clamp(0, 1)


def _recoloured(pictures: list[Tensor], random: np.random.Generator) -> list[Tensor]:
    """Channels permuted or mixed a little, and a gamma: the same for all pictures."""
    order = random.permutation(3) if random.random() < 0.5 else np.arange(3)
    mix = np.eye(3)[order] + random.normal(0, 0.08, (3, 3))
    mix = torch.tensor(mix / mix.sum(1, keepdims=True), dtype=torch.float32)
    gamma = float(np.exp(random.normal(0, 0.2)))
    return [
        torch.cat([torch.einsum("ij,...jhw->...ihw", mix, p[..., :3, :, :]).clamp(0, 1) ** gamma, p[..., 3:, :, :]], -3) for p in pictures
    ]


def _degraded(image: Float[Tensor, "4 p p"], random: np.random.Generator) -> Float[Tensor, "4 p p"]:
    """A soft, noisy, wrongly exposed picture of the same object."""
    rgb, alpha = image[:3], image[3:]
    if random.random() < 0.5:
        factor = float(random.uniform(1.2, 2.5))
        small = max(int(image.shape[-1] / factor), 16)
        mixed = torch.cat([rgb * alpha, alpha])[None]
        mixed = F.interpolate(mixed, (small, small), mode="bilinear", antialias=True, align_corners=False)
        mixed = F.interpolate(mixed, image.shape[-2:], mode="bilinear", align_corners=False)[0]
        rgb, alpha = (mixed[:3] / mixed[3:].clamp_min(1e-4)).clamp(0, 1), mixed[3:]
    noise = torch.from_numpy(random.standard_normal(tuple(rgb.shape), np.float32)) * float(random.uniform(0, 0.04))
    gain = torch.from_numpy(np.exp(random.normal(0, 0.08, (3, 1, 1))).astype(np.float32))
    return torch.cat([(rgb * gain + noise).clamp(0, 1), alpha])


_permutations: dict[tuple[int, int, int], np.ndarray] = {}


def _permutation(seed: int, epoch: int, n: int) -> np.ndarray:
    key = (seed, epoch, n)
    if key not in _permutations:
        _permutations.clear()
        _permutations[key] = np.random.Generator(np.random.Philox(key=np.array([seed, 2**63 + epoch], np.uint64))).permutation(n)
    return _permutations[key]
