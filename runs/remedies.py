"""The cheap remedies beyond the paper (method: 13), each measured once: one change against the same student without it.

    python runs/remedies.py OUT [--steps 240] [--seeds 1] [--only latent,explicit]

Students of the experiments' small size on their world, whose teacher is exact (docs/decisions/0011-experiment-world.md): a finished one is
kept, a killed one goes on. Everything but the change is the same: draws, batches, seeds, steps.

OUT/remedies.json      every arm's figures; arm minus its control with 95 % intervals over held-out inputs
OUT/cells, OUT/data    students and draws, as `dd3g experiment` keeps them

LPIPS is measured where DD3G_WEIGHTS has its weights.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dd3g.core import Cameras, canonical_rig, orbit
from dd3g.core.cameras import RIG_RADIUS
from dd3g.core.errors import WeightsError
from dd3g.core.files import read_json, write_json
from dd3g.core.noise import digest
from dd3g.core.views import composite, premultiplied
from dd3g.distill.explicit import psnr
from dd3g.distill.implicit import ImplicitConfig
from dd3g.distill.latent import LatentConfig
from dd3g.distill.lpips import LPIPS, load_lpips
from dd3g.distill.signatures import contradicted
from dd3g.evaluate.experiments.bench import Bench
from dd3g.evaluate.experiments.cell import Cell
from dd3g.evaluate.experiments.draws import Drawn, DrawPlan
from dd3g.evaluate.experiments.experiment import arm_folder, run_arm
from dd3g.evaluate.experiments.hidden import WAYS, body, completed
from dd3g.evaluate.experiments.scale import Scale, small
from dd3g.evaluate.experiments.source import exact_source
from dd3g.evaluate.experiments.world import NOVEL_VIEWS, World, WorldConfig, open_world
from dd3g.evaluate.intervals import bootstrap
from dd3g.objects import SKY, render_views
from dd3g.render import rasterize
from dd3g.student import PEPD
from dd3g.student.config import PlainDecodingConfig
from dd3g.student.load import load_student

CONTROLS = {  # arm -> the same without its change
    "joint": "explicit",
    "latent": "explicit",  # row 3
    "cameras": "explicit",  # row 5
    "diversity": "explicit",  # row 6
    "own noise": "joint",  # row 7
    "statistics": "explicit",  # row 16
    "joint with statistics": "joint",  # row 16
    "joint without rescale": "joint",  # row 16 the other way round
}
_TURN_DEG = 45.0
_LOOKED_AT = 2  # draws of an input for what costs more than rendering
_UNSEEN = [(22.5 + 90 * k, 0.0) for k in range(4)] + [(22.5 + 90 * k, 25.0) for k in range(4)]  # azimuth and elevation: nobody's views


@dataclass(frozen=True)
class TurnedBench(Bench):
    """A bench whose training draws stand by turns at the rig and at the rig turned by half a quarter: C is no longer always the same."""

    def draws(self, plan: DrawPlan) -> Drawn:
        """As of the plan; held-out ones at the rig. What is drawn stands beside this bench's folder, and is shared."""
        at_rig = Bench(self.world, self.source, self.out.parent, self.quiet)
        drawn = at_rig.draws(plan)
        if plan.split == "dev":
            return drawn
        world = turned(self.world)
        return mixed(drawn, replace(at_rig, world=world, source=exact_source(world)).draws(plan), self.world)


def turned(world: World) -> World:
    """The world as its teacher sees it from between the rig's cameras: another one, whose draws are kept apart."""
    with torch.no_grad():
        latents = [
            world.encode(premultiplied(torch.from_numpy(np.array(views[:, list(NOVEL_VIEWS)])).float() / 255)) for views in world.views
        ]
    return replace(world, latents=torch.stack(latents), digest=digest(f"turned {world.digest}".encode()))


def mixed(rig: Drawn, other: Drawn, world: World) -> Drawn:
    """Every second draw as seen from the turned rig."""
    assert rig.ways is not None
    assert other.ways is not None
    numbers = {picture.image_id: number for number, picture in enumerate(world.inputs)}
    quadruples, views, ways = list(rig.decoded.collection.quadruples), np.array(rig.decoded.views), list(rig.ways)
    for row in range(1, len(quadruples), 2):
        theirs = other.decoded.collection.quadruples[row]
        quadruples[row] = replace(theirs, azimuth_deg=_TURN_DEG)
        ways[row] = other.ways[row]
        views[row] = world.views[numbers[theirs.image_id]][ways[row]][list(NOVEL_VIEWS)]
    collection = replace(rig.decoded.collection, quadruples=quadruples)
    named = digest(f"{rig.decoded.digest} {other.decoded.digest}".encode())
    return replace(rig, decoded=replace(rig.decoded, collection=collection, views=views, digest=named), ways=ways)


