"""What chance decides about a batch of synthetic photographs: which pictures, where, how lit. A pure function of (seed, step).

All numbers and no pixels, so that drawing costs next to nothing; :mod:`dd3g.recipes.background_develop` makes pictures of it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeVar, cast

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from dd3g.recipes.background_stock import TABLE, Stock

_T = TypeVar("_T")


@dataclass(frozen=True)
class BackgroundDataConfig:
    """How a synthetic photograph is drawn."""

    batch: int = 16
    size: int = 256  # side of the square pictures, a multiple of 32
    labelled: float = 0.3  # share of photographs with a teacher's mask
    labelled_window: float = 0.55  # smallest window that is cut from those, over the picture's side
    empty: float = 0.03  # share of scenes without an object
    photographs: float = 0.6  # share of real photographs among the scenes of composites
    scenes: int = 1000  # how many scenes are drawn beforehand, to be cut and coloured anew each time
    several: float = 0.15  # share of composites with a second object
    longest: tuple[float, float] = (0.3, 1.2)  # of the object over the frame; above 1 the frame cuts it
    distractors: float = 0.2  # share with small, blurred things that don't belong to the object
    textured: float = 0.25  # share of objects that take the light and dark of a photograph upon them


@dataclass(frozen=True)
class Rows:
    """Some pictures of a batch, and a number or more for each of them."""

    at: Int[Tensor, " k"]
    values: Float[Tensor, "k v"]


@dataclass(frozen=True)
class Layer:
    """Objects laid into some of the pictures, one into each."""

    at: Int[Tensor, " k"]
    cutout: Int[Tensor, " k"]
    source_from_frame: Float[Tensor, "k 2 3"]
    look: Float[Tensor, "k 8"]
    texture: Int[Tensor, " k"]  # the picture whose light and dark it takes on
    textured: Float[Tensor, " k"]  # how much of it
    surroundings: Float[Tensor, " k"]  # share of the scene's mean colour on the object
    blur: Float[Tensor, " k"]  # over the frame's side
    shadow: Rows  # `at` counts the layer's own rows; flatness, shear, lift, blur, strength
    mirror: Rows  # strength


@dataclass(frozen=True)
class Camera:
    """What lens, sensor and file do."""

    gain: Float[Tensor, "b 3"]
    gamma: Float[Tensor, " b"]
    vignette: Float[Tensor, " b"]
    grey: Rows
    blur: Rows  # pixels
    low: Rows
    noise: Rows  # deviation
    jpeg: Rows  # quality
    noise_seed: int


@dataclass(frozen=True)
class Draw:
    """A batch before there are pictures."""

    picture: Int[Tensor, " b"]
    window: Float[Tensor, "b 2 3"]
    look: Float[Tensor, "b 8"]
    blur: Rows  # of the scene alone, over the frame's side
    labelled: Rows  # the pictures that come with their mask
    layers: tuple[Layer, ...]  # the last ones are objects, those before belong to the scene
    distractors: int
    camera: Camera

    def to(self, device: torch.device | str) -> Draw:
        """The same on another device."""
        return _moved(self, device)


def draw_batch(stock: Stock, config: BackgroundDataConfig, seed: int, step: int) -> Draw:
    """The batch of a step."""
    random = np.random.Generator(np.random.Philox(key=[seed, step]))
    b = config.batch
    # The same number in every batch: a teacher's pictures then keep their shape, which a GPU's libraries tune themselves to.
    labelled = (np.arange(b) < round(config.labelled * b)) & (stock.labelled > 0)
    bare = ~labelled & (random.random(b) < config.empty)
    picture, window, blur = _scenes(stock, config, random, b)
    own = stock.photographs + random.integers(0, max(stock.labelled, 1), b)
    picture = np.where(labelled, own, picture)
    window = np.where(
        labelled[:, None, None], _affine_of_window(*_windows(random, b, config.labelled_window), random.random(b) < 0.5), window
    )
    blur = np.where(labelled, 0, blur)
    aspect = np.exp(random.normal(0.12, 0.28, b))  # width over height of the photograph, before it is stretched to a square
    composite = np.flatnonzero(~labelled & ~bare)
    beside = composite[random.random(len(composite)) < config.distractors]
    layers = [
        _layer(stock, config, random, rows, aspect[rows], *_beside(random, len(rows)), grounded=False)
        for rows in (beside, beside[random.random(len(beside)) < 0.5])
    ]
    several = random.random(len(composite)) < config.several
    low, high = np.log(config.longest)
    longest = np.exp(random.uniform(low, high, len(composite))) * np.where(several, random.uniform(0.5, 0.75, len(composite)), 1)
    spread = np.where(several, 0.2, np.maximum(0.12 * (1.1 - longest), 0.03))
    for which in (np.ones(len(composite), bool), several):
        n = int(which.sum())
        centre = 0.5 + random.normal(0, 1, (n, 2)) * spread[which, None]
        sunk = random.random(n) < 0.1  # cut by the lower edge, as a portrait is
        centre[:, 1] += np.where(sunk, random.uniform(0.2, 0.5, n), 0)
        rows = composite[which]
        layers.append(_layer(stock, config, random, rows, aspect[rows], longest[which], centre, np.zeros(n), grounded=True))
    return Draw(
        torch.from_numpy(picture),
        _float(window),
        _float(_looks(random, b, saturation=(0.6, 1.35), contrast=(0.75, 1.2), lightness=0.03, tint=0.06, light=0)),
        _rows(blur > 0, blur),
        _rows(labelled, np.ones(b)),
        tuple(layers),
        2,
        _camera(config, random, b, int(np.random.Philox(key=[seed, step]).random_raw() >> 1)),
    )


def _scenes(stock: Stock, config: BackgroundDataConfig, random: np.random.Generator, b: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pictures, windows and blurs of the places that objects are laid into."""
    tries, photographs = 12, stock.photographs + stock.labelled
    chosen = random.integers(0, max(photographs, 1), (b, tries))
    windows = [part.reshape(b, tries) for part in _windows(random, b * tries, 0.25)]
    if photographs:
        occupied = _means(stock.salient, chosen.ravel(), *(part.ravel() for part in windows)).reshape(b, tries)
        best = np.where((occupied < 0.03).any(1), (occupied < 0.03).argmax(1), occupied.argmin(1))
        occupied = np.take_along_axis(occupied, best[:, None], 1)[:, 0]
    else:
        best, occupied = np.zeros(b, int), np.zeros(b)
    photograph = (random.random(b) < config.photographs) & (photographs > 0)
    top, left, height, width = (np.take_along_axis(part, best[:, None], 1)[:, 0] for part in windows)
    drawn_windows = _windows(random, b, 0.6)
    top, left, height, width = (np.where(photograph, p, d) for p, d in zip((top, left, height, width), drawn_windows, strict=True))
    picture = np.where(photograph, chosen[np.arange(b), best], photographs + random.integers(0, max(stock.scenes, 1), b))
    blur = np.where(random.random(b) < 0.3, random.uniform(0.003, 0.03, b), 0)
    blur = np.where(photograph, np.where(occupied < 0.03, blur, 0.06), 0)  # what stands there must not stand out
    return picture, _affine_of_window(top, left, height, width, random.random(b) < 0.5), blur


