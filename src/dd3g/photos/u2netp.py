"""U2-Net small, the saliency network of Qin et al. (2020), with batch norm folded into its convolutions.

A nest of U-Nets: every stage is itself a small U-Net ("residual U-block"), and six side outputs are fused to one mask. Loads both the
official checkpoint and its folded conversion; the weights are third-party (Apache-2.0) and are looked for, never brought.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from dd3g.core.errors import CheckpointError
from dd3g.core.model_file import ModelFile, load_strictly
from dd3g.core.weights import find_weights, weights_folders
from dd3g.photos.batch_norm import fold_batch_norm

INPUT_SIZE = 320
FOUND_AT = 0.3  # a largest probability below it means: nothing salient (the stretch to [0, 1] would amplify noise)
OFFICIAL_FILE = "u2netp/u2netp.pth"  # below a weights folder
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_INNER, _OUTER = 16, 64  # channels inside and between the blocks


class _ConvRelu(nn.Module):
    """3x3 convolution that keeps the size, then ReLU. ``conv_s1`` is the official name of the convolution."""

    def __init__(self, channels_in: int, channels_out: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv_s1 = nn.Conv2d(channels_in, channels_out, 3, padding=dilation, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.conv_s1(x))


class _ResidualUBlock(nn.Module):
    """RSU-L: a U-Net of ``height`` levels whose output is added to its first feature map."""

    def __init__(self, channels_in: int, height: int) -> None:
        super().__init__()
        self.height = height
        self.rebnconvin = _ConvRelu(channels_in, _OUTER)
        for level in range(1, height):
            setattr(self, f"rebnconv{level}", _ConvRelu(_OUTER if level == 1 else _INNER, _INNER))
            setattr(self, f"rebnconv{level}d", _ConvRelu(2 * _INNER, _OUTER if level == 1 else _INNER))
        setattr(self, f"rebnconv{height}", _ConvRelu(_INNER, _INNER, dilation=2))

    def forward(self, x: Tensor) -> Tensor:
        residual = self.rebnconvin(x)
        encoded = [self._conv("1", residual)]
        for level in range(2, self.height):
            encoded.append(self._conv(str(level), _pool(encoded[-1])))
        h = self._conv(str(self.height), encoded[-1])
        for level in range(self.height - 1, 0, -1):
            skip = encoded[level - 1]
            h = self._conv(f"{level}d", torch.cat([_resized(h, skip), skip], 1))
        return h + residual

    def _conv(self, which: str, x: Tensor) -> Tensor:
        return getattr(self, f"rebnconv{which}")(x)


class _DilatedBlock(nn.Module):
    """RSU-4F: the same shape of computation on one resolution, with dilation in place of pooling."""

    def __init__(self, channels_in: int) -> None:
        super().__init__()
        self.rebnconvin = _ConvRelu(channels_in, _OUTER)
        self.rebnconv1 = _ConvRelu(_OUTER, _INNER)
        self.rebnconv2 = _ConvRelu(_INNER, _INNER, dilation=2)
        self.rebnconv3 = _ConvRelu(_INNER, _INNER, dilation=4)
        self.rebnconv4 = _ConvRelu(_INNER, _INNER, dilation=8)
        self.rebnconv3d = _ConvRelu(2 * _INNER, _INNER, dilation=4)
        self.rebnconv2d = _ConvRelu(2 * _INNER, _INNER, dilation=2)
        self.rebnconv1d = _ConvRelu(2 * _INNER, _OUTER)

    def forward(self, x: Tensor) -> Tensor:
        residual = self.rebnconvin(x)
        one = self.rebnconv1(residual)
        two = self.rebnconv2(one)
        three = self.rebnconv3(two)
        h = self.rebnconv3d(torch.cat([self.rebnconv4(three), three], 1))
        h = self.rebnconv2d(torch.cat([h, two], 1))
        return self.rebnconv1d(torch.cat([h, one], 1)) + residual


class U2NetSmall(nn.Module):
    """Picture -> saliency; module names are the official ones."""

    def __init__(self) -> None:
        super().__init__()
        both = 2 * _OUTER
        self.stage1, self.stage2 = _ResidualUBlock(3, 7), _ResidualUBlock(_OUTER, 6)
        self.stage3, self.stage4 = _ResidualUBlock(_OUTER, 5), _ResidualUBlock(_OUTER, 4)
        self.stage5, self.stage6 = _DilatedBlock(_OUTER), _DilatedBlock(_OUTER)
        self.stage5d, self.stage4d = _DilatedBlock(both), _ResidualUBlock(both, 4)
        self.stage3d, self.stage2d, self.stage1d = _ResidualUBlock(both, 5), _ResidualUBlock(both, 6), _ResidualUBlock(both, 7)
        for side in range(1, 7):
            setattr(self, f"side{side}", nn.Conv2d(_OUTER, 1, 3, padding=1))
        self.outconv = nn.Conv2d(6, 1, 1)

    def forward(self, normalised: Float[Tensor, "batch 3 h w"]) -> Float[Tensor, "batch 1 h w"]:
        """Saliency in [0, 1], not stretched, of a picture prepared by :func:`normalise`."""
        h1 = self.stage1(normalised)
        h2 = self.stage2(_pool(h1))
        h3 = self.stage3(_pool(h2))
        h4 = self.stage4(_pool(h3))
        h5 = self.stage5(_pool(h4))
        h6 = self.stage6(_pool(h5))
        d5 = self.stage5d(torch.cat([_resized(h6, h5), h5], 1))
        d4 = self.stage4d(torch.cat([_resized(d5, h4), h4], 1))
        d3 = self.stage3d(torch.cat([_resized(d4, h3), h3], 1))
        d2 = self.stage2d(torch.cat([_resized(d3, h2), h2], 1))
        d1 = self.stage1d(torch.cat([_resized(d2, h1), h1], 1))
        sides = [getattr(self, f"side{i}")(d) for i, d in enumerate((d1, d2, d3, d4, d5, h6), 1)]
        return self.outconv(torch.cat([sides[0]] + [_resized(side, d1) for side in sides[1:]], 1)).sigmoid()


def _pool(x: Tensor) -> Tensor:
    return functional.max_pool2d(x, 2, ceil_mode=True)


def _resized(x: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=False)


def normalise(rgb: Float[Tensor, "batch 3 h w"]) -> Float[Tensor, "batch 3 h w"]:
    """sRGB in [0, 1] -> the network's input: over the picture's own maximum, then ImageNet's mean and deviation."""
    mean, deviation = (rgb.new_tensor(v)[:, None, None] for v in (_MEAN, _DEVIATION))
    return (rgb / rgb.amax((-3, -2, -1), keepdim=True).clamp_min(1e-6) - mean) / deviation


