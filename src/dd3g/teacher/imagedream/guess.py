"""The sizes that a file's names and shapes speak of.

A guess, from a dozen tensors: the reader then derives every name and shape from it and compares all of them. ``KeyError`` and
``IndexError`` come out where a tensor that the guess needs is not there or has fewer axes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from dd3g.teacher.imagedream.rows import Shape
from dd3g.teacher.imagedream.sizes import PUBLISHED, TextSizes, UNetSizes, VAESizes, VisionSizes

Shapes = Mapping[str, Shape]


def guess_unet(shapes: Shapes) -> UNetSizes:
    """From the original's names."""
    stops = sorted(_numbers(shapes, r"input_blocks\.(\d+)\.0\.op\.weight"))
    layers = stops[0] - 1 if stops else len(_numbers(shapes, r"input_blocks\.(\d+)\.")) - 1
    firsts = [1 + level * (layers + 1) for level in range(len(stops) + 1)]
    context = shapes["middle_block.1.transformer_blocks.0.attn2.to_k.weight"][1]
    widths = tuple(shapes[f"input_blocks.{first}.0.in_layers.2.weight"][0] for first in firsts)
    inner = shapes["image_embed.layers.0.0.to_q.weight"][0]
    resampler_head_width = _head_width(inner, None, PUBLISHED.unet.resampler_head_width)
    return UNetSizes(
        in_channels=shapes["input_blocks.0.0.weight"][1],
        out_channels=shapes["out.2.weight"][0],
        widths=widths,
        attention=tuple(f"input_blocks.{first}.1.norm.weight" in shapes for first in firsts),
        layers=layers,
        head_width=_head_width(widths[0], None, PUBLISHED.unet.head_width),
        context=context,
        tokens=shapes["image_embed.latents"][1],
        image_width=shapes["image_embed.proj_in.weight"][1],
        resampler_layers=len(_numbers(shapes, r"image_embed\.layers\.(\d+)\.")),
        resampler_heads=inner // resampler_head_width,
        resampler_head_width=resampler_head_width,
    )


@dataclass(frozen=True)
class _VAENames:
    level: str
    block: str
    kernel: str


_VAE = {
    "original": _VAENames(r"encoder\.down\.(\d+)\.", r"encoder\.down\.0\.block\.(\d+)\.", "encoder.down.{}.block.0.conv1.weight"),
    "stock": _VAENames(
        r"encoder\.down_blocks\.(\d+)\.", r"encoder\.down_blocks\.0\.resnets\.(\d+)\.", "encoder.down_blocks.{}.resnets.0.conv1.weight"
    ),
}


def guess_vae(shapes: Shapes, names: str) -> VAESizes:
    """From the names of the ``"original"`` or of the ``"stock"`` network."""
    spelt = _VAE[names]
    return VAESizes(
        latent_channels=shapes["decoder.conv_in.weight"][1],
        widths=tuple(shapes[spelt.kernel.format(level)][0] for level in range(len(_numbers(shapes, spelt.level)))),
        layers=len(_numbers(shapes, spelt.block)),
    )


def guess_text(shapes: Shapes, names: str, heads: int | None = None) -> TextSizes:
    """As :func:`guess_vae`; ``heads`` where a configuration says them."""
    original = names == "original"
    words = shapes["token_embedding.weight" if original else "embeddings.token_embedding.weight"]
    layer = "transformer.resblocks.0.mlp.c_fc.weight" if original else "encoder.layers.0.mlp.fc1.weight"
    count = len(_numbers(shapes, r"transformer\.resblocks\.(\d+)\." if original else r"encoder\.layers\.(\d+)\."))
    return TextSizes(
        vocabulary=words[0],
        length=shapes["positional_embedding" if original else "embeddings.position_embedding.weight"][0],
        width=words[1],
        hidden=shapes[layer][0],
        layers=count - 1 if original else count,
        head_width=_head_width(words[1], heads, PUBLISHED.text.head_width),
    )


def guess_vision(shapes: Shapes, names: str, heads: int | None = None) -> VisionSizes:
    """As :func:`guess_text`."""
    original = names == "original"
    kernel = shapes["visual.conv1.weight" if original else "embeddings.patch_embedding.weight"]
    places = shapes["visual.positional_embedding" if original else "embeddings.position_embedding.weight"][0] - 1
    layer = "visual.transformer.resblocks.0.mlp.c_fc.weight" if original else "encoder.layers.0.mlp.fc1.weight"
    return VisionSizes(
        side=round(places**0.5) * kernel[2],
        patch=kernel[2],
        width=kernel[0],
        hidden=shapes[layer][0],
        layers=len(_numbers(shapes, r"visual\.transformer\.resblocks\.(\d+)\." if original else r"encoder\.layers\.(\d+)\.")),
        head_width=_head_width(kernel[0], heads, PUBLISHED.vision.head_width),
    )


def _head_width(width: int, heads: int | None, usual: int) -> int:
    """As the configuration has it, else as wide as the published network's, else one head."""
    if heads:
        return width // heads
    return usual if width % usual == 0 else width


def _numbers(shapes: Shapes, pattern: str) -> set[int]:
    """The numbers that stand in names at the pattern's group."""
    found = (re.match(pattern, name) for name in shapes)
    return {int(match[1]) for match in found if match}
