"""Stable Diffusion's autoencoder as ImageDream uses it: diffusers' ``AutoencoderKL``, by the mode of its posterior.

# differs: the published code draws from the posterior, unseeded. The mode makes the same latents of the same picture, always.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from jaxtyping import Float
from torch import Tensor, nn

from dd3g.core.errors import require
from dd3g.teacher.imagedream.prepare import vae_pixels
from dd3g.teacher.imagedream.sizes import VAESizes

if TYPE_CHECKING:
    from diffusers import AutoencoderKL

SCALE = 0.18215  # latents of about unit variance


class OpaqueCodec(nn.Module):
    """RGB in [0, 1] <-> latents. What is transparent must have been laid over something.

    latents = codec.encode(rgb)         # (b, 3, 256, 256) -> (b, 4, 32, 32)
    rgb = codec.decode(latents)
    """

    def __init__(self, sizes: VAESizes, latent_size: int) -> None:
        super().__init__()
        self.vae, self.side = autoencoder(sizes), latent_size * 2 ** (len(sizes.widths) - 1)

    def encode(self, rgb: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b c l l"]:
        """Latents of square pictures of any size, in float32; differentiable."""
        pixels = vae_pixels(rgb, self.side).to(self.vae.dtype)
        posterior = cast(Any, self.vae.encode(pixels)).latent_dist
        return posterior.mode().to(rgb.dtype) * SCALE

    def decode(self, latents: Float[Tensor, "b c l l"]) -> Float[Tensor, "b 3 h w"]:
        """Pictures in [0, 1]."""
        made = cast(Any, self.vae).decode((latents / SCALE).to(self.vae.dtype)).sample
        return ((made.to(latents.dtype) + 1) / 2).clamp(0, 1)


def autoencoder(sizes: VAESizes) -> AutoencoderKL:
    """The stock network; on the device of the context, so "meta" costs nothing."""
    require("diffusers", "train")
    from diffusers import AutoencoderKL

    levels = len(sizes.widths)
    stock = cast(Any, AutoencoderKL)  # its types say tuples of one
    return stock(
        in_channels=sizes.picture_channels,
        out_channels=sizes.picture_channels,
        latent_channels=sizes.latent_channels,
        block_out_channels=sizes.widths,
        layers_per_block=sizes.layers,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        scaling_factor=SCALE,
    )
