"""`dd3g evaluate`: truth from meshes, renders from a student, figures and a sheet.

REPORT/truth/NAME/       ground-truth views (kept: a second model is scored without rendering them again)
REPORT/results.json      protocol, means, baselines, every object
REPORT/sheet.png         input, ours, truth
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from dd3g.core import NoiseKey
from dd3g.core.cameras import RIG_RADIUS
from dd3g.core.errors import InputError
from dd3g.core.files import write_atomically, write_json
from dd3g.core.noise import digest
from dd3g.core.progress import Progress
from dd3g.core.sheet import sheet
from dd3g.core.views import Views, composite
from dd3g.core.views_folder import list_object_folders, load_object_views
from dd3g.evaluate.mean_object import bundled_mean_object, mean_object_of, resized
from dd3g.evaluate.metrics import mean_of
from dd3g.evaluate.protocol import ORBIT16, Protocol
from dd3g.evaluate.scoring import Metrics, available_metrics, baselines, score_views
from dd3g.objects.collection import find_meshes, jobs_for_files, render_collection
from dd3g.objects.rig import RIGS
from dd3g.render import rasterize
from dd3g.student.inference import infer
from dd3g.student.load import BUNDLED, LoadedStudent, load_student

_SHEET_VIEWS = (0, 2, 4, 6, 8, 12)
_SHEET_PX = 128


@dataclass(frozen=True)
class EvaluateOptions:
    """What a user asks of `dd3g evaluate`."""

    objects: str  # folder of meshes
    list_file: str | None = None  # only these
    model: str = BUNDLED
    mean_of: str | None = None  # folder of views whose mean is a baseline; the bundled one if None
    workers: int = 1
    quiet: bool = False


def evaluate(options: EvaluateOptions, out: str | os.PathLike[str], protocol: Protocol = ORBIT16) -> dict[str, Any]:
    """Scores a student and writes the report; what is rendered already is not rendered again.

    Returns:
        What ``results.json`` holds.

    Raises:
        InputError: No meshes, or none that can be rendered.
        CheckpointError: The model can't be used.
    """
    if options.workers < 1:
        raise InputError(f"--workers: found {options.workers}, expected at least 1")
    started, report = time.monotonic(), Path(out)
    student = load_student(options.model)
    metrics = available_metrics()
    mean = bundled_mean_object(protocol) if options.mean_of is None else resized(mean_object_of(options.mean_of, protocol), protocol)
    truth_folders, failures = _render_truth(options, report / "truth", protocol)  # last of what may fail: it takes longest
    rows, pictures = [], []
    progress = Progress(len(truth_folders), "scored", quiet=options.quiet)
    for folder in truth_folders:
        views = load_object_views(folder, ["targets"]).groups["targets"]
        row, picture = _score_object(folder.name, views, student, metrics, mean, protocol)
        rows.append(row)
        pictures.append(picture)
        progress.advance(note=folder.name)
    progress.close()
    results = _results(rows, failures, student, metrics, mean, protocol, time.monotonic() - started)
    write_json(report / "results.json", results)
    with write_atomically(report / "sheet.png") as temporary:
        degrees = [f"{view * 360 / protocol.views:g}" for view in _SHEET_VIEWS]
        titles = ["input", *(f"ours {d}" for d in degrees), *(f"true {d}" for d in degrees)]
        labels = [f"{row['name']}   psnr {row['psnr']:.2f}   ssim {row['ssim']:.3f}" for row in rows]
        sheet(pictures, column_titles=titles, row_titles=labels).save(temporary)
    return results


def _render_truth(options: EvaluateOptions, place: Path, protocol: Protocol) -> tuple[list[Path], list[dict[str, str]]]:
    rig = replace(
        RIGS["canonical"],
        canonical_views=protocol.views,
        target_size=protocol.size,
        supersampling=protocol.supersampling,
        light=protocol.light,
    )
    root = Path(options.objects)
    files = find_meshes(root, Path(options.list_file) if options.list_file else None)
    jobs = jobs_for_files(root, files, rig, 0, place)
    summary = render_collection(jobs, workers=min(options.workers, len(jobs)), quiet=options.quiet)
    failed = {source for source, _ in summary.failures}
    names = {job.name for job in jobs if job.source not in failed}
    if not names:
        raise InputError(f"{root}: none of its {len(jobs)} meshes can be rendered ({summary.failures[0][1]})")
    folders = [folder for folder in list_object_folders(place) if folder.name in names]
    return folders, [{"source": source, "reason": reason} for source, reason in summary.failures]


def _score_object(
    name: str, views: Views, student: LoadedStudent, metrics: Metrics, mean: Float[Tensor, "v 3 h w"] | None, protocol: Protocol
) -> tuple[dict[str, Any], Sequence[Tensor]]:
    over = torch.tensor(protocol.background)
    rgba = torch.cat([views.rgb[protocol.input_view], views.alpha[protocol.input_view]])
    key = NoiseKey(digest((rgba * 255).round().to(torch.uint8).numpy().tobytes()), protocol.seed)
    made = infer(student.network, rgba, key, elevation_deg=protocol.elevation_deg, distance=RIG_RADIUS)
    truth, ours = views.over(over), rasterize(made.gaussians, views.cameras, over).rgb
    row = {"name": name, **score_views(ours, truth, metrics, protocol), "gaussians": len(made.gaussians)}
    row["baselines"] = {kind: score_views(guess, truth, metrics, protocol) for kind, guess in baselines(truth, mean, protocol).items()}
    shown = [composite(rgba[:3], rgba[3:], over), *ours[list(_SHEET_VIEWS)], *truth[list(_SHEET_VIEWS)]]
    small = torch.nn.functional.interpolate(torch.stack(shown), (_SHEET_PX, _SHEET_PX), mode="bilinear", antialias=True)
    return row, list(small)


def _results(
    rows: list[dict[str, Any]],
    failures: list[dict[str, str]],
    student: LoadedStudent,
    metrics: Metrics,
    mean: Tensor | None,
    protocol: Protocol,
    seconds: float,
) -> dict[str, Any]:
    from dd3g.version import VERSION

    names = [*metrics.functions, *(f"{name}_input" for name in metrics.functions)]
    missing: dict[str, None] = dict.fromkeys(metrics.why)
    why = dict(metrics.why)
    kinds = rows[0]["baselines"]
    table: dict[str, Any] = {
        kind: {**{n: mean_of([row["baselines"][kind][n] for row in rows]) for n in names if not n.endswith("_input")}, **missing}
        for kind in kinds
    }
    if mean is None:
        table["mean"] = None
        why["mean"] = "no bundled mean object in this installation; name a folder of training views with --mean-of"
    return {
        "protocol": protocol.name,
        **{name: mean_of([row[name] for row in rows]) for name in names},
        **missing,
        "baselines": table,
        "why": why,
        "objects": rows,
        "failures": failures,
        "model": {"name": student.name, "digest": student.digest},
        "protocol_fields": protocol.about(),
        "dd3g": VERSION,
        "seconds": round(seconds, 1),
    }
