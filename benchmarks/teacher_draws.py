"""How like the truth a teacher's draws are, for objects that it has not seen: what stands in its model card.

    python benchmarks/teacher_draws.py --dev VIEWS [--teacher bundled] [--guidance 1 2 3] [--draws 4] [--device cpu] [--out FOLDER]

Input: the view at azimuth 0 and elevation 0, as in the score of `dd3g teach unet`; views 0, 90, 180 and 270 of the canonical rig are
drawn with 20 steps of UniPC. PSNR over white against the true views, at the views' size, means over objects: of view 0, of the other three,
of the best of the draws by those three; intersection over union of alpha at 0.5; the spread of draws (RMS over draws, other three). Beside
them the same of the truth through the codec, of the input copied to every camera, and of white. DEV is what `dd3g objects` makes without
`--rig`: its first sixteen views stand round the object at elevation 0.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from dd3g.core import NoiseKey, canonical_rig, draw_noise
from dd3g.core.files import make_folder, write_json
from dd3g.core.machine import machine_name
from dd3g.core.sheet import sheet
from dd3g.core.views import over_white
from dd3g.evaluate.silhouettes import silhouette_iou
from dd3g.recipes.source_views import PictureStore
from dd3g.recipes.views_pack import open_pack
from dd3g.teacher.teacher import Teacher, decode, encode, load_teacher, on_device, sample

_QUARTERS = (0, 4, 8, 12)  # of the sixteen views round the object
_AT_ONCE = 10
_SHOWN = 12
_COLUMNS = ("view 0", "others", "best", "alpha IoU", "spread")


def main() -> None:
    """Prints a row for each guidance, and the ends of the scale."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dev", required=True)
    parser.add_argument("--teacher", default="bundled")
    parser.add_argument("--guidance", type=float, nargs="+", default=[1.0, 2.0, 3.0])
    parser.add_argument("--draws", type=int, default=4)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, help="for draws.json and a sheet for each guidance")
    options = parser.parse_args()
    teacher = on_device(load_teacher(options.teacher), options.device)
    pack = open_pack(options.dev)
    side = pack.targets.rgba.shape[-1]
    if teacher.opaque or teacher.side != side:
        raise SystemExit(f"teacher_draws.py: {options.dev} holds views of {side} px with alpha; give a teacher of ours that draws such")
    store = PictureStore([pack], "targets", torch.device("cpu"))
    truth = store.rgba(np.arange(len(pack))[:, None], np.array(_QUARTERS))
    print(f"{machine_name(torch.device(options.device))}; {len(truth)} objects, {options.draws} draws")
    rows: dict[str, dict[str, float]] = {}

    def tell(name: str, made: Float[Tensor, "n d v 4 h w"]) -> None:
        if not rows:
            print(f"{'':<24}" + "".join(f"{column:>12}" for column in _COLUMNS))
        rows[name] = scores(made, truth)
        print(f"{name:<24}" + "".join(f"{rows[name][column]:>12.3f}" for column in _COLUMNS), flush=True)

    tell("truth through the codec", through_codec(teacher, truth, options.device)[:, None])
    tell("input copied", truth[:, :1].expand_as(truth)[:, None])
    tell("white", torch.zeros_like(truth)[:, None])
    for guidance in options.guidance:
        made = draws_of(teacher, truth, guidance, options.draws, options.device)
        tell(f"guidance {guidance:g}", made)
        if options.out:
            picture(made, truth).save(make_folder(options.out) / f"guidance-{guidance:g}.png")
    if options.out:
        write_json(options.out / "draws.json", rows)


@torch.inference_mode()
def draws_of(teacher: Teacher, truth: Float[Tensor, "n v 4 h w"], guidance: float, draws: int, device: str) -> Float[Tensor, "n d v 4 h w"]:
    """Views of several noises for each object."""
    cameras, shape = canonical_rig().to(device), encode(teacher, truth[:1].to(device)).shape[1:]
    found = []
    for start in range(0, len(truth), _AT_ONCE):
        image = truth[start : start + _AT_ONCE, 0].to(device)
        per_draw = []
        for draw in range(draws):
            noise = torch.stack([draw_noise(NoiseKey(f"draws {start + i}", draw), tuple(shape)) for i in range(len(image))]).to(device)
            per_draw.append(decode(teacher, sample(teacher, image, cameras, noise, guidance=guidance, steps=20, solver="unipc")).cpu())
        found.append(torch.stack(per_draw, 1))
    return torch.cat(found)


@torch.inference_mode()
def through_codec(teacher: Teacher, truth: Float[Tensor, "n v 4 h w"], device: str) -> Float[Tensor, "n v 4 h w"]:
    """What no draw can exceed."""
    return torch.cat([decode(teacher, encode(teacher, part.to(device))).cpu() for part in truth.split(_AT_ONCE)])


def scores(made: Float[Tensor, "n d v 4 h w"], truth: Float[Tensor, "n v 4 h w"]) -> dict[str, float]:
    """One row of the table."""
    ours, theirs = over_white(made), over_white(truth)[:, None]
    db = -10 * (ours - theirs).square().mean((3, 4, 5)).clamp_min(1e-10).log10()  # (n, d, v)
    alpha, solid = (v[:, :, :, 3:].flatten(0, 2) for v in (made, truth[:, None].expand_as(made)))
    spread = (ours - ours.mean(1, keepdim=True)).square().mean((1, 3, 4, 5))[:, 1:].mean(1).sqrt()
    others = db[:, :, 1:].mean(2)
    found = (db[:, :, 0], others, others.amax(1), silhouette_iou(alpha, solid), spread)
    return dict(zip(_COLUMNS, (values.mean().item() for values in found), strict=True))


def picture(made: Float[Tensor, "n d v 4 h w"], truth: Float[Tensor, "n v 4 h w"]) -> Image.Image:
    """Input, two draws, truth, of a dozen objects."""
    chosen: Sequence[int] = np.linspace(0, len(truth) - 1, min(_SHOWN, len(truth))).round().astype(int).tolist()
    shown = min(2, made.shape[1])
    rows = [
        [over_white(truth[i, 0]), *(view for d in range(shown) for view in over_white(made[i, d])), *over_white(truth[i])] for i in chosen
    ]
    degrees = ("0", "90", "180", "270")
    titles = ["input", *(f"draw {d} {a}" for d in range(shown) for a in degrees), *(f"true {a}" for a in degrees)]
    return sheet(rows, column_titles=titles)


if __name__ == "__main__":
    main()
