"""The teacher as a map: (N, C, II) -> OI, and back from OI to N.

    teacher = load_teacher("teacher.safetensors")
    latents = sample(teacher, image, cameras, noise, guidance=3.0)      # (b, 4, c, l, l), 50 steps of the ODE
    views = decode(teacher, latents)                                     # (b, 4, 4, 8 l, 8 l) straight RGBA
    found = invert(teacher, encode(teacher, views), image, cameras)      # guidance 1, by fixed-point iteration

Nothing is drawn here: the same noise, cameras, picture, guidance and number of steps give the same views.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dd3g.core import Cameras
from dd3g.core.errors import CheckpointError
from dd3g.core.model_file import load_model_file, load_strictly, save_model_file
from dd3g.core.noise import digest
from dd3g.core.views import resized
from dd3g.encoders import ImageEncoderConfig
from dd3g.encoders.codec import FACTOR, Codec, CodecConfig
from dd3g.teacher import ddim
from dd3g.teacher.multi_view import Condition
from dd3g.teacher.network import MultiViewUNet, TeacherConfig
from dd3g.teacher.schedule import Schedule, scaled_linear
from dd3g.teacher.solvers import Solver, ode_sample

KIND = "teacher"
STEPS = 50  # of the paper's sampler


class TeacherNetworks(nn.Module):
    """What a teacher's file holds: the noise predictor and the codec in whose latents it works."""

    def __init__(self, config: TeacherConfig, codec: CodecConfig) -> None:
        super().__init__()
        self.network, self.codec = MultiViewUNet(config), Codec(codec)


@dataclass(frozen=True)
class Teacher:
    """A teacher ready for use."""

    network: MultiViewUNet  # in evaluation mode, without gradients
    codec: Codec
    schedule: Schedule
    about: Mapping[str, Any]  # steps, scores, data
    digest: str  # of the file's bytes: goes into every quadruple


def condition_of(teacher: Teacher, image: Float[Tensor, "b 4 h w"]) -> Condition:
    """What the network knows of a picture (straight RGBA, the whole frame), for any number of samplings."""
    side = teacher.network.config.latent_size * FACTOR
    return teacher.network.condition(image, teacher.codec.encode(resized(image, side)))


def encode(teacher: Teacher, views: Float[Tensor, "b v 4 h w"]) -> Float[Tensor, "b v c l l"]:
    """Latents of straight RGBA views."""
    return teacher.codec.encode(views.flatten(0, 1)).unflatten(0, views.shape[:2])


def decode(teacher: Teacher, latents: Float[Tensor, "b v c l l"]) -> Float[Tensor, "b v 4 h w"]:
    """Straight RGBA views of latents."""
    return teacher.codec.decode(latents.flatten(0, 1)).unflatten(0, latents.shape[:2])


def epsilon_of(teacher: Teacher, condition: Condition, cameras: Float[Tensor, "b v 16"], guidance: float = 1.0) -> ddim.Epsilon:
    """The noise predictor of one batch of objects, guided (E2).

    Guidance 1 asks the network once a step, any other weight twice: with the picture and without it, the cameras being the same.
    """
    if guidance == 1.0:
        return lambda z, t: _predicted(teacher, z, t, cameras, condition)
    predictions = predictions_of(teacher, condition, cameras)

    def epsilon(z: Tensor, t: int) -> Tensor:
        conditional, unconditional = predictions(z, t)
        return ddim.guided(unconditional, conditional, guidance)

    return epsilon


def predictions_of(teacher: Teacher, condition: Condition, cameras: Float[Tensor, "b v 16"]) -> ddim.Predictions:
    """Both halves of guidance in one call of the network: the noise it sees with the picture and without it, at the same cameras."""
    both = condition.joined(teacher.network.unconditioned(cameras.shape[0]))

    def predictions(z: Tensor, t: int) -> tuple[Tensor, Tensor]:
        conditional, unconditional = _predicted(teacher, torch.cat([z, z]), t, torch.cat([cameras, cameras]), both).chunk(2)
        return conditional, unconditional

    return predictions


