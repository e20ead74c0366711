"""Quadruples of the world's inputs, drawn or inverted, as the student's recipe reads them; made once and kept in a folder."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from dd3g.core import NoiseKey, draw_noise
from dd3g.core.files import write_folder_atomically
from dd3g.core.noise import digest
from dd3g.core.progress import Progress
from dd3g.core.views import premultiplied
from dd3g.evaluate.experiments.exact_teacher import nearest_completion
from dd3g.evaluate.experiments.source import Source
from dd3g.evaluate.experiments.world import RIG_VIEWS, World
from dd3g.quadruples import Collection, Quadruple
from dd3g.quadruples.inputs import digest_of
from dd3g.quadruples.plan import Plan
from dd3g.recipes.quadruple_batches import DecodedCollection
from dd3g.teacher.ddim import ddim_sample, invert

_FORMAT = "dd3g-experiment-draws-1"
_ITERATIONS, _TOLERANCE = 30, 1e-4  # of an inversion
_TRIES = 16  # noises a completion that are tried before a held-out input has all of them
_DECODED_AT_ONCE = 16


@dataclass(frozen=True)
class DrawPlan:
    """Which quadruples."""

    kind: Literal["draw", "invert"] = "draw"
    split: Literal["train", "dev"] = "train"
    images: int = 64  # the first so many of that side
    draws: int = 32  # of each
    steps: int = 50  # of the ODE


@dataclass(frozen=True)
class Drawn:
    """A collection, and for each quadruple the completion that its views are; None where the teacher is not the world's."""

    decoded: DecodedCollection
    ways: list[int] | None
    noise_rms: float  # root mean square of the noise: 1 where it is white
    off: float  # root mean square of what the latents differ from their completion; 0 where the teacher is not the world's


def open_draws(world: World, source: Source, plan: DrawPlan, folder: str | os.PathLike[str], *, quiet: bool = False) -> Drawn:
    """Opens the quadruples kept under ``folder``, or makes them."""
    identity = digest(json.dumps([_FORMAT, world.digest, source.digest, source.guidance, asdict(plan)]).encode())
    place = Path(folder) / f"draws-{identity[:12]}"
    if not (place / "draws.npz").is_file():
        _make(world, source, plan, place, quiet)
    with np.load(place / "draws.npz") as kept:
        numbers, draws, ways = kept["numbers"].tolist(), kept["draws"].tolist(), kept["ways"].tolist()
        latents, noise = torch.from_numpy(kept["latents"]), torch.from_numpy(kept["noise"])
    views = np.load(place / "views.npy", mmap_mode="r")
    inverted = plan.kind == "invert"
    guidance = 1.0 if inverted else source.guidance
    quadruples = [
        Quadruple(
            world.inputs[number].image_id, draw, guidance, 0.0, 0.0,
            None if inverted else latents[row],
            noise[row] if inverted else None,
            torch.from_numpy(np.array(views[row])) if inverted else None,
            0.0 if inverted else None,
        )
        for row, (number, draw) in enumerate(zip(numbers, draws, strict=True))
    ]  # fmt: skip
    inputs = {world.inputs[number].image_id: world.inputs[number] for number in numbers}
    of_plan = Plan(
        plan.kind, source.digest, source.shape, world.digest, len(inputs), digest_of(list(inputs.values())), plan.draws, guidance,
        plan.steps, 0.0, _ITERATIONS if inverted else 0, _TOLERANCE if inverted else 0.0, len(quadruples), len(quadruples),
    )  # fmt: skip
    decoded = DecodedCollection(Collection(of_plan, inputs, quadruples, 0), views, identity)
    off = (latents - world.latents[numbers, ways]).square().mean().sqrt().item() if source.exact else 0.0
    return Drawn(decoded, ways if source.exact else None, noise.square().mean().sqrt().item(), off)


