"""The teacher as a map: (N, C, II) -> OI, and back from OI to N.

    teacher = load_teacher("bundled")                                    # or a file
    latents = sample(teacher, image, cameras, noise, guidance=3.0)      # (b, 4, c, l, l), 50 steps of the ODE
    views = decode(teacher, latents)                                     # (b, 4, 4, 8 l, 8 l) straight RGBA
    found = invert(teacher, encode(teacher, views), image, cameras)      # guidance 1, by fixed-point iteration

Our own teacher's views have an alpha. ImageDream's have none: its picture, and views that are encoded, are laid over a grey, one number an
object, and what is decoded is to be told from about that grey again (``Matte``). dd3g's conventions hold on this side of either.

Nothing is drawn here: the same noise, cameras, picture, grey, guidance and number of steps give the same views.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dd3g.core import Cameras
from dd3g.core.errors import CheckpointError, InputError
from dd3g.core.files import is_file, is_folder
from dd3g.core.model_file import load_model_file, load_strictly, save_model_file
from dd3g.core.noise import digest
from dd3g.core.views import premultiplied, resized
from dd3g.core.weights import BUNDLED, bundled
from dd3g.encoders import ImageEncoderConfig
from dd3g.encoders.codec import FACTOR, Codec, CodecConfig
from dd3g.teacher import ddim
from dd3g.teacher.imagedream.network import ImageDreamConfig, ImageDreamNetwork
from dd3g.teacher.imagedream.prompts import PromptName
from dd3g.teacher.imagedream.stored import open_stored
from dd3g.teacher.imagedream.vae import OpaqueCodec
from dd3g.teacher.multi_view import Condition, Steady
from dd3g.teacher.network import MultiViewUNet, TeacherConfig
from dd3g.teacher.schedule import Schedule, scaled_linear
from dd3g.teacher.solvers import Solver, ode_sample

KIND = "teacher"
# RGB (n, 3, h, w) that was drawn over about these greys (n,) -> straight RGBA
Matte = Callable[[Float[Tensor, "n 3 h w"], Float[Tensor, " n"]], Float[Tensor, "n 4 h w"]]
# (z (b, v, c, l, l), t (b,) in float32, what else it is told) -> the raw prediction
Predict = Callable[[Tensor, Tensor, Steady], Tensor]
STEPS = 50  # of the paper's sampler


class TeacherNetworks(nn.Module):
    """What a teacher's file holds: the noise predictor and the codec in whose latents it works."""

    def __init__(self, config: TeacherConfig, codec: CodecConfig) -> None:
        super().__init__()
        self.network, self.codec = MultiViewUNet(config), Codec(codec)


@dataclass(frozen=True)
class Teacher:
    """A teacher ready for use."""

    network: MultiViewUNet | ImageDreamNetwork  # in evaluation mode, without gradients
    codec: Codec | OpaqueCodec
    schedule: Schedule
    about: Mapping[str, Any]  # steps, scores, data
    digest: str  # of the file, and of what else decides its views: goes into every quadruple
    guidance: float = 3.0  # w, where nobody asks for another
    elevation_deg: float = 0.0  # of its canonical views
    elevations_deg: tuple[float, float] = (-10.0, 40.0)  # from which it was shown objects
    told: tuple[str, str] = ("", "")  # texts by name, with and without the picture; "" of one that reads none
    predict: Predict | None = None  # recorded (dd3g.teacher.fast), in place of the network's own

    @property
    def opaque(self) -> bool:
        """Whether its views are RGB over a grey, and not RGBA."""
        return isinstance(self.codec, OpaqueCodec)

    @property
    def side(self) -> int:
        """Of its views, px."""
        return self.codec.side if isinstance(self.codec, OpaqueCodec) else self.network.config.latent_size * FACTOR


def on_device(teacher: Teacher, device: str | torch.device) -> Teacher:
    """The teacher with its networks on a device."""
    return replace(teacher, network=teacher.network.to(device), codec=teacher.codec.to(device))


def condition_of(teacher: Teacher, image: Float[Tensor, "b 4 h w"], grey: Float[Tensor, " b"] | None = None) -> Condition:
    """What the network knows of a picture, for any number of samplings.

    Args:
        teacher: From :func:`load_teacher`.
        image: II, straight RGBA in [0, 1], the whole frame.
        grey: What an opaque teacher sees behind it, in [0, 1].
    """
    shown = _laid(teacher, premultiplied(image), grey) if teacher.opaque else image
    return teacher.network.condition(shown, teacher.codec.encode(shown if teacher.opaque else resized(image, teacher.side)))


