"""The teacher's way from a picture to views, stage by stage: what is made once, one step of the ODE with guidance, and decoding.

A quadruple is the first, ``steps`` times the second, and the third; times and FLOP of a whole one follow from that. Networks without
weights are filled with noise: how long a product takes does not depend on what is multiplied, as long as it is neither zero nor endless.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dd3g.core import NoiseKey, canonical_rig, draw_noise
from dd3g.core.errors import InputError
from dd3g.core.machine import free_memory
from dd3g.encoders.codec import CodecConfig
from dd3g.evaluate.bench import Bench, Lap, measured
from dd3g.recipes.presets import CODECS, TEACHERS
from dd3g.teacher import ddim
from dd3g.teacher.fast import Precision, graphed, in_precision
from dd3g.teacher.imagedream.clip import VisionTower
from dd3g.teacher.imagedream.network import ImageDreamConfig, ImageDreamNetwork
from dd3g.teacher.imagedream.sizes import VisionSizes
from dd3g.teacher.imagedream.vae import OpaqueCodec
from dd3g.teacher.schedule import ddim_times, scaled_linear
from dd3g.teacher.teacher import STEPS, Teacher, TeacherNetworks, condition_of, decode, epsilon_of, load_teacher, on_device

ONCE, STEP, DECODE = "picture, once", "one guided step", "decode 4 views"
IMAGEDREAM = "imagedream"
KNOWN = (*TEACHERS, IMAGEDREAM)
_PRECISIONS: dict[torch.dtype, Precision] = {torch.float32: "fp32", torch.bfloat16: "bf16"}
_GREY = 0.5
_IMAGEDREAM_WORKING_BYTES = 2_000_000_000  # of one object's activations in float32, at most, beside the weights
_TILE = 1_048_573  # numbers of noise that a network is filled with, over and over; a prime, so that layers don't look alike


@dataclass(frozen=True)
class Quadruple:
    """What one costs, at the measured rate."""

    steps: int
    seconds: float  # of one among a batch
    tflop: float
    share: float | None  # of the machine's measured matmul rate


def bench_teacher(
    teacher: Teacher,
    what: str,
    *,
    device: torch.device,
    dtype: torch.dtype,
    repeats: int,
    batch: int = 1,
    guidance: float = 5.0,
    graphs: bool = False,
) -> Bench:
    """Measures a teacher, as `dd3g collect` asks it (:mod:`dd3g.teacher.fast`).

    Args:
        teacher: Moved to the device.
        what: Its name.
        device: Where.
        dtype: Of the noise predictor; codec and image encoder stay as they are, latents and sums are float32.
        repeats: Timed passes.
        batch: Objects at once.
        guidance: w; not 1, so both halves are asked.
        graphs: Record the noise predictor as a CUDA graph.

    Raises:
        InputError: Another number format than float32 and bfloat16, or graphs without a GPU.
    """
    if dtype not in _PRECISIONS:
        raise InputError(f"{what}: teachers draw in fp32 or bf16, found {str(dtype).removeprefix('torch.')}; choose one by --dtype")
    teacher = in_precision(on_device(teacher, device), _PRECISIONS[dtype])
    network, codec, opaque = teacher.network, teacher.codec, teacher.opaque
    if graphs:
        teacher = graphed(teacher)
    config = network.config
    shape = (config.views, config.latent_channels, config.latent_size, config.latent_size)
    noise = torch.stack([draw_noise(NoiseKey("bench", draw), shape) for draw in range(batch)]).to(device)
    picture = torch.rand(batch, 4, 256, 256, generator=torch.Generator().manual_seed(0)).to(device)
    grey = torch.full((batch,), _GREY, device=device) if opaque else None
    conditions = canonical_rig().conditions().expand(batch, -1, -1).to(device)
    t, to = sorted(ddim_times(teacher.schedule, STEPS))[:-3:-1]

    def run(lap: Lap) -> None:
        epsilon = epsilon_of(teacher, condition_of(teacher, picture, grey), conditions, guidance)
        lap(ONCE)
        z = ddim.ode_step(noise, epsilon(noise, t), teacher.schedule, t, to)
        lap(STEP)
        # the alpha of opaque views is another network's; what is timed is the decoder
        decode(teacher, z, grey, lambda rgb, _: torch.cat([rgb, torch.ones_like(rgb[:, :1])], 1))
        lap(DECODE)

    bench, _ = measured(
        what,
        run,
        parameters=sum(p.numel() for part in (network, codec) for p in part.parameters()),
        device=device,
        dtype=dtype,
        repeats=repeats,
        about={"kind": "teacher", "batch": batch, "guidance": guidance, "graphs": graphs, "latent_shape": list(shape), "steps": STEPS},
    )
    return bench


def quadruple_of(bench: Bench, steps: int = STEPS) -> Quadruple:
    """One quadruple of a teacher's figures; a picture's own part is counted for each draw."""
    stages = {stage.name: stage for stage in bench.stages}
    times = {ONCE: 1, STEP: steps, DECODE: 1}
    seconds = sum(stages[name].ms * count for name, count in times.items()) / 1e3 / bench.about["batch"]
    tflop = sum(stages[name].gflop * count for name, count in times.items()) / 1e3 / bench.about["batch"]
    return Quadruple(steps, seconds, tflop, tflop * 1e3 / seconds / bench.matmul_gflops if tflop else None)


def teacher_named(name: str, device: torch.device, batch: int) -> Teacher:
    """A teacher of a file, or of known sizes with noise for weights.

    Args:
        name: One of ``KNOWN``, or a path.
        device: Whose memory it must fit, in float32.
        batch: Objects at once.

    Raises:
        InputError: It does not fit the memory that is free; says how much it needs.
        CheckpointError: No teacher's file.
    """
    if name in TEACHERS:
        torch.manual_seed(0)
        networks = TeacherNetworks(TEACHERS[name](), CODECS.get(name, CodecConfig)()).eval().requires_grad_(False)
        return Teacher(networks.network, networks.codec, scaled_linear(), {}, "noise")
    if name != IMAGEDREAM:
        return load_teacher(name)
    config = ImageDreamConfig()
    with torch.device("meta"):
        network, codec = ImageDreamNetwork(config), OpaqueCodec(config.sizes.vae, config.latent_size)
    weights = sum(p.numel() for part in (network, codec) for p in part.parameters()) * 4
    refuse_if_too_large(name, weights + batch * _IMAGEDREAM_WORKING_BYTES, device)
    text = torch.zeros(config.sizes.text.length, config.sizes.text.width, device=device)
    network, codec = filled(network, device, torch.float32), filled(codec, device, torch.float32)
    network.tell(text, text)
    return Teacher(network, codec, scaled_linear(), {}, "noise")


def clip_tower(device: torch.device, dtype: torch.dtype) -> VisionTower:
    """CLIP's image tower in its published sizes, with noise for weights.

    Raises:
        InputError: As :func:`teacher_named`.
    """
    with torch.device("meta"):
        tower = VisionTower(VisionSizes())
    refuse_if_too_large("--tower", sum(p.numel() for p in tower.parameters()) * dtype.itemsize, device)
    return filled(tower, device, dtype)


def refuse_if_too_large(what: str, needed: int, device: torch.device) -> None:
    """Raises InputError where less memory is free than is needed."""
    free = free_memory(device)
    if needed > free:
        raise InputError(
            f"{what}: needs {needed / 1e9:.1f} GB on {device.type}, found {free / 1e9:.1f} GB free; take a smaller --batch or another "
            "machine"
        )


def filled(network: Any, device: torch.device, dtype: torch.dtype) -> Any:
    """A network from the device "meta", its matrices and kernels full of noise that keeps the scale, its norms ones, its biases zeros."""
    made = network.to_empty(device=device).to(dtype).eval().requires_grad_(False)
    noise = torch.randn(_TILE, generator=torch.Generator().manual_seed(0)).to(device, dtype)
    for name, tensor in made.state_dict().items():
        _fill(name, tensor, noise)
    return made


def _fill(name: str, tensor: Tensor, noise: Tensor) -> None:
    if tensor.ndim < 2:
        nn.init.constant_(tensor, 0.0 if name.endswith("bias") else 1.0)
        return
    flat, scale = tensor.view(-1), tensor[0].numel() ** -0.5
    for start in range(0, len(flat), _TILE):
        part = flat[start : start + _TILE]
        torch.mul(noise[: len(part)], scale, out=part)
