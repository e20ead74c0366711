"""The student's pass from a picture file to a splat file, stage by stage.

    prepare image -> image encoder -> [tokens in] -> pattern extraction -> mu -> s, q -> c, alpha -> rasterize 4 views -> save PLY

A student that reads a frozen network's tokens has that network's time under "image encoder", if one is given, and what it does with the
tokens itself under "tokens in". What the paper's time is about, one picture's tokens to Gaussians, is all of the student's own stages.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dd3g.core import NoiseKey, draw_noise
from dd3g.core.errors import InputError
from dd3g.core.sheet import to_image
from dd3g.encoders import GivenTokensConfig
from dd3g.evaluate.bench import Bench, Lap, Stage, measured
from dd3g.formats import save
from dd3g.photos import prepare
from dd3g.render import rasterize
from dd3g.student import PEPD
from dd3g.student.config import AnchoredDecodingConfig, PlainDecodingConfig
from dd3g.student.inference import gaussians_per_token

PREPARE, ENCODER, TOKENS_IN, EXTRACTION, MU, SQ, CA, RASTERIZE, SAVE = (
    "prepare image", "image encoder", "tokens in", "pattern extraction", "mu", "s, q", "c, alpha", "rasterize 4 views", "save PLY",
)  # fmt: skip
OWN = (TOKENS_IN, EXTRACTION, MU, SQ, CA)  # what turns tokens into Gaussians
TO_GAUSSIANS = "tokens to Gaussians"
_PICTURE_PX = 512

Tower = Callable[[Float[Tensor, "b 4 h w"]], Float[Tensor, "b t given"]]


@dataclass(frozen=True)
class StudentBench:
    """A student's figures."""

    bench: Bench
    to_gaussians: Stage  # the student's own stages together, the encoder apart


def bench_student(
    student: PEPD,
    what: str,
    *,
    device: torch.device,
    dtype: torch.dtype,
    repeats: int,
    tower: Tower | None = None,
    gaussians: int | None = None,
) -> StudentBench:
    """Measures a student on one picture, batch 1, as :func:`dd3g.student.inference.infer` calls it.

    Args:
        student: In evaluation mode; moved to the device.
        what: Its name.
        device: Where the network runs and the views are drawn. Pictures are prepared and files written on the CPU.
        dtype: Of matrix products and convolutions (by autocast); attributes and pictures stay in float32.
        repeats: Timed passes.
        tower: Makes the tokens of students that read those; without one they come from nowhere, and "image encoder" is not there.
        gaussians: Budget, for decoders that have no number of their own.

    Raises:
        InputError: Another budget than the decoder can have, or a decoder whose taps are not in the paper's order.
    """
    student = student.to(device).eval()
    config = student.config
    if isinstance(config.decoding, PlainDecodingConfig) and config.decoding != PlainDecodingConfig(
        config.decoding.gaussians_per_token, config.decoding.radius, config.decoding.feedback
    ):
        raise InputError(f"{what}: its taps are {config.decoding.layout}, {', '.join(config.decoding.order)}; stages are the paper's")
    per_token = gaussians_per_token(student, gaussians)
    cameras = config.rig.to(device)
    noise = draw_noise(NoiseKey("bench", 0), config.noise_shape)[None].to(device)
    conditions, white = cameras.conditions()[None], torch.ones(3, device=device)
    tokens = None
    if isinstance(config.encoder, GivenTokensConfig):
        tokens = torch.randn(1, config.encoder.count, config.encoder.given_width, generator=torch.Generator().manual_seed(0)).to(device)

    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        picture, splats = Path(folder) / "picture.png", Path(folder) / "splats.ply"
        to_image(_disc(_PICTURE_PX)).save(picture)
        lap_of = stack.enter_context(_laps_inside(student))

        def run(lap: Lap) -> None:
            lap_of[0] = lap
            prepared = prepare(picture, background="alpha")
            lap(PREPARE)
            image = torch.cat([prepared.rgb, prepared.alpha])[None].to(device)
            with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                given = tokens
                if tower is not None and tokens is not None:
                    given = tower(image).to(tokens)
                    lap(ENCODER)
                decoded = student.decode(
                    noise, conditions, image, None, None, per_token, both_ways=not student.reads_tokens, image_tokens=given
                )
            lap(CA)
            rasterize(decoded.gaussians, cameras, white)
            lap(RASTERIZE)
            save(decoded.gaussians.map(lambda t: t[0].cpu()), splats)
            lap(SAVE)

        count = (per_token or config.decoding.gaussians_per_token) * config.extraction.token_count
        bench, laps = measured(
            what,
            run,
            parameters=sum(p.numel() for p in student.parameters()),
            device=device,
            dtype=dtype,
            repeats=repeats,
            about={"kind": "student", "gaussians": count, "pattern_tokens": config.extraction.token_count, "batch": 1},
        )
    own = [name for name in OWN if name in laps.flop]
    return StudentBench(bench, bench.together(TO_GAUSSIANS, own, laps.seconds))


def bar_of(found: StudentBench, bar_ms: float) -> tuple[bool, str]:
    """Whether tokens become Gaussians within the bar, and the line that says it."""
    stage, passed = found.to_gaussians, found.to_gaussians.ms < bar_ms
    encoder = next((s for s in found.bench.stages if s.name == ENCODER), None)
    apart = "image encoder not measured" if encoder is None else f"image encoder apart: {encoder.ms:.2f} ms"
    line = (
        f"{'PASS' if passed else 'FAIL'}  {TO_GAUSSIANS}, {found.bench.about['gaussians']:,} of them, batch 1: median {stage.ms:.2f} ms, "
        f"bar {bar_ms:g} ms ({apart})"
    )
    return passed, line


@contextmanager
def _laps_inside(student: PEPD) -> Iterator[list[Lap]]:
    """Laps within :meth:`PEPD.decode`, told to whatever is in the list: at the ends of the encoder, of extraction, and at the taps."""
    current: list[Lap] = [lambda _: None]
    encoder = TOKENS_IN if student.reads_tokens else ENCODER

    def before(name: str) -> Callable[..., None]:
        return lambda *_: current[0](name)

    def after(name: str) -> Callable[..., None]:
        return lambda *_: current[0](name)

    decoder = student.decoder
    anchored = isinstance(student.config.decoding, AnchoredDecodingConfig)
    starts = {MU: _first(decoder, "group_b", "update_b" if anchored else "norm_b")}
    starts[SQ] = _first(decoder, "group_c", "update_c" if anchored else "norm_c")
    handles = [student.extraction.register_forward_pre_hook(before(encoder)), student.extraction.register_forward_hook(after(EXTRACTION))]
    handles += [module.register_forward_pre_hook(before(name)) for name, module in starts.items()]
    try:
        yield current
    finally:
        for handle in handles:
            handle.remove()


def _first(decoder: nn.Module, group: str, then: str) -> nn.Module:
    """What a group of blocks begins with; what comes after it where it is empty."""
    blocks = decoder.get_submodule(group)
    assert isinstance(blocks, nn.ModuleList)
    return blocks[0] if len(blocks) else decoder.get_submodule(then)


def _disc(size: int) -> Float[Tensor, "4 {size} {size}"]:
    """A coloured disc with an alpha: a picture that needs no background network."""
    line = torch.linspace(-1, 1, size)
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x * 0.5 + 0.5, y * 0.5 + 0.5, 0.5 + 0 * x, (x**2 + y**2 < 0.5).float()])
