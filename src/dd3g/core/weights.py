"""Where weights are looked for: the user's own folder, the cache, the package."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from dd3g.core.errors import CheckpointError, WeightsError


@dataclass(frozen=True)
class ThirdPartyWeights:
    """A file of somebody else's network that this package can use but doesn't bring."""

    name: str  # as users type it
    file: str  # path below the weights folder
    sha256: str
    what: str  # one line for people: what it is, from where, under which licence


THIRD_PARTY = {
    weights.name: weights
    for weights in (
        ThirdPartyWeights(
            "lpips-alex-backbone",
            "lpips/alexnet_features_fp16.safetensors",
            "c6bc578f29838725345542edbdf1003431f764aef6e7fb28ea116af5dc6f2571",
            "AlexNet features (torchvision ImageNet weights, BSD-3-Clause), fp16",
        ),
        ThirdPartyWeights(
            "lpips-squeeze-backbone",
            "lpips/squeezenet1_1_features_fp16.safetensors",
            "557701cee2d9aa784db911f7f8a538a6b251eab537cbf8a816f3c039a34d2daa",
            "SqueezeNet 1.1 features (torchvision ImageNet weights, BSD-3-Clause), fp16",
        ),
        ThirdPartyWeights(
            "lpips-heads",
            "lpips/lpips_heads_v0.1_fp32.safetensors",
            "0bb7623427beaa42802602d5c0df050f4bbfc77dde6a69c71f19d96df0de5614",
            "LPIPS v0.1 linear heads (richzhang/PerceptualSimilarity, BSD-2-Clause)",
        ),
        ThirdPartyWeights(
            "u2netp",
            "u2netp/u2netp_bnfolded_fp16.safetensors",
            "8997a71799e4937f6864911389e3e3828170055082e602244c71194245b1b169",
            "U2-Net small (xuebinqin/U-2-Net, Apache-2.0), batch norm folded, fp16",
        ),
        ThirdPartyWeights(
            "mobilenet-v2",
            "mobilenet_v2/mobilenet_v2_1.0_224_fp16.safetensors",
            "a4e9001098ac1229aa6e6b35756f901c3936e9fe304aa5aa650b1953d0cb6f60",
            "MobileNetV2 1.0 224 (google-coral/test_data, Apache-2.0), fp16",
        ),
    )
}


def weights_folders() -> list[Path]:
    """Folders that are looked into, in order: ``DD3G_WEIGHTS``, then the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dd3g" / "weights"
    own = os.environ.get("DD3G_WEIGHTS")
    return ([Path(own)] if own else []) + [cache]


def find_weights(name: str) -> Path:
    """The path of a third-party weights file, checked against its SHA-256.

    Raises:
        WeightsError: The name is unknown, or the file is in none of :func:`weights_folders`, or is another file.
    """
    if name not in THIRD_PARTY:
        raise WeightsError(f"unknown weights '{name}'; known are {', '.join(sorted(THIRD_PARTY))}")
    wanted = THIRD_PARTY[name]
    for folder in weights_folders():
        path = folder / wanted.file
        if path.is_file():
            found = hashlib.sha256(path.read_bytes()).hexdigest()
            if found != wanted.sha256:
                raise WeightsError(f"{path}: SHA-256 is {found[:12]}..., expected {wanted.sha256[:12]}...; put the right file there")
            return path
    looked = " or ".join(str(folder / wanted.file) for folder in weights_folders())
    raise WeightsError(f"weights '{name}' are not here ({wanted.what}): expected {looked}; set DD3G_WEIGHTS to a folder that holds them")


def bundled(name: str) -> Path:
    """The path of weights that come with the package, for example ``bundled("student")``.

    Raises:
        CheckpointError: This installation lacks the file.
    """
    path = Path(__file__).resolve().parent.parent / "assets" / f"{name}.safetensors"
    if not path.is_file():
        raise CheckpointError(f"{path}: the bundled weights '{name}' are missing; install dd3g again")
    return path
