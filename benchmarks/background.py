"""How well and how fast pictures are cut out.

    DD3G_WEIGHTS=FOLDER python benchmarks/background.py PICTURES [--json FILE] [--sheet FILE] [--model FILE] [--threads N]

For every picture: intersection over union, at 0.5, of the bundled network's cleaned mask with U2-Net small's plain mask (the reference;
its weights are looked for in DD3G_WEIGHTS) and, where the picture has alpha, of both with that. Pictures with alpha are first laid over a
plain backdrop, white and grey in turn, since they have no background of their own. Times are milliseconds, best of three.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dd3g.core.sheet import sheet
from dd3g.core.views import composite
from dd3g.photos import cutout, mask_network, prepare, u2netp
from dd3g.photos.decode import decode

BACKDROPS = {"white": 1.0, "grey": 0.6}
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


def main() -> None:
    """Measures, prints a table, writes JSON and a sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--model", type=Path, help="another network file than the bundled one")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.model:
        network = mask_network.load_mask_network(options.model)
        mask_network.load_bundled = lambda: network  # pyright: ignore[reportAttributeAccessIssue]
    paths = sorted(path for path in options.pictures.iterdir() if path.suffix.lower() in SUFFIXES)
    rows, shown = [], []
    print(f"{'picture':<26} {'backdrop':<8} {'IoU u2netp':>10} {'IoU alpha':>10} {'u2netp-alpha':>12} {'prepare ms':>10} {'u2netp ms':>10}")
    for i, path in enumerate(paths):
        row, pictures = measure(path, list(BACKDROPS)[i % 2])
        rows.append(row)
        shown.append(pictures)
        figures = [f"{row[key]:.3f}" if row[key] is not None else "-" for key in ("iou_u2netp", "iou_alpha", "u2netp_iou_alpha")]
        times = f"{row['prepare_ms']:>10} {row['u2netp_ms']:>10}"
        print(f"{row['name']:<26} {row['backdrop']:<8} {figures[0]:>10} {figures[1]:>10} {figures[2]:>12} {times}", flush=True)
    report = {"pictures": rows, "summary": summary(rows), "threads": options.threads, "torch": torch.__version__}
    print(json.dumps(report["summary"], indent=2))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    if options.sheet:
        halves = [shown[k] + (shown[k + 1] if k + 1 < len(shown) else []) for k in range(0, len(shown), 2)]
        sheet(halves, column_titles=["picture", "small", "u2netp", "prepared"] * 2).save(options.sheet)


def measure(path: Path, backdrop: str) -> tuple[dict[str, Any], list[Tensor]]:
    """Figures of one picture, and what to look at: picture, our mask, the reference, the prepared picture."""
    decoded = decode(path)
    rgb, alpha = decoded.rgb, decoded.alpha
    if alpha is not None:
        rgb = composite(rgb, alpha, torch.full((3,), BACKDROPS[backdrop]))
    ours, _ = cutout.cut_out(rgb, "small")
    reference = reference_mask(rgb)
    eight_bit = (rgb * 255).round().to(torch.uint8)
    row = {
        "name": path.stem,
        "backdrop": backdrop if alpha is not None else "own",
        "iou_u2netp": overlap(ours, reference),
        "iou_plain_u2netp": overlap(plain_mask(rgb), reference),
        "iou_alpha": None if alpha is None else overlap(ours, alpha),
        "u2netp_iou_alpha": None if alpha is None else overlap(reference, alpha),
        "prepare_ms": best_ms(lambda: prepare(eight_bit, background="small")),
        "u2netp_ms": best_ms(lambda: reference_mask(rgb)),
    }
    prepared = prepare(eight_bit, background="small")
    return row, [squared(x) for x in (rgb, ours, reference, composite(prepared.rgb, prepared.alpha, torch.ones(3)))]


@torch.no_grad()
def reference_mask(rgb: Tensor) -> Tensor:
    """U2-Net small's stretched saliency at the picture's size, not cleaned."""
    small = functional.interpolate(rgb[None], (u2netp.INPUT_SIZE,) * 2, mode="bilinear", antialias=True)
    mask = u2netp.stretched(u2netp.load_u2netp()(u2netp.normalise(small)))
    return functional.interpolate(mask, rgb.shape[-2:], mode="bilinear")[0]


@torch.no_grad()
def plain_mask(rgb: Tensor) -> Tensor:
    """Our network's mask at the picture's size, not cleaned."""
    network = mask_network.load_bundled()
    side = network.config.input_size
    small = functional.interpolate(rgb[None], (side, side), mode="bilinear", antialias=True)
    return functional.interpolate(network(small).sigmoid(), rgb.shape[-2:], mode="bilinear")[0]


def overlap(one: Tensor, other: Tensor) -> float:
    """Intersection over union at 0.5."""
    a, b = one > 0.5, other > 0.5
    return float((a & b).sum() / (a | b).sum().clamp_min(1))


def best_ms(action: Callable[[], object], times: int = 3) -> int:
    """Milliseconds of the fastest of a few calls."""
    spent = []
    for _ in range(times):
        start = time.perf_counter()
        action()
        spent.append(time.perf_counter() - start)
    return round(min(spent) * 1000)


def squared(x: Tensor, side: int = 160) -> Tensor:
    """A picture or mask in a grey square, for the sheet."""
    x = x.expand(3, -1, -1)
    size = [max(round(n * side / max(x.shape[1:])), 1) for n in x.shape[1:]]
    small = functional.interpolate(x[None], size, mode="bilinear", antialias=True)[0]
    return functional.pad(small, (0, side - size[1], 0, side - size[0]), value=0.5)


def summary(rows: list[dict[str, Any]]) -> dict[str, float | int]:
    """Means over the pictures, and the process' peak memory."""

    def mean(key: str) -> float:
        return round(float(np.mean([row[key] for row in rows if row[key] is not None])), 4)

    keys = ("iou_u2netp", "iou_plain_u2netp", "iou_alpha", "u2netp_iou_alpha", "prepare_ms", "u2netp_ms")
    found = {f"mean_{key}": mean(key) for key in keys if any(row[key] is not None for row in rows)}
    worst = min(row["iou_u2netp"] for row in rows)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e3 if sys.platform != "darwin" else 1e6)
    return {**found, "worst_iou_u2netp": round(worst, 4), "pictures": len(rows), "peak_mb": round(peak)}


if __name__ == "__main__":
    main()
