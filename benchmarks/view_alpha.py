"""How well views are told from the grey behind them: the alpha that a teacher without one is given (recipes/matte.py).

    python benchmarks/view_alpha.py [VIEWS] [--objects 8] [--size 256] [--greys 0.1 0.5 0.9] [--network small] [--json FILE] [--sheet FILE]

VIEWS is a folder of `dd3g objects`; without one, procedural objects are rendered at --size. Four canonical views of every object are laid
over each grey and told from it again, by the network alone and with their edges drawn again. "worn" views have what a decoder leaves: a
gradient of up to 0.05 in the background, a blur of half a pixel, noise of 0.012. Intersection over union at 0.5, over views; and the soft
one, sum of minima over sum of maxima.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dd3g.core.machine import machine_name
from dd3g.core.sheet import sheet
from dd3g.core.views import Views, composite
from dd3g.core.views_folder import list_object_folders, load_object_views
from dd3g.photos.cutout import cut_out
from dd3g.recipes.matte import background_of, edges

_QUARTERS = (0, 4, 8, 12)  # of 16 canonical views
_LEAST_PIXELS = 50


def main() -> None:
    """Prints a row for each grey and condition."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("views", nargs="?", type=Path)
    parser.add_argument("--objects", type=int, default=8)
    parser.add_argument("--size", type=int, default=256, help="of procedural objects' views, px")
    parser.add_argument("--greys", type=float, nargs="+", default=[0.1, 0.5, 0.9])
    parser.add_argument("--network", default="small", choices=("small", "u2netp"))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    shown: list[list[Tensor]] = []
    for name, views in _of_folder(options.views, options.objects) if options.views else _procedural(options.objects, options.size):
        made = [
            row for grey in options.greys for worn in (False, True) for row in measured(name, views, grey, worn, options.network, shown)
        ]
        rows += made
    summary = summarised(rows)
    for line in summary:
        print(
            f"{line['condition']:<6} grey {line['grey']:.2f}  {line['views']:>4} views  network {line['network']:.4f} (worst "
            f"{line['network_worst']:.3f}, soft {line['network_soft']:.4f})  with edges {line['edges']:.4f} (worst "
            f"{line['edges_worst']:.3f}, soft {line['edges_soft']:.4f})"
        )
    print(f"{1e3 * statistics.median(row['seconds'] for row in rows):.0f} ms a view, {machine_name('cpu')}")
    if options.json:
        options.json.write_text(json.dumps({"machine": machine_name("cpu"), "summary": summary, "views": rows}, indent=2) + "\n")
    if options.sheet:
        sheet(shown[:24], column_titles=["over grey", "truth", "network", "with edges"]).save(options.sheet)


def measured(name: str, views: Views, grey: float, worn: bool, network: Any, shown: list[list[Tensor]]) -> list[dict[str, Any]]:
    """One object over one grey."""
    rows, asked = [], torch.tensor([grey])
    for k in range(len(views)):
        alpha = views.alpha[k]
        if alpha.sum() < _LEAST_PIXELS:
            continue
        seen = composite(views.rgb[k], alpha, asked.expand(3))
        if worn:
            seen = _worn(seen, alpha, seed=k)
        began = time.perf_counter()
        coarse = cut_out(seen, network)[0]
        found = edges(seen[None], coarse[None], background_of(seen[None], coarse[None], asked))[0]
        row: dict[str, Any] = {"object": name, "view": k, "grey": grey, "condition": "worn" if worn else "clean"}
        rows.append(row | _scores(coarse, alpha, "network") | _scores(found, alpha, "edges") | {"seconds": time.perf_counter() - began})
        if k == 0:
            shown.append([seen, *(x.expand(3, -1, -1) for x in (alpha, coarse, found))])
    return rows


def summarised(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean and worst over views, for each grey and condition."""
    found = []
    for condition, grey in sorted({(row["condition"], row["grey"]) for row in rows}):
        these = [row for row in rows if (row["condition"], row["grey"]) == (condition, grey)]
        line: dict[str, Any] = {"condition": condition, "grey": grey, "views": len(these)}
        for kind in ("network", "edges"):
            line[kind], line[f"{kind}_soft"] = (statistics.mean(row[key] for row in these) for key in (kind, f"{kind}_soft"))
            line[f"{kind}_worst"] = min(row[kind] for row in these)
        found.append(line)
    return found


def _scores(found: Tensor, truth: Tensor, name: str) -> dict[str, float]:
    one, other = found > 0.5, truth > 0.5
    hard = (one & other).sum() / (one | other).sum()
    return {name: hard.item(), f"{name}_soft": (torch.minimum(found, truth).sum() / torch.maximum(found, truth).sum()).item()}


def _worn(seen: Tensor, alpha: Tensor, seed: int) -> Tensor:
    height, width = seen.shape[-2:]
    slope = torch.linspace(-0.03, 0.03, width)[None] + torch.linspace(-0.02, 0.02, height)[:, None]
    tilted = seen + slope * (1 - alpha)
    soft = (tilted + F.avg_pool2d(F.pad(tilted[None], (1, 1, 1, 1), mode="replicate"), 3, 1)[0]) / 2
    return (soft + 0.012 * torch.randn(soft.shape, generator=torch.Generator().manual_seed(seed))).clamp(0, 1)


def _of_folder(folder: Path, count: int) -> Iterator[tuple[str, Views]]:
    folders = list_object_folders(folder)
    for place in folders[:: max(1, len(folders) // count)][:count]:
        yield place.name, load_object_views(place, ["targets"]).groups["targets"].pick(list(_QUARTERS))


def _procedural(count: int, size: int) -> Iterator[tuple[str, Views]]:
    from dd3g.objects import Rig, make_object
    from dd3g.objects.job import render_groups

    rig = Rig(canonical_views=4, extra_orbits=0, free_views=0, input_views=0, target_size=size)
    for seed in range(count):
        groups, _ = render_groups(make_object(seed), rig, f"object {seed}", 0)
        yield f"made-{seed}", groups["targets"]


if __name__ == "__main__":
    main()
