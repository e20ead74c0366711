"""``small``: our own network from a picture to the mask of its object.

    picture 256 -> stem 1/2 -> 1/4 -> 1/8 -> 1/16 -> 1/32 -> context -> 1/16 -> 1/8 -> 1/4 -> 1/2 -> refined at 1/1
                        \\        \\       \\        \\____________________/       /       /      /
                         \\________\\_______\\______________________________________/______/_____/

Residual blocks on the way down, sums of skip connections on the way up. What is "the object" is a question about the whole picture, so the
coarsest features also hear its mean. While it is trained every convolution is batch-normalised; the stored network has that folded in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from dd3g.core.errors import CheckpointError
from dd3g.core.model_file import load_model_file, load_strictly, save_model_file
from dd3g.core.weights import bundled
from dd3g.photos.batch_norm import fold_batch_norm

KIND = "background"


@dataclass(frozen=True)
class MaskNetworkConfig:
    """Sizes of the network."""

    input_size: int = 256  # side of the square that a picture is stretched to; a multiple of 32
    channels: tuple[int, int, int, int, int] = (16, 24, 40, 72, 112)  # at 1/2, 1/4, 1/8, 1/16, 1/32
    blocks: tuple[int, int, int, int] = (1, 2, 2, 3)  # residual blocks at 1/4 ... 1/32
    decoder: tuple[int, int, int, int] = (16, 24, 32, 48)  # channels on the way up, at 1/2 ... 1/16


class _Conv(nn.Module):
    """Convolution that keeps the size (over ``stride``), batch norm while training, and ReLU where asked."""

    def __init__(
        self, channels_in: int, channels_out: int, kernel: int, *, normed: bool, stride: int = 1, dilation: int = 1, relu: bool = True
    ) -> None:
        super().__init__()
        self.relu = relu
        padding = dilation * (kernel // 2)
        self.conv = nn.Conv2d(channels_in, channels_out, kernel, stride, padding, dilation, bias=not normed)
        self.norm = nn.BatchNorm2d(channels_out) if normed else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x))
        return functional.relu(x, inplace=True) if self.relu else x


class _Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, channels_in: int, channels_out: int, *, normed: bool, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.first = _Conv(channels_in, channels_out, 3, normed=normed, stride=stride, dilation=dilation)
        self.second = _Conv(channels_out, channels_out, 3, normed=normed, dilation=dilation, relu=False)
        # Pooled, not strided: a strided 1x1 convolution would look at a quarter of the pixels (and oneDNN 3.x corrupts memory in its
        # backward pass for channels-last tensors whose channels are no multiple of 8).
        self.pool = nn.Identity() if stride == 1 else nn.AvgPool2d(stride)
        same = channels_in == channels_out
        self.shortcut = nn.Identity() if same else _Conv(channels_in, channels_out, 1, normed=normed, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.second(self.first(x)) + self.shortcut(self.pool(x)))


class _Context(nn.Module):
    """Adds a function of the whole picture's mean to every place."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.hidden, self.out = nn.Linear(channels, channels), nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.out(functional.relu(self.hidden(x.mean((2, 3)))))[:, :, None, None])


class _Up(nn.Module):
    """From a coarse map and the finer skip to a finer map."""

    def __init__(self, coarse: int, skip: int, channels: int, *, normed: bool) -> None:
        super().__init__()
        self.coarse = _Conv(coarse, channels, 1, normed=normed, relu=False)
        self.skip = _Conv(skip, channels, 1, normed=normed, relu=False)
        self.mix = _Conv(channels, channels, 3, normed=normed)

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        return self.mix(functional.relu(_doubled(self.coarse(coarse)) + self.skip(skip)))


class MaskNetwork(nn.Module):
    """Picture -> mask logits of the same size."""

    def __init__(self, config: MaskNetworkConfig, *, normed: bool) -> None:
        super().__init__()
        self.config = config
        widths, ups = config.channels, config.decoder
        self.stem = _Conv(3, widths[0], 3, normed=normed, stride=2)
        self.down = nn.ModuleList()
        for level in range(1, 5):
            # Every other block at 1/32 sees twice as far.
            blocks: list[nn.Module] = [_Residual(widths[level - 1], widths[level], normed=normed, stride=2)]
            blocks += [
                _Residual(widths[level], widths[level], normed=normed, dilation=2 if level == 4 and i % 2 else 1)
                for i in range(1, config.blocks[level - 1])
            ]
            self.down.append(nn.Sequential(*blocks))
        self.context = _Context(widths[4])
        self.up = nn.ModuleList(_Up(([*ups, widths[4]])[level + 1], widths[level], ups[level], normed=normed) for level in range(4))
        self.coarse_logits = nn.Conv2d(ups[0], 1, 3, padding=1)
        self.refine = _Conv(4, 12, 3, normed=normed)
        self.fine_logits = nn.Conv2d(12, 1, 3, padding=1)

    def forward(self, rgb: Float[Tensor, "batch 3 h w"]) -> Float[Tensor, "batch 1 h w"]:
        """Logits; their sigmoid is the probability that a pixel belongs to the object.

        Args:
            rgb: sRGB in [0, 1]; height and width are multiples of 32.
        """
        picture = (rgb - 0.5) * 4
        features = [self.stem(picture)]
        for stage in self.down:
            features.append(stage(features[-1]))
        h = self.context(features[4])
        for level in (3, 2, 1, 0):
            h = self.up[level](h, features[level])
        coarse = _doubled(self.coarse_logits(h))
        return coarse + self.fine_logits(self.refine(torch.cat([picture, coarse], 1)))


def _doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def save_mask_network(path: Path, network: MaskNetwork, about: Mapping[str, Any]) -> None:
    """Writes a network that was trained with batch norm, folded and in fp16."""
    tensors = fold_batch_norm(network.state_dict(), conv="conv", norm="norm")
    save_model_file(path, kind=KIND, config=asdict(network.config), about=dict(about), tensors=tensors, dtype=torch.float16)


def load_mask_network(path: str | Path) -> MaskNetwork:
    """Reads what :func:`save_mask_network` wrote.

    Raises:
        CheckpointError: Missing, damaged, or of another architecture.
    """
    file = load_model_file(path, KIND)
    try:
        sizes: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in file.config.items()}
        config = MaskNetworkConfig(**sizes)
        network = MaskNetwork(config, normed=False)
    except (TypeError, IndexError) as error:
        raise CheckpointError(f"{path}: of another architecture ({error}); use the dd3g version that wrote it") from None
    load_strictly(network, file)
    return network.eval().requires_grad_(False)


@lru_cache(maxsize=1)
def load_bundled() -> MaskNetwork:
    """The network that comes with the package."""
    return load_mask_network(bundled(KIND))
