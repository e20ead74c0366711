"""The teacher, taught on views of meshes: which noise was added to four views of an object, given a picture of it.

Input pictures are what the student gets (any elevation, lens and light, framed like photographs); target views are the codec's latents,
made once (:class:`LatentStore`). In half of the samples the four views are those of the canonical rig as nearly as the data have them,
otherwise an orbit from another azimuth or at its own elevation. All are told by their cameras in the frame in which the input stands at
azimuth 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from PIL.Image import Image
from torch import Tensor, nn

from dd3g.core import Cameras, NoiseKey, canonical_rig, draw_noise, turned
from dd3g.core.cameras import mirrored
from dd3g.core.sheet import sheet
from dd3g.core.views import over_white
from dd3g.encoders.codec import FACTOR, Codec
from dd3g.recipes.graphed_teacher import Predict, graphed_predict, predict_batch
from dd3g.recipes.source_views import PictureStore, frame_inputs, read_sources
from dd3g.recipes.view_latents import LatentStore
from dd3g.recipes.views_pack import ViewsPack, epoch_of
from dd3g.teacher.network import TeacherConfig
from dd3g.teacher.schedule import scaled_linear
from dd3g.teacher.teacher import Teacher, TeacherNetworks, as_epsilon, decode, sample, save_teacher
from dd3g.training import Recipe, Score

_CHUNK = 64
_CANONICAL = 16  # target views 0 ... 15 stand round the object from the front, 22.5 degrees apart, elevation 0
_ORBIT = 4  # after them come orbits of four, 90 degrees apart at one elevation, and then free views
_DEV_TIMES = (100, 300, 500, 700, 900)
_SHEET_GUIDANCE = 2.0
_SHEET_STEPS = 20


@dataclass(frozen=True)
class TeacherDataConfig:
    """How samples are drawn."""

    batch: int = 16
    canonical: float = 0.5  # share of samples whose views are the canonical rig's
    mirror: float = 0.5
    unconditional: float = 0.1  # share of samples without a picture, for guidance
    repeat: tuple[tuple[str, int], ...] = ()  # (name prefix, times per epoch) for objects that should be seen more often


@dataclass(frozen=True)
class TeacherBatch:
    """b objects with four views each."""

    image: Float[Tensor, "b 4 p p"]  # II, framed
    clean: Float[Tensor, "b v c l l"]
    noise: Float[Tensor, "b v c l l"]
    t: Int[Tensor, " b"]
    cameras: Float[Tensor, "b v 16"]
    conditioned: Float[Tensor, " b"]  # 0 where the picture is withheld

    def to(self, device: torch.device | str) -> TeacherBatch:
        """The same batch on another device."""
        return replace(self, **{f.name: getattr(self, f.name).to(device) for f in fields(self)})


def teacher_recipe(
    model: TeacherConfig,
    codec: Codec,
    data: TeacherDataConfig,
    train: Sequence[ViewsPack],
    dev: ViewsPack | None,
    *,
    seed: int,
    provenance: Mapping[str, Any],
    device: torch.device | str = "cpu",
    graphs: bool = False,
    bfloat16: bool = False,
    quiet: bool = False,
) -> Recipe:
    """What the engine needs to train a teacher in a codec's latents.

    Args:
        model: Sizes.
        codec: Frozen.
        data: Sampling.
        train: Views to learn from.
        dev: Views to choose by.
        seed: Of weights and samples.
        provenance: Goes into the model file: data, licences.
        device: Where it is trained.
        graphs: Record the networks as CUDA graphs (on a GPU), sooner by not waiting for Python.
        bfloat16: The precision that graphs are recorded in; must be the run's.
        quiet: No progress while views are encoded.
    """
    torch.manual_seed(seed)
    networks = TeacherNetworks(model, codec.config)
    networks.codec.load_state_dict(codec.state_dict())
    networks.codec.requires_grad_(False)
    schedule = scaled_linear()
    batches = TeacherBatches(train, codec, data, model, seed, device, quiet=quiet)

    predict: Predict = predict_batch
    if graphs:
        arguments, _ = asked_of(networks.to(device).train(), batches(0))
        predict = graphed_predict(networks, arguments, bfloat16=bfloat16, record=torch.cuda.make_graphed_callables)

    def losses(network: nn.Module, batch: TeacherBatch, step: int) -> dict[str, Tensor]:
        return teacher_losses(cast(TeacherNetworks, network), batch, predict)

    def as_teacher(network: nn.Module) -> Teacher:
        both = cast(TeacherNetworks, network)
        return Teacher(both.network, both.codec, schedule, {}, "in training")

    return Recipe(
        kind="teacher",
        identity={"model": asdict(model), "data": asdict(data), "views": [p.digest for p in train], "seed": seed},
        network=networks,
        batch=batches,
        losses=losses,
        export=lambda path, network, about: save_teacher(path, cast(TeacherNetworks, network), {**provenance, **about}),
        evaluate=None if dev is None else lambda network: teacher_scores(as_teacher(network), dev),
        score=None if dev is None else Score("dev_loss", larger_is_better=False),
        sheet=None if dev is None else lambda network: teacher_sheet(as_teacher(network), dev),
    )


class TeacherBatches:
    """Draws batches; a pure function of (seed, step) on one kind of device."""

    def __init__(
        self,
        packs: Sequence[ViewsPack],
        codec: Codec,
        config: TeacherDataConfig,
        model: TeacherConfig,
        seed: int,
        device: torch.device | str = "cpu",
        *,
        quiet: bool = False,
    ) -> None:
        self.config, self.model, self.seed, self.device = config, model, seed, torch.device(device)
        self.inputs = PictureStore(packs, "inputs", self.device)
        self.targets = LatentStore(packs, codec.to(self.device), self.device, quiet=quiet)
        self.samples = epoch_of(packs, config.repeat)
        self._orbits = orbits_of(self.targets.poses[0])

    def __call__(self, step: int) -> TeacherBatch:
        """The batch of a step."""
        config, b = self.config, self.config.batch
        random = np.random.Generator(np.random.Philox(key=np.array([self.seed, step], np.uint64)))
        objects = self.samples[random.integers(len(self.samples), size=b)]
        source = read_sources(self.inputs, objects, random.integers(self.inputs.views, size=b))
        framed = frame_inputs(source, self.model.latent_size * FACTOR, as_is=source.on_rig)
        views = self._views(random, source.azimuth_deg.cpu().numpy())
        poses, lenses = (torch.from_numpy(a[objects[:, None], views]).to(self.device) for a in (self.targets.poses, self.targets.lenses))
        cameras = turned(Cameras(poses, lenses, self.targets.height, self.targets.width), source.azimuth_deg)
        flips = random.random(b) < config.mirror
        turn = torch.from_numpy(flips).to(self.device)
        cameras = mirrored(cameras, turn)
        image = torch.where(turn[:, None, None, None], framed.image.flip(-1), framed.image)
        chosen = (torch.from_numpy(a).to(self.device) for a in (objects[:, None], flips[:, None].astype(np.int64), views))
        clean = self.targets.latents[tuple(chosen)]
        return TeacherBatch(
            image=image,
            clean=clean,
            noise=torch.from_numpy(random.standard_normal(tuple(clean.shape), np.float32)).to(self.device),
            t=torch.from_numpy(random.integers(1000, size=b)).to(self.device),
            cameras=cameras.conditions(),
            conditioned=torch.from_numpy((random.random(b) >= config.unconditional).astype(np.float32)).to(self.device),
        )

    def _views(self, random: np.random.Generator, azimuth_deg: np.ndarray) -> np.ndarray:
        """Four target views an object: from the front of the input and on in quarters, or an orbit of the data's own."""
        b = len(azimuth_deg)
        quarter = _CANONICAL // 4
        nearest = np.round(azimuth_deg / (360 / _CANONICAL)).astype(np.int64) % _CANONICAL
        first = np.where(random.random(b) < self.config.canonical, nearest, random.integers(_CANONICAL, size=b))
        views = (first[:, None] + quarter * np.arange(4)) % _CANONICAL
        if len(self._orbits):
            elsewhere = random.random(b) >= self.config.canonical
            orbit = self._orbits[random.integers(len(self._orbits), size=b)][:, None] + np.arange(4)
            views = np.where((elsewhere & (first != nearest))[:, None], orbit, views)
        return views


