"""Places for an object to stand in, made from random numbers: studio sweeps, rooms, patterns, textures, lights out of focus.

Every function takes a NumPy generator and a size and gives sRGB in [0, 1] of shape (3, size, size). None holds an object.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

Scene = Float[Tensor, "3 s s"]


def studio(random: np.random.Generator, size: int) -> Scene:
    """A product photographer's sweep: one colour, light falling off from a spot, floor and wall melting into each other."""
    base = _paper_colour(random)
    x, y = _grid(size)
    spot = torch.hypot(x - random.uniform(0.2, 0.8), y - random.uniform(0.1, 0.9))
    light = 1 - random.uniform(0, 0.45) * spot.clamp(0, 1.2) ** random.uniform(1, 2)
    seam, softness = random.uniform(0.35, 0.9), random.uniform(0.02, 0.4)
    floor = torch.sigmoid((y - seam) / softness) * random.uniform(-0.25, 0.15)
    return (base[:, None, None] * (light + floor)).clamp(0, 1)


def plain(random: np.random.Generator, size: int) -> Scene:
    """One colour; often white, grey or black, as cut-outs are shown."""
    kind = random.random()
    level = 1.0 if kind < 0.4 else random.uniform(0, 1)
    colour = torch.full((3,), level) if kind < 0.7 else _any_colour(random)
    return colour[:, None, None].expand(3, size, size).clone()


def slope(random: np.random.Generator, size: int) -> Scene:
    """A straight gradient between two colours."""
    x, y = _grid(size)
    angle = random.uniform(0, 2 * math.pi)
    along = ((x - 0.5) * math.cos(angle) + (y - 0.5) * math.sin(angle) + 0.5).clamp(0, 1)
    one, other = _any_colour(random)[:, None, None], _any_colour(random)[:, None, None]
    return one + (other - one) * along


def room(random: np.random.Generator, size: int) -> Scene:
    """A textured floor that recedes to a horizon, and a wall behind it."""
    wall, floor = _surface(random, size), _surface(random, size)
    horizon = random.uniform(0.15, 0.8)
    x, y = _grid(size)
    depth = (y - horizon).clamp_min(1e-3) + random.uniform(0.05, 0.3)
    u, v = (x - 0.5) / depth * random.uniform(0.3, 0.8), random.uniform(0.1, 0.4) / depth
    grid = torch.stack([u * 2, _folded(v)], -1).clamp(-4, 4)
    receding = functional.grid_sample(floor[None], grid[None], padding_mode="reflection", align_corners=False)[0]
    edge = torch.sigmoid((y - horizon) * size / random.uniform(0.5, 6))
    together = wall * (1 - edge) + receding * edge
    return (together * (1 - random.uniform(0, 0.5) * (1 - (y - horizon).abs().clamp(0, 0.15) / 0.15) * random.random())).clamp(0, 1)


def texture(random: np.random.Generator, size: int) -> Scene:
    """Grass, gravel, carpet, foliage: noise of all scales in two or three colours."""
    return _surface(random, size, rough=True)


def pattern(random: np.random.Generator, size: int) -> Scene:
    """Stripes, tiles or boards, turned, with noise over them."""
    x, y = _grid(size)
    angle, period = random.uniform(0, math.pi), random.uniform(0.04, 0.4)
    u = (x * math.cos(angle) + y * math.sin(angle)) / period
    v = (-x * math.sin(angle) + y * math.cos(angle)) / period * random.uniform(0.3, 1)
    wave = torch.sin(2 * math.pi * u)
    if random.random() < 0.5:
        wave = wave * torch.sin(2 * math.pi * v)
    hard = torch.sigmoid(wave * random.uniform(1, 20))
    one, other = _any_colour(random)[:, None, None], _any_colour(random)[:, None, None]
    together = one + (other - one) * hard * random.uniform(0.2, 1)
    return (together + 0.3 * random.random() * octaves(random, size, 1, random.uniform(0.3, 0.8))).clamp(0, 1)


