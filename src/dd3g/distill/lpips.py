"""LPIPS v0.1 (Zhang et al. 2018) over AlexNet, SqueezeNet or VGG16 features, in our own code; weights are third-party files.

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
from dd3g.core.weights import find_weights, is_here, read_tensors

Backbone = Literal["alex", "squeeze", "vgg"]
_FILES = {"alex": "lpips-alex-backbone", "squeeze": "lpips-squeeze-backbone", "vgg": "lpips-vgg-backbone"}
_TAPS = {"alex": (1, 4, 7, 9, 11), "squeeze": (1, 4, 7, 9, 10, 11, 12), "vgg": (3, 8, 15, 22, 29)}  # each after its ReLU
_WIDTHS = {"alex": (64, 192, 384, 256, 256), "squeeze": (64, 128, 256, 384, 384, 512, 512), "vgg": (64, 128, 256, 512, 512)}
_VGG16 = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512)  # widths of 3x3 convolutions; 0 is a pool
_LEAST_SIDE = 31  # px; under it the last tap of the backbone would be empty
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
        self.features = {"alex": _alexnet, "squeeze": _squeezenet, "vgg": _vgg16}[backbone]()
        self.taps = _TAPS[backbone]
        self.heads = nn.ParameterList(nn.Parameter(torch.zeros(width)) for width in _WIDTHS[backbone])
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188])[:, None, None])
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450])[:, None, None])
        self.requires_grad_(False)
        self.eval()

    def forward(self, first: Float[Tensor, "b 3 h w"], second: Float[Tensor, "b 3 h w"]) -> Float[Tensor, " b"]:
        """Distance of each pair; 0 for equal pictures.

        Raises:
            InputError: A side is under 31 px, where the last tap of the backbone would be empty.
        """
        return self.between(self.seen(first), self.seen(second))

    def seen(self, rgb: Float[Tensor, "b 3 h w"]) -> list[Tensor]:
        """What :meth:`between` compares: every tap, normalised over channels. Pictures that are compared often are looked at once.

        Raises:
            InputError: A side is under 31 px.
        """
        if min(rgb.shape[-2:]) < _LEAST_SIDE:
            raise InputError(f"LPIPS needs pictures of at least {_LEAST_SIDE} px a side, found {tuple(rgb.shape[-2:])}; render larger")
        return [_unit(tap) for tap in self._tapped(rgb)]

    def between(self, first: list[Tensor], second: list[Tensor]) -> Float[Tensor, " b"]:
        """Distance of each pair of pictures that were seen; one picture on a side stands for all."""
        total = first[0].new_zeros(max(len(first[0]), len(second[0])))
        for head, a, b in zip(self.heads, first, second, strict=True):
            total = total + ((a - b).square() * head[:, None, None]).sum(1).mean((1, 2))
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
    # torchvision counts layers as our sequences do, so its names fit; its files hold the classifier as well.
    stored = read_tensors(find_weights(_FILES[backbone]))
    network = LPIPS(backbone)
    state = {name: t.float() for name, t in stored.items() if name.startswith("features.")}
    state |= {f"heads.{k}": head for k, head in enumerate(_heads(backbone, len(network.heads)))}
    state |= {"shift": network.shift, "scale": network.scale}
    network.load_state_dict(state)
    return network


def _heads(backbone: Backbone, count: int) -> list[Tensor]:
    """The linear heads: from one file of all backbones where that is here, else from the official file of this one."""
    if is_here("lpips-heads"):
        together = read_tensors(find_weights("lpips-heads"))
        return [together[f"{backbone}.lin{k}"].float().flatten() for k in range(count)]
    official = read_tensors(find_weights(f"lpips-{backbone}-heads"))
    return [official[f"lin{k}.model.1.weight"].float().flatten() for k in range(count)]


def _unit(x: Tensor) -> Tensor:
    return x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10)


def _alexnet() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(64, 192, 5, 1, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, 1, 1), nn.ReLU(), nn.Conv2d(384, 256, 3, 1, 1), nn.ReLU(), nn.Conv2d(256, 256, 3, 1, 1), nn.ReLU(),
    )  # fmt: skip


def _vgg16() -> nn.Sequential:
    layers: list[nn.Module] = []
    before = 3
    for width in _VGG16:
        layers += [nn.Conv2d(before, width, 3, 1, 1), nn.ReLU()] if width else [nn.MaxPool2d(2, 2)]
        before = width or before
    return nn.Sequential(*layers)


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
