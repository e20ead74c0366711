"""Pictures with alpha <-> latents, 8 x 8 pixels to one place: where the teacher's diffusion happens.

Our own weights on the architecture that diffusers calls AutoencoderTiny (plain convolutions, deterministic both ways), with four channels
in and out. The teacher's views then come with an alpha that was decoded, and never guessed from a white background. Parameters have
diffusers' names, so either can load the other's.

# differs: the paper's teacher decodes RGB by Stable Diffusion's autoencoder and has no alpha.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dd3g.core.errors import CheckpointError
from dd3g.core.model_file import load_model_file, load_strictly
from dd3g.core.views import premultiplied, unpremultiply
from dd3g.core.weights import BUNDLED, bundled

KIND = "codec"
FACTOR = 8  # pixels of a side to one latent
# What the four latents begin as: weights of premultiplied red, green, blue and of alpha, then about their spread and their mean.
_LATENT_ROWS = (
    (1 / 3, 1 / 3, 1 / 3, 0.0, 0.3, 0.2),
    (1.0, -1.0, 0.0, 0.0, 0.15, 0.0),
    (0.0, -1.0, 1.0, 0.0, 0.15, 0.0),
    (0.0, 0.0, 0.0, 1.0, 0.45, 0.4),
)
_BOUND = 3.0  # latents are squashed to this before they are decoded: a sampler's outlier must not burn a hole


@dataclass(frozen=True)
class CodecConfig:
    """Sizes of the codec."""

    channels: int = 32  # of every layer
    encoder_blocks: tuple[int, int, int, int] = (1, 2, 2, 2)  # at strides 1, 2, 4, 8
    decoder_blocks: tuple[int, int, int, int] = (2, 2, 2, 1)  # at strides 8, 4, 2, 1
    latent_channels: int = 4


class Codec(nn.Module):
    """Straight RGBA in [0, 1] <-> latents of about unit variance.

    latents = codec.encode(rgba)         # (b, 4, 128, 128) -> (b, 4, 16, 16)
    rgba = codec.decode(latents)
    """

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder, self.decoder = _Layers(_encoder_layers(config)), _Layers(_decoder_layers(config))
        if config.latent_channels >= 4:
            _begin_as_averages(self.encoder.layers, self.decoder.layers)

    def encode(self, rgba: Float[Tensor, "b 4 h w"]) -> Float[Tensor, "b c h8 w8"]:
        """Latents; height and width are multiples of 8. Colour under alpha 0 has no influence."""
        return self.encode_premultiplied(premultiplied(rgba))

    def encode_premultiplied(self, rgba: Float[Tensor, "b 4 h w"]) -> Float[Tensor, "b c h8 w8"]:
        """Latents of what a renderer draws over black: nothing is divided by alpha, so gradients are finite where it is 0."""
        return self.encoder(rgba)

    def decode_premultiplied(self, latents: Float[Tensor, "b c h8 w8"]) -> Float[Tensor, "b 4 h w"]:
        """Premultiplied colour and alpha as the network has them, some of them a little outside [0, 1]: what training compares."""
        return self.decoder(torch.tanh(latents / _BOUND) * _BOUND)

    def decode(self, latents: Float[Tensor, "b c h8 w8"]) -> Float[Tensor, "b 4 h w"]:
        """Straight RGBA in [0, 1]; black where nothing is."""
        made = self.decode_premultiplied(latents).clamp(0, 1)
        return torch.cat([unpremultiply(made[:, :3], made[:, 3:]), made[:, 3:]], 1)


class _Layers(nn.Module):
    """A sequence under the name that diffusers gives it."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class _Block(nn.Module):
    """Three 3x3 convolutions beside a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()

        def convolution() -> nn.Conv2d:
            return nn.Conv2d(channels, channels, 3, 1, 1)

        self.conv = nn.Sequential(convolution(), nn.ReLU(), convolution(), nn.ReLU(), convolution())
        self.fuse = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.fuse(self.conv(x) + x)


def _encoder_layers(config: CodecConfig) -> list[nn.Module]:
    width = config.channels
    layers: list[nn.Module] = []
    for level, blocks in enumerate(config.encoder_blocks):
        layers.append(nn.Conv2d(4, width, 3, 1, 1) if level == 0 else nn.Conv2d(width, width, 3, 2, 1, bias=False))
        layers += [_Block(width) for _ in range(blocks)]
    return [*layers, nn.Conv2d(width, config.latent_channels, 3, 1, 1)]


def _decoder_layers(config: CodecConfig) -> list[nn.Module]:
    width = config.channels
    layers: list[nn.Module] = [nn.Conv2d(config.latent_channels, width, 3, 1, 1), nn.ReLU()]
    for level, blocks in enumerate(config.decoder_blocks):
        layers += [_Block(width) for _ in range(blocks)]
        if level < 3:
            layers += [nn.Upsample(scale_factor=2), nn.Conv2d(width, width, 3, 1, 1, bias=False)]
    return [*layers, nn.Conv2d(width, 4, 3, 1, 1)]


@torch.no_grad()
def _begin_as_averages(encoder: nn.Sequential, decoder: nn.Sequential) -> None:
    """Weights with which latents are the average light, two differences of colour and alpha of their places, and decoding shows just that.

    What is to be learnt is then what an average leaves out. Begun at random, light and shape fill the latents first, and colour comes after
    some hundred thousand pictures (docs/lab-log.md). Four channels carry the averages; the others begin at random, unheard.
    """
    for layer in (*encoder, *decoder):
        if isinstance(layer, _Block):
            for parameter in layer.conv[4].parameters():
                nn.init.zeros_(parameter)
    mean = torch.zeros(3, 3)
    mean[1:, 1:] = 0.25  # of the 2 x 2 pixels that a stride of 2 makes one
    here = torch.zeros(3, 3)
    here[1, 1] = 1
    for layer in (*list(encoder)[:-1], *list(decoder)[1:-1]):
        if isinstance(layer, nn.Conv2d):
            _carry(layer, torch.eye(4), mean if layer.stride == (2, 2) else here)
    numbers = torch.tensor(_LATENT_ROWS)
    scale, offset = numbers[:, 4:5], numbers[:, 5]
    into = numbers[:, :4] / scale
    for layer, matrix, shift in (
        (encoder[-1], into, -offset / scale[:, 0]),
        (decoder[0], torch.linalg.inv(into), torch.linalg.inv(numbers[:, :4]) @ offset),
        (decoder[-1], torch.eye(4), torch.zeros(4)),
    ):
        assert isinstance(layer, nn.Conv2d)
        _carry(layer, matrix, here)
        assert layer.bias is not None
        layer.bias[:4] = shift


def _carry(layer: nn.Conv2d, matrix: Float[Tensor, "4 4"], kernel: Float[Tensor, "3 3"]) -> None:
    layer.weight[:4] = 0
    layer.weight[:4, :4] = matrix[:, :, None, None] * kernel
    if layer.bias is not None:
        layer.bias[:4] = 0


def codec_path(codec: str | os.PathLike[str]) -> Path:
    """The file of a codec: the package's own for "bundled", else that path."""
    return bundled(KIND) if os.fspath(codec) == BUNDLED else Path(codec)


def load_codec(codec: str | os.PathLike[str] = BUNDLED) -> Codec:
    """Loads a codec: the package's own, or one that `dd3g teach codec` wrote; in evaluation mode, without gradients.

    Raises:
        CheckpointError: No such file, damaged, or of another architecture.
    """
    file = load_model_file(codec_path(codec), KIND)
    try:
        sizes: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in file.config.items()}
        network = Codec(CodecConfig(**sizes))
    except (TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{file.path}: no codec has its configuration ({error}); use the dd3g version that wrote it") from None
    load_strictly(network, file)
    return network.eval().requires_grad_(False)