@torch.inference_mode()
def _make(world: World, source: Source, plan: DrawPlan, place: Path, quiet: bool) -> None:
    first = 0 if plan.split == "train" else world.config.train
    numbers = range(first, first + plan.images)
    progress = Progress(plan.images, f"inputs {'inverted' if plan.kind == 'invert' else 'drawn'}", quiet=quiet)
    rows: list[tuple[int, int, int]] = []
    latents, noises, pictures = [], [], []
    for number in numbers:
        if plan.kind == "invert":
            ways, noise, found = _inverted(world, source, plan, number)
            draws = [-1] * len(ways)
            seen = torch.from_numpy(np.array(world.views[number][ways][:, list(RIG_VIEWS)]))
        else:
            draws, ways, noise, found = _drawn(world, source, plan, number)
            seen = _views(world, source, number, ways, found)
        rows += [(number, draw, way) for draw, way in zip(draws, ways, strict=True)]
        latents.append(found)
        noises.append(noise)
        pictures.append(seen.numpy())
        progress.advance()
    progress.close()
    column = np.array(rows)
    with write_folder_atomically(place) as temporary:
        np.save(temporary / "views.npy", np.concatenate(pictures))
        with (temporary / "draws.npz").open("wb") as file:
            np.savez(
                file, numbers=column[:, 0], draws=column[:, 1], ways=column[:, 2],
                latents=torch.cat(latents).numpy(), noise=torch.cat(noises).numpy(),
            )  # fmt: skip


def _views(world: World, source: Source, number: int, ways: list[int], latents: Tensor) -> UInt8[Tensor, "d v 4 h w"]:
    """OI: decoded, or the completion's own views, which the exact teacher's latents are but for their spread."""
    if source.decode is None:
        return torch.from_numpy(np.array(world.views[number][ways][:, list(RIG_VIEWS)]))
    return (torch.cat([source.decode(part) for part in latents.split(_DECODED_AT_ONCE)]) * 255).round().to(torch.uint8)


def _drawn(world: World, source: Source, plan: DrawPlan, number: int) -> tuple[list[int], list[int], Tensor, Tensor]:
    """(numbers of draws, completions, noise, latents) of an input.

    Of held-out inputs of the exact teacher, one draw of each completion: then the right one can be told from every other, and their
    variance is that of equally likely completions.
    """
    picture = world.inputs[number]
    one_each = source.exact and plan.split == "dev"
    count = plan.draws * _TRIES if one_each else plan.draws
    noise = torch.stack([draw_noise(NoiseKey(picture.image_id, k), source.shape) for k in range(count)])
    latents = ddim_sample(source.epsilon([number] * count, source.guidance), noise, source.schedule, plan.steps)
    ways = ways_of(world, source, number, latents)
    chosen = list(range(count))
    if one_each:
        first: dict[int, int] = {}
        for k, way in enumerate(ways):
            first.setdefault(way, k)
        chosen = sorted(first.values())[: plan.draws]
    return chosen, [ways[k] for k in chosen], noise[chosen], latents[chosen]


def _inverted(world: World, source: Source, plan: DrawPlan, number: int) -> tuple[list[int], Tensor, Tensor]:
    """(completions, noise, latents) of true views followed back.

    Of the exact teacher's world, latents of a view have the spread that the teacher knows of: a completion's own centre is a single point,
    whose noise would be short.
    """
    ways = [k % world.ways for k in range(plan.draws)]
    if source.exact:
        jitter = [draw_noise(NoiseKey(f"spread {world.inputs[number].image_id}", k), source.shape) for k in range(len(ways))]
        latents = world.latents[number][ways] + world.config.spread * torch.stack(jitter)
    else:
        views = torch.from_numpy(np.array(world.views[number][ways][:, list(RIG_VIEWS)])).float() / 255
        latents = source.encode(premultiplied(views))
    epsilon = source.epsilon([number] * len(ways), 1.0)
    found = invert(epsilon, latents, source.schedule, plan.steps, iterations=_ITERATIONS, tolerance=_TOLERANCE)
    return ways, found.noise, latents


def ways_of(world: World, source: Source, number: int, latents: Float[Tensor, "b v c l l"]) -> list[int]:
    """The completion that each draw of an input is; -1 where the teacher's draws are none of them."""
    if not source.exact:
        return [-1] * len(latents)
    return list(nearest_completion(latents, world.latents[number].expand(len(latents), *world.latents.shape[1:])))