def _windows(random: np.random.Generator, n: int, smallest: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Top, left, height and width of windows, over the picture's side."""
    share = random.uniform(smallest, 1, n)
    height, width = (np.minimum(share * np.exp(random.normal(0, 0.1, n)), 1) for _ in range(2))
    return random.random(n) * (1 - height), random.random(n) * (1 - width), height, width


def _affine_of_window(top: np.ndarray, left: np.ndarray, height: np.ndarray, width: np.ndarray, mirrored: np.ndarray) -> np.ndarray:
    affine = np.zeros((len(top), 2, 3))
    affine[:, 0, 0], affine[:, 0, 2] = np.where(mirrored, -width, width), 2 * left + width - 1
    affine[:, 1, 1], affine[:, 1, 2] = height, 2 * top + height - 1
    return affine


def _means(sums: np.ndarray, chosen: np.ndarray, top: np.ndarray, left: np.ndarray, height: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Mean of alpha in windows, by the sums at their corners."""
    y0, x0 = (top * TABLE).astype(int), (left * TABLE).astype(int)
    y1, x1 = np.ceil((top + height) * TABLE).astype(int).clip(max=TABLE), np.ceil((left + width) * TABLE).astype(int).clip(max=TABLE)
    total = sums[chosen, y1, x1] - sums[chosen, y0, x1] - sums[chosen, y1, x0] + sums[chosen, y0, x0]
    return total / ((y1 - y0) * (x1 - x0))


def _beside(random: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sizes, places and blurs of things at the sides that don't belong to the object."""
    side = random.integers(0, 2, n) + random.normal(0, 0.1, n)
    return random.uniform(0.1, 0.3, n), np.stack([side, random.random(n)], 1), random.uniform(0.008, 0.03, n)


def _layer(
    stock: Stock,
    config: BackgroundDataConfig,
    random: np.random.Generator,
    rows: np.ndarray,
    aspect: np.ndarray,
    longest: np.ndarray,
    centre: np.ndarray,
    blur: np.ndarray,
    *,
    grounded: bool,
) -> Layer:
    n = len(rows)
    angle = np.where(random.random(n) < 0.85, random.normal(0, 0.12, n), random.uniform(-np.pi, np.pi, n))
    mirror = np.where(random.random(n) < 0.5, -1, 1)
    stretch = np.exp(random.normal(0, 0.1, n))
    sin, cos = np.sin(angle), np.cos(angle)
    turned = np.stack([np.stack([mirror * cos / stretch, mirror * sin / stretch], 1), np.stack([-sin * stretch, cos * stretch], 1)], 1)
    turned *= np.stack([np.sqrt(aspect), 1 / np.sqrt(aspect)], 1)[:, None, :] / longest[:, None, None]
    # Frame point p comes from the cut-out's point turned (p - centre), both in [-1, 1].
    source_from_frame = np.concatenate([turned, -turned @ (2 * centre - 1)[:, :, None]], 2)
    ground = random.random(n) if grounded else np.ones(n)
    shadow = np.stack(
        [
            random.uniform(0.06, 0.5, n),
            random.uniform(-0.8, 0.8, n),
            random.uniform(-0.02, 0.03, n),  # it begins a little above the lowest point: things have depth
            random.uniform(0.004, 0.05, n),
            random.uniform(0.1, 0.75, n),
        ],
        1,
    )
    pool = random.choice(len(stock.weights), n, p=stock.weights)
    return Layer(
        torch.from_numpy(rows),
        torch.from_numpy(pool),
        _float(source_from_frame),
        _float(_looks(random, n, saturation=(0.5, 1.4), contrast=(0.65, 1.25), lightness=0.06, tint=0.08, light=0.6)),
        torch.from_numpy(random.integers(0, len(stock.pictures), n)),
        _float(np.where(random.random(n) < config.textured, random.uniform(0.2, 1, n), 0)),
        _float(np.where(random.random(n) < 0.35, random.uniform(0, 0.4, n), 0)),
        _float(blur),
        _rows(ground < 0.65, shadow),
        _rows((ground >= 0.65) & (ground < 0.72), random.uniform(0.1, 0.5, n)),
    )


def _looks(
    random: np.random.Generator,
    n: int,
    *,
    saturation: tuple[float, float],
    contrast: tuple[float, float],
    lightness: float,
    tint: float,
    light: float,
) -> np.ndarray:
    angle = random.uniform(0, 2 * np.pi, n)
    strength = np.where(random.random(n) < 0.5, random.uniform(0, light, n), 0)
    columns = [random.uniform(*saturation, n), random.uniform(*contrast, n), random.normal(0, lightness, n)]
    gains = np.exp(random.normal(0, tint, (n, 3)))
    return np.concatenate([np.stack(columns, 1), gains, np.stack([np.cos(angle), np.sin(angle)], 1) * strength[:, None]], 1)


def _camera(config: BackgroundDataConfig, random: np.random.Generator, b: int, noise_seed: int) -> Camera:
    def some(share: float, low: float, high: float) -> Rows:
        return _rows(random.random(b) < share, random.uniform(low, high, b))

    return Camera(
        gain=_float(np.exp(random.normal(0, 0.04, (b, 3)) + random.normal(0, 0.12, (b, 1)))),
        gamma=_float(np.exp(random.normal(0, 0.15, b))),
        vignette=_float(np.where(random.random(b) < 0.3, random.uniform(0, 0.5, b), 0)),
        grey=some(0.05, 1, 1),
        blur=some(0.4, 0.3 * config.size / 256, 1.3 * config.size / 256),
        low=some(0.2, 1, 1),
        noise=some(0.4, 0.003, 0.05),
        jpeg=some(0.4, 25, 96),
        noise_seed=noise_seed,
    )


def _rows(which: np.ndarray, values: np.ndarray) -> Rows:
    at = np.flatnonzero(which)
    return Rows(torch.from_numpy(at), _float(values[at] if values.ndim == 2 else values[at, None]))


def _float(x: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(x, np.float32))


def _moved(x: _T, device: torch.device | str) -> _T:
    """A record with all tensors on another device."""
    if isinstance(x, Tensor):
        return cast(_T, x.to(device, non_blocking=True))
    if isinstance(x, tuple):
        return cast(_T, tuple(_moved(part, device) for part in x))
    if is_dataclass(x):
        parts: dict[str, Any] = {part.name: _moved(getattr(x, part.name), device) for part in fields(x)}
        return cast(_T, type(x)(**parts))
    return x