def arms_of(base: Cell) -> dict[str, Cell]:
    """Name -> student; ``cameras`` is the base on a :class:`TurnedBench`."""
    # two draws of a picture side by side in all of them, or diversity would change two things
    base = replace(base, data=replace(base.data, siblings=2))

    def with_loss(**changes: Any) -> Cell:
        return replace(base, loss=replace(base.loss, **changes))

    joint = ImplicitConfig(balance=0.1, supervised=1.0, every=2, one_in=4)
    return {
        "explicit": base,
        "joint": with_loss(implicit=joint),
        "latent": with_loss(latent=LatentConfig(weight=0.1, end=0.3)),
        "cameras": base,
        "diversity": with_loss(diversity=0.5),
        "statistics": with_loss(statistics=0.5),
        "own noise": with_loss(implicit=replace(joint, noise="own")),
        "joint with statistics": with_loss(implicit=replace(joint, statistics=1.0)),
        "joint without rescale": with_loss(implicit=replace(joint, rescale=0.0)),
    }


@torch.no_grad()
def looks(student: PEPD, bench: Bench, cell: Cell, unseen: dict[tuple[int, int], Tensor], lpips: LPIPS | None) -> list[dict[str, float]]:
    """Of every held-out input: likeness to views that no arm has, how far our own views contradict each other, and LPIPS."""
    drawn, size = bench.draws(cell.held_out), bench.world.config.size
    assert drawn.ways is not None
    cameras, white = unseen_cameras(size), torch.ones(3)
    places: dict[str, list[int]] = {}
    for place, quadruple in enumerate(drawn.decoded.collection.quadruples):
        places.setdefault(quadruple.image_id, []).append(place)
    rows = []
    for image_id, all_places in places.items():
        chosen = all_places[:_LOOKED_AT]
        picture = drawn.decoded.collection.inputs[image_id]
        number = next(n for n, known in enumerate(bench.world.inputs) if known.image_id == image_id)
        noise = torch.stack([drawn.decoded.collection.quadruples[p].noise_of(bench.source.shape) for p in chosen])
        pictures = picture.image().expand(len(chosen), -1, -1, -1)
        at_front = torch.zeros(len(chosen)), torch.full((len(chosen),), RIG_RADIUS)
        gaussians = student(noise, canonical_rig(), pictures, *at_front)
        render = rasterize(gaussians, cameras, white)
        truth = torch.stack([composite(v[:, :3], v[:, 3:], white) for v in (unseen[number, drawn.ways[p]] for p in chosen)])
        level, raised = psnr(render.rgb.clamp(0, 1), truth).split(4, 1)
        row = {
            "unseen_db": level.mean().item(),
            "raised_db": raised.mean().item(),
            "contradicted": float(np.mean([contradicted(a, d, cameras) for a, d in zip(render.alpha, render.depth, strict=True)])),
        }
        if lpips is not None:
            row["lpips"] = lpips(render.rgb.clamp(0, 1).flatten(0, 1), truth.flatten(0, 1)).mean().item()
        rows.append(row)
    return rows


def unseen_cameras(size: int) -> Cameras:
    """Eight views between those that anything is learnt from."""
    level, raised = (orbit([a for a, e in _UNSEEN if e == height], height, size=size) for height in (0.0, 25.0))
    poses = torch.cat([level.camera_from_world, raised.camera_from_world])
    return replace(level, camera_from_world=poses, intrinsics=torch.cat([level.intrinsics, raised.intrinsics]))


def unseen_views(world: World, drawn: Drawn) -> dict[tuple[int, int], Tensor]:
    """(input, completion) -> straight RGBA from there, of the draws that are looked at."""
    numbers = {picture.image_id: number for number, picture in enumerate(world.inputs)}
    assert drawn.ways is not None
    seen: dict[str, int] = {}
    found = {}
    for quadruple, way in zip(drawn.decoded.collection.quadruples, drawn.ways, strict=True):
        seen[quadruple.image_id] = seen.get(quadruple.image_id, 0) + 1
        number = numbers[quadruple.image_id]
        if seen[quadruple.image_id] <= _LOOKED_AT and (number, way) not in found:
            mesh = completed(body(world.config.first_seed + number), WAYS[way])
            views = render_views(mesh, unseen_cameras(world.config.size), SKY, supersampling=2)
            found[number, way] = torch.cat([views.rgb, views.alpha], 1)
    return found