def _predicted(teacher: Teacher, z: Tensor, t: int, cameras: Tensor, condition: Condition) -> Tensor:
    raw = teacher.network(z, torch.full((z.shape[0],), float(t), device=z.device), cameras, condition)
    return as_epsilon(raw, z, teacher.schedule, t, teacher.network.config)


def as_epsilon(raw: Tensor, z: Tensor, schedule: Schedule, t: int, config: TeacherConfig) -> Tensor:
    """The network's answer as noise: with v = sqrt(abar) eps - sqrt(1 - abar) z_0, eps = sqrt(abar) v + sqrt(1 - abar) z."""
    return raw if config.prediction == "epsilon" else schedule.signal(t) * raw + schedule.noise(t) * z


@torch.inference_mode()
def sample(
    teacher: Teacher,
    image: Float[Tensor, "b 4 h w"],
    cameras: Cameras,
    noise: Float[Tensor, "b v c l l"],
    *,
    guidance: float = 1.0,
    steps: int = STEPS,
    solver: Solver = "ddim",
) -> Float[Tensor, "b v c l l"]:
    """Latents of the views that the ODE ties to the noise (E6, without the decoder).

    Args:
        teacher: From :func:`load_teacher`.
        image: II, straight RGBA in [0, 1].
        cameras: C, one set for all, or one an object.
        noise: N, standard normal.
        guidance: w of E2.
        steps: Of the solver.
        solver: Of the ODE; ``dpm++`` and ``unipc`` come to DDIM's end in fewer steps (:mod:`dd3g.teacher.solvers`).
    """
    conditions = cameras.conditions().expand(image.shape[0], -1, -1)
    epsilon = epsilon_of(teacher, condition_of(teacher, image), conditions, guidance)
    return ode_sample(epsilon, noise, teacher.schedule, steps, solver)


@torch.inference_mode()
def invert(
    teacher: Teacher,
    latents: Float[Tensor, "b v c l l"],
    image: Float[Tensor, "b 4 h w"],
    cameras: Cameras,
    *,
    steps: int = STEPS,
    iterations: int = 10,
    tolerance: float = 1e-4,
) -> ddim.Inverted:
    """The noise from which :func:`sample` at guidance 1 with DDIM arrives at ``latents``; see :func:`dd3g.teacher.ddim.invert`."""
    conditions = cameras.conditions().expand(image.shape[0], -1, -1)
    epsilon = epsilon_of(teacher, condition_of(teacher, image), conditions)
    return ddim.invert(epsilon, latents, teacher.schedule, steps, iterations=iterations, tolerance=tolerance)


def save_teacher(path: str | os.PathLike[str], networks: TeacherNetworks, about: Mapping[str, Any]) -> None:
    """Writes a teacher's file, in fp16."""
    config = {"network": asdict(networks.network.config), "codec": asdict(networks.codec.config)}
    save_model_file(path, kind=KIND, config=config, about=dict(about), tensors=networks.state_dict(), dtype=torch.float16)


def load_teacher(path: str | os.PathLike[str]) -> Teacher:
    """Loads what :func:`save_teacher` wrote.

    Raises:
        CheckpointError: No such file, damaged, or of another architecture.
    """
    file = load_model_file(path, KIND)
    try:
        networks = TeacherNetworks(_network_config(file.config["network"]), CodecConfig(**_tuples(file.config["codec"])))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{file.path}: no teacher has its configuration ({error}); use the dd3g version that wrote it") from None
    load_strictly(networks, file)
    networks.eval().requires_grad_(False)
    return Teacher(networks.network, networks.codec, scaled_linear(), file.about, digest(Path(path).read_bytes()))


def _network_config(values: Mapping[str, Any]) -> TeacherConfig:
    rest = _tuples(values)
    encoder = ImageEncoderConfig(**_tuples(rest.pop("encoder")))
    return TeacherConfig(**rest, encoder=encoder)


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
