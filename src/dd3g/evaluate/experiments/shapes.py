"""Progressive decoding without a picture and without noise: a decoder that shall fit given shapes, each with tokens of its own (C1).

If an order of decoding helps here too it is a principle of decoding Gaussians; if not, what helps elsewhere is about noise and pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from dd3g.core import Gaussians
from dd3g.core.files import write_atomically
from dd3g.core.sheet import sheet
from dd3g.core.views import composite
from dd3g.distill.explicit import ExplicitWeights, explicit, psnr
from dd3g.evaluate.experiments.bench import Bench
from dd3g.evaluate.experiments.cell import train_whole
from dd3g.evaluate.experiments.world import NOVEL_VIEWS, RIG_VIEWS, World, world_cameras
from dd3g.render import rasterize
from dd3g.student.config import PlainDecodingConfig
from dd3g.student.plain_decoding import PlainDecoder
from dd3g.training import FitConfig, Recipe
from dd3g.training.journal import read_journal

_TOKENS_SPREAD = 0.5  # of the shapes' own tokens at the start
_SHOWN = 4


@dataclass(frozen=True)
class ShapeFit:
    """Shapes that one decoder learns by heart from the rig's views."""

    decoding: PlainDecodingConfig
    fit: FitConfig  # its seed is the cell's
    width: int = 96
    heads: int = 4
    blocks: tuple[int, int, int] = (2, 1, 1)
    tokens: int = 16  # of each shape
    shapes: int = 32
    batch: int = 8


class ShapeTable(nn.Module):
    """Tokens of each shape, learnt, and the plain decoder."""

    def __init__(self, config: ShapeFit) -> None:
        super().__init__()
        self.tokens = nn.Parameter(torch.randn(config.shapes, config.tokens, config.width) * _TOKENS_SPREAD)
        self.decoder = PlainDecoder(config.decoding, config.width, config.heads, config.blocks, config.tokens)

    def forward(self, numbers: Int[Tensor, " b"]) -> Gaussians:
        """The Gaussians of shapes by number."""
        return self.decoder(self.tokens[numbers], self.tokens.shape[1])


def run_shapes(bench: Bench, config: ShapeFit, folder: Path) -> dict[str, Any]:
    """Fits, or goes on with it, and measures shape by shape: the fitted views, and those half way between them."""
    views = shapes_of(bench.world, config.shapes)
    size, seed = views.shape[-1], config.fit.seed
    cameras = world_cameras(size)
    torch.manual_seed(seed)
    network = ShapeTable(config)

    def batch(step: int) -> tuple[Tensor, Tensor]:
        random = np.random.Generator(np.random.Philox(key=np.array([seed, step], np.uint64)))
        numbers = torch.from_numpy(np.sort(random.choice(config.shapes, config.batch, replace=False)))
        return numbers, torch.from_numpy(random.random((config.batch, len(RIG_VIEWS), 3), np.float32))

    def losses(table: nn.Module, drawn: tuple[Tensor, Tensor], step: int) -> dict[str, Tensor]:
        numbers, background = drawn
        wanted = views[numbers][:, list(RIG_VIEWS)]
        render = rasterize(table(numbers), cameras.pick(list(RIG_VIEWS)), background)
        return explicit(render, composite(wanted[:, :, :3], wanted[:, :, 3:], background), wanted[:, :, 3:], ExplicitWeights(), None)

    def export(path: Path, table: nn.Module, about: Any) -> None:
        save_file(table.state_dict(), path)

    recipe = Recipe("shapes", {"shapes": config.shapes, "world": bench.world.digest}, network, batch, losses, export)
    train_whole(recipe, config.fit, folder / "run")
    network.load_state_dict(load_file(folder / "run" / "last.safetensors"))
    white, rows, pictures = torch.ones(3), [], []
    for number in range(config.shapes):
        with torch.no_grad():
            ours = rasterize(network(torch.tensor([number])).map(lambda t: t[0]), cameras, white).rgb.clamp(0, 1)
        truth = composite(views[number, :, :3], views[number, :, 3:], white)
        each = psnr(ours, truth)
        rows.append(
            {
                "image": f"shape {number}",
                "fit_db": each[list(RIG_VIEWS)].mean().item(),
                "unseen_db": each[list(NOVEL_VIEWS)].mean().item(),
            }
        )
        if number < _SHOWN:
            pictures.append([*truth[[0, 1, 2, 3]], *ours[[0, 1, 2, 3]]])
    with write_atomically(folder / "renders.png") as temporary:
        heads = [f"{what} {deg}" for what in ("true", "ours") for deg in (0, 45, 90, 135)]
        sheet(pictures, column_titles=heads).save(temporary)
    return {
        "images": rows,
        "curve": [(event["step"], event["mse"]) for event in read_journal(folder / "run" / "metrics.jsonl") if "mse" in event],
        "parameters": sum(p.numel() for p in network.parameters()),
    }


def shapes_of(world: World, count: int) -> Float[Tensor, "n 8 4 h w"]:
    """Views of shapes, as different as the world has them: another thing each time, and another back."""
    return torch.stack([world.true_views(k % len(world.inputs), (k + k // len(world.inputs)) % world.ways) for k in range(count)])
