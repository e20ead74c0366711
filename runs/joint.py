"""Compares the students of runs/joint.sh on objects that none of them saw: differences by object, means over seeds, intervals over objects.

OUT/joint.json      for each measure: the mean of both arms, and joint minus explicit with its 95 % interval
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from dd3g.core.files import write_json
from dd3g.distill.codec_perceptual import CodecPerceptual, load_codec_perceptual
from dd3g.distill.colours import saturation
from dd3g.distill.explicit import psnr
from dd3g.evaluate.alignment import bootstrap
from dd3g.recipes.student import dev_renders
from dd3g.recipes.views_pack import ViewsPack, open_pack
from dd3g.student.load import load_student

ARMS = ("explicit", "joint")
UNSEEN = slice(1, 16)  # view 0 is the input's own


@torch.no_grad()
def measures(model: Path, dev: ViewsPack, perceptual: CodecPerceptual) -> dict[str, np.ndarray]:
    """Of every object, means over its fifteen unseen views."""
    _, ours, truth = dev_renders(load_student(model).network, dev, range(len(dev)), range(16))
    ours, truth = ours[:, UNSEEN].clamp(0, 1), truth[:, UNSEEN]
    distance = torch.stack([perceptual(a, b).mean() for a, b in zip(ours, truth, strict=True)])
    return {
        "psnr_db": psnr(ours, truth).mean(1).numpy(),
        "codec_distance": distance.numpy(),
        "saturation": (saturation(ours).mean(1) / saturation(truth).mean(1).clamp_min(1e-6)).numpy(),
    }


def main() -> None:
    """Writes the comparison, and prints it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--teacher", required=True)
    parser.add_argument("--dev", required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)  # networks this small wait more than they compute
    dev, perceptual = open_pack(options.dev, quiet=True), load_codec_perceptual(teacher=options.teacher)
    seeds = sorted(folder.name.removeprefix("joint-") for folder in options.out.glob("joint-*"))
    found = {arm: [measures(options.out / f"{arm}-{seed}" / "last.safetensors", dev, perceptual) for seed in seeds] for arm in ARMS}
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