def figures_of(rows: list[dict[str, Any]]) -> dict[str, list[float]]:
    """An input's figures under the names of the table."""
    named = {
        "psnr_db": [row["paired_db"] for row in rows],
        "codec_distance": [row["distance_codec"] for row in rows],
        "saturation": [row["saturation"] for row in rows],
        "diversity": [row["distance_ours"] / max(row["distance"], 1e-6) for row in rows],
        "noise_gap_db": [row["paired_db"] - row["shuffled_db"] for row in rows],
    }
    return named | {name: [row[name] for row in rows] for name in ("unseen_db", "raised_db", "contradicted", "lpips") if name in rows[0]}


def measured(bench: Bench, cell: Cell, seed: int, unseen: dict[tuple[int, int], Tensor], lpips: LPIPS | None) -> dict[str, list[float]]:
    """Trains and measures one arm from one seed, or reads what is there."""
    result = run_arm(bench, cell, seed)
    folder = arm_folder(bench, cell, seed)
    kept = folder / f"looks-{'lpips' if lpips else 'plain'}.json"
    if not kept.is_file():
        write_json(kept, looks(load_student(folder / "run" / "last.safetensors").network, bench, cell, unseen, lpips))
    return figures_of([a | b for a, b in zip(result["images"], read_json(kept), strict=True)])


def _scale(steps: int) -> Scale:
    """The experiments' small size, with a world, draws and splats of our own."""
    scale = small()
    model = replace(scale.model, decoding=PlainDecodingConfig(gaussians_per_token=32))
    return replace(scale, world=WorldConfig(train=96, held_out=16), model=model, draws=32, held_out_draws=8, batch=16, steps=steps)


def main() -> None:
    """Runs the arms and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=240)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", default="", help="arms, with their controls")
    options = parser.parse_args()
    torch.set_num_threads(1)  # networks this small wait more than they compute
    scale = _scale(options.steps)
    cells = arms_of(scale.base())
    asked = [name.strip() for name in options.only.split(",")] if options.only else list(cells)
    unknown = set(asked) - set(cells)
    if unknown:
        parser.error(f"--only: {', '.join(sorted(unknown))} is none of {', '.join(cells)}")
    wanted = [name for name in cells if name in asked or any(CONTROLS.get(one) == name for one in asked)]
    world = open_world(scale.world, options.out / "data")
    bench = Bench(world, exact_source(world), options.out)
    try:
        lpips = load_lpips("squeeze")
    except WeightsError as error:
        print(f"without LPIPS: {error}")
        lpips = None
    unseen = unseen_views(world, bench.draws(cells["explicit"].held_out))
    found: dict[str, list[dict[str, list[float]]]] = {}
    for seed in range(options.seeds):
        for name in wanted:
            # another folder of cells: what is different stands in the bench, not in the cell
            place = TurnedBench(world, bench.source, options.out / "turned") if name == "cameras" else bench
            found.setdefault(name, []).append(measured(place, cells[name], seed, unseen, lpips))
            print(f"{name}, seed {seed}: " + ", ".join(f"{k} {np.mean(v):.4f}" for k, v in found[name][-1].items()), flush=True)
    table = {name: {k: float(np.mean([one[k] for one in each])) for k in each[0]} for name, each in found.items()}
    differences = {name: compared(found[name], found[CONTROLS[name]]) for name in found if CONTROLS.get(name) in found}
    about = {"steps": options.steps, "seeds": options.seeds, "held_out": scale.world.held_out, "world": world.digest}
    write_json(options.out / "remedies.json", {**about, "arms": table, "minus_control": differences})
    for name, each in differences.items():
        print(f"{name} minus {CONTROLS[name]}: " + json.dumps(each))


def compared(ours: list[dict[str, list[float]]], theirs: list[dict[str, list[float]]]) -> dict[str, list[float | None]]:
    """Mean over seeds of the difference, input by input, with its interval over inputs: [mean, low, high] a figure."""
    gains = {k: np.mean([np.subtract(a[k], b[k]) for a, b in zip(ours, theirs, strict=True)], 0) for k in ours[0]}
    intervals = {k: bootstrap(gain.tolist()) for k, gain in gains.items()}
    return {k: [round(v, 5) if v is not None else None for v in (i.mean, i.low, i.high)] for k, i in intervals.items()}


if __name__ == "__main__":
    main()
