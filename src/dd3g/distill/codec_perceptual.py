"""A perceptual distance over our own codec's encoder: for those who have no other network's weights, or want none.

As in LPIPS, features are scaled to length 1 over channels at every place, and squared differences are summed over channels and averaged
over the picture; there are no learnt heads, and levels count alike. The codec has learnt what it takes to draw a picture again, which is
less than what people see. At full width it costs about four times as much as LPIPS over SqueezeNet.

# differs: the paper's perceptual term is LPIPS. Features are standardised before they are scaled: much of a codec's is the same in every
# picture (that it is opaque, to begin with), and lengths would be of that alone.
"""

from __future__ import annotations

import copy
import os

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from dd3g.core.noise import digest
from dd3g.encoders.codec import Codec, load_codec
from dd3g.teacher.teacher import load_teacher, own_networks

STRIDES = (2, 4, 8)  # of the levels that are compared: at stride 1 the pixels themselves are
_DARK = 1e-6  # squared length of features, under which they count as none; keeps the root's gradient finite
_STILL = 0.01  # of the liveliest channel's spread: channels under it are no signal
_SAMPLES, _SAMPLE_PX = 16, 64


class CodecPerceptual(nn.Module):
    """Perceptual distance; frozen, differentiable in both pictures.

    perceptual = load_codec_perceptual(codec="codec.safetensors")
    distance = perceptual(ours, truth)      # (b,)
    """

    def __init__(self, codec: Codec) -> None:
        super().__init__()
        layers = list(copy.deepcopy(codec.encoder.layers))[:-1]  # the last one makes latents of features
        self.digest = digest(b"".join(t.detach().cpu().numpy().tobytes() for t in codec.encoder.state_dict().values()))
        self.levels = nn.ModuleList(nn.Sequential(*layers[a:b]) for a, b in _levels(layers))
        self.means, self.spreads = nn.ParameterList(), nn.ParameterList()
        with torch.no_grad():
            for features in self._tapped(_sample_pictures().to(next(codec.parameters()))):
                spread = features.std((0, 2, 3))
                self.means.append(nn.Parameter(features.mean((0, 2, 3))))
                self.spreads.append(nn.Parameter(spread.clamp_min(_STILL * spread.max().item()).clamp_min(_DARK)))
        self.requires_grad_(False)
        self.eval()

    def forward(self, first: Float[Tensor, "b 3 h w"], second: Float[Tensor, "b 3 h w"]) -> Float[Tensor, " b"]:
        """Distance of each pair of opaque pictures in [0, 1]; 0 for equal ones, at most 4."""
        total = first.new_zeros(first.shape[0])
        for mean, spread, *pair in zip(self.means, self.spreads, self._tapped(first), self._tapped(second), strict=True):
            a, b = (_unit((x - mean[:, None, None]) / spread[:, None, None]) for x in pair)
            total = total + (a - b).square().sum(1).mean((1, 2))
        return total / len(STRIDES)

    def _tapped(self, rgb: Tensor) -> list[Tensor]:
        x, found = torch.cat([rgb, torch.ones_like(rgb[:, :1])], 1), []  # over a background, nothing is transparent
        for stride, level in zip((1, *STRIDES), self.levels, strict=True):
            x = level(x)
            if stride in STRIDES:
                found.append(x.float())
        return found


def load_codec_perceptual(*, codec: str | os.PathLike[str] | None = None, teacher: str | os.PathLike[str] | None = None) -> CodecPerceptual:
    """From a codec's file, or else from a teacher's, which has one in it.

    Raises:
        CheckpointError: No such file, damaged, or of another kind.
    """
    if codec is not None:
        return CodecPerceptual(load_codec(codec))
    assert teacher is not None, "one of the two"
    return CodecPerceptual(own_networks(load_teacher(teacher))[1])


def _levels(layers: list[nn.Module]) -> list[tuple[int, int]]:
    """Where the levels of one stride begin and end among the layers."""
    starts = [0, *(i for i, layer in enumerate(layers) if isinstance(layer, nn.Conv2d) and layer.stride == (2, 2))]
    return list(zip(starts, [*starts[1:], len(layers)], strict=True))


def _sample_pictures() -> Float[Tensor, "n 3 h w"]:
    """Always the same pictures, of no thing, whose features stand for those of any: coloured patches, coarse to fine, half over white."""
    generator = torch.Generator().manual_seed(0)
    picture = torch.zeros(_SAMPLES, 3, _SAMPLE_PX, _SAMPLE_PX)
    for side in (2, 4, 8, 16, 32):
        noise = torch.randn(_SAMPLES, 3, side, side, generator=generator)
        mode = "nearest" if side == 8 else "bilinear"  # some edges are sharp
        picture = picture + F.interpolate(noise, (_SAMPLE_PX, _SAMPLE_PX), mode=mode)
    shape = F.interpolate(torch.randn(_SAMPLES, 1, 4, 4, generator=generator), (_SAMPLE_PX, _SAMPLE_PX), mode="bilinear")
    return torch.where(shape > 0, picture.sigmoid(), 1.0)


def _unit(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    return x / (x.square().sum(1, keepdim=True) + _DARK).sqrt()
