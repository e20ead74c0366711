"""What synthetic photographs are made of: cut-out objects, photographs to stand in, and photographs with a teacher's mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from dd3g.core.errors import InputError
from dd3g.core.noise import digest
from dd3g.recipes.views_pack import open_pack

Picture = UInt8[np.ndarray, "4 _ _"]  # straight RGBA; each of its own size


@dataclass(frozen=True)
class Material:
    """Pictures in memory, 8 bit, channels first."""

    objects: tuple[tuple[float, Sequence[Picture]], ...]  # pools of cut-outs, each with how often it is drawn from
    photographs: Sequence[Picture]  # alpha is where something salient stands, so that a background can be cut beside it
    labelled: Sequence[Picture]  # photographs whose alpha is the mask to learn
    digest: str  # of all file names and sizes: the data's identity

    def counts(self) -> dict[str, list[int] | int]:
        """How many pictures of each kind."""
        pools = [len(pool) for _, pool in self.objects]
        return {"objects": pools, "photographs": len(self.photographs), "labelled": len(self.labelled)}


@dataclass(frozen=True)
class MaterialFolders:
    """Where material lies. All pictures are PNG or WebP; see :class:`Material` for what their alpha means."""

    views: tuple[str, ...] = ()  # folders of `dd3g objects`; their group "inputs" is used
    cutouts: tuple[str, ...] = ()
    photographs: tuple[str, ...] = ()
    labelled: tuple[str, ...] = ()
    views_weight: float = 0.4
    cutouts_weight: float = 0.4  # of all folders of cut-outs together; each has the same share, however many it holds
    labelled_weight: float = 0.15  # labelled photographs, cut out along a confident mask


def load_material(folders: MaterialFolders) -> Material:
    """Reads all folders.

    Raises:
        InputError: There is no object, or no place to put it.
    """
    packs = [open_pack(root) for root in folders.views]
    views = [picture for pack in packs for view in pack.inputs.rgba for picture in view if picture[3].max() > 127]
    cutouts = [_read_all((folder,)) for folder in folders.cutouts]
    labelled = _read_all(folders.labelled)
    confident = [picture for picture in labelled if _is_confident(picture[3])]
    pools = (
        (folders.views_weight, views),
        *((folders.cutouts_weight / len(cutouts), pool) for pool in cutouts),
        (folders.labelled_weight, confident),
    )
    objects = tuple((weight, pool) for weight, pool in pools if pool and weight > 0)
    if not objects:
        raise InputError("material: no cut-out objects; give a folder of `dd3g objects` or of RGBA pictures")
    identity = _identity([pack.digest for pack in packs], _files((*folders.cutouts, *folders.photographs, *folders.labelled)))
    return Material(objects, _read_all(folders.photographs), labelled, identity)


def _is_confident(mask: UInt8[np.ndarray, "h w"]) -> bool:
    """Few half-decided pixels, an object of some size, and not cut by the frame."""
    inside, unsure = (mask > 127).mean(), ((mask > 40) & (mask < 215)).mean()
    rim = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    return bool(0.04 < inside < 0.7 and unsure < 0.12 * inside + 0.01 and (rim > 127).mean() < 0.03)


def _files(folders: Sequence[str]) -> list[Path]:
    return [path for folder in folders for path in sorted(Path(folder).rglob("*")) if path.suffix.lower() in (".png", ".webp")]


def _read_all(folders: Sequence[str]) -> list[Picture]:
    from PIL import Image

    pictures = []
    for path in _files(folders):
        with Image.open(path, formats=("PNG", "WEBP")) as image:
            pictures.append(np.ascontiguousarray(np.asarray(image.convert("RGBA")).transpose(2, 0, 1)))
    return pictures


def _identity(packs: Sequence[str], files: Sequence[Path]) -> str:
    lines = [*packs, *(f"{path.name}|{path.stat().st_size}" for path in files)]
    return digest("\n".join(lines).encode())
