"""What lies at a path: which layout, which parts, how large, and what is wrong with it. No tensor is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from dd3g.core.errors import CheckpointError
from dd3g.core.files import is_file, is_folder
from dd3g.teacher.imagedream.buffers import schedule_tables
from dd3g.teacher.imagedream.guess import guess_text, guess_unet, guess_vae, guess_vision
from dd3g.teacher.imagedream.layouts import (
    PARTS,
    PORT_FOLDERS,
    PORT_PREFIXES,
    POSITION_IDS,
    PREFIXES,
    REQUIRED,
    Layout,
    faults,
    stored_shapes,
)
from dd3g.teacher.imagedream.rows import Shape, parameters
from dd3g.teacher.imagedream.siblings import port_refusal, refusal
from dd3g.teacher.imagedream.sizes import PUBLISHED, Sizes, sizes_from_json
from dd3g.teacher.imagedream.stored import Stored, open_stored, read_settings

KIND = "imagedream"
FORMAT = 1  # of teacher.json
SETTINGS = "teacher.json"
_FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


@dataclass(frozen=True)
class FoundPart:
    """One of the four networks as it lies there."""

    stored: Stored
    layout: Layout
    faults: tuple[str, ...]

    @property
    def parameters(self) -> int:
        """Numbers stored, whatever their names."""
        return parameters(self.stored.shapes.values())

    @property
    def storage(self) -> str:
        """The numbers' type, or types: ``"float16"``."""
        return ", ".join(sorted({str(kind).removeprefix("torch.") for kind in self.stored.dtypes.values()}))


@dataclass(frozen=True)
class Found:
    """A checkpoint of ImageDream's family, usable or not."""

    path: Path
    layout: Layout
    sizes: Sizes
    parts: Mapping[str, FoundPart]
    whole: Stored | None = None  # of the original: the file, with its noise schedule
    settings: Mapping[str, Any] = field(default_factory=dict)  # teacher.json
    schedule: Mapping[str, Any] = field(default_factory=dict)  # the port's scheduler
    stray: tuple[str, ...] = ()  # names that belong to no part
    refusal: str | None = None  # why it is another network

    @property
    def faults(self) -> list[str]:
        """What is missing, unexpected and misshapen, in all parts."""
        absent = [f"missing the whole {part}" for part in REQUIRED if part not in self.parts]
        return [*absent, *(fault for part in self.parts.values() for fault in part.faults), *(f"unexpected {name}" for name in self.stray)]


def find(path: Path) -> Found:
    """Looks at a file or folder.

    Raises:
        CheckpointError: Nothing is there, it can't be opened, or it has nothing of a U-Net of Stable Diffusion's kin.
    """
    if is_file(path):
        return found_original(open_stored(path))
    if not is_folder(path):
        raise CheckpointError(f"{path}: no such file or folder; give ImageDream's .pt, the folder of its port, or a hub's OWNER/NAME")
    settings = read_settings(path / SETTINGS)
    if settings:
        return _converted(path, settings)
    if is_folder(path / "unet"):
        return _port(path)
    raise CheckpointError(f"{path}: a folder without {SETTINGS} and without unet/, so not ImageDream's; give the folder that holds them")


def found_original(whole: Stored) -> Found:
    """What a flat file holds.

    Raises:
        CheckpointError: Nothing of a U-Net.
    """
    named = {part: whole.below(PREFIXES[part]) for part in REQUIRED} | _towers(whole.below(PREFIXES["text"]))
    if not named["unet"].shapes:
        raise CheckpointError(f"{whole.path}: {_what_else(whole)}; give ImageDream's sd-v2.1-base-4view-ipmv.pt or the folder of its port")
    sizes, parts = _fitted(named, "original", PREFIXES, {})
    tables = schedule_tables()
    stray = [name for name in whole.shapes if not name.startswith(tuple(PREFIXES.values())) and name not in tables]
    return Found(whole.path, "original", sizes, parts, whole, stray=(*stray, *whole.others), refusal=refusal(named["unet"].shapes))


def find_towers(path: Path) -> tuple[Sizes, dict[str, FoundPart]]:
    """The CLIP towers alone: of OpenCLIP's file, of ImageDream's, or of a folder in one of its layouts.

    Raises:
        CheckpointError: None are there, or the place can't be opened.
    """
    if is_file(path):
        stored = open_stored(path)
        prefix = "" if "visual.conv1.weight" in stored.shapes else PREFIXES["text"]
        named = _towers(stored.below(prefix))
        sizes, parts = _fitted(named, "original", dict.fromkeys(named, prefix), {})
    elif is_folder(path) and not is_file(path / SETTINGS):
        sizes, parts = _port_parts(path, ("text", "vision"))
    else:
        found = find(path)
        sizes, parts = found.sizes, {part: held for part, held in found.parts.items() if part not in REQUIRED}
    if not parts:
        raise CheckpointError(
            f"{path}: holds no CLIP towers; give OpenCLIP's ViT-H-14 (laion2b_s32b_b79k), or the folder of ImageDream's port"
        )
    return sizes, parts


def _towers(clip: Stored) -> dict[str, Stored]:
    """OpenCLIP's two towers, both or neither."""
    if not clip.shapes:
        return {}
    vision = [name for name in clip.shapes if name.startswith("visual.")]
    return {"text": clip.only([name for name in clip.shapes if name not in vision]), "vision": clip.only(vision)}


