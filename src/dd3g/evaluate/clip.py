"""The picture tower of CLIP (Radford et al. 2021), OpenAI's weights, for one figure: the cosine of two pictures' embeddings.

Our own plain code under OpenAI's names. ViT-B/32, as One-2-3-45, Magic123 and others report it; similarities of other towers are not
comparable. Unlike the teacher's OpenCLIP tower it has the sigmoid approximation of GELU and a projection.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from dd3g.core.errors import WeightsError
from dd3g.core.weights import find_weights, read_tensors

WEIGHTS = "clip-vit-b-32"
_MEAN, _DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_HEAD_WIDTH = 64


@dataclass(frozen=True)
class ClipSizes:
    """Of a tower; the defaults are ViT-B/32's."""

    width: int = 768
    layers: int = 12
    patch: int = 32
    side: int = 224  # px of the picture
    embedding: int = 512


class ClipVision(nn.Module):
    """Pictures to unit embeddings; frozen."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, sizes: ClipSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.conv1 = nn.Conv2d(3, sizes.width, sizes.patch, sizes.patch, bias=False)
        self.class_embedding = nn.Parameter(torch.zeros(sizes.width))
        self.positional_embedding = nn.Parameter(torch.zeros((sizes.side // sizes.patch) ** 2 + 1, sizes.width))
        self.ln_pre, self.ln_post = nn.LayerNorm(sizes.width), nn.LayerNorm(sizes.width)
        self.transformer = nn.ModuleDict({"resblocks": nn.ModuleList(_Block(sizes.width) for _ in range(sizes.layers))})
        self.proj = nn.Parameter(torch.zeros(sizes.width, sizes.embedding))
        self.register_buffer("mean", torch.tensor(_MEAN)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(_DEVIATION)[:, None, None], persistent=False)
        self.requires_grad_(False)
        self.eval()

    def forward(self, rgb: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b embedding"]:
        """Unit embeddings of square sRGB pictures in [0, 1]."""
        side = self.sizes.side
        if rgb.shape[-2:] != (side, side):
            rgb = F.interpolate(rgb, (side, side), mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
        x = self.conv1((rgb - self.mean) / self.deviation).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_embedding.expand(len(x), 1, -1), x], 1) + self.positional_embedding
        x = self.ln_pre(x)
        for block in self.transformer["resblocks"]:  # pyright: ignore[reportGeneralTypeIssues]
            x = block(x)
        return F.normalize(self.ln_post(x[:, 0]) @ self.proj, dim=-1)


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, max(width // _HEAD_WIDTH, 1), batch_first=True)
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(width, 4 * width), "c_proj": nn.Linear(4 * width, width)})

    def forward(self, x: Tensor) -> Tensor:
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False)[0]
        hidden = self.mlp["c_fc"](self.ln_2(x))
        return x + self.mlp["c_proj"](hidden * torch.sigmoid(1.702 * hidden))


def load_clip(sizes: ClipSizes = ClipSizes()) -> ClipVision:
    """The tower with OpenAI's weights; what belongs to text is left.

    Raises:
        WeightsError: The file is not there, or holds another network.
    """
    path = find_weights(WEIGHTS)
    stored = {name.removeprefix("visual."): t.float() for name, t in read_tensors(path).items() if name.startswith("visual.")}
    network = ClipVision(sizes)
    try:
        network.load_state_dict(stored)
    except RuntimeError as error:
        raise WeightsError(f"{path}: holds another network than CLIP's {sizes} ({error}); put the right file there") from None
    return network
