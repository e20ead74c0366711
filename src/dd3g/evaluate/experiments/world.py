"""The experiments' world: things with a known number of backs, their views and latents, and the exact teacher of it.

    world = open_world(WorldConfig(train=64, held_out=16), folder)     # made once, kept in the folder

Views are true renders of meshes. Latents are the bundled codec's, averaged over 2 x 2 places, which makes N 256 numbers: a student of a
minute's training hears noise of that size, and not yet of 1,024 (docs/decisions/0013-experiment-world.md). A held-out input is a thing that
no training input shows.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from PIL.Image import Image
from torch import Tensor

from dd3g.core import Cameras, orbit
from dd3g.core.cameras import RIG_RADIUS
from dd3g.core.files import write_folder_atomically
from dd3g.core.noise import digest
from dd3g.core.progress import Progress
from dd3g.core.sheet import sheet
from dd3g.core.views import composite, premultiplied
from dd3g.encoders.codec import Codec, codec_path, load_codec
from dd3g.evaluate.experiments.hidden import GENERATOR, WAYS, body, completed
from dd3g.objects import SKY, render_views
from dd3g.quadruples.inputs import InputPicture, Placement

AZIMUTHS_DEG = tuple(45.0 * k for k in range(8))
RIG_VIEWS = (0, 2, 4, 6)  # of the eight: what the teacher draws
NOVEL_VIEWS = (1, 3, 5, 7)  # what nobody is supervised by
_FORMAT = "dd3g-world-1"
_SHOWN = 8


@dataclass(frozen=True)
class WorldConfig:
    """How large the world is."""

    train: int = 64  # inputs to learn from
    held_out: int = 16
    size: int = 64  # of the views, px
    pooled: int = 2  # side of the squares of the codec's places that are one place of a latent
    spread: float = 0.05  # sigma of the latents about their completion; latents have about unit variance
    first_seed: int = 0


@dataclass(frozen=True)
class World:
    """Inputs, training ones first, each with its completions."""

    config: WorldConfig
    inputs: list[InputPicture]
    views: UInt8[np.ndarray, "n k 8 4 h w"]  # straight RGBA; a memory map
    latents: Float[Tensor, "n k v c l l"]  # of the rig's views
    codec: Codec
    digest: str

    def encode(self, premultiplied: Float[Tensor, "b v 4 h w"]) -> Float[Tensor, "b v c l l"]:
        """Latents of views over black, differentiable."""
        return _encode(self.codec, premultiplied, self.config.pooled)

    @property
    def ways(self) -> int:
        """Completions of one input, equally likely."""
        return self.latents.shape[1]

    def true_views(self, number: int, way: int) -> Float[Tensor, "8 4 h w"]:
        """All views of one completion."""
        return torch.from_numpy(np.array(self.views[number, way])).float() / 255


def world_cameras(size: int) -> Cameras:
    """The eight cameras of a world's views."""
    return orbit(AZIMUTHS_DEG, 0.0, size=size)


def open_world(config: WorldConfig, folder: str | os.PathLike[str], *, quiet: bool = False) -> World:
    """Opens the world kept under ``folder``, or makes it."""
    identity = digest(json.dumps([_FORMAT, GENERATOR, asdict(config), digest(codec_path("bundled").read_bytes())]).encode())
    place, codec = Path(folder) / f"world-{identity[:12]}", load_codec()
    if not (place / "latents.npy").is_file():
        _make(config, place, codec, quiet)
    views = np.load(place / "views.npy", mmap_mode="r")
    inputs = [
        InputPicture(
            name=f"thing {config.first_seed + number}",
            group=f"thing {config.first_seed + number}",
            split="train" if number < config.train else "dev",
            rgba=torch.from_numpy(np.array(views[number, 0, 0])),
            azimuth_deg=0.0,
            elevation_deg=0.0,
            distance=RIG_RADIUS,
            placement=Placement(1.0, (0.0, 0.0, 0.0)),
        )
        for number in range(len(views))
    ]
    return World(config, inputs, views, torch.from_numpy(np.load(place / "latents.npy")), codec, identity)


@torch.inference_mode()
def _make(config: WorldConfig, place: Path, codec: Codec, quiet: bool) -> None:
    count, ways, side = config.train + config.held_out, len(WAYS), config.size
    cameras, progress = world_cameras(side), Progress(count, "things rendered", quiet=quiet)
    latents = []
    with write_folder_atomically(place) as temporary:
        views = np.lib.format.open_memmap(temporary / "views.npy", "w+", np.uint8, (count, ways, len(AZIMUTHS_DEG), 4, side, side))
        for number in range(count):
            front = body(config.first_seed + number)
            for way, hidden in enumerate(WAYS):
                seen = render_views(completed(front, hidden), cameras, SKY, supersampling=2)
                pixels = (torch.cat([seen.rgb, seen.alpha], 1) * 255).round().to(torch.uint8).numpy()
                # equal to 1e-6 by the things' making, and to the bit by this line: the input must not tell
                views[number, way] = pixels if way == 0 else np.concatenate([views[number, 0, :1], pixels[1:]])
            drawn = torch.from_numpy(np.array(views[number][:, list(RIG_VIEWS)])).float() / 255
            latents.append(_encode(codec, premultiplied(drawn), config.pooled))
            progress.advance()
        views.flush()
        np.save(temporary / "latents.npy", torch.stack(latents).numpy())
    progress.close()


def _encode(codec: Codec, rgba: Float[Tensor, "b v 4 h w"], pooled: int) -> Float[Tensor, "b v c l l"]:
    """Means of squares times their side: white noise in the codec's latents stays white, and of unit variance."""
    latents = codec.encode_premultiplied(rgba.flatten(0, 1))
    return (F.avg_pool2d(latents, pooled) * pooled).unflatten(0, rgba.shape[:2])


def world_sheet(world: World) -> Image:
    """Inputs, and each one's completions from behind and from the side."""
    shown = range(len(world.inputs))[: _SHOWN // 2], range(len(world.inputs))[-_SHOWN // 2 :]
    white, rows, titles = torch.ones(3), [], []
    for number in sorted({*shown[0], *shown[1]}):
        seen = [world.true_views(number, way) for way in range(world.ways)]
        picture = seen[0][0]
        row = [composite(picture[:3], picture[3:], white)]
        rows.append(row + [composite(v[k, :3], v[k, 3:], white) for v in seen for k in (2, 4)])
        titles.append(f"{world.inputs[number].name}, {world.inputs[number].split}")
    heads = ["input", *(f"{way + 1}: {deg}" for way in range(world.ways) for deg in ("90", "180"))]
    return sheet(rows, column_titles=heads, row_titles=titles)
