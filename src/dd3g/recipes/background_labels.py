"""Photographs with a teacher's masks: whole pictures and random windows of them, for :class:`MaterialFolders`' ``labelled``."""

from __future__ import annotations

import copy
import os
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from dd3g.core.errors import InputError
from dd3g.core.files import make_folder, write_atomically
from dd3g.core.progress import Progress
from dd3g.photos.decode import decode
from dd3g.photos.u2netp import INPUT_SIZE, load_u2netp, normalise, stretched
from dd3g.recipes.background_material import Material

LONGEST_SIDE = 320  # of what is written; the teacher sees no more
_AT_ONCE = 32  # windows


def label_photographs(
    folder: str | os.PathLike[str], out: str | os.PathLike[str], windows: int, seed: int = 0, *, quiet: bool = False
) -> int:
    """Writes ``OUT/NAME_K.png``: RGB of a window of a photograph, and as alpha U2-Net small's stretched saliency of that window.

    Window 0 is the whole picture. What is there already is kept, so the same call goes on where it was stopped.

    Args:
        folder: Photographs (PNG, JPEG, WebP or BMP).
        out: Where the labelled ones go.
        windows: How many a photograph.
        seed: Of the windows.
        quiet: Whether to hide progress.

    Returns:
        How many were written.

    Raises:
        InputError: No photograph there.
        WeightsError: The teacher's weights are not here.
    """
    paths = sorted(path for path in Path(folder).iterdir() if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp", ".bmp"))
    if not paths:
        raise InputError(f"{folder}: holds no photographs (PNG, JPEG, WebP or BMP); give another folder")
    place, written = make_folder(out), 0
    progress = Progress(len(paths) * windows, "labels", quiet=quiet)
    for number, path in enumerate(paths):
        rgb = decode(path).rgb
        for k in range(windows):
            target = place / f"{path.stem}_{k}.png"
            if not target.exists():
                with write_atomically(target) as temporary:
                    _labelled(_window(rgb, np.random.default_rng([seed, number, k])) if k else rgb).save(temporary, "PNG")
                written += 1
            progress.advance(note=path.name)
    progress.close()
    return written


def _window(rgb: torch.Tensor, random: np.random.Generator) -> torch.Tensor:
    """Half to nearly all of a picture, of a somewhat different shape."""
    height, width = rgb.shape[-2:]
    share, stretch = random.uniform(0.45, 0.95), np.exp(random.uniform(-0.17, 0.17))
    rows, columns = min(int(height * share / stretch), height), min(int(width * share * stretch), width)
    top, left = random.integers(height - rows + 1), random.integers(width - columns + 1)
    return rgb[:, top : top + rows, left : left + columns]


def windowed(material: Material, windows: int, seed: int, device: torch.device | str) -> Material:
    """The material with each labelled photograph replaced by windows of it, the first the whole, labelled anew by U2-Net small.

    What is salient in a window is often not what is salient in the whole. The teacher works some ten times as long as the network learns:
    labelling a few windows once is far cheaper than labelling each one as it is cut.

    Args:
        material: Photographs of any size; the pools of objects stay.
        windows: How many a photograph.
        seed: Of the windows.
        device: Where the teacher works.
    """

    def cut(number: int, k: int) -> Tensor:
        rgb = torch.from_numpy(material.labelled[number][:3]).to(device)
        part = _window(rgb, np.random.default_rng([seed, number, k])) if k else rgb
        return functional.interpolate(part[None].float(), (INPUT_SIZE, INPUT_SIZE), mode="bilinear", antialias=True) / 255

    wanted = [(number, k) for number in range(len(material.labelled)) for k in range(windows)]
    labelled = []
    for i in range(0, len(wanted), _AT_ONCE):
        rgb = torch.cat([cut(*one) for one in wanted[i : i + _AT_ONCE]]).clamp(0, 1)
        labelled += list((torch.cat([rgb, teacher_masks(rgb)], 1) * 255).round().to(torch.uint8).cpu().numpy())
    return replace(material, labelled=labelled, digest=f"{material.digest} {windows} windows {seed}")


@torch.no_grad()
def teacher_masks(rgb: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b 1 s s"]:
    """U2-Net small's stretched saliency of many square pictures, on their device."""
    side = rgb.shape[-1]
    large = functional.interpolate(rgb, (INPUT_SIZE, INPUT_SIZE), mode="bilinear", align_corners=False)
    with torch.autocast(rgb.device.type, torch.bfloat16, enabled=rgb.device.type == "cuda"):
        saliency = _teacher_on(rgb.device)(normalise(large).contiguous(memory_format=torch.channels_last))
    return functional.interpolate(stretched(saliency.float()), (side, side), mode="bilinear", align_corners=False, antialias=True)


@lru_cache(maxsize=2)
def _teacher_on(device: torch.device) -> nn.Module:
    return copy.deepcopy(load_u2netp()).to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


@torch.no_grad()
def _labelled(rgb: torch.Tensor) -> Image.Image:
    def resized(x: torch.Tensor, height: int, width: int) -> torch.Tensor:
        return functional.interpolate(x[None], (height, width), mode="bilinear", antialias=True)[0].clamp(0, 1)

    factor = min(LONGEST_SIDE / max(rgb.shape[1:]), 1)
    rgb = resized(rgb, max(round(rgb.shape[1] * factor), 1), max(round(rgb.shape[2] * factor), 1))
    mask = stretched(load_u2netp()(normalise(resized(rgb, INPUT_SIZE, INPUT_SIZE)[None])))[0]
    rgba = torch.cat([rgb, resized(mask, rgb.shape[1], rgb.shape[2])])
    return Image.fromarray((rgba * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy())
