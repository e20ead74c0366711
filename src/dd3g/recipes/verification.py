"""Implicit verification while a student learns: its Gaussians from the teacher's cameras, judged by the frozen teacher.

    Gaussians in the object's own frame --four cameras--> renders over black --codec--> z --implicit--> gradient at the Gaussians

The gradient is taken at the Gaussians at once, and handed on as a term that is linear in them: what verification holds in memory is gone
before the student's own backward begins, and its norm is known before it is weighed.

# differs: ImageDream knows no alpha, so its renders need a background, and its picture the same one (method.md 7.4): a grey, drawn afresh
# for every sample of a step. Our own teacher takes both with their alpha: renders over black are premultiplied already.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from dd3g.core import Cameras, Gaussians, canonical_rig, orbit
from dd3g.core.cameras import RIG_AZIMUTHS_DEG, stacked
from dd3g.core.views import premultiplied, resized
from dd3g.distill.colours import statistics_loss
from dd3g.distill.curriculum import ramp
from dd3g.distill.guidance import rescaled
from dd3g.distill.implicit import ImplicitConfig, draw_time, implicit
from dd3g.recipes.student_batches import StudentBatch
from dd3g.render import rasterize
from dd3g.teacher.ddim import Epsilon
from dd3g.teacher.schedule import Schedule
from dd3g.teacher.teacher import Teacher, condition_of, encode_premultiplied, epsilon_of, on_device, predictions_of

_VIEWS = len(RIG_AZIMUTHS_DEG)
_STEPS, _SAMPLES = 3 << 61, 7 << 60  # keys of random numbers, apart from those of batches
_NOTHING = 1e-12  # norm of a gradient that is none


@dataclass(frozen=True)
class Verifier:
    """The frozen teacher as verification asks it: functions, so that a test's may know its data in closed form."""

    encode: Callable[[Tensor], Tensor]  # premultiplied RGBA (b, v, 4, side, side) -> latents (b, v, c, l, l), differentiable
    epsilon: Callable[[Tensor, Tensor], Epsilon]  # straight RGBA of II (b, 4, h, w), cameras (b, v, 16) -> guided noise predictor
    schedule: Schedule
    side: int  # of the renders, px
    digest: str = ""  # of the teacher's file
    opaque: bool = False  # it sees no alpha: renders and picture are laid over one grey before either is asked


@dataclass(frozen=True)
class Request:
    """What is verified in a step: all that is drawn, from the seed, the step and the samples' numbers alone, whichever rank has them."""

    chosen: list[int]  # places in the batch
    own: bool  # at the supervised cameras
    azimuth_deg: list[float]  # of each one's first camera, if not
    elevation_deg: list[float]
    t: int  # one for all views of all objects
    noise: list[int]  # seed of each one's fresh noise
    grey: list[float]  # behind each one, where the teacher is opaque


@dataclass(frozen=True)
class Verified:
    """What verification says of the Gaussians."""

    loss: Tensor  # L_IV, whose value says little; a number without a graph
    gradient: Gaussians  # of L_IV (and of the statistics beside it)
    norm: Tensor  # of that gradient, over all attributes of all objects


def verifier_of(teacher: Teacher, config: ImplicitConfig, device: torch.device | str) -> Verifier:
    """A teacher with its guidance, on a device. The picture's tokens are made once a step, and serve both halves of guidance."""
    there = on_device(teacher, device)

    def nothing_behind(rgba: Tensor) -> Tensor | None:
        return rgba.new_zeros(len(rgba)) if there.opaque else None  # whatever stands there is hidden: see Verifier.opaque

    def encode(rgba: Tensor) -> Tensor:
        return encode_premultiplied(there, rgba, nothing_behind(rgba))

    def epsilon(image: Tensor, conditions: Tensor) -> Epsilon:
        condition = condition_of(there, resized(image, there.side), nothing_behind(image))
        if config.guidance == 1.0:
            return epsilon_of(there, condition, conditions)
        return rescaled(predictions_of(there, condition, conditions), there.schedule, config.guidance, config.rescale)

    return Verifier(encode, epsilon, there.schedule, there.side, there.digest, there.opaque)


