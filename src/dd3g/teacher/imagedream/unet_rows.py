"""The U-Net's names: LDM's flat `input_blocks.N.M` against diffusers' levels, image branch included.

LDM numbers everything on the way down, downsamplers too, in one list, and everything on the way up in another, where an upsampler is the
last member of its level's last entry: `output_blocks.2.1` on the deepest level, which has no attention, `.2` elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator

from dd3g.teacher.imagedream.rows import Row, affine, resnet, weight
from dd3g.teacher.imagedream.sizes import UNetSizes

RESAMPLER = "encoder_hid_proj.image_projection_layers.0"
_RESNET = ("in_layers.0", "in_layers.2", "out_layers.0", "out_layers.3", "skip_connection", "emb_layers.1")


def unet_rows(sizes: UNetSizes) -> Iterator[Row]:
    """Every tensor of the U-Net."""
    time = 4 * sizes.widths[0]
    for source, target, ins in (("time_embed", "time_embedding", sizes.widths[0]), ("camera_embed", "class_embedding", sizes.camera)):
        yield from affine(f"{source}.0", f"{target}.linear_1", time, ins)
        yield from affine(f"{source}.2", f"{target}.linear_2", time, time)
    yield from affine("input_blocks.0.0", "conv_in", sizes.widths[0], sizes.in_channels, 3, 3)
    yield from affine("out.0", "conv_norm_out", sizes.widths[0])
    yield from affine("out.2", "conv_out", sizes.out_channels, sizes.widths[0], 3, 3)
    skips = yield from _down(sizes, time)
    yield from _middle(sizes, time)
    yield from _up(sizes, time, skips)
    yield from _resampler(sizes)


def _down(sizes: UNetSizes, time: int) -> Iterator[Row]:
    """Returns the widths that wait for the way up."""
    place, width, skips = 1, sizes.widths[0], [sizes.widths[0]]
    for level, (outs, attends) in enumerate(zip(sizes.widths, sizes.attention, strict=True)):
        for layer in range(sizes.layers):
            source, target = f"input_blocks.{place}", f"down_blocks.{level}"
            yield from resnet(f"{source}.0", f"{target}.resnets.{layer}", _RESNET, width, outs, time)
            if attends:
                yield from _transformer(f"{source}.1", f"{target}.attentions.{layer}", outs, sizes.context)
            place, width = place + 1, outs
            skips.append(width)
        if level < len(sizes.widths) - 1:
            yield from affine(f"input_blocks.{place}.0.op", f"down_blocks.{level}.downsamplers.0.conv", width, width, 3, 3)
            place += 1
            skips.append(width)
    return skips


def _middle(sizes: UNetSizes, time: int) -> Iterator[Row]:
    width = sizes.widths[-1]
    yield from resnet("middle_block.0", "mid_block.resnets.0", _RESNET, width, width, time)
    yield from _transformer("middle_block.1", "mid_block.attentions.0", width, sizes.context)
    yield from resnet("middle_block.2", "mid_block.resnets.1", _RESNET, width, width, time)


def _up(sizes: UNetSizes, time: int, skips: list[int]) -> Iterator[Row]:
    place, width, waiting = 0, sizes.widths[-1], list(skips)
    for level, (outs, attends) in enumerate(zip(reversed(sizes.widths), reversed(sizes.attention), strict=True)):
        for layer in range(sizes.layers + 1):
            source, target = f"output_blocks.{place}", f"up_blocks.{level}"
            yield from resnet(f"{source}.0", f"{target}.resnets.{layer}", _RESNET, width + waiting.pop(), outs, time)
            if attends:
                yield from _transformer(f"{source}.1", f"{target}.attentions.{layer}", outs, sizes.context)
            place, width = place + 1, outs
        if level < len(sizes.widths) - 1:
            source = f"output_blocks.{place - 1}.{2 if attends else 1}.conv"
            yield from affine(source, f"up_blocks.{level}.upsamplers.0.conv", width, width, 3, 3)


def _transformer(source: str, target: str, width: int, context: int) -> Iterator[Row]:
    yield from affine(f"{source}.norm", f"{target}.norm", width)
    yield from affine(f"{source}.proj_in", f"{target}.proj_in", width, width)
    yield from affine(f"{source}.proj_out", f"{target}.proj_out", width, width)
    source, target = f"{source}.transformer_blocks.0", f"{target}.transformer_blocks.0"
    for norm in ("norm1", "norm2", "norm3"):
        yield from affine(f"{source}.{norm}", f"{target}.{norm}", width)
    for attention, told in (("attn1", width), ("attn2", context)):
        yield weight(f"{source}.{attention}.to_q", f"{target}.{attention}.to_q", width, width)
        yield weight(f"{source}.{attention}.to_k", f"{target}.{attention}.to_k", width, told)
        yield weight(f"{source}.{attention}.to_v", f"{target}.{attention}.to_v", width, told)
        yield from affine(f"{source}.{attention}.to_out.0", f"{target}.{attention}.to_out.0", width, width)
    for projection in ("to_k_ip", "to_v_ip"):
        yield weight(f"{source}.attn2.{projection}", f"{target}.attn2.processor.{projection}.0", width, context)
    yield from affine(f"{source}.ff.net.0.proj", f"{target}.ff.net.0.proj", 8 * width, width)  # GEGLU: values and gates
    yield from affine(f"{source}.ff.net.2", f"{target}.ff.net.2", width, 4 * width)


def _resampler(sizes: UNetSizes) -> Iterator[Row]:
    width, inner = sizes.context, sizes.resampler_heads * sizes.resampler_head_width
    yield Row("image_embed.latents", (f"{RESAMPLER}.latents",), (1, sizes.tokens, width))
    yield from affine("image_embed.proj_in", f"{RESAMPLER}.proj_in", width, sizes.image_width)
    yield from affine("image_embed.proj_out", f"{RESAMPLER}.proj_out", width, width)
    yield from affine("image_embed.norm_out", f"{RESAMPLER}.norm_out", width)
    for layer in range(sizes.resampler_layers):
        source, target = f"image_embed.layers.{layer}", f"{RESAMPLER}.layers.{layer}"
        yield from affine(f"{source}.0.norm1", f"{target}.ln0", width)
        yield from affine(f"{source}.0.norm2", f"{target}.ln1", width)
        yield weight(f"{source}.0.to_q", f"{target}.attn.to_q", inner, width)
        yield Row(f"{source}.0.to_kv.weight", (f"{target}.attn.to_k.weight", f"{target}.attn.to_v.weight"), (2 * inner, width))
        yield weight(f"{source}.0.to_out", f"{target}.attn.to_out.0", width, inner)
        yield from affine(f"{source}.1.0", f"{target}.ff.0", width)
        yield weight(f"{source}.1.1", f"{target}.ff.1.net.0.proj", 4 * width, width)
        yield weight(f"{source}.1.3", f"{target}.ff.1.net.2", width, 4 * width)