def orbits_of(poses: Float[np.ndarray, "v 4 4"]) -> Int[np.ndarray, " n"]:
    """First views of the orbits among one object's targets: four cameras in a row at one height and a quarter turn apart."""
    places = -(poses[:, :3, :3].transpose(0, 2, 1) @ poses[:, :3, 3:])[..., 0]
    found = []
    for first in range(_CANONICAL, len(poses) - _ORBIT + 1, _ORBIT):
        four = places[first : first + _ORBIT]
        turned_on = np.stack([four[:-1, 2], four[:-1, 1], -four[:-1, 0]], 1)  # by 90 degrees about the vertical
        if np.abs(four[1:] - turned_on).max() < 1e-3:
            found.append(first)
    return np.array(found, np.int64)


def teacher_losses(networks: TeacherNetworks, batch: TeacherBatch, predict: Predict = predict_batch) -> dict[str, Tensor]:
    """Mean squared error of the predicted noise, or of v."""
    arguments, wanted = asked_of(networks, batch)
    predicted = predict(networks, *arguments)
    return {"denoise": F.mse_loss(predicted.float(), wanted)}


def asked_of(networks: TeacherNetworks, batch: TeacherBatch) -> tuple[tuple[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]:
    """What the networks are asked, as the arguments of :data:`Predict`, and the answer (b v c l l) that is wanted."""
    schedule = scaled_linear()
    z = schedule.diffused(batch.clean, batch.noise, batch.t)
    wanted = batch.noise
    if networks.network.config.prediction == "v":
        kept = schedule.alphas_bar.to(batch.t.device)[batch.t].reshape(-1, 1, 1, 1, 1).float()
        wanted = kept.sqrt() * batch.noise - (1 - kept).sqrt() * batch.clean
    return (z, batch.t.float(), batch.cameras, batch.image, batch.conditioned), wanted


@torch.no_grad()
def teacher_scores(teacher: Teacher, dev: ViewsPack) -> dict[str, float]:
    """Mean squared error of the predicted noise on the canonical rig round inputs at its azimuth 0, over a few times, same noise always."""
    image, clean, cameras = _dev_views(teacher, dev, range(len(dev)))
    conditions = cameras.conditions().expand(len(image), -1, -1)
    errors = []
    for t in _DEV_TIMES:
        noise = torch.stack([draw_noise(NoiseKey("dev", t * len(dev) + i), tuple(clean.shape[1:])) for i in range(len(dev))]).to(clean)
        z = teacher.schedule.diffused(clean, noise, t)
        latents = teacher.codec.encode(image)
        raw = teacher.network(z, torch.full((len(z),), float(t), device=z.device), conditions, teacher.network.condition(image, latents))
        errors.append((as_epsilon(raw, z, teacher.schedule, t, teacher.network.config) - noise).square().mean().item())
    return {"dev_loss": sum(errors) / len(errors), **{f"dev_loss_{t}": error for t, error in zip(_DEV_TIMES, errors, strict=True)}}


@torch.no_grad()
def teacher_sheet(teacher: Teacher, dev: ViewsPack, objects: int = 10) -> Image:
    """Input, what is sampled from two draws of noise, and the truth."""
    shown = min(objects, len(dev))
    chosen = [round(k * (len(dev) - 1) / max(shown - 1, 1)) for k in range(shown)]
    image, clean, cameras = _dev_views(teacher, dev, chosen)
    rows: list[list[Tensor]] = [[over_white(p)] for p in image.cpu()]
    for draw in range(2):
        noise = torch.stack([draw_noise(NoiseKey(f"sheet {i}", draw), tuple(clean.shape[1:])) for i in chosen]).to(clean)
        made = decode(teacher, sample(teacher, image, cameras, noise, guidance=_SHEET_GUIDANCE, steps=_SHEET_STEPS)).cpu()
        for row, views in zip(rows, made, strict=True):
            row += list(over_white(views))
    for row, views in zip(rows, decode(teacher, clean).cpu(), strict=True):
        row += list(over_white(views))
    degrees = ("0", "90", "180", "270")
    return sheet(rows, column_titles=["input", *(f"draw {k} {d}" for k in (0, 1) for d in degrees), *(f"true {d}" for d in degrees)])


def _dev_views(teacher: Teacher, dev: ViewsPack, objects: Sequence[int]) -> tuple[Tensor, Tensor, Cameras]:
    """Canonical views 0, 90, 180, 270 of objects as latents, the first of them as the input."""
    device = next(teacher.network.parameters()).device
    store = PictureStore([dev], "targets", torch.device("cpu"))
    views = np.arange(4) * (_CANONICAL // 4)
    rgba = store.rgba(np.array(objects)[:, None], views).to(device)
    clean = torch.cat([teacher.codec.encode(part.flatten(0, 1)).unflatten(0, part.shape[:2]) for part in rgba.split(_CHUNK // 4)])
    return rgba[:, 0], clean, canonical_rig().to(device)
