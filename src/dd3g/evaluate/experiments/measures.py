"""What a cell's student shows on held-out inputs: is it the draw of its noise, what of sides nobody supervised, the paper's signatures."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict

import torch
from jaxtyping import Float
from PIL.Image import Image
from torch import Tensor

from dd3g.core import NoiseKey, canonical_rig, draw_noise
from dd3g.core.cameras import RIG_RADIUS
from dd3g.core.sheet import sheet
from dd3g.core.views import composite, premultiplied
from dd3g.distill.codec_perceptual import CodecPerceptual
from dd3g.distill.colours import saturation
from dd3g.distill.explicit import psnr
from dd3g.evaluate.alignment import compare
from dd3g.evaluate.experiments.draws import Drawn
from dd3g.evaluate.experiments.world import NOVEL_VIEWS, RIG_VIEWS, World, world_cameras
from dd3g.render import rasterize
from dd3g.student import PEPD

_FRESH = 2  # noises of no draw
_PERCEPTUAL_DRAWS = 2  # of each input; the distance costs more than all else
_NOTHING = 0.05  # alpha of a view below which the object is not
_SHOWN_IMAGES, _SHOWN_DRAWS = 6, 2


@torch.no_grad()
def held_out_figures(
    student: PEPD, world: World, drawn: Drawn, perceptual: CodecPerceptual, *, zero_noise: bool = False
) -> list[dict[str, float | int | str]]:
    """Figures of every held-out input; see :class:`dd3g.evaluate.alignment.ImageFigures`, and beside it

    - ``novel_db``: PSNR of the four views half way between the supervised ones, against the completion that the draw is
    - ``distance_codec``: of features of the codec, supervised views
    - ``saturation``: of the renders over the truth's
    - ``outside``: share of all alpha, over the supervised views, that lies where the truth has none

    Args:
        student: In evaluation mode.
        world: Whose inputs they are.
        drawn: Held-out draws.
        perceptual: The distance.
        zero_noise: Give it zeros, as it was trained with.
    """
    rows = []
    for image_id, places in _by_image(drawn).items():
        picture = drawn.decoded.collection.inputs[image_id]
        truth, true_alpha = _truth(drawn, places)
        shape = drawn.decoded.collection.plan.latent_shape
        noise = torch.stack([drawn.decoded.collection.quadruples[place].noise_of(shape) for place in places])
        fresh = torch.stack([draw_noise(NoiseKey(f"fresh {image_id}", k), shape) for k in range(_FRESH)])
        look = _Looking(student, picture.image(), truth.shape[-1], zero_noise)
        figures, ours = compare(truth, noise, fresh, look, at_once=max(len(noise), _FRESH))
        rgb, alpha = look.seen[0]
        rows.append({"image": picture.name, **asdict(figures), **_signatures(rgb, alpha, truth, true_alpha)})
        rows[-1]["distance_codec"] = (
            perceptual(ours[:_PERCEPTUAL_DRAWS].flatten(0, 1), truth[:_PERCEPTUAL_DRAWS].flatten(0, 1)).mean().item()
        )
        if drawn.ways is not None:
            number = next(n for n, known in enumerate(world.inputs) if known.image_id == image_id)
            true = torch.stack([world.true_views(number, drawn.ways[place]) for place in places])[:, list(NOVEL_VIEWS)]
            white = torch.ones(3)
            novel = composite(rgb, alpha, white)[:, list(NOVEL_VIEWS)].clamp(0, 1)
            rows[-1]["novel_db"] = psnr(novel, composite(true[:, :, :3], true[:, :, 3:], white)).mean().item()
    return rows


@torch.no_grad()
def render_all(
    student: PEPD, image: Float[Tensor, "4 p p"], noise: Float[Tensor, "n v c l l"], size: int
) -> tuple[Float[Tensor, "n 8 3 h w"], Float[Tensor, "n 8 1 h w"]]:
    """Straight colour and alpha of the eight views of the world's cameras, for each noise."""
    count = len(noise)
    pictures = image.expand(count, -1, -1, -1)
    gaussians = student(noise, canonical_rig(), pictures, torch.zeros(count), torch.full((count,), RIG_RADIUS))
    drawn = rasterize(gaussians, world_cameras(size), torch.zeros(3))
    return drawn.rgb / drawn.alpha.clamp_min(1e-4), drawn.alpha


class _Looking:
    """The student as comparison asks it: noise to supervised views over white; what else was seen is kept, call by call."""

    def __init__(self, student: PEPD, image: Tensor, size: int, zero_noise: bool) -> None:
        self.student, self.image, self.size, self.zero_noise = student, image, size, zero_noise
        self.seen: list[tuple[Tensor, Tensor]] = []  # straight colour and alpha of all eight views

    def __call__(self, noise: Tensor) -> Tensor:
        asked = torch.zeros_like(noise) if self.zero_noise else noise
        self.seen.append(render_all(self.student, self.image, asked, self.size))
        rgb, alpha = self.seen[-1]
        return composite(rgb, alpha, torch.ones(3))[:, list(RIG_VIEWS)]


def _signatures(rgb: Tensor, alpha: Tensor, truth: Tensor, true_alpha: Tensor) -> dict[str, float]:
    views = list(RIG_VIEWS)
    ours = premultiplied(torch.cat([rgb, alpha], 2))[:, views, :3].clamp(0, 1)
    over_black = truth - (1 - true_alpha)  # the truth stands over white
    outside = (alpha[:, views] * (true_alpha < _NOTHING)).sum() / alpha[:, views].sum().clamp_min(1e-6)
    return {
        "saturation": (saturation(ours).mean() / saturation(over_black).mean().clamp_min(1e-6)).item(),
        "outside": outside.item(),
    }


def held_out_sheet(student: PEPD, drawn: Drawn, *, zero_noise: bool = False) -> Image:
    """Input, and of two draws the side and the back: true, and ours with its noise."""
    rows, shape = [], drawn.decoded.collection.plan.latent_shape
    for image_id, places in list(_by_image(drawn).items())[:_SHOWN_IMAGES]:
        picture = drawn.decoded.collection.inputs[image_id].image()
        chosen = [places[0], places[-1]][:_SHOWN_DRAWS]
        truth, _ = _truth(drawn, chosen)
        noise = torch.stack([drawn.decoded.collection.quadruples[place].noise_of(shape) for place in chosen])
        rgb, alpha = render_all(student, picture, torch.zeros_like(noise) if zero_noise else noise, truth.shape[-1])
        ours, white = composite(rgb, alpha, torch.ones(3)), torch.ones(3)
        row = [composite(picture[:3], picture[3:], white)]
        for k in range(len(chosen)):
            row += [truth[k, 1], truth[k, 2], ours[k, 2], ours[k, 4], ours[k, 1]]
        rows.append(row)
    heads = [
        f"{what} {k + 1}: {deg}"
        for k in range(_SHOWN_DRAWS)
        for what, deg in (("true", 90), ("true", 180), ("ours", 90), ("ours", 180), ("ours", 45))
    ]
    return sheet(rows, column_titles=["input", *heads])


def _by_image(drawn: Drawn) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for place, quadruple in enumerate(drawn.decoded.collection.quadruples):
        found[quadruple.image_id].append(place)
    return dict(found)


def _truth(drawn: Drawn, places: list[int]) -> tuple[Float[Tensor, "d v 3 h w"], Float[Tensor, "d v 1 h w"]]:
    """Views over white, and their alpha."""
    views = torch.from_numpy(drawn.decoded.views[places]).float() / 255
    return composite(views[:, :, :3], views[:, :, 3:], torch.ones(3)), views[:, :, 3:]
