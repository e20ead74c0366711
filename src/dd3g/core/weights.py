"""Where weights are looked for: the user's own folder, the cache, the package; what others made is named here, with its checksum."""

from __future__ import annotations

import hashlib
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dd3g.core.errors import CheckpointError, WeightsError

if TYPE_CHECKING:
    from torch import Tensor

BUNDLED = "bundled"
"""What users type for the package's own weights, where a file may stand."""

_BLOCK = 1 << 20


@dataclass(frozen=True)
class WeightsFile:
    """One form in which a network's weights exist."""

    file: str  # path below a weights folder, and below a mirror's address
    sha256: str  # all 64 digits, or as many as the publisher states (torchvision: the first eight, in the file's name)
    url: str | None = None  # where its authors publish it; None for conversions, which only a mirror or the user can bring


@dataclass(frozen=True)
class ThirdPartyWeights:
    """Somebody else's network that this package can use but doesn't bring."""

    name: str  # as users type it
    what: str  # one line for people: what it is, from where, under which licence
    files: tuple[WeightsFile, ...]  # any one is enough; looked for in this order
    by_hand: str = ""  # where nothing can be fetched: what to do

    @property
    def file(self) -> str:
        """Path of the first form below a weights folder."""
        return self.files[0].file

    @property
    def official(self) -> WeightsFile | None:
        """The form that can be fetched from its authors."""
        return next((file for file in self.files if file.url is not None), None)


_TORCHVISION = "https://download.pytorch.org/models/"
# The heads' checksums are those of the files in the Python package lpips 0.1.4, which carries the repository's files.
_LPIPS = "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/lpips/weights/v0.1/"
# OpenAI states the SHA-256 in the address.
_CLIP_SHA = "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af"
_HEADS = "LPIPS v0.1 linear heads"
_CONVERTED = "its authors publish it in a form that is not read here: give --mirror, or put the converted file into a weights folder"


def _torchvision(name: str, sha256: str) -> WeightsFile:
    return WeightsFile(f"torchvision/{name}-{sha256}.pth", sha256, f"{_TORCHVISION}{name}-{sha256}.pth")


def _heads(backbone: str, sha256: str) -> ThirdPartyWeights:
    file = WeightsFile(f"lpips/{backbone}.pth", sha256, f"{_LPIPS}{backbone}.pth")
    return ThirdPartyWeights(f"lpips-{backbone}-heads", f"{_HEADS} for {backbone} (richzhang/PerceptualSimilarity, BSD-2-Clause)", (file,))


THIRD_PARTY = {
    weights.name: weights
    for weights in (
        ThirdPartyWeights(
            "lpips-alex-backbone",
            "AlexNet features (torchvision ImageNet weights, BSD-3-Clause)",
            (
                WeightsFile("lpips/alexnet_features_fp16.safetensors", "c6bc578f29838725345542edbdf1003431f764aef6e7fb28ea116af5dc6f2571"),
                _torchvision("alexnet-owt", "7be5be79"),
            ),
        ),
        ThirdPartyWeights(
            "lpips-squeeze-backbone",
            "SqueezeNet 1.1 features (torchvision ImageNet weights, BSD-3-Clause)",
            (
                WeightsFile(
                    "lpips/squeezenet1_1_features_fp16.safetensors", "557701cee2d9aa784db911f7f8a538a6b251eab537cbf8a816f3c039a34d2daa"
                ),
                _torchvision("squeezenet1_1", "b8a52dc0"),
            ),
        ),
        ThirdPartyWeights(
            "lpips-vgg-backbone",
            "VGG16 features (torchvision ImageNet weights, BSD-3-Clause), 528 MB",
            (_torchvision("vgg16", "397923af"),),
        ),
        ThirdPartyWeights(
            "lpips-heads",
            f"{_HEADS} of all backbones in one file (richzhang/PerceptualSimilarity, BSD-2-Clause)",
            (WeightsFile("lpips/lpips_heads_v0.1_fp32.safetensors", "0bb7623427beaa42802602d5c0df050f4bbfc77dde6a69c71f19d96df0de5614"),),
            "its authors publish one file a backbone: lpips-alex-heads, lpips-squeeze-heads, lpips-vgg-heads serve as well",
        ),
        _heads("alex", "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0"),
        _heads("squeeze", "4a5350f23600cb79923ce65bb07cbf57dca461329894153e05a1346bd531cf76"),
        _heads("vgg", "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868"),
        ThirdPartyWeights(
            "clip-vit-b-32",
            "CLIP ViT-B/32 (openai/CLIP, MIT), 354 MB",
            (WeightsFile("clip/ViT-B-32.pt", _CLIP_SHA, f"https://openaipublic.azureedge.net/clip/models/{_CLIP_SHA}/ViT-B-32.pt"),),
        ),
        ThirdPartyWeights(
            "u2netp",
            "U2-Net small (xuebinqin/U-2-Net, Apache-2.0), batch norm folded, fp16",
            (WeightsFile("u2netp/u2netp_bnfolded_fp16.safetensors", "8997a71799e4937f6864911389e3e3828170055082e602244c71194245b1b169"),),
            "its authors publish u2netp.pth on a page for people (README of xuebinqin/U-2-Net): save it as u2netp/u2netp.pth",
        ),
        ThirdPartyWeights(
            "mobilenet-v2",
            "MobileNetV2 1.0 224 (google-coral/test_data, Apache-2.0), fp16",
            (
                WeightsFile(
                    "mobilenet_v2/mobilenet_v2_1.0_224_fp16.safetensors",
                    "a4e9001098ac1229aa6e6b35756f901c3936e9fe304aa5aa650b1953d0cb6f60",
                ),
            ),
            _CONVERTED,
        ),
    )
}