def encode(teacher: Teacher, views: Float[Tensor, "b v 4 h w"], grey: Float[Tensor, " b"] | None = None) -> Float[Tensor, "b v c l l"]:
    """Latents of straight RGBA views; over ``grey`` where the teacher is opaque."""
    return encode_premultiplied(teacher, premultiplied(views), grey)


def encode_premultiplied(
    teacher: Teacher, views: Float[Tensor, "b v 4 h w"], grey: Float[Tensor, " b"] | None = None
) -> Float[Tensor, "b v c l l"]:
    """Latents of what a renderer draws over black: nothing is divided by alpha, so gradients are finite where it is 0."""
    flat = views.flatten(0, 1)
    if isinstance(teacher.codec, Codec):
        made = teacher.codec.encode_premultiplied(flat)
    else:
        made = teacher.codec.encode(_laid(teacher, flat, None if grey is None else grey.repeat_interleave(views.shape[1])))
    return made.unflatten(0, views.shape[:2])


def _laid(teacher: Teacher, light: Float[Tensor, "n 4 h w"], grey: Float[Tensor, " n"] | None) -> Float[Tensor, "n 3 h w"]:
    """Premultiplied RGBA over a grey each."""
    if grey is None:
        raise InputError("grey: found none, expected one for each object: this teacher's pictures are opaque")
    return light[:, :3] + grey.to(light)[:, None, None, None] * (1 - light[:, 3:])


def decode(
    teacher: Teacher, latents: Float[Tensor, "b v c l l"], grey: Float[Tensor, " b"] | None = None, matte: Matte | None = None
) -> Float[Tensor, "b v 4 h w"]:
    """Straight RGBA views of latents.

    Args:
        teacher: From :func:`load_teacher`.
        latents: Of views.
        grey: What an opaque teacher was shown behind the picture.
        matte: Tells the object from it, where the teacher is opaque.
    """
    made = teacher.codec.decode(latents.flatten(0, 1))
    if teacher.opaque:
        if grey is None or matte is None:
            raise InputError("grey, matte: found none, expected both: this teacher's views have no alpha of their own")
        made = matte(made, grey.to(made).repeat_interleave(latents.shape[1]))
    return made.unflatten(0, latents.shape[:2])


def own_networks(teacher: Teacher) -> tuple[MultiViewUNet, Codec]:
    """The networks of a teacher of our own kind, for those that go on from them.

    Raises:
        InputError: It is ImageDream.
    """
    if not (isinstance(teacher.network, MultiViewUNet) and isinstance(teacher.codec, Codec)):
        raise InputError("teacher: found ImageDream, whose views have no alpha; give one that `dd3g teach unet` made")
    return teacher.network, teacher.codec


def epsilon_of(teacher: Teacher, condition: Condition, cameras: Float[Tensor, "b v 16"], guidance: float = 1.0) -> ddim.Epsilon:
    """The noise predictor of one batch of objects, guided (E2).

    Guidance 1 asks the network once a step, any other weight twice: with the picture and without it, the cameras being the same.
    """
    if guidance == 1.0:
        told = teacher.network.steady(cameras, condition)
        return lambda z, t: _predicted(teacher, z, t, told)
    predictions = predictions_of(teacher, condition, cameras)

    def epsilon(z: Tensor, t: int) -> Tensor:
        conditional, unconditional = predictions(z, t)
        return ddim.guided(unconditional, conditional, guidance)

    return epsilon


def predictions_of(teacher: Teacher, condition: Condition, cameras: Float[Tensor, "b v 16"]) -> ddim.Predictions:
    """Both halves of guidance in one call of the network: the noise it sees with the picture and without it, at the same cameras."""
    both = condition.joined(teacher.network.unconditioned(cameras.shape[0]))
    told = teacher.network.steady(torch.cat([cameras, cameras]), both)

    def predictions(z: Tensor, t: int) -> tuple[Tensor, Tensor]:
        conditional, unconditional = _predicted(teacher, torch.cat([z, z]), t, told).chunk(2)
        return conditional, unconditional

    return predictions


def _predicted(teacher: Teacher, z: Tensor, t: int, told: Steady) -> Tensor:
    # float32 whatever the network computes in: bfloat16 has no 981
    raw = (teacher.predict or teacher.network.predict)(z, torch.full((z.shape[0],), float(t), device=z.device), told)
    return as_epsilon(raw, z, teacher.schedule, t, teacher.network.config)