def _what_else(whole: Stored) -> str:
    if "dd3g" in whole.header:
        return "a network of dd3g's own, not ImageDream"
    if "conv_in.weight" in whole.shapes or "input_blocks.0.0.weight" in whole.shapes:
        return "a U-Net alone, without the folder it came in"
    if "visual.conv1.weight" in whole.shapes:
        return "OpenCLIP's towers alone, without a U-Net"
    return f"{len(whole.shapes)} tensors, none of them of a U-Net below '{PREFIXES['unet']}'"


def _port(folder: Path) -> Found:
    index, unet_settings = read_settings(folder / "model_index.json"), read_settings(folder / "unet" / "config.json")
    sizes, parts = _port_parts(folder, PARTS)
    scheduler = read_settings(folder / "scheduler" / "scheduler_config.json")
    reason = port_refusal(index, unet_settings) or refusal(parts["unet"].stored.shapes)
    return Found(folder, "port", sizes, parts, schedule=scheduler, refusal=reason)


def _port_parts(folder: Path, wanted: Iterable[str]) -> tuple[Sizes, dict[str, FoundPart]]:
    named: dict[str, Stored] = {}
    heads: dict[str, int] = {}
    for part in wanted:
        place = folder / PORT_FOLDERS[part]
        if not is_folder(place):
            continue
        stored = open_stored(_weights_file(place))
        if part in PORT_PREFIXES:
            stored = stored.without_prefix(PORT_PREFIXES[part])
            stored = stored.only([name for name in stored.shapes if name != POSITION_IDS])
            count = read_settings(place / "config.json").get("num_attention_heads")
            heads |= {part: count} if isinstance(count, int) and count > 0 else {}
        named[part] = stored
    return _fitted(named, "port", {part: f"{place}/" for part, place in PORT_FOLDERS.items()}, heads)


def _weights_file(folder: Path) -> Path:
    files = sorted(folder.glob("*.safetensors"))
    usual = [file for file in files if file.name in ("model.safetensors", "diffusion_pytorch_model.safetensors")]
    if not files:
        raise CheckpointError(f"{folder}: no .safetensors file; fetch it in that form, other forms may hold code")
    if len(files) > 1 and len(usual) != 1:
        raise CheckpointError(f"{folder}: {len(files)} .safetensors files ({', '.join(file.name for file in files[:3])}); leave one")
    return (usual or files)[0]


def _converted(folder: Path, settings: dict[str, Any]) -> Found:
    place = folder / SETTINGS
    if settings.get("kind") != KIND or settings.get("format") != FORMAT:
        raise CheckpointError(
            f"{place}: kind {settings.get('kind')!r} and format {settings.get('format')!r}, expected {KIND!r} and {FORMAT};"
            " convert ImageDream's checkpoint again with this dd3g"
        )
    try:
        sizes = sizes_from_json(settings["sizes"])
        listed = [part for part in PARTS if part in settings["files"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{place}: damaged ({error}); convert the checkpoint again") from None
    stored = {part: open_stored(folder / f"{part}.safetensors") for part in listed}
    parts = {part: _checked(part, held, "converted", sizes, f"{part}/") for part, held in stored.items()}
    return Found(folder, "converted", sizes, parts, settings=settings)


def _fitted(
    named: Mapping[str, Stored], layout: Layout, prefixes: Mapping[str, str], heads: Mapping[str, int]
) -> tuple[Sizes, dict[str, FoundPart]]:
    """Sizes part by part: the published ones, or those that the part's own shapes speak of where most shapes are not the published ones.

    Not where a few are: a lone misshapen tensor must not pass for a network of other sizes.
    """
    sizes = PUBLISHED
    for part, stored in named.items():
        if 2 * len(_misfits(part, stored.shapes, layout, sizes)) > len(stored.shapes):
            sizes = _guessed(part, stored.shapes, layout, heads.get(part), sizes)
    return sizes, {part: _checked(part, stored, layout, sizes, prefixes[part]) for part, stored in named.items()}


def _guessed(part: str, shapes: Mapping[str, Shape], layout: Layout, heads: int | None, sizes: Sizes) -> Sizes:
    names = "original" if layout == "original" else "stock"
    try:
        if part == "unet":
            return replace(sizes, unet=guess_unet(shapes))
        if part == "vae":
            return replace(sizes, vae=guess_vae(shapes, names))
        if part == "text":
            return replace(sizes, text=guess_text(shapes, names, heads))
        return replace(sizes, vision=guess_vision(shapes, names, heads))
    except (KeyError, IndexError):
        return sizes  # what the guess needs is missing or misshapen


def _misfits(part: str, shapes: Mapping[str, Shape], layout: Layout, sizes: Sizes) -> list[str]:
    return faults(stored_shapes(part, layout, sizes), shapes)


def _checked(part: str, stored: Stored, layout: Layout, sizes: Sizes, prefix: str) -> FoundPart:
    kinds = [
        f"{prefix}{name} is stored as {str(kind).removeprefix('torch.')}, expected floating-point numbers"
        for name, kind in stored.dtypes.items()
        if kind not in _FLOATS
    ]
    return FoundPart(stored, layout, tuple(faults(stored_shapes(part, layout, sizes), stored.shapes, prefix) + kinds))
