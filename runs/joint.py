"""Compares the students of runs/joint.sh on objects that none of them saw: differences by object, means over seeds, intervals over objects.

OUT/joint.json      for each measure: the mean of both arms, and joint minus explicit with its 95 % interval

LPIPS is measured where DD3G_WEIGHTS has its weights.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from dd3g.core import Cameras, canonical_rig
from dd3g.core.cameras import RIG_RADIUS
from dd3g.core.errors import WeightsError
from dd3g.core.files import write_json
from dd3g.core.noise import NoiseKey, draw_noise
from dd3g.core.views import composite
from dd3g.distill.codec_perceptual import CodecPerceptual, load_codec_perceptual
from dd3g.distill.colours import saturation
from dd3g.distill.explicit import psnr
from dd3g.distill.lpips import LPIPS, load_lpips
from dd3g.distill.signatures import contradicted
from dd3g.evaluate.intervals import bootstrap
from dd3g.recipes.views_pack import ViewsPack, open_pack
from dd3g.render import rasterize
from dd3g.student.load import load_student

ARMS = ("explicit", "joint")
ORBIT, UNSEEN = slice(0, 16), slice(1, 16)  # view 0 is the input's own


@torch.no_grad()
def measures(model: Path, dev: ViewsPack, perceptual: CodecPerceptual, lpips: LPIPS | None) -> dict[str, np.ndarray]:
    """Of every object, over its fifteen unseen views; ``contradicted`` is how far our own sixteen deny each other's surfaces."""
    student, white = load_student(model).network, torch.ones(3)
    noise = draw_noise(NoiseKey("joint", 0), student.config.noise_shape)[None]
    rows: list[dict[str, float]] = []
    for k in range(len(dev)):
        rgba = torch.from_numpy(np.array(dev.targets.rgba[k, ORBIT])).float() / 255
        poses, lenses = (torch.from_numpy(a[k, ORBIT]) for a in (dev.targets.camera_from_world, dev.targets.intrinsics))
        cameras = Cameras(poses, lenses, *rgba.shape[-2:])
        gaussians = student(noise, canonical_rig(), rgba[:1], torch.zeros(1), torch.full((1,), RIG_RADIUS))
        render = rasterize(gaussians, cameras, white)
        ours, truth = render.rgb[0, UNSEEN].clamp(0, 1), composite(rgba[:, :3], rgba[:, 3:], white)[UNSEEN]
        row = {
            "psnr_db": psnr(ours, truth).mean().item(),
            "codec_distance": perceptual(ours, truth).mean().item(),
            "saturation": (saturation(ours).mean() / saturation(truth).mean().clamp_min(1e-6)).item(),
            "contradicted": contradicted(render.alpha[0], render.depth[0], cameras),
        }
        if lpips is not None:
            row["lpips"] = lpips(ours, truth).mean().item()
        rows.append(row)
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def main() -> None:
    """Writes the comparison, and prints it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--teacher", required=True)
    parser.add_argument("--dev", required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)  # networks this small wait more than they compute
    dev, perceptual = open_pack(options.dev, quiet=True), load_codec_perceptual(teacher=options.teacher)
    try:
        lpips = load_lpips("squeeze")
    except WeightsError as error:
        print(f"without LPIPS: {error}")
        lpips = None
    seeds = sorted(folder.name.removeprefix("joint-") for folder in options.out.glob("joint-*"))
    found = {arm: [measures(options.out / f"{arm}-{seed}" / "last.safetensors", dev, perceptual, lpips) for seed in seeds] for arm in ARMS}
    table = {}
    for name in found["joint"][0]:
        by_seed = {arm: np.stack([one[name] for one in found[arm]]) for arm in ARMS}
        gain = by_seed["joint"] - by_seed["explicit"]
        interval = bootstrap(gain.mean(0).tolist())
        table[name] = {
            **{arm: float(values.mean()) for arm, values in by_seed.items()},
            "joint_minus_explicit": interval.mean,
            "interval": [interval.low, interval.high],
            "of_each_seed": gain.mean(1).tolist(),
        }
        each = ", ".join(f"{value:+.4f}" for value in gain.mean(1))
        print(
            f"{name}: explicit {by_seed['explicit'].mean():.4f}, joint {by_seed['joint'].mean():.4f}, "
            f"difference {interval.mean:+.4f} ({interval.low:+.4f} to {interval.high:+.4f}); seeds {each}"
        )
    write_json(options.out / "joint.json", {"objects": len(dev), "seeds": len(seeds), **table})


if __name__ == "__main__":
    main()
