"""What the student sees in one step: pictures of objects as inputs, other views of them as what its renders must show.

Every batch is a pure function of (seed, step) on one kind of device. The frame of a sample is turned so that its input stands at
azimuth 0. Pictures are taken, framed and changed a batch at a time where the network is, so that a GPU does not wait for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from dd3g.core import Cameras, canonical_rig, turned
from dd3g.core.cameras import mirrored
from dd3g.core.views import resized
from dd3g.recipes.source_views import PictureStore, frame_inputs, read_sources
from dd3g.recipes.views_pack import ViewsPack, epoch_of


@dataclass(frozen=True)
class StudentDataConfig:
    """How samples are drawn and changed."""

    batch: int = 8
    target_views: int = 6  # a view costs a twentieth of the network's pass; the encoder alone needs none
    image_size: int = 192  # of the framed input
    render_size: int = 64  # of the targets, at most their own size
    mirror: float = 0.5  # probability of a left-right flip of everything
    recolour: float = 0.5  # probability of other colours, the same for input and targets
    white: float = 0.0  # share of target views over white, which results are looked at and measured on; the rest over any colour
    degrade: float = 0.3  # probability of blur and noise on the input alone
    quadruples: float = 0.5  # share of the batch that comes from quadruples, where there are views and quadruples
    siblings: int = 1  # draws of one picture that a batch of quadruples holds side by side, for loss.diversity
    repeat: tuple[tuple[str, int], ...] = ()  # (name prefix, times per epoch) for objects that should be seen more often
    own_grey: float = 0.0  # share of an opaque teacher's samples over the grey that it drew them over; the rest over any colour

    def to_json(self) -> dict[str, Any]:
        """For a run's identity: ``own_grey`` where it is asked for, so that runs from before there was one keep theirs."""
        return {name: value for name, value in asdict(self).items() if name != "own_grey" or value}


@dataclass(frozen=True)
class StudentBatch:
    """b samples with v target views each."""

    noise: Float[Tensor, "b n c l l"]
    conditions: Float[Tensor, "b n 16"]
    image: Float[Tensor, "b 4 p p"]
    undegraded: Float[Tensor, "b 4 p p"]  # the same picture as the teacher is shown it
    number: Int[Tensor, " b"]  # of the sample, in an endless row of batches: what is drawn for it later hangs on nothing else
    picture: Int[Tensor, " b"]  # the picture's; draws of one picture share it, and -1 has no other draws
    elevation_deg: Float[Tensor, " b"]  # of the input camera
    distance: Float[Tensor, " b"]
    towards: Float[Tensor, "b 2 p p"]  # true first and last surface towards the input camera, student's frame; NaN where none
    target_rgb: Float[Tensor, "b v 3 h w"]
    target_alpha: Float[Tensor, "b v 1 h w"]
    cameras: Cameras  # of the targets, in the turned but not yet scaled frame of the object
    scale: Float[Tensor, " b"]  # student = scale * object + offset; NaN where nobody knows it, as elevation and distance are
    offset: Float[Tensor, "b 3"]
    background: Float[Tensor, "b v 3"]
    guidance: Float[Tensor, " b"]  # w that ties noise to targets; 0 where nothing does
    latents: Float[Tensor, "b n c l l"]  # z_0 of the noise as the teacher drew it; NaN where it drew nothing

    def to(self, device: torch.device | str) -> StudentBatch:
        """The same batch on another device."""
        return replace(self, **{f.name: getattr(self, f.name).to(device) for f in fields(self)})


class StudentBatches:
    """Draws batches from packs of views; call it with a step."""

    def __init__(
        self,
        packs: Sequence[ViewsPack],
        config: StudentDataConfig,
        noise_shape: tuple[int, int, int, int],
        seed: int,
        device: torch.device | str = "cpu",
    ) -> None:
        self.config, self.noise_shape, self.seed, self.device = config, noise_shape, seed, torch.device(device)
        self.inputs, self.targets = (PictureStore(packs, group, self.device) for group in ("inputs", "targets"))
        self.samples = epoch_of(packs, config.repeat)
        self._conditions = canonical_rig().conditions().to(self.device)

    def __call__(self, step: int) -> StudentBatch:
        """The batch of a step."""
        config, b, v = self.config, self.config.batch, self.config.target_views
        random = np.random.Generator(np.random.Philox(key=np.array([self.seed, step], np.uint64)))
        on_device = torch.Generator(self.device).manual_seed(int(random.integers(2**62)))
        objects = self.samples[self._order(step)]
        source = read_sources(self.inputs, objects, random.integers(self.inputs.views, size=b))
        framed = frame_inputs(source, config.image_size, as_is=source.on_rig & self._chance(random, 0.5))

        views = np.sort(np.argsort(random.random((b, self.targets.views)), 1)[:, :v], 1)
        target = self.targets.rgba(objects[:, None], views)
        poses, lenses = (torch.from_numpy(a[objects[:, None], views]).to(self.device) for a in (self.targets.poses, self.targets.lenses))
        cameras = turned(Cameras(poses, lenses, self.targets.height, self.targets.width), source.azimuth_deg)

        flips = self._chance(random, config.mirror)
        image, towards, target = (_flipped(t, flips) for t in (framed.image, framed.towards, target))
        flip = torch.where(flips[:, None], torch.tensor([-1.0, 1, 1], device=self.device), 1.0)
        cameras = mirrored(cameras, flips)
        image, target = recoloured([image, target], self._chance(random, config.recolour), random)
        undegraded = image
        image = degraded(image, self._chance(random, config.degrade), random, on_device)

        noise, background = random.standard_normal((b, *self.noise_shape), np.float32), random.random((b, v, 3), np.float32)
        if config.white > 0:  # without it, batches are those of before
            background = np.where(random.random((b, v, 1)) < config.white, np.float32(1), background)
        size = min(config.render_size, self.targets.width)
        target = resized(target, size)
        return StudentBatch(
            noise=torch.from_numpy(noise).to(self.device),
            conditions=self._conditions.expand(b, -1, -1),
            image=image,
            undegraded=undegraded,
            number=torch.arange(step * b, (step + 1) * b, device=self.device),
            picture=torch.full((b,), -1, device=self.device),
            elevation_deg=source.elevation_deg,
            distance=framed.scale * source.radius,
            towards=towards,
            target_rgb=target[:, :, :3],
            target_alpha=target[:, :, 3:],
            cameras=cameras.resized(size, size),
            scale=framed.scale,
            offset=framed.offset * flip,
            background=torch.from_numpy(background).to(self.device),
            guidance=torch.zeros(b, device=self.device),
            latents=torch.full((b, *self.noise_shape), float("nan"), device=self.device),
        )

    def _order(self, step: int) -> list[int]:
        """Positions step * batch ... of an endless row of permutations, one an epoch, each from its own key."""
        n, chosen = len(self.samples), []
        for place in range(step * self.config.batch, (step + 1) * self.config.batch):
            epoch, within = divmod(place, n)
            chosen.append(int(permutation(self.seed, epoch, n)[within]))
        return chosen

    def _chance(self, random: np.random.Generator, probability: float) -> Bool[Tensor, " b"]:
        return torch.from_numpy(random.random(self.config.batch) < probability).to(self.device)