def as_epsilon(raw: Tensor, z: Tensor, schedule: Schedule, t: int, config: TeacherConfig | ImageDreamConfig) -> Tensor:
    """The network's answer as noise: with v = sqrt(abar) eps - sqrt(1 - abar) z_0, eps = sqrt(abar) v + sqrt(1 - abar) z."""
    return raw if config.prediction == "epsilon" else schedule.signal(t) * raw + schedule.noise(t) * z


@torch.inference_mode()
def sample(
    teacher: Teacher,
    image: Float[Tensor, "b 4 h w"],
    cameras: Cameras,
    noise: Float[Tensor, "b v c l l"],
    *,
    grey: Float[Tensor, " b"] | None = None,
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
        grey: Behind the picture, where the teacher is opaque.
        guidance: w of E2.
        steps: Of the solver.
        solver: Of the ODE; ``dpm++`` and ``unipc`` come to DDIM's end in fewer steps (:mod:`dd3g.teacher.solvers`).
    """
    conditions = cameras.conditions().expand(image.shape[0], -1, -1)
    epsilon = epsilon_of(teacher, condition_of(teacher, image, grey), conditions, guidance)
    return ode_sample(epsilon, noise, teacher.schedule, steps, solver)


@torch.inference_mode()
def invert(
    teacher: Teacher,
    latents: Float[Tensor, "b v c l l"],
    image: Float[Tensor, "b 4 h w"],
    cameras: Cameras,
    *,
    grey: Float[Tensor, " b"] | None = None,
    steps: int = STEPS,
    iterations: int = 10,
    tolerance: float = 1e-4,
) -> ddim.Inverted:
    """The noise from which :func:`sample` at guidance 1 with DDIM arrives at ``latents``; see :func:`dd3g.teacher.ddim.invert`."""
    conditions = cameras.conditions().expand(image.shape[0], -1, -1)
    epsilon = epsilon_of(teacher, condition_of(teacher, image, grey), conditions)
    return ddim.invert(epsilon, latents, teacher.schedule, steps, iterations=iterations, tolerance=tolerance)


def save_teacher(path: str | os.PathLike[str], networks: TeacherNetworks, about: Mapping[str, Any]) -> None:
    """Writes a teacher's file, in fp16."""
    config = {"network": asdict(networks.network.config), "codec": asdict(networks.codec.config)}
    save_model_file(path, kind=KIND, config=config, about=dict(about), tensors=networks.state_dict(), dtype=torch.float16)


def load_teacher(path: str | os.PathLike[str], prompts: tuple[PromptName, PromptName] | None = None) -> Teacher:
    """Loads a teacher: the package's own, what :func:`save_teacher` wrote, or ImageDream's checkpoint in any of its layouts.

    Args:
        path: "bundled", a file, a folder, or a hub's ``owner/name``.
        prompts: What ImageDream is told, and what it is told without the picture; None is the authors' choice. Ours reads no text.

    Raises:
        CheckpointError: No such file, damaged, or of another architecture.
        InputError: Prompts for a teacher that reads none.
    """
    if os.fspath(path) == BUNDLED:
        path = bundled(KIND)
    if _is_foreign(Path(path)):
        from dd3g.teacher.imagedream.load import load_imagedream

        return load_imagedream(path) if prompts is None else load_imagedream(path, prompts=prompts)
    if prompts is not None:
        raise InputError(f"prompts: found {' and '.join(prompts)}, expected none: the teacher of {path} reads no text")
    file = load_model_file(path, KIND)
    try:
        networks = TeacherNetworks(_network_config(file.config["network"]), CodecConfig(**_tuples(file.config["codec"])))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{file.path}: no teacher has its configuration ({error}); use the dd3g version that wrote it") from None
    load_strictly(networks, file)
    networks.eval().requires_grad_(False)
    return Teacher(networks.network, networks.codec, scaled_linear(), file.about, digest(Path(path).read_bytes()))


def _is_foreign(place: Path) -> bool:
    """Whether ImageDream's reader is to say what this is: a folder, a hub's name, torch's format, or safetensors that are not dd3g's."""
    if not is_file(place):
        return is_folder(place) or place.suffix != ".safetensors"
    with place.open("rb") as file:
        begins = file.read(16)
    if begins[8:9] != b"{":
        return begins.startswith(b"PK") or place.suffix == ".pt"
    try:
        return "dd3g" not in open_stored(place).header
    except CheckpointError:
        return False


def _network_config(values: Mapping[str, Any]) -> TeacherConfig:
    rest = _tuples(values)
    encoder = ImageEncoderConfig(**_tuples(rest.pop("encoder")))
    return TeacherConfig(**rest, encoder=encoder)


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
