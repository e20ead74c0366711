"""OpenCLIP ViT-H/14's two towers, as far as ImageDream uses them: the last layer but one of either.

    text ids (b, 77)       --23 of 24 layers, causal--> final norm --> (b, 77, 1024)
    pixels (b, 3, 224, 224) --31 of 32 layers--> (b, 257, 1280), the class token first; no norm after, no projection

Parameters have the names of transformers' ``CLIPTextModel`` and ``CLIPVisionModel`` (without ``text_model.`` and ``vision_model.``); the
layers are pre-norm with the exact GELU, not OpenAI's quick one. The image tower has its unused last layer and norm, so that a file of it
loads strictly.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from dd3g.teacher.imagedream.sizes import TextSizes, VisionSizes


class TextTower(nn.Module):
    """Text of ids; every position attended to by those behind it, the filling zeros too."""

    def __init__(self, sizes: TextSizes) -> None:
        super().__init__()
        self.embeddings = _TextEmbeddings(sizes)
        self.encoder = _Layers(sizes.layers, sizes.width, sizes.hidden, sizes.head_width)
        self.final_layer_norm = nn.LayerNorm(sizes.width)

    def forward(self, ids: Int[Tensor, "b n"]) -> Float[Tensor, "b n d"]:
        """What ImageDream's cross-attention is told."""
        x = self.embeddings(ids)
        for layer in self.encoder.layers:
            x = layer(x, causal=True)
        return self.final_layer_norm(x)


class VisionTower(nn.Module):
    """Features of a picture, a token a patch of 14 x 14 pixels."""

    def __init__(self, sizes: VisionSizes) -> None:
        super().__init__()
        self.embeddings = _VisionEmbeddings(sizes)
        self.pre_layrnorm = nn.LayerNorm(sizes.width)  # transformers' own spelling
        self.encoder = _Layers(sizes.layers, sizes.width, sizes.hidden, sizes.head_width)
        self.post_layernorm = nn.LayerNorm(sizes.width)

    def forward(self, pixels: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b n d"]:
        """Of normalised pixels (:func:`dd3g.teacher.imagedream.prepare.clip_pixels`)."""
        x = self.pre_layrnorm(self.embeddings(pixels))
        for layer in self.encoder.layers[:-1]:
            x = layer(x)
        return x


class _TextEmbeddings(nn.Module):
    def __init__(self, sizes: TextSizes) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(sizes.vocabulary, sizes.width)
        self.position_embedding = nn.Embedding(sizes.length, sizes.width)

    def forward(self, ids: Tensor) -> Tensor:
        return self.token_embedding(ids) + self.position_embedding.weight


class _VisionEmbeddings(nn.Module):
    def __init__(self, sizes: VisionSizes) -> None:
        super().__init__()
        self.class_embedding = nn.Parameter(torch.randn(sizes.width) * sizes.width**-0.5)
        self.patch_embedding = nn.Conv2d(3, sizes.width, sizes.patch, sizes.patch, bias=False)
        self.position_embedding = nn.Embedding((sizes.side // sizes.patch) ** 2 + 1, sizes.width)

    def forward(self, pixels: Tensor) -> Tensor:
        patches = self.patch_embedding(pixels).flatten(2).transpose(1, 2)
        first = self.class_embedding.expand(len(pixels), 1, -1)
        return torch.cat([first, patches], 1) + self.position_embedding.weight


class _Layers(nn.Module):
    """A list of layers under the name that transformers gives it."""

    def __init__(self, count: int, width: int, hidden: int, head_width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_Layer(width, hidden, width // head_width) for _ in range(count))


class _Layer(nn.Module):
    def __init__(self, width: int, hidden: int, heads: int) -> None:
        super().__init__()
        self.layer_norm1, self.layer_norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.self_attn = _Attention(width, heads)
        self.mlp = _MLP(width, hidden)

    def forward(self, x: Tensor, causal: bool = False) -> Tensor:
        x = x + self.self_attn(self.layer_norm1(x), causal)
        return x + self.mlp(self.layer_norm2(x))


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor, causal: bool) -> Tensor:
        q, k, v = (f(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for f in (self.q_proj, self.k_proj, self.v_proj))
        made = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        return self.out_proj(made.transpose(1, 2).flatten(2))


class _MLP(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))