def request_of(config: ImplicitConfig, number: Int[Tensor, " b"], seed: int, step: int) -> Request:
    """Draws what a step verifies of the samples with these numbers; of a few, perhaps none."""
    common = _random(seed, _STEPS + step)
    own, t = bool(common.random() < config.supervised), draw_time(common, config.first_time, config.last_time)
    numbers = number.tolist()
    chosen = [place for place, n in enumerate(numbers) if (n + step // config.every) % config.one_in == 0]
    each = [_random(seed, _SAMPLES + numbers[place]) for place in chosen]
    return Request(
        chosen=chosen,
        own=own,
        azimuth_deg=[random.uniform(0, 360) for random in each],
        elevation_deg=[random.uniform(*config.elevation_deg) for random in each],
        t=t,
        noise=[int(random.integers(2**62)) for random in each],
        grey=[random.uniform() for random in each],
    )


def cameras_of(request: Request, batch: StudentBatch, side: int) -> Cameras:
    """Where the teacher looks from, in the frame in which the input stands at azimuth 0.

    At "supervised" cameras: a quadruple's own. Samples of true views have cameras of their own too, but strewn in a way that the teacher
    was never asked about; theirs is the canonical rig.
    """
    if not request.own:
        sets = [
            orbit([azimuth + turn for turn in RIG_AZIMUTHS_DEG], elevation, size=side)
            for azimuth, elevation in zip(request.azimuth_deg, request.elevation_deg, strict=True)
        ]
        return stacked(sets).to(batch.noise.device)
    rig = stacked([canonical_rig(side)] * len(request.chosen)).to(batch.noise.device)
    if len(batch.cameras) != _VIEWS:
        return rig
    theirs = batch.cameras.pick(request.chosen).resized(side, side)
    drawn = (batch.guidance[request.chosen] > 0)[:, None, None, None]
    return replace(
        rig,
        camera_from_world=torch.where(drawn, theirs.camera_from_world, rig.camera_from_world),
        intrinsics=torch.where(drawn, theirs.intrinsics, rig.intrinsics),
    )


def verify(verifier: Verifier, gaussians: Gaussians, batch: StudentBatch, config: ImplicitConfig, seed: int, step: int) -> Verified | None:
    """L_IV of some of the batch (E12, E13), and its gradient at the Gaussians; None where it is no sample's turn.

    Args:
        verifier: The teacher.
        gaussians: Of the whole batch, in the object's own frame and size, where the batch's cameras are.
        batch: What they were made for.
        config: How.
        seed: Of the run.
        step: Of the run.
    """
    request = request_of(config, batch.number, seed, step)
    if not request.chosen:
        return None
    leaf = gaussians.map(lambda t: t.detach()[request.chosen].requires_grad_())
    cameras = cameras_of(request, batch, verifier.side)
    with torch.enable_grad():
        render = rasterize(leaf, cameras, batch.image.new_zeros(3))
        seen = torch.cat([render.rgb, render.alpha], 2)
        lit, shown = seen, batch.undegraded[request.chosen]
        if verifier.opaque:
            grey = torch.tensor(request.grey, device=seen.device)
            lit, shown = _over(seen, grey[:, None]), _over(premultiplied(shown), grey)
        z = verifier.encode(lit).float()
        with torch.no_grad():
            epsilon = verifier.epsilon(shown, cameras.conditions())
        loss = implicit(z, epsilon, verifier.schedule, request.t, _noise(request, batch, config, z), config.weighting)
        whole = loss
        if config.statistics > 0:
            targets = torch.cat([batch.target_rgb, batch.target_alpha], 2)[request.chosen]
            whole = loss + config.statistics * statistics_loss(seen, premultiplied(targets))
        found = _gradient(whole, leaf)

    places = torch.tensor(request.chosen, device=batch.image.device)
    pairs = zip(_tensors(found), _tensors(gaussians), strict=True)
    gradient = _of(gaussians, [torch.zeros_like(all_).index_copy(0, places, some) for some, all_ in pairs])
    return Verified(loss.detach(), gradient, norm_of(gradient))


def implicit_term(
    verifier: Verifier,
    gaussians: Gaussians,
    batch: StudentBatch,
    explicit: Mapping[str, Tensor],
    config: ImplicitConfig,
    *,
    seed: int,
    step: int,
    steps: int,
) -> Tensor:
    """beta L_IV of a step: a number whose gradient at ``gaussians`` is verification's. 0 where nothing is asked.

    Args:
        verifier: The teacher.
        gaussians: As in :func:`verify`, with their graph.
        batch: As there.
        explicit: The weighted terms of L_ES, for ``config.balance``.
        config: How.
        seed: Of the run.
        step: Of the run.
        steps: Of the whole run.
    """
    share = ramp(config.curriculum, step / steps)
    if share == 0 or step % config.every:
        return gaussians.means.new_zeros(())
    verified = verify(verifier, gaussians, batch, config, seed, step)
    if verified is None:
        return gaussians.means.new_zeros(())
    beta = verified.norm.new_tensor(config.weight)
    if config.balance > 0:
        norm = norm_of(_gradient(torch.stack(list(explicit.values())).sum(), gaussians, keep=True))
        beta = config.balance * norm / verified.norm.clamp_min(_NOTHING)
    slopes = zip(_tensors(gaussians), _tensors(verified.gradient), strict=True)
    along = torch.stack([(value * slope).sum() for value, slope in slopes]).sum()
    return config.every * share * beta * (along - along.detach() + verified.loss)


def norm_of(gradient: Gaussians) -> Float[Tensor, ""]:
    """Euclidean length over all attributes, each in its own unit."""
    return torch.stack([t.square().sum() for t in _tensors(gradient)]).sum().sqrt()


def gradient_norms(
    verifier: Verifier,
    gaussians: Gaussians,
    batch: StudentBatch,
    explicit: Callable[[Gaussians], Mapping[str, Tensor]],
    config: ImplicitConfig,
    *,
    seed: int,
    draws: int = 4,
) -> dict[str, float]:
    """Lengths of both gradients at the Gaussians, the implicit one without beta as a root mean square over a few draws, always the same."""
    leaf = gaussians.map(lambda t: t.detach().requires_grad_())
    with torch.enable_grad():
        ours = norm_of(_gradient(torch.stack(list(explicit(leaf).values())).sum(), leaf))
    verified = [verify(verifier, gaussians, batch, config, seed, draw * config.every) for draw in range(draws)]
    squares = [v.norm.square().item() for v in verified if v is not None]
    found = {"gradient_explicit": ours.item(), "gradient_implicit": math.sqrt(sum(squares) / max(len(squares), 1))}
    beta = config.weight or config.balance * found["gradient_explicit"] / max(found["gradient_implicit"], _NOTHING)
    return {**found, "beta_max": beta}


def _over(light: Float[Tensor, "*batch 4 h w"], grey: Float[Tensor, "*shape"]) -> Float[Tensor, "*batch 4 h w"]:
    """Premultiplied RGBA over a grey: nothing is seen through it any more."""
    rgb, alpha = light[..., :3, :, :], light[..., 3:, :, :]
    return torch.cat([rgb + grey[..., None, None, None] * (1 - alpha), torch.ones_like(alpha)], -3)


def _noise(request: Request, batch: StudentBatch, config: ImplicitConfig, z: Tensor) -> Tensor:
    """eps of every view; the same on every device."""
    drawn = [torch.randn(z.shape[1:], generator=torch.Generator().manual_seed(key)) for key in request.noise]
    fresh = torch.stack(drawn).to(z)
    if config.noise == "fresh" or not request.own or batch.noise.shape[1:] != z.shape[1:]:
        return fresh
    tied = (batch.guidance[request.chosen] > 0)[:, None, None, None, None]
    return torch.where(tied, batch.noise[request.chosen].to(z), fresh)


def _random(seed: int, key: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=np.array([seed, key], np.uint64)))


def _gradient(loss: Tensor, at: Gaussians, *, keep: bool = False) -> Gaussians:
    wanted = _tensors(at)
    found = torch.autograd.grad(loss, wanted, retain_graph=keep, materialize_grads=True)
    return _of(at, list(found))


def _tensors(gaussians: Gaussians) -> list[Tensor]:
    return [getattr(gaussians, f.name) for f in fields(gaussians) if getattr(gaussians, f.name) is not None]


def _of(like: Gaussians, tensors: list[Tensor]) -> Gaussians:
    names = [f.name for f in fields(like) if getattr(like, f.name) is not None]
    return replace(like, **dict(zip(names, tensors, strict=True)))
