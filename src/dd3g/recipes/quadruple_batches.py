"""The student's samples from quadruples: the noise, cameras, picture and views that the teacher's ODE ties together.

They come beside samples of ground-truth views (:mod:`dd3g.recipes.student_batches`) in one batch, each telling the student its w: 0 where
the noise is fresh. Nothing here is mirrored or recoloured, since the noise would not be that of the changed views.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from dd3g.core.cameras import stacked as stacked_cameras
from dd3g.core.errors import InputError
from dd3g.core.files import write_folder_atomically
from dd3g.core.noise import digest
from dd3g.core.progress import Progress
from dd3g.core.views import resized
from dd3g.quadruples import Collection, Quadruple, open_quadruples
from dd3g.quadruples.inputs import Placement, stacked
from dd3g.quadruples.plan import unit_path
from dd3g.quadruples.record import VIEWS
from dd3g.recipes.matte import network_matte
from dd3g.recipes.student_batches import StudentBatch, StudentBatches, StudentDataConfig, degraded, permutation
from dd3g.teacher.teacher import Teacher, decode, on_device

_CACHE_FORMAT = "dd3g-decoded-1"
_DECODED_AT_ONCE = 8


@dataclass(frozen=True)
class DecodedCollection:
    """A collection with its views as pictures."""

    collection: Collection
    views: UInt8[np.ndarray, "n v 4 h w"]  # in the collection's order; a memory map
    digest: str  # of what is in it


def open_decoded(folder: str | os.PathLike[str], teacher: Teacher, *, device: str = "cpu", quiet: bool = False) -> DecodedCollection:
    """Opens a collection; drawn latents are decoded once, into a memory map beside it, and views without alpha are given one.

    Raises:
        InputError: A damaged collection, or one of another teacher.
    """
    collection = open_quadruples(folder)
    if collection.plan.teacher != teacher.digest:
        raise InputError(f"{folder}: was collected from teacher {collection.plan.teacher}, found {teacher.digest}; give --teacher that one")
    there = [unit for unit in range(collection.plan.units) if unit_path(folder, unit).exists()]
    identity = digest(f"{collection.plan} {there}".encode())
    place = Path(folder) / ".decoded"
    header = place / "decoded.json"
    if not header.is_file() or json.loads(header.read_text()) != {"format": _CACHE_FORMAT, "digest": identity}:
        _decode_all(collection.quadruples, teacher, place, identity, device, quiet)
    return DecodedCollection(collection, np.load(place / "views.npy", mmap_mode="r"), identity)


@torch.inference_mode()
def _decode_all(quadruples: Sequence[Quadruple], teacher: Teacher, place: Path, identity: str, device: str, quiet: bool) -> None:
    there, matte = on_device(teacher, device), network_matte() if teacher.opaque else None
    progress = Progress(len(quadruples), "decoding views", quiet=quiet)
    with write_folder_atomically(place) as temporary:
        views = None
        for start in range(0, len(quadruples), _DECODED_AT_ONCE):
            part = quadruples[start : start + _DECODED_AT_ONCE]
            pictures = [q.views for q in part if q.views is not None]
            latents = [q.latents for q in part if q.latents is not None]
            if latents:
                greys = torch.tensor([q.grey for q in part], device=device) if teacher.opaque else None
                made = decode(there, torch.stack(latents).to(device), greys, matte)
                pictures = list((made * 255).round().to(torch.uint8).cpu())
            found = torch.stack(pictures).numpy()
            if views is None:
                views = np.lib.format.open_memmap(temporary / "views.npy", "w+", np.uint8, (len(quadruples), *found.shape[1:]))
            views[start : start + len(part)] = found
            progress.advance(len(part))
        assert views is not None  # a collection without quadruples is refused
        views.flush()
        (temporary / "decoded.json").write_text(json.dumps({"format": _CACHE_FORMAT, "digest": identity}))
    progress.close()


class QuadrupleBatches:
    """Draws batches of quadruples of one side of the split; a pure function of (seed, step)."""

    def __init__(
        self,
        collections: Sequence[DecodedCollection],
        config: StudentDataConfig,
        seed: int,
        device: torch.device | str = "cpu",
        *,
        split: str | None = "train",  # None: both sides
    ) -> None:
        self.config, self.seed, self.device = config, seed, torch.device(device)
        self.collections = collections
        self.places = [
            (c, i)
            for c, decoded in enumerate(collections)
            for i, q in enumerate(decoded.collection.quadruples)
            if split is None or decoded.collection.inputs[q.image_id].split == split
        ]
        if not self.places:
            raise InputError(f"quadruples: none of the {split} side; collect more images, or another --dev-share")
        draws: dict[tuple[int, str], list[int]] = defaultdict(list)
        for place, (c, i) in enumerate(self.places):
            draws[c, collections[c].collection.quadruples[i].image_id].append(place)
        self.pictures = {picture: number for number, picture in enumerate(draws)}
        if config.batch % config.siblings:
            raise InputError(f"data.siblings: found {config.siblings}, expected a divisor of the batch's {config.batch} quadruples")
        self.together = _together(list(draws.values()), config.siblings)

    def __call__(self, step: int) -> StudentBatch:
        """The batch of a step."""
        b, n = self.config.batch, len(self.together)
        count, chosen = b // self.config.siblings, []
        for place in range(step * count, (step + 1) * count):
            epoch, within = divmod(place, n)
            chosen += self.together[int(permutation(self.seed, epoch, n)[within])]
        batch = self.of(chosen)
        random = np.random.Generator(np.random.Philox(key=np.array([self.seed, 2**62 + step], np.uint64)))
        on_device = torch.Generator(self.device).manual_seed(int(random.integers(2**62)))
        blurred = torch.from_numpy(random.random(b) < self.config.degrade).to(self.device)
        background = random.random((b, VIEWS, 3), np.float32)
        background = np.where(random.random((b, VIEWS, 1)) < self.config.white, np.float32(1), background)
        background = np.where(self._over_own_grey(chosen, random)[:, None, None], self._greys(chosen)[:, None, None], background)
        image = degraded(batch.image, blurred, random, on_device)
        number = torch.arange(step * b, (step + 1) * b, device=self.device)
        return replace(batch, image=image, number=number, background=torch.from_numpy(background).to(self.device))

    def _over_own_grey(self, chosen: Sequence[int], random: np.random.Generator) -> Bool[np.ndarray, " b"]:
        """Which samples are compared over what they were drawn over: there an edge that the matte took too soft is right (7.4)."""
        if self.config.own_grey == 0:
            return np.zeros(len(chosen), bool)
        return (random.random(len(chosen)) < self.config.own_grey) & ~np.isnan(self._greys(chosen))

    def _greys(self, chosen: Sequence[int]) -> Float[np.ndarray, " b"]:
        found = [self.collections[c].collection.quadruples[i] for c, i in (self.places[k] for k in chosen)]
        return np.array([np.nan if q.grey is None or q.latents is None else q.grey for q in found], np.float32)

    def of(self, chosen: Sequence[int]) -> StudentBatch:
        """Certain quadruples as a batch, over white."""
        found = [self.places[k] for k in chosen]
        pairs = [(self.collections[c], i) for c, i in found]
        quadruples = [decoded.collection.quadruples[i] for decoded, i in pairs]
        inputs = [decoded.collection.inputs[q.image_id] for (decoded, _), q in zip(pairs, quadruples, strict=True)]
        shape = self.collections[0].collection.plan.latent_shape
        views = torch.from_numpy(np.stack([decoded.views[i] for decoded, i in pairs])).to(self.device).float() / 255
        size = min(self.config.render_size, views.shape[-1])
        target = resized(views, size)
        joined = stacked_cameras([q.cameras for q in quadruples]).to(self.device)
        image = resized(stacked(inputs).to(self.device), self.config.image_size)
        nan = float("nan")
        unknown = Placement(nan, (nan, nan, nan))  # found in every step from the silhouettes
        places = [p.placement or unknown for p in inputs]

        def numbers(values: Sequence[float | None]) -> Float[Tensor, " b"]:
            known = [float("nan") if v is None else v for v in values]
            return torch.tensor(known, dtype=torch.float32, device=self.device)

        return StudentBatch(
            noise=torch.stack([q.noise_of(shape) for q in quadruples]).to(self.device),
            conditions=joined.conditions(),
            image=image,
            undegraded=image,
            number=torch.arange(len(chosen), device=self.device),
            picture=torch.tensor([self.pictures[c, q.image_id] for (c, _), q in zip(found, quadruples, strict=True)], device=self.device),
            elevation_deg=numbers([p.elevation_deg for p in inputs]),
            distance=numbers([p.distance for p in inputs]),
            towards=torch.full_like(image[:, :2], float("nan")),
            target_rgb=target[:, :, :3],
            target_alpha=target[:, :, 3:],
            cameras=joined.resized(size, size),
            scale=numbers([p.scale for p in places]),
            offset=torch.tensor([p.offset for p in places], dtype=torch.float32, device=self.device),
            background=torch.ones(len(chosen), VIEWS, 3, device=self.device),
            guidance=numbers([q.guidance for q in quadruples]),
            latents=torch.stack([torch.full(shape, nan) if q.latents is None else q.latents for q in quadruples]).to(self.device),
        )


def _together(draws: Sequence[Sequence[int]], siblings: int) -> list[list[int]]:
    """Places of draws that go into one batch together, in the order of the places where each is alone.

    A picture's last few are made up to the number by its first; the one draw of a picture stands beside itself, and asks for nothing.
    """
    if siblings == 1:
        return [[place] for place in sorted(place for places in draws for place in places)]
    return [[places[(start + k) % len(places)] for k in range(siblings)] for places in draws for start in range(0, len(places), siblings)]


class MixedBatches:
    """Samples of ground-truth views and of quadruples in one batch, in a fixed proportion."""

    def __init__(self, views: StudentBatches, quadruples: QuadrupleBatches) -> None:
        self.views, self.quadruples = views, quadruples

    def __call__(self, step: int) -> StudentBatch:
        """The batch of a step: views first."""
        batch = joined(self.views(step), self.quadruples(step))
        b = len(batch.number)
        return replace(batch, number=torch.arange(step * b, (step + 1) * b, device=batch.number.device))


def student_batches(
    views: Callable[[StudentDataConfig], StudentBatches] | None,
    collections: Sequence[DecodedCollection],
    config: StudentDataConfig,
    seed: int,
    device: torch.device | str,
) -> Callable[[int], StudentBatch]:
    """Batches from whatever there is: views, quadruples, or both in the proportion ``config.quadruples``."""
    if not collections:
        assert views is not None  # a run has one of the two
        return views(config)
    if views is None:
        return QuadrupleBatches(collections, config, seed, device)
    share = round(config.batch * config.quadruples)
    if not 0 < share < config.batch:
        raise InputError(
            f"data.quadruples: {config.quadruples} of {config.batch} samples are {share}; with views and quadruples both get some"
        )
    return MixedBatches(
        views(replace(config, batch=config.batch - share, target_views=VIEWS)),
        QuadrupleBatches(collections, replace(config, batch=share), seed, device),
    )


def joined(one: StudentBatch, other: StudentBatch) -> StudentBatch:
    """Two batches as one."""
    parts = {f.name: torch.cat([getattr(one, f.name), getattr(other, f.name)]) for f in fields(StudentBatch) if f.name != "cameras"}
    cameras = replace(
        one.cameras,
        camera_from_world=torch.cat([one.cameras.camera_from_world, other.cameras.camera_from_world]),
        intrinsics=torch.cat([one.cameras.intrinsics, other.cameras.intrinsics]),
    )
    return StudentBatch(**parts, cameras=cameras)
