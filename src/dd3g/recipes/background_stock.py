"""Material brought to equal sizes and put into few tensors, so that a batch is made by indexing, on any device."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

from dd3g.recipes.background_material import Material, Picture
from dd3g.recipes.background_scenes import SCENES, SHARES

TABLE = 32  # cells a side of the tables of where something salient stands


@dataclass(frozen=True)
class Stock:
    """n cut-outs of side o, and m pictures of side p: photographs, then labelled photographs, then drawn scenes."""

    cutouts: UInt8[Tensor, "n 4 o o"]  # straight, centred, the longest side fills the square
    weights: Float[np.ndarray, " n"]  # how often each is drawn; they sum to 1
    pictures: UInt8[Tensor, "m 4 p p"]  # alpha is what is salient; stretched to a square, as the network sees all pictures
    photographs: int
    labelled: int
    salient: Float[np.ndarray, "k t t"]  # sums of alpha of the photographs above and left of a cell's corner; t = TABLE + 1
    _elsewhere: dict[torch.device, Stock] = field(default_factory=dict, compare=False, repr=False)

    @property
    def scenes(self) -> int:
        """How many drawn scenes."""
        return len(self.pictures) - self.photographs - self.labelled

    def on(self, device: torch.device) -> Stock:
        """The same on another device; copied once."""
        if device == self.pictures.device:
            return self
        if device not in self._elsewhere:
            self._elsewhere[device] = replace(self, cutouts=self.cutouts.to(device), pictures=self.pictures.to(device))
        return self._elsewhere[device]


def stock_of(material: Material, size: int, scenes: int, seed: int) -> Stock:
    """Everything that batches of pictures of ``size`` pixels are made of.

    Args:
        material: Pictures of any size.
        size: Side of the pictures that are made, a multiple of 32.
        scenes: How many scenes to draw.
        seed: Of the scenes.
    """
    side, cutout_side = size * 9 // 8, size * 3 // 4
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # many pictures at once, not many threads a picture
    with ThreadPoolExecutor(threads) as pool:
        cutouts = list(pool.map(lambda picture: _fitted(picture, cutout_side), [p for _, pool in material.objects for p in pool]))
        photographs = list(pool.map(lambda picture: _stretched(picture, side), [*material.photographs, *material.labelled]))
        drawn = list(pool.map(lambda i: _drawn(side, seed, i), range(scenes)))
    torch.set_num_threads(threads)
    weights = np.concatenate([np.full(len(pool), weight / len(pool)) for weight, pool in material.objects])
    cells = functional.interpolate(torch.stack([p[3:] for p in photographs]).float(), (TABLE, TABLE), mode="area") if photographs else None
    sums = np.zeros((0, TABLE, TABLE)) if cells is None else cells[:, 0].double().numpy() / 255
    return Stock(
        torch.stack(cutouts),
        weights / weights.sum(),
        torch.stack([*photographs, *drawn]),
        len(material.photographs),
        len(material.labelled),
        np.pad(sums, ((0, 0), (1, 0), (1, 0))).cumsum(1).cumsum(2),
    )


def _fitted(picture: Picture, side: int) -> UInt8[Tensor, "4 s s"]:
    """Cropped to what is not transparent, and scaled into a square."""
    rows, columns = np.flatnonzero(picture[3].max(1) > 8), np.flatnonzero(picture[3].max(0) > 8)
    picture = picture[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = (max(round(n * side / max(picture.shape[1:])), 1) for n in picture.shape[1:])
    alpha = picture[3:].astype(np.float32) / 255
    premultiplied = _resized(np.concatenate([picture[:3] * alpha, picture[3:]]), height, width)
    straight = torch.cat([premultiplied[:3] / (premultiplied[3:] / 255).clamp_min(1 / 255), premultiplied[3:]])
    top, left = (side - height) // 2, (side - width) // 2
    return functional.pad(_bytes(straight), (left, side - width - left, top, side - height - top))


def _stretched(picture: Picture, side: int) -> UInt8[Tensor, "4 s s"]:
    return _bytes(_resized(picture, side, side))


def _resized(picture: np.ndarray, height: int, width: int) -> Float[Tensor, "c h w"]:
    pixels = torch.from_numpy(np.ascontiguousarray(picture)).float()[None]
    return functional.interpolate(pixels, (height, width), mode="bilinear", align_corners=False, antialias=True)[0]


def _bytes(x: Float[Tensor, "c h w"]) -> UInt8[Tensor, "c h w"]:
    return x.round().clamp(0, 255).to(torch.uint8)


def _drawn(side: int, seed: int, number: int) -> UInt8[Tensor, "4 s s"]:
    random = np.random.Generator(np.random.Philox(key=[seed, number]))
    names: Sequence[str] = list(SCENES)
    rgb = SCENES[str(random.choice(names, p=SHARES))](random, side)
    return torch.cat([(rgb * 255).round().to(torch.uint8), torch.zeros(1, side, side, dtype=torch.uint8)])
