"""LPIPS v0.1 (Zhang et al. 2018) over AlexNet or SqueezeNet features, in our own code; the weights are third-party files found by name.

Input pictures are sRGB in [0, 1]. Every tap is normalised over channels, differences are squared, weighted by the learned head, averaged
over the picture and summed over taps. Values agree with the published 0.722 / 0.138 example (tests/distill/test_lpips.py).
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from dd3g.core.errors import InputError
from dd3g.core.weights import find_weights

Backbone = Literal["alex", "squeeze"]
_FILES = {"alex": "lpips-alex-backbone", "squeeze": "lpips-squeeze-backbone"}
# fire module -> (squeeze, expand of each kernel); inputs follow from the one before
_FIRES = {3: (16, 64), 4: (16, 64), 6: (32, 128), 7: (32, 128), 9: (48, 192), 10: (48, 192), 11: (64, 256), 12: (64, 256)}


class LPIPS(nn.Module):
    """Perceptual distance; frozen, differentiable in both pictures.

    lpips = load_lpips("squeeze")
    distance = lpips(ours, truth)      # (b,)
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        self.features = _alexnet() if backbone == "alex" else _squeezenet()
        self.taps = (1, 4, 7, 9, 11) if backbone == "alex" else (1, 4, 7, 9, 10, 11, 12)
        widths = (64, 192, 384, 256, 256) if backbone == "alex" else (64, 128, 256, 384, 384, 512, 512)
        self.heads = nn.ParameterList(nn.Parameter(torch.zeros(width)) for width in widths)
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188])[:, None, None])
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450])[:, None, None])
        self.requires_grad_(False)
        self.eval()

    def forward(self, first: Float[Tensor, "b 3 h w"], second: Float[Tensor, "b 3 h w"]) -> Float[Tensor, " b"]:
        """Distance of each pair; 0 for equal pictures.

        Raises:
            InputError: A side is under 31 px, where the last tap of the backbone would be empty.
        """
        if min(first.shape[-2:]) < 31:
            raise InputError(f"LPIPS needs pictures of at least 31 px a side, found {tuple(first.shape[-2:])}; render larger")
        total = first.new_zeros(first.shape[0])
        for head, a, b in zip(self.heads, self._tapped(first), self._tapped(second), strict=True):
            difference = (_unit(a) - _unit(b)).square()
            total = total + (difference * head[:, None, None]).sum(1).mean((1, 2))
        return total

    def _tapped(self, rgb: Tensor) -> list[Tensor]:
        x, found = (rgb * 2 - 1 - self.shift) / self.scale, []
        for i, layer in enumerate(self.features):
            x = layer(x)
            if i in self.taps:
                found.append(x)
        return found


def load_lpips(backbone: Backbone) -> LPIPS:
    """Builds LPIPS from the third-party weights.

    Raises:
        WeightsError: The files are not there; the message says where they are looked for.
    """
    from safetensors.torch import load_file

    network = LPIPS(backbone)
    # torchvision counts layers as our sequences do, so its names fit.
    state = {name: t.float() for name, t in load_file(find_weights(_FILES[backbone])).items()}
    heads = load_file(find_weights("lpips-heads"))
    state |= {f"heads.{k}": heads[f"{backbone}.lin{k}"].float().flatten() for k in range(len(network.heads))}
    state |= {"shift": network.shift, "scale": network.scale}
    network.load_state_dict(state)
    return network


def _unit(x: Tensor) -> Tensor:
    return x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10)


def _alexnet() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(64, 192, 5, 1, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, 1, 1), nn.ReLU(), nn.Conv2d(384, 256, 3, 1, 1), nn.ReLU(), nn.Conv2d(256, 256, 3, 1, 1), nn.ReLU(),
    )  # fmt: skip


def _squeezenet() -> nn.Sequential:
    def pool() -> nn.Module:
        return nn.MaxPool2d(3, 2, ceil_mode=True)

    layers: list[nn.Module] = [nn.Conv2d(3, 64, 3, 2), nn.ReLU(), pool()]
    width = 64
    for number, (squeeze, expand) in _FIRES.items():
        layers.append(Fire(width, squeeze, expand))
        width = 2 * expand
        if number in (4, 7):
            layers.append(pool())
    return nn.Sequential(*layers)


class Fire(nn.Module):
    """SqueezeNet's module: a 1x1 squeeze, then 1x1 and 3x3 expansions side by side."""

    def __init__(self, width: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze, self.expand1x1, self.expand3x3 = (
            nn.Conv2d(width, squeeze, 1),
            nn.Conv2d(squeeze, expand, 1),
            nn.Conv2d(squeeze, expand, 3, 1, 1),
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        """Width becomes twice ``expand``."""
        x = F.relu(self.squeeze(x))
        return torch.cat([F.relu(self.expand1x1(x)), F.relu(self.expand3x3(x))], 1)
