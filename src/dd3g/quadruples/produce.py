"""What makes the quadruples of a unit: noise drawn and followed to views, or views followed back to noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from dd3g.core import Cameras, NoiseKey, draw_noise, orbit
from dd3g.core.threads import one_thread
from dd3g.quadruples.inputs import InputPicture, stacked
from dd3g.quadruples.plan import Plan
from dd3g.quadruples.record import VIEWS, Quadruple
from dd3g.teacher.teacher import Teacher, encode, invert, sample


@dataclass(frozen=True)
class RealViews:
    """OI of an inverted quadruple: an orbit of real pictures."""

    azimuth_deg: float  # of the first, in the frame in which the input stands at azimuth 0
    elevation_deg: float
    views: UInt8[Tensor, "v 4 h w"]


def draw_unit(teacher: Teacher, plan: Plan, inputs: Sequence[InputPicture], jobs: Sequence[tuple[int, int]]) -> list[Quadruple]:
    """Quadruples whose noise is drawn from their keys (E6)."""
    made: list[Quadruple] = []
    for start in range(0, len(jobs), plan.batch):
        part = jobs[start : start + plan.batch]
        pictures = [inputs[i] for i, _ in part]
        keys = [NoiseKey(picture.image_id, draw) for picture, (_, draw) in zip(pictures, part, strict=True)]
        places = [drawn_cameras(key, plan.varied, teacher.elevation_deg, teacher.elevations_deg) for key in keys]
        greys = [drawn_grey(key) if teacher.opaque else None for key in keys]
        noise = torch.stack([draw_noise(key, plan.latent_shape) for key in keys])
        with _settled(teacher) as device:
            latents = sample(
                teacher,
                stacked(pictures).to(device),
                _orbits(places).to(device),
                noise.to(device),
                grey=_greys(greys, device),
                guidance=plan.guidance,
                steps=plan.steps,
                solver=plan.solver,
            ).cpu()
        made += [
            Quadruple(key.image_digest, key.draw, plan.guidance, azimuth, elevation, kept.half().float(), None, None, None, grey)
            for key, (azimuth, elevation), kept, grey in zip(keys, places, latents, greys, strict=True)
        ]
    return made


def invert_unit(
    teacher: Teacher,
    plan: Plan,
    inputs: Sequence[InputPicture],
    views_of: Callable[[int, int], RealViews],
    jobs: Sequence[tuple[int, int]],
) -> list[Quadruple]:
    """Quadruples whose views are real, and whose noise is what the ODE ties to them.

    Args:
        teacher: Whose ODE.
        plan: Steps, batch, iterations.
        inputs: All of the collection.
        views_of: Real views of (input, number among its sets of views).
        jobs: (input, number) of each.
    """
    made: list[Quadruple] = []
    for start in range(0, len(jobs), plan.batch):
        part = jobs[start : start + plan.batch]
        pictures, real = [inputs[i] for i, _ in part], [views_of(i, k) for i, k in part]
        greys = [drawn_grey(NoiseKey(p.image_id, k)) if teacher.opaque else None for p, (_, k) in zip(pictures, part, strict=True)]
        with _settled(teacher) as device:
            behind = _greys(greys, device)
            with torch.inference_mode():
                latents = encode(teacher, torch.stack([r.views for r in real]).to(device).float() / 255, behind)
            found = invert(
                teacher,
                latents,
                stacked(pictures).to(device),
                _orbits([(r.azimuth_deg, r.elevation_deg) for r in real]).to(device),
                grey=behind,
                steps=plan.steps,
                iterations=plan.iterations,
                tolerance=plan.tolerance,
            )
        made += [
            Quadruple(p.image_id, -1, 1.0, r.azimuth_deg, r.elevation_deg, None, noise, r.views, found.residual, grey)
            for p, r, noise, grey in zip(pictures, real, found.noise.cpu(), greys, strict=True)
        ]
    return made


def drawn_cameras(
    key: NoiseKey, varied: float, canonical_deg: float = 0.0, range_deg: tuple[float, float] = (-10.0, 40.0)
) -> tuple[float, float]:
    """(azimuth, elevation) of view 0 of a draw, degrees: the canonical rig's, or in a share ``varied`` of draws any others.

    Args:
        key: Of the draw.
        varied: The share.
        canonical_deg: Elevation of the rig.
        range_deg: Of the others' elevations.
    """
    other, azimuth, height, _ = _uniform(key)
    if other >= varied:
        return 0.0, canonical_deg
    lowest, highest = range_deg
    return float(np.float32(360 * azimuth)), float(np.float32(lowest + (highest - lowest) * height))


def drawn_grey(key: NoiseKey) -> float:
    """What stands behind the picture of a draw, where the teacher is opaque: any of 256 greys, as ImageDream's own code draws one."""
    return float(np.float32(np.floor(256 * _uniform(key)[3]) / 255))


def _uniform(key: NoiseKey) -> np.ndarray:
    """Four numbers in [0, 1) of a draw."""
    words = np.random.Philox(key=int(key.image_digest, 16), counter=key.draw).random_raw(4)
    return (words >> np.uint64(11)) * 2.0**-53


def _greys(greys: Sequence[float | None], device: torch.device) -> Float[Tensor, " b"] | None:
    known = [grey for grey in greys if grey is not None]
    return torch.tensor(known, device=device) if known else None


def _orbits(places: Sequence[tuple[float, float]]) -> Cameras:
    """One set of four cameras a quadruple."""
    each = [orbit([azimuth + 360 / VIEWS * k for k in range(VIEWS)], elevation) for azimuth, elevation in places]
    first = each[0]
    return Cameras(torch.stack([c.camera_from_world for c in each]), torch.stack([c.intrinsics for c in each]), first.height, first.width)


@contextmanager
def _settled(teacher: Teacher) -> Iterator[torch.device]:
    """The teacher's device, with one thread on a CPU: sums must not depend on how many cores a worker has."""
    with one_thread():
        yield next(teacher.network.parameters()).device


@dataclass(frozen=True)
class NoiseStatistics:
    """How far noise is from white, whose mean is 0, variance 1, and power 1 at every frequency."""

    mean: float
    variance: float
    spectrum: list[float]  # mean power in eight rings of spatial frequency, from the lowest


def noise_statistics(noise: Float[Tensor, "n v c l l"]) -> NoiseStatistics:
    """Of noise drawn or found."""
    side = noise.shape[-1]
    power = torch.fft.fft2(noise.double(), norm="ortho").abs().square().mean((0, 1, 2))
    line = torch.fft.fftfreq(side).double().abs()
    radius = (line[:, None].square() + line[None].square()).sqrt()
    ring = (radius / radius.max() * 8).long().clamp_max(7)
    rings = [power[ring == k].mean().item() for k in range(8) if bool((ring == k).any())]
    return NoiseStatistics(noise.mean().item(), noise.var().item(), rings)
