"""From one noise to another, and from one picture to another: how smoothly does a trained student go?

The way between two noises is the arc (slerp), the way between two pictures the line between their features. Roughness is the longest step
between neighbouring frames over the mean step: 1 on a way of even pace, the number of steps where all happens in one of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from dd3g.core import canonical_rig, slerp
from dd3g.core.cameras import RIG_RADIUS
from dd3g.core.files import write_atomically
from dd3g.core.sheet import sheet
from dd3g.core.views import composite
from dd3g.encoders import ImageFeatures
from dd3g.evaluate.experiments.bench import Bench, cell_folder, kept
from dd3g.evaluate.experiments.cell import Cell, run_cell
from dd3g.evaluate.experiments.draws import ways_of
from dd3g.evaluate.experiments.world import world_cameras
from dd3g.formats.video import save_mp4
from dd3g.render import rasterize
from dd3g.student import PEPD
from dd3g.student.anchored_decoding import View
from dd3g.student.load import load_student
from dd3g.student.object_box import ObjectBox
from dd3g.teacher.ddim import ddim_sample

_VIEWS = (1, 3, 4)  # of the world's eight: 45, 135 and 180 deg, where the noise decides
_FPS, _VIDEO_PX = 12, 128
_STILL = 1e-9


@dataclass(frozen=True)
class Interpolation:
    """A way, and on what it is walked."""

    base: Cell  # the student
    what: Literal["student, noise", "teacher, noise", "student, picture"]
    frames: int
    pairs: int


def run_interpolation(bench: Bench, config: Interpolation, seed: int, folder: Path) -> dict[str, Any]:
    """Roughness pair by pair, and a video of all pairs one after the other."""
    base = replace(config.base, fit=replace(config.base.fit, seed=seed))
    kept(bench, base, seed, lambda place: run_cell(bench, base, place))
    student = load_student(cell_folder(bench, base, seed) / "run" / "last.safetensors").network
    drawn = bench.draws(base.held_out)
    rows, film, shown = [], [], []
    by_input: dict[str, list[int]] = {}
    for place, quadruple in enumerate(drawn.decoded.collection.quadruples):
        by_input.setdefault(quadruple.image_id, []).append(place)
    names = list(by_input)
    for k in range(min(config.pairs, len(names) - 1)):
        places = by_input[names[k]]
        noises = [drawn.decoded.collection.quadruples[place].noise_of(bench.source.shape) for place in (places[0], places[-1])]
        frames = _way(bench, config, student, [names[k], names[k + 1]], noises)
        steps = [(b - a).square().mean().sqrt().item() for a, b in pairwise(frames)]
        mean = float(np.mean(steps))
        picture = drawn.decoded.collection.inputs[names[k]].name
        rows.append({"image": picture, "roughness": max(steps) / mean if mean > _STILL else 1.0, "length": sum(steps)})
        film += [_frame(frame) for frame in frames]
        shown.append([frames[i][0] for i in np.linspace(0, len(frames) - 1, 9).round().astype(int)])
    save_mp4(film, folder / "way.mp4", fps=_FPS)
    with write_atomically(folder / "renders.png") as temporary:
        sheet(shown[:6], column_titles=[f"{share:.3g}" for share in np.linspace(0, 1, 9)]).save(temporary)
    return {"images": rows}


@torch.no_grad()
def _way(bench: Bench, config: Interpolation, student: PEPD, names: list[str], noises: list[Tensor]) -> list[Float[Tensor, "v 3 h w"]]:
    """The frames from one end to the other, over white."""
    shares = np.linspace(0, 1, config.frames).tolist()
    numbers = [next(n for n, picture in enumerate(bench.world.inputs) if picture.image_id == name) for name in names]
    if config.what == "teacher, noise":
        between = torch.stack([slerp(noises[0], noises[1], share) for share in shares])
        latents = ddim_sample(bench.source.epsilon([numbers[0]] * len(shares), bench.source.guidance), between, bench.source.schedule)
        if bench.source.decode is not None:
            views = bench.source.decode(latents)
            return [composite(v[1:3, :3], v[1:3, 3:], torch.ones(3)) for v in views]
        ways = ways_of(bench.world, bench.source, numbers[0], latents)
        seen = [bench.world.true_views(numbers[0], way)[list(_VIEWS)] for way in ways]
        return [composite(v[:, :3], v[:, 3:], torch.ones(3)) for v in seen]
    ends = [_looked_at(student, bench.world.inputs[number].image()) for number in numbers]
    walked = config.what == "student, picture"
    frames = []
    for share in shares:
        noise = noises[0] if walked else slerp(noises[0], noises[1], share)
        view = _between(ends[0], ends[1], share) if walked else ends[0]
        gaussians = student.decode_view(noise[None], canonical_rig().conditions()[None], view).gaussians.map(lambda t: t[0])
        cameras = world_cameras(bench.world.config.size).pick(list(_VIEWS))
        frames.append(rasterize(gaussians, cameras, torch.ones(3)).rgb.clamp(0, 1))
    return frames


def _looked_at(student: PEPD, image: Float[Tensor, "4 p p"]) -> View:
    return student.look_at(image[None], torch.zeros(1), torch.full((1,), RIG_RADIUS))


def _between(a: View, b: View, share: float) -> View:
    """Features and box on the line between two pictures'; for decoders that do not look back at the picture itself."""
    features = ImageFeatures(torch.lerp(a.features.tokens, b.features.tokens, share), torch.lerp(a.features.fine, b.features.fine, share))
    box = ObjectBox(torch.lerp(a.box.centre, b.box.centre, share), torch.lerp(a.box.half, b.box.half, share))
    return replace(a, features=features, box=box)


def _frame(views: Float[Tensor, "v 3 h w"]) -> Float[Tensor, "3 large wide"]:
    large = F.interpolate(views, (_VIDEO_PX, _VIDEO_PX), mode="bilinear", align_corners=False)
    return torch.cat(list(large), -1)
