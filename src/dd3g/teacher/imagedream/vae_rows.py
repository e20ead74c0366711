"""The autoencoder's names. LDM counts the decoder's levels from the pictures' end, diffusers from the latents'."""

from __future__ import annotations

from collections.abc import Iterator

from dd3g.teacher.imagedream.rows import Row, affine, resnet
from dd3g.teacher.imagedream.sizes import VAESizes

_RESNET = ("norm1", "conv1", "norm2", "conv2", "nin_shortcut", "")


def vae_rows(sizes: VAESizes) -> Iterator[Row]:
    """Every tensor of the autoencoder."""
    widths, latent, levels = sizes.widths, sizes.latent_channels, len(sizes.widths)
    yield from affine("encoder.conv_in", "encoder.conv_in", widths[0], sizes.picture_channels, 3, 3)
    yield from affine("encoder.norm_out", "encoder.conv_norm_out", widths[-1])
    yield from affine("encoder.conv_out", "encoder.conv_out", 2 * latent, widths[-1], 3, 3)  # mean and log-variance
    yield from affine("decoder.conv_in", "decoder.conv_in", widths[-1], latent, 3, 3)
    yield from affine("decoder.norm_out", "decoder.conv_norm_out", widths[0])
    yield from affine("decoder.conv_out", "decoder.conv_out", sizes.picture_channels, widths[0], 3, 3)
    yield from affine("quant_conv", "quant_conv", 2 * latent, 2 * latent, 1, 1)
    yield from affine("post_quant_conv", "post_quant_conv", latent, latent, 1, 1)
    for half in ("encoder", "decoder"):
        yield from _middle(half, widths[-1])
    width = widths[0]
    for level, outs in enumerate(widths):
        source, target = f"encoder.down.{level}", f"encoder.down_blocks.{level}"
        for layer in range(sizes.layers):
            yield from resnet(f"{source}.block.{layer}", f"{target}.resnets.{layer}", _RESNET, width, outs)
            width = outs
        if level < levels - 1:
            yield from affine(f"{source}.downsample.conv", f"{target}.downsamplers.0.conv", outs, outs, 3, 3)
    for level, outs in enumerate(reversed(widths)):
        source, target = f"decoder.up.{levels - 1 - level}", f"decoder.up_blocks.{level}"
        for layer in range(sizes.layers + 1):
            yield from resnet(f"{source}.block.{layer}", f"{target}.resnets.{layer}", _RESNET, width, outs)
            width = outs
        if level < levels - 1:
            yield from affine(f"{source}.upsample.conv", f"{target}.upsamplers.0.conv", outs, outs, 3, 3)


def _middle(half: str, width: int) -> Iterator[Row]:
    source, target = f"{half}.mid", f"{half}.mid_block"
    yield from resnet(f"{source}.block_1", f"{target}.resnets.0", _RESNET, width, width)
    yield from resnet(f"{source}.block_2", f"{target}.resnets.1", _RESNET, width, width)
    source, target = f"{source}.attn_1", f"{target}.attentions.0"
    yield from affine(f"{source}.norm", f"{target}.group_norm", width)
    for ours, theirs in (("q", "to_q"), ("k", "to_k"), ("v", "to_v"), ("proj_out", "to_out.0")):
        yield Row(f"{source}.{ours}.weight", (f"{target}.{theirs}.weight",), (width, width, 1, 1), squeezed=True)
        yield Row(f"{source}.{ours}.bias", (f"{target}.{theirs}.bias",), (width,))