def _flipped(pictures: Float[Tensor, "b *more w"], which: Bool[Tensor, " b"]) -> Float[Tensor, "b *more w"]:
    return torch.where(which.reshape(-1, *[1] * (pictures.ndim - 1)), pictures.flip(-1), pictures)


def recoloured(pictures: list[Tensor], which: Bool[Tensor, " b"], random: np.random.Generator) -> list[Tensor]:
    """Channels permuted or mixed a little, and a gamma: the same for all pictures (b, ..., 4, h, w) of a sample."""
    b, device = len(which), which.device
    order = np.where(random.random((b, 1)) < 0.5, np.argsort(random.random((b, 3)), 1), np.arange(3))
    mix = np.eye(3)[order] + random.normal(0, 0.08, (b, 3, 3))
    mix = torch.from_numpy((mix / mix.sum(-1, keepdims=True)).astype(np.float32)).to(device)
    gamma = torch.from_numpy(np.exp(random.normal(0, 0.2, b)).astype(np.float32)).to(device)
    changed = []
    for p in pictures:
        rgb, alpha = p[..., :3, :, :], p[..., 3:, :, :]
        shape = (-1, *[1] * (p.ndim - 1))
        other = torch.einsum("bij,b...jhw->b...ihw", mix, rgb).clamp(0, 1) ** gamma.reshape(shape)
        changed.append(torch.cat([torch.where(which.reshape(shape), other, rgb), alpha], -3))
    return changed


def degraded(
    image: Float[Tensor, "b 4 p p"], which: Bool[Tensor, " b"], random: np.random.Generator, on_device: torch.Generator
) -> Float[Tensor, "b 4 p p"]:
    """A soft, noisy, wrongly exposed picture of the same object."""
    b, device = len(which), image.device

    def numbers(low: float, high: float) -> Float[Tensor, "b 1 1 1"]:
        return torch.from_numpy(random.uniform(low, high, (b, 1, 1, 1)).astype(np.float32)).to(device)

    sigma = numbers(0.2, 1.2) * image.shape[-1] / 192  # of 192 px; below a third nothing is seen of it
    mixed = _blurred(torch.cat([image[:, :3] * image[:, 3:], image[:, 3:]], 1), sigma)
    rgb, alpha = (mixed[:, :3] / mixed[:, 3:].clamp_min(1e-4)).clamp(0, 1), mixed[:, 3:]
    noise = torch.randn(rgb.shape, generator=on_device, device=device) * numbers(0, 0.04)
    gain = torch.from_numpy(np.exp(random.normal(0, 0.08, (b, 3, 1, 1))).astype(np.float32)).to(device)
    return torch.where(which[:, None, None, None], torch.cat([(rgb * gain + noise).clamp(0, 1), alpha], 1), image)


def _blurred(pictures: Float[Tensor, "b c h w"], sigma: Float[Tensor, "b 1 1 1"]) -> Float[Tensor, "b c h w"]:
    """Gaussian blur, a width for every picture; nothing stands outside."""
    b, c, h, w = pictures.shape
    offsets = torch.arange(-3, 4, device=pictures.device, dtype=pictures.dtype)
    kernel = torch.softmax(-0.5 * (offsets / sigma.reshape(b, 1)).square(), -1).repeat_interleave(c, 0)[:, None, None]
    rows = F.conv2d(pictures.reshape(1, b * c, h, w), kernel, padding=(0, 3), groups=b * c)
    return F.conv2d(rows, kernel.mT, padding=(3, 0), groups=b * c).reshape(b, c, h, w)


_permutations: dict[tuple[int, int, int], np.ndarray] = {}


def permutation(seed: int, epoch: int, n: int) -> np.ndarray:
    """The order of one epoch over ``n`` samples."""
    key = (seed, epoch, n)
    if key not in _permutations:
        _permutations.clear()
        _permutations[key] = np.random.Generator(np.random.Philox(key=np.array([seed, 2**63 + epoch], np.uint64))).permutation(n)
    return _permutations[key]
