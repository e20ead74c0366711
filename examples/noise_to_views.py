"""The paper's first idea on one object: a deterministic ODE ties noise to views, both ways, and a student may learn that map.

    python examples/noise_to_views.py [--seed 3000007] [--teacher CKPT] [--student CKPT] [--out noise-to-views]

A procedural object that nobody has learnt from is shown from one side. The teacher follows two noises to four views each, and the true four
views back to the noise that its ODE ties to them and forth again. The student makes Gaussians from the same picture and the same two noises
in one pass.

Writes noise-to-views.png, a row each, and prints what was measured: how far two draws are from each other, that the same noise draws the
same bits, what the way back and forth costs, and how white the found noise is. Half a minute of one core with the bundled models, a few
seconds with the tiny ones in examples/weights. Needs the extra ``train``, for the object and the teacher.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from dd3g.core import NoiseKey, canonical_rig, draw_noise
from dd3g.core.files import make_folder, write_atomically
from dd3g.core.sheet import sheet
from dd3g.core.threads import one_thread
from dd3g.core.views import over_white
from dd3g.distill.explicit import psnr
from dd3g.objects import SKY, make_object, render_views
from dd3g.render import rasterize
from dd3g.student.inference import infer
from dd3g.student.load import load_student
from dd3g.teacher.teacher import decode, encode, invert, load_teacher, sample

_WHITE = torch.ones(3)
_DEGREES = ("0", "90", "180", "270")


@torch.inference_mode()
def show(seed: int, teacher_file: str, student_file: str, steps: int = 50) -> tuple[Image.Image, dict[str, float]]:
    """The sheet and the figures of one object.

    Args:
        seed: Of the procedural object.
        teacher_file: From `dd3g teach unet`, or "bundled".
        student_file: From `dd3g train`, or "bundled"; of the same number of latents, so that both read the same noise.
        steps: Of the ODE.
    """
    teacher, student = load_teacher(teacher_file), load_student(student_file).network
    rig = canonical_rig(teacher.side)
    views = render_views(make_object(seed), rig, SKY)
    truth = torch.cat([views.rgb, views.alpha], 1)
    picture = truth[:1]  # II: the view at azimuth 0
    latents = encode(teacher, truth[None])
    keys = [NoiseKey(f"object {seed}", draw) for draw in range(2)]
    noises = [draw_noise(key, tuple(latents.shape[1:]))[None] for key in keys]

    def drawn(noise: Float[Tensor, "1 v c l l"]) -> Float[Tensor, "v 4 h w"]:
        return decode(teacher, sample(teacher, picture, rig, noise, guidance=2.0, steps=steps))[0]

    draws = [drawn(noise) for noise in noises]
    found = invert(teacher, latents, picture, rig, steps=steps)
    back = decode(teacher, sample(teacher, picture, rig, found.noise, steps=steps))[0]
    made = [infer(student, truth[0], key, elevation_deg=0.0, distance=1.5).gaussians for key in keys]
    renders = [rasterize(gaussians, rig, _WHITE).rgb.clamp(0, 1) for gaussians in made]

    through = decode(teacher, latents)[0]
    rows = [over_white(truth), over_white(draws[0]), over_white(draws[1]), over_white(back), renders[0], renders[1]]
    titles = ["truth", "teacher, noise 0", "teacher, noise 1", "truth to noise and back", "student, noise 0", "student, noise 1"]
    figures = {
        "draws_apart": (over_white(draws[0]) - over_white(draws[1])).square().mean().sqrt().item(),
        "same_noise_apart": (drawn(noises[0]) - draws[0]).abs().max().item(),
        "round_trip_db": psnr(over_white(back), over_white(through)).mean().item(),
        "found_noise_mean": found.noise.mean().item(),
        "found_noise_variance": found.noise.var().item(),
        "student_draws_apart": (renders[0] - renders[1]).square().mean().sqrt().item(),
    }
    return sheet([list(row) for row in rows], column_titles=list(_DEGREES), row_titles=titles), figures


def main(arguments: list[str] | None = None) -> None:
    """Draws, inverts, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=3_000_007, help="which procedural object")
    parser.add_argument("--teacher", default="bundled")
    parser.add_argument("--student", default="bundled")
    parser.add_argument("--steps", type=int, default=50, help="of the ODE")
    parser.add_argument("--out", type=Path, default=Path("noise-to-views"))
    options = parser.parse_args(arguments)
    with one_thread():  # networks this small are done sooner, and on every machine the bits are the same
        made, figures = show(options.seed, options.teacher, options.student, options.steps)
    out = make_folder(options.out)
    with write_atomically(out / "noise-to-views.png") as temporary:
        made.save(temporary)
    print(json.dumps({"out": str(out), **figures}))


if __name__ == "__main__":
    main()