def weights_folders() -> list[Path]:
    """Folders that are looked into, in order: ``DD3G_WEIGHTS``, then the user's cache."""
    own = os.environ.get("DD3G_WEIGHTS")
    return ([Path(own)] if own else []) + [cache_folder()]


def cache_folder() -> Path:
    """Where `dd3g download` puts weights when it is not told another place."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dd3g" / "weights"


def third_party(name: str) -> ThirdPartyWeights:
    """The entry of a name.

    Raises:
        WeightsError: The name is unknown.
    """
    if name not in THIRD_PARTY:
        raise WeightsError(f"unknown weights '{name}'; known are {', '.join(sorted(THIRD_PARTY))}")
    return THIRD_PARTY[name]


def find_weights(name: str) -> Path:
    """The path of a third-party weights file, checked against its SHA-256.

    Raises:
        WeightsError: The name is unknown, or the file is in none of :func:`weights_folders`, or is another file.
    """
    wanted = third_party(name)
    for file in wanted.files:
        for folder in weights_folders():
            path = folder / file.file
            if path.is_file():
                check_weights(path, file)
                return path
    looked = " or ".join(str(folder / wanted.file) for folder in weights_folders())
    mend = f"set DD3G_WEIGHTS to a folder that holds them{f', or `dd3g download {name}`' if wanted.official else ''}"
    raise WeightsError(f"weights '{name}' are not here ({wanted.what}): expected {looked}; {mend}")


def is_here(name: str) -> bool:
    """Whether a file of these weights lies in a weights folder, right or wrong."""
    return any((folder / file.file).is_file() for file in third_party(name).files for folder in weights_folders())


def check_weights(path: Path, expected: WeightsFile) -> str:
    """SHA-256 of a file, which has to be the expected one.

    Where the publisher states a part of it, the whole is what was recorded beside the file when it was downloaded.

    Raises:
        WeightsError: It is another file.
    """
    found, record = sha256_of(path), recorded_sum(path)
    whole = record.read_text(encoding="ascii").strip() if len(expected.sha256) < 64 and record.is_file() else expected.sha256
    for wanted in (expected.sha256, whole):
        if not found.startswith(wanted):
            raise WeightsError(f"{path}: SHA-256 is {found[:12]}..., expected {wanted[:12]}...; put the right file there")
    return found


def recorded_sum(path: Path) -> Path:
    """The file beside a weights file that holds the SHA-256 it had at first."""
    return path.with_name(path.name + ".sha256")


def sha256_of(path: Path) -> str:
    """SHA-256 of a file of any size."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            total.update(block)
    return total.hexdigest()


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors by name of a weights file: safetensors, a state that torch saved (no code is run), or a TorchScript archive.

    Raises:
        WeightsError: None of these.
    """
    import pickle

    import torch

    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        if path.suffix == ".pt":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # TorchScript is on its way out of torch, but this is how CLIP is published
                return dict(torch.jit.load(str(path), map_location="cpu").state_dict())
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except (RuntimeError, ValueError, OSError, TypeError, pickle.UnpicklingError) as error:
        raise WeightsError(f"{path}: can't be read as weights ({error}); put the right file there") from None


def bundled(name: str) -> Path:
    """The path of weights that come with the package, for example ``bundled("student")``.

    Raises:
        CheckpointError: This installation lacks the file.
    """
    path = Path(__file__).resolve().parent.parent / "assets" / f"{name}.safetensors"
    if not path.is_file():
        raise CheckpointError(f"{path}: the bundled weights '{name}' are missing; install dd3g again")
    return path
