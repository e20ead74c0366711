"""Who draws: the exact teacher of the experiments' world, or a trained one asked about the same inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from dd3g.core import canonical_rig
from dd3g.core.errors import InputError
from dd3g.core.views import resized
from dd3g.distill.guidance import rescaled
from dd3g.distill.implicit import ImplicitConfig
from dd3g.evaluate.experiments.exact_teacher import exact_epsilon, exact_predictions
from dd3g.evaluate.experiments.world import RIG_VIEWS, World
from dd3g.recipes.verification import Verifier, verifier_of
from dd3g.teacher.ddim import Epsilon
from dd3g.teacher.schedule import Schedule, scaled_linear
from dd3g.teacher.teacher import Teacher, condition_of, decode, encode_premultiplied, epsilon_of, own_networks

_UNCONDITIONAL = 64  # completions of other inputs that stand for all of them


@dataclass(frozen=True)
class Source:
    """A teacher as the experiments ask it."""

    name: str
    digest: str
    encode: Callable[[Tensor], Tensor]  # premultiplied views (b, v, 4, h, w) -> latents (b, v, c, l, l)
    schedule: Schedule
    shape: tuple[int, int, int, int]  # views, channels, height and width of N and OI
    exact: bool  # whether a draw lies at one of the world's completions
    guidance: float  # w that it draws with
    epsilon: Callable[[Sequence[int], float], Epsilon]  # inputs by number, w
    verifier: Callable[[ImplicitConfig], Verifier]
    decode: Callable[[Tensor], Tensor] | None  # latents -> straight RGBA views; None: a draw's views are its completion's own


def exact_source(world: World) -> Source:
    """The world's own teacher; it knows the four cameras of the rig alone."""
    schedule, spread = scaled_linear(), world.config.spread
    everything = world.latents.flatten(0, 1)
    everything = everything[torch.linspace(0, len(everything) - 1, min(_UNCONDITIONAL, len(everything))).long()]

    def epsilon(numbers: Sequence[int], guidance: float) -> Epsilon:
        completions = world.latents[list(numbers)]
        if guidance == 1.0:
            return exact_epsilon(completions, spread, schedule)
        return rescaled(exact_predictions(completions, everything, spread, schedule), schedule, guidance, 0.0)

    def verifier(config: ImplicitConfig) -> Verifier:
        if config.supervised != 1.0:
            raise InputError(
                f"loss.implicit.supervised: found {config.supervised}; the exact teacher knows the supervised cameras alone: 1.0"
            )

        def of_picture(image: Tensor, conditions: Tensor) -> Epsilon:
            completions = world.latents[recognised(world, image)]
            if config.guidance == 1.0:
                return exact_epsilon(completions, spread, schedule)
            return rescaled(exact_predictions(completions, everything, spread, schedule), schedule, config.guidance, config.rescale)

        return Verifier(world.encode, of_picture, schedule, world.config.size, world.digest)

    views, channels, height, width = world.latents.shape[2:]
    return Source(
        name="the exact teacher",
        digest=world.digest,
        encode=world.encode,
        schedule=schedule,
        shape=(views, channels, height, width),
        exact=True,
        guidance=1.0,
        epsilon=epsilon,
        verifier=verifier,
        decode=None,
    )


def trained_source(world: World, teacher: Teacher, guidance: float) -> Source:
    """A trained teacher, shown the world's inputs.

    Raises:
        InputError: It is not one of `dd3g teach unet`, or draws views of another size.
    """
    network, codec = own_networks(teacher)
    if teacher.side != world.config.size:
        raise InputError(
            f"--teacher: draws views of {teacher.side} px, expected {world.config.size}; try examples/weights/tiny-teacher.safetensors"
        )
    conditions, side = canonical_rig().conditions(), network.config.latent_size

    def epsilon(numbers: Sequence[int], w: float) -> Epsilon:
        pictures = torch.stack([world.inputs[number].image() for number in numbers])
        return epsilon_of(teacher, condition_of(teacher, pictures), conditions.expand(len(pictures), -1, -1), w)

    return Source(
        name="a trained teacher",
        digest=teacher.digest,
        encode=lambda rgba: encode_premultiplied(teacher, rgba),
        schedule=teacher.schedule,
        shape=(len(RIG_VIEWS), codec.config.latent_channels, side, side),
        exact=False,
        guidance=guidance,
        epsilon=epsilon,
        verifier=lambda implicit: verifier_of(teacher, implicit, "cpu"),
        decode=lambda latents: decode(teacher, latents),
    )


def recognised(world: World, image: Float[Tensor, "b 4 h w"]) -> list[int]:
    """Numbers of the inputs that these pictures are."""
    known = torch.stack([picture.image() for picture in world.inputs])
    return torch.cdist(resized(image, known.shape[-1]).flatten(1), known.flatten(1)).argmin(1).tolist()
