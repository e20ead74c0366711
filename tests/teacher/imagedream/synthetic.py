"""Checkpoints of ImageDream's three layouts with made-up numbers, for tests: none of the published weights is needed or used.

    original(tmp_path / "any.pt")                          # one flat torch file, SMALL sizes, random weights that networks can run on
    port(tmp_path / "folder")                              # the folder of the diffusers port; the same seed makes the same weights
    write_converted(read_checkpoint(...), tmp_path / "c")  # our own layout, by the code under test

A tensor's numbers are a function of its part, its name in the original and the seed alone, so that layouts and edited files agree.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from functools import lru_cache
from math import prod
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from dd3g.teacher.imagedream.buffers import schedule_tables
from dd3g.teacher.imagedream.layouts import PARTS, PORT_FOLDERS, PORT_PREFIXES, PREFIXES, rows_of, stored_shapes
from dd3g.teacher.imagedream.rows import Row
from dd3g.teacher.imagedream.sizes import Sizes, TextSizes, UNetSizes, VAESizes, VisionSizes

SMALL = Sizes(
    UNetSizes(
        widths=(32, 64), attention=(True, False), layers=1, head_width=32, context=32, tokens=4, image_width=40, resampler_layers=1,
        resampler_heads=1, resampler_head_width=64,
    ),
    VAESizes(widths=(32, 32, 32, 32), layers=1),
    TextSizes(width=32, hidden=64, layers=2, head_width=32),  # the whole vocabulary: stored token ids reach its end
    VisionSizes(side=28, width=40, hidden=64, layers=3, head_width=40),
)  # fmt: skip
"""Every kind of tensor in under three million numbers; heads are those that a reader can tell from shapes."""

Edit = Callable[[dict[str, Tensor]], object]
Draw = Callable[[str, Row, int], Tensor]


@lru_cache(maxsize=4096)  # the same few networks in test after test
def drawn(part: str, row: Row, seed: int) -> Tensor:
    """Numbers of a size with which networks keep theirs: weights by their inputs, norms about one."""
    generator = torch.Generator().manual_seed(zlib.crc32(f"{seed} {part} {row.source}".encode()))
    values = torch.randn(row.shape, generator=generator)
    if len(row.shape) < 2:
        return 0.1 * values + (1 if row.source.endswith("weight") else 0)
    return values * (prod(row.shape[1:]) ** -0.5 if "embedding" not in row.source else 0.1)


def hollow(part: str, row: Row, seed: int) -> Tensor:
    """One zero behind any shape, for files of full size that take no room."""
    return torch.zeros((), dtype=torch.float16).expand(row.shape)


def original(
    path: Path,
    sizes: Sizes = SMALL,
    *,
    seed: int = 0,
    towers: bool = True,
    schedule: bool = True,
    dtype: torch.dtype = torch.float32,
    draw: Draw = drawn,
    edit: Edit | None = None,
) -> Path:
    """Writes the flat torch file; ``edit`` may change the dictionary before."""
    tensors = {
        PREFIXES[part] + row.source: _copied(draw(part, row, seed), dtype)
        for part in (PARTS if towers else PARTS[:2])
        for row in rows_of(part, sizes)
    }
    if schedule:
        tensors |= {name: table.to(dtype) for name, table in schedule_tables().items()}
    if edit:
        edit(tensors)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(tensors, path)
    return path


def port(
    folder: Path,
    sizes: Sizes = SMALL,
    *,
    seed: int = 0,
    towers: bool = True,
    dtype: torch.dtype = torch.float32,
    edit: dict[str, Edit] | None = None,
) -> Path:
    """Writes the port's folder; ``edit`` may change a part's dictionary before."""
    for part in PARTS if towers else PARTS[:2]:
        tensors: dict[str, Tensor] = {}
        for row in rows_of(part, sizes):
            values = _copied(drawn(part, row, seed), dtype)
            tensors |= {row.source: values} if part == "unet" else _split(row, values)
        tensors = {PORT_PREFIXES.get(part, "") + name: values for name, values in tensors.items()}
        (edit or {}).get(part, lambda tensors: None)(tensors)
        place = folder / PORT_FOLDERS[part]
        place.mkdir(parents=True)
        save_file(tensors, place / port_file(part))
        (place / "config.json").write_text(json.dumps(_port_settings(part, sizes)))
    (folder / "scheduler").mkdir()
    scheduler = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "prediction_type": "epsilon"}
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler))
    (folder / "model_index.json").write_text(
        json.dumps({"_class_name": "MVDreamPipeline", "image_encoder": ["transformers", "CLIPVisionModel"]})
    )
    (folder / "unet" / "mv_unet.py").write_text("raise SystemExit('code from a checkpoint was run')\n")
    return folder


def hollow_port(folder: Path, sizes: Sizes) -> Path:
    """The port's folder in fp16 and full size, all zeros: files with holes, which take no room on most disks."""
    for part in PARTS:
        place = folder / PORT_FOLDERS[part]
        place.mkdir(parents=True)
        header, end = {}, 0
        for name, shape in stored_shapes(part, "port", sizes).items():
            begin, end = end, end + 2 * prod(shape)
            header[PORT_PREFIXES.get(part, "") + name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [begin, end]}
        text = json.dumps(header).encode()
        with (place / port_file(part)).open("wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            file.truncate(8 + len(text) + end)
        (place / "config.json").write_text(json.dumps(_port_settings(part, sizes)))
    return folder


def port_file(part: str) -> str:
    """The name of a part's file in its folder."""
    return "model.safetensors" if part in PORT_PREFIXES else "diffusion_pytorch_model.safetensors"


def _copied(values: Tensor, dtype: torch.dtype) -> Tensor:
    """For edits; what is hollow stays so."""
    return values.to(dtype, copy=all(values.stride()))


def _split(row: Row, values: Tensor) -> dict[str, Tensor]:
    pieces = values.chunk(len(row.targets)) if len(row.targets) > 1 else [values]
    return {target: piece.reshape(row.target_shape).clone() for target, piece in zip(row.targets, pieces, strict=False)}


def _port_settings(part: str, sizes: Sizes) -> dict[str, object]:
    if part == "unet":
        return {"_class_name": "MultiViewUNetModel", "camera_dim": sizes.unet.camera, "ip_dim": sizes.unet.tokens}
    if part == "vae":
        return {"_class_name": "AutoencoderKL", "scaling_factor": 0.18215}
    tower = sizes.text if part == "text" else sizes.vision
    return {"hidden_size": tower.width, "num_attention_heads": tower.width // tower.head_width}
