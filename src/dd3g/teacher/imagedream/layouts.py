"""The three ways in which ImageDream's tensors lie on disk, and what each must hold.

| layout | where | names of the U-Net | of the VAE and the CLIP towers |
|---|---|---|---|
| `original` | one flat torch file | LDM's | LDM's, OpenCLIP's |
| `port` | a folder with `unet/`, `vae/`, `text_encoder/`, `image_encoder/` | LDM's | the stock networks' |
| `converted` | a folder with `teacher.json`, written by us | the stock network's | the stock networks' |

The towers may be absent: both of them from the original, each of them from a folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from dd3g.teacher.imagedream.clip_rows import text_rows, vision_rows
from dd3g.teacher.imagedream.rows import Row, Shape, source_shapes, target_shapes
from dd3g.teacher.imagedream.sizes import Sizes
from dd3g.teacher.imagedream.unet_rows import unet_rows
from dd3g.teacher.imagedream.vae_rows import vae_rows

Layout = Literal["original", "port", "converted"]
PARTS: tuple[str, ...] = ("unet", "vae", "text", "vision")
REQUIRED: tuple[str, ...] = ("unet", "vae")

PREFIXES = {"unet": "model.diffusion_model.", "vae": "vae_model.", "text": "clip_model.model.", "vision": "clip_model.model."}
PORT_FOLDERS = {"unet": "unet", "vae": "vae", "text": "text_encoder", "vision": "image_encoder"}
PORT_PREFIXES = {"text": "text_model.", "vision": "vision_model."}  # older transformers write this level, newer ones don't
POSITION_IDS = "embeddings.position_ids"  # 0, 1, 2 ...: older transformers stored them; the one name that is ignored
SHOWN = 10  # names in an error


@lru_cache(maxsize=16)
def rows_of(part: str, sizes: Sizes) -> tuple[Row, ...]:
    """The part's tensors, from the original's names to the stock network's."""
    if part == "unet":
        return tuple(unet_rows(sizes.unet))
    if part == "vae":
        return tuple(vae_rows(sizes.vae))
    return tuple(text_rows(sizes.text) if part == "text" else vision_rows(sizes.vision, sizes.text.width))


def stored_shapes(part: str, layout: Layout, sizes: Sizes) -> dict[str, Shape]:
    """Names, without prefix, and shapes that a part must have on disk, no more and no fewer."""
    rows = rows_of(part, sizes)
    return source_shapes(rows) if _by_source(part, layout) else target_shapes(rows)


@dataclass(frozen=True)
class Origin:
    """Which stored tensor a target comes from, and which of its equal parts along the first axis it is."""

    name: str
    index: int = 0
    of: int = 1
    squeezed: bool = False


def origins(part: str, layout: Layout, sizes: Sizes) -> dict[str, Origin]:
    """Where each of a part's target tensors is stored."""
    rows = rows_of(part, sizes)
    if not _by_source(part, layout):
        return {target: Origin(target) for row in rows for target in row.targets}
    return {target: Origin(row.source, index, len(row.targets), row.squeezed) for row in rows for index, target in enumerate(row.targets)}


def _by_source(part: str, layout: Layout) -> bool:
    return layout == "original" or (layout == "port" and part == "unet")


def faults(wanted: Mapping[str, Shape], found: Mapping[str, Shape], prefix: str = "") -> list[str]:
    """What is missing, unexpected and misshapen, a phrase each; names are given with ``prefix``."""
    return [
        *(f"missing {prefix}{name}" for name in wanted if name not in found),
        *(f"unexpected {prefix}{name}" for name in found if name not in wanted),
        *(f"{prefix}{name} is {found[name]}, expected {wanted[name]}" for name in wanted if name in found and found[name] != wanted[name]),
    ]


def shown(phrases: Iterable[str]) -> str:
    """Up to ten phrases, and how many more there are."""
    phrases = list(phrases)
    return "; ".join(phrases[:SHOWN]) + (f"; and {len(phrases) - SHOWN} more" if len(phrases) > SHOWN else "")