def bokeh(random: np.random.Generator, size: int) -> Scene:
    """Lights and things far out of focus."""
    scene = slope(random, size) * 0.7
    x, y = _grid(size)
    for _ in range(random.integers(5, 30)):
        radius = random.uniform(0.01, 0.12)
        disc = torch.sigmoid((radius - torch.hypot(x - random.random(), y - random.random())) * size / random.uniform(1, 5))
        scene = scene + (_any_colour(random)[:, None, None] - scene) * disc * random.uniform(0.1, 0.8)
    return scene.clamp(0, 1)


def octaves(random: np.random.Generator, size: int, channels: int, persistence: float, coarsest: int = 2) -> Float[Tensor, "c s s"]:
    """Noise of all scales with mean 0 and deviation 1; ``persistence`` is the amplitude of a scale over the next coarser one's."""
    total, amplitude, cells = torch.zeros(1, channels, size, size), 1.0, coarsest
    while cells < size:
        noise = torch.from_numpy(random.standard_normal((1, channels, cells, cells), np.float32))
        total = total + amplitude * functional.interpolate(noise, (size, size), mode="bilinear", align_corners=False)
        amplitude, cells = amplitude * persistence, cells * 2
    noise = torch.from_numpy(random.standard_normal((1, channels, size, size), np.float32))
    total = total[0] + amplitude * noise[0]
    return (total - total.mean((1, 2), keepdim=True)) / total.std((1, 2), keepdim=True).clamp_min(1e-6)


SCENES = {"studio": studio, "plain": plain, "slope": slope, "room": room, "texture": texture, "pattern": pattern, "bokeh": bokeh}
SHARES = (0.3, 0.14, 0.08, 0.22, 0.12, 0.08, 0.06)  # of each among drawn scenes


def _surface(random: np.random.Generator, size: int, rough: bool = False) -> Scene:
    """A material: two colours mixed by noise, sometimes drawn out like wood or brushed cloth."""
    persistence = random.uniform(0.6, 1.3) if rough else random.uniform(0.2, 1.0)
    noise = octaves(random, size, 1, persistence, int(random.integers(2, 9)))
    if random.random() < 0.4:  # grain
        stretch = int(random.integers(3, 12))
        noise = functional.interpolate(noise[None, :, :: stretch if random.random() < 0.5 else 1], (size, size), mode="bilinear")[0]
    one, other = _any_colour(random), _any_colour(random)
    other = one + (other - one) * random.uniform(0.2, 1)
    mix = torch.sigmoid(noise * random.uniform(0.5, 3))
    surface = one[:, None, None] + (other - one)[:, None, None] * mix
    return (surface + random.uniform(0, 0.08) * octaves(random, size, 3, 0.9)).clamp(0, 1)


def _paper_colour(random: np.random.Generator) -> Float[Tensor, 3]:
    """Mostly light and grey, as backdrops are."""
    if random.random() < 0.7:
        return (random.uniform(0.55, 1.05) + torch.from_numpy(random.normal(0, 0.02, 3).astype(np.float32))).clamp(0, 1)
    return _any_colour(random)


def _any_colour(random: np.random.Generator) -> Float[Tensor, 3]:
    """A colour of any lightness; saturated ones are rarer than grey ones."""
    grey, spread = random.uniform(0.03, 0.97), random.beta(1, 3)
    return (grey + spread * torch.from_numpy(random.uniform(-0.6, 0.6, 3).astype(np.float32))).clamp(0, 1)


def _grid(size: int) -> tuple[Float[Tensor, "s s"], Float[Tensor, "s s"]]:
    line = (torch.arange(size) + 0.5) / size
    return line[None, :].expand(size, size), line[:, None].expand(size, size)


def _folded(v: Tensor) -> Tensor:
    """Any coordinate folded into [-1, 1] like a zigzag, so that a floor's texture goes on."""
    return ((v - 1) % 4 - 2).abs() - 1