def stretched(saliency: Float[Tensor, "batch 1 h w"]) -> Float[Tensor, "batch 1 h w"]:
    """Each mask stretched to [0, 1], as the authors do; zero where nothing reaches :data:`FOUND_AT`."""
    low, high = saliency.amin((-3, -2, -1), keepdim=True), saliency.amax((-3, -2, -1), keepdim=True)
    return torch.where(high < FOUND_AT, 0.0, (saliency - low) / (high - low).clamp_min(1e-6))


@lru_cache(maxsize=1)
def load_u2netp() -> U2NetSmall:
    """The network with its weights, from the official file or the folded conversion, whichever is found first.

    Raises:
        WeightsError: Neither is in a weights folder.
        CheckpointError: The file is damaged or holds another network.
    """
    network = U2NetSmall().eval().requires_grad_(False)
    official = next((folder / OFFICIAL_FILE for folder in weights_folders() if (folder / OFFICIAL_FILE).is_file()), None)
    path = official or find_weights("u2netp")
    tensors = read_official(official) if official else read_folded(path)
    load_strictly(network, ModelFile(path, "u2netp", {}, {}, tensors))
    return network


def read_official(path: Path) -> dict[str, Tensor]:
    """The published state dictionary (convolutions ``conv_s1`` and batch norms ``bn_s1``), folded."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever the damaged pickle or zip led it to
        raise CheckpointError(f"{path}: damaged or not a PyTorch checkpoint ({error}); fetch u2netp.pth again") from None
    if not isinstance(state, dict) or not all(isinstance(t, Tensor) for t in state.values()):
        raise CheckpointError(f"{path}: a checkpoint, but no state dictionary of tensors; fetch the official u2netp.pth")
    return fold_batch_norm({name: tensor.float() for name, tensor in state.items()}, conv="conv_s1", norm="bn_s1")


def read_folded(path: Path) -> dict[str, Tensor]:
    """The conversion: folded already, named without ``conv_s1``, stored in fp16."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        stored = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: damaged or not a safetensors file ({error}); fetch it again") from None
    return {_official_name(name): tensor.float() for name, tensor in stored.items()}


def _official_name(name: str) -> str:
    head, kind = name.rsplit(".", 1)
    return f"{head}.conv_s1.{kind}" if "rebnconv" in name and not head.endswith("conv_s1") else name
