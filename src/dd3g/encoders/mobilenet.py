"""MobileNetV2 (Sandler et al. 2018) with batch norm folded away: a semantic teacher for our own image encoder. Third-party weights.

TensorFlow's padding: at stride 2 with an even side, nothing at the top and left and one row at the bottom and right. Symmetric padding
would shift every feature.
"""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from dd3g.core.weights import find_weights

# (expansion, channels, blocks, stride of the first)
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
TEACHING_BLOCK = 12  # the last one at stride 16
TEACHING_CHANNELS = 96


class MobileNetV2(nn.Module):
    """Frozen features and logits of a picture."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, 2)
        self.blocks = nn.ModuleList()
        width = 32
        for expansion, channels, count, stride in _STAGES:
            for i in range(count):
                self.blocks.append(InvertedResidual(width, channels, expansion, stride if i == 0 else 1))
                width = channels
        self.head, self.classifier = nn.Conv2d(width, 1280, 1), nn.Linear(1280, 1001)
        self.requires_grad_(False)
        self.eval()

    def forward(self, rgb: Float[Tensor, "b 3 h w"], last_block: int = TEACHING_BLOCK) -> Float[Tensor, "b c h2 w2"]:
        """Feature map after a block, of sRGB in [0, 1]."""
        x = F.relu6(_same(self.stem, rgb * 2 - 1))
        for block in self.blocks[: last_block + 1]:
            x = block(x)
        return x

    def embed(self, rgb: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1280"]:
        """The whole picture as one vector."""
        return F.relu6(self.head(self(rgb, len(self.blocks) - 1))).mean((2, 3))

    def classify(self, rgb: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1001"]:
        """Logits of ImageNet's classes; 0 is background."""
        return self.classifier(self.embed(rgb))


class InvertedResidual(nn.Module):
    """1x1 up, depthwise 3x3, 1x1 down; a skip where shape allows."""

    def __init__(self, width: int, channels: int, expansion: int, stride: int) -> None:
        super().__init__()
        inner = width * expansion
        self.expand = nn.Conv2d(width, inner, 1) if expansion > 1 else None
        self.depthwise = nn.Conv2d(inner, inner, 3, stride, groups=inner)
        self.project = nn.Conv2d(inner, channels, 1)
        self.skip = stride == 1 and width == channels

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        """One block."""
        inner = x if self.expand is None else F.relu6(self.expand(x))
        out = self.project(F.relu6(_same(self.depthwise, inner)))
        return x + out if self.skip else out


def load_mobilenet() -> MobileNetV2:
    """Builds the network from the third-party weights.

    Raises:
        WeightsError: The file is not there; the message says where it is looked for.
    """
    from safetensors.torch import load_file

    network = MobileNetV2()
    network.load_state_dict(
        {name: t.float().reshape(network.state_dict()[name].shape) for name, t in load_file(find_weights("mobilenet-v2")).items()}
    )
    return network


def _same(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """A 3x3 convolution with TensorFlow's "same" padding."""
    if layer.stride[0] == 1:
        return layer(F.pad(x, (1, 1, 1, 1)))
    right, bottom = (1 if side % 2 == 0 else 2 for side in (x.shape[-1], x.shape[-2]))
    return layer(F.pad(x, (right - 1, 1, bottom - 1, 1)))
