"""`dd3g evaluate`: a protocol's objects, true views of them, an output for each, figures, a sheet.

REPORT/truth/NAME/         true views (kept: with --truth a second model is scored without rendering them again)
REPORT/renders/NAME/       what was compared with them
REPORT/objects/NAME.json   an object's rows: the same command goes on where it was killed
REPORT/results.json        everything (evaluate/results.py)
REPORT/sheet.png           input, ours, truth
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dd3g.core.errors import DD3GError, InputError, require
from dd3g.core.files import make_folder, read_json, sweep_partial, write_atomically, write_json
from dd3g.core.progress import Progress
from dd3g.core.sheet import sheet
from dd3g.core.views import composite
from dd3g.core.weights import BUNDLED
from dd3g.evaluate.frames import FRAMES, Frame
from dd3g.evaluate.mean_object import mean_object_for
from dd3g.evaluate.object_files import Found, find_objects, require_all
from dd3g.evaluate.object_run import ObjectJob, evaluate_object, rows_of
from dd3g.evaluate.perceptual import Lookers, load_lookers
from dd3g.evaluate.protocol import Protocol, Setting, load_protocol
from dd3g.evaluate.results import FORMAT, table
from dd3g.evaluate.scoring import columns_of, with_inputs
from dd3g.evaluate.sources import Source, student_of
from dd3g.objects.pool import run_in_processes
from dd3g.version import VERSION

DEFAULT_PROTOCOL = "orbit16-1"
_SHEET_COLUMNS = 6
_SHEET_PX = 128


@dataclass(frozen=True)
class EvaluateOptions:
    """What a user asks of `dd3g evaluate`."""

    objects: str  # folder of meshes
    list_file: str | None = None  # only these; for protocols without a list of their own
    model: str = BUNDLED
    splats: str | None = None  # folder of splats in place of a model
    frame: str = "dd3g"  # whose splats
    renders: str | None = None  # folder of rendered views in place of a model
    settings: tuple[str, ...] | None = None  # of the protocol; all if None
    align: bool = False  # a second table, after registering outputs with their input picture
    partial: bool = False  # go on with those of the protocol's objects that are there
    truth: str | None = None  # where true views are kept; REPORT/truth if None
    mean_of: str | None = None  # folder of views whose mean is a baseline; the bundled one if None
    workers: int = 1
    quiet: bool = False

    def source(self) -> Source:
        """What is evaluated.

        Raises:
            InputError: Two things at once, or a frame that is unknown or says nothing.
        """
        if self.splats is not None and self.renders is not None:
            raise InputError("--splats and --renders: one thing is evaluated at a time; leave one out")
        frames: dict[str, Frame] = {name: name for name in FRAMES}
        if self.frame not in frames:
            raise InputError(f"--frame: '{self.frame}' is unknown; known are {', '.join(FRAMES)}")
        if self.align and self.renders is not None:
            raise InputError("--align: says nothing beside --renders: pictures can't be moved; leave it out")
        for name, place in (("--splats", self.splats), ("--renders", self.renders)):
            if place is not None and not Path(place).is_dir():
                raise InputError(f"{name} {place}: no such folder")
        if self.splats is None:
            if self.frame != "dd3g":
                raise InputError("--frame: says whose --splats they are; leave it out")
            return Source("model", self.model) if self.renders is None else Source("renders", self.renders)
        return Source("splats", self.splats, frames[self.frame])


def evaluate(options: EvaluateOptions, out: str | os.PathLike[str], protocol: Protocol | None = None) -> dict[str, Any]:
    """Scores a model, splats or renders by a protocol and writes the report; what is done already is not done again.

    Returns:
        What ``results.json`` holds.

    Raises:
        InputError: No objects, not those of the protocol, or none that can be evaluated.
        CheckpointError: The model can't be used.
    """
    started, clock = time.monotonic(), _processor_seconds()
    if options.workers < 1:
        raise InputError(f"--workers: found {options.workers}, expected at least 1")
    protocol = load_protocol(DEFAULT_PROTOCOL) if protocol is None else protocol
    source, settings = options.source(), _settings(options, protocol)
    if source.kind == "model":
        student_of(source.place)  # a model that can't be used is told before anything is rendered
    root, report = Path(options.objects), Path(out)
    found = find_objects(root, protocol, Path(options.list_file) if options.list_file else None)
    require_all(found, root, protocol, partial=options.partial)
    require("embreex", "train")  # said once, not by every object
    mean_object_for(options.mean_of, protocol, protocol.main)  # so is a folder of views that has not the right ones
    truth = Path(options.truth) if options.truth is not None else report / "truth"
    for folder in (report, report / "objects", truth):
        sweep_partial(make_folder(folder))
    jobs = [ObjectJob(file, protocol, settings, source, options.align, options.mean_of, report, truth) for file in found.files]
    failures = _run(jobs, options)
    rows = [read_json(job.place)["rows"] for job in jobs if job.file.source not in failures]
    if not rows:
        raise InputError(f"{root}: none of its {len(jobs)} meshes can be evaluated ({next(iter(failures.values()))})")
    lookers = load_lookers(protocol.metrics)
    results = _results(rows, settings, protocol, lookers, options)
    results |= {
        "model": _about(source),
        "partial": _partial(found) if options.partial else None,
        "failures": [{"source": name, "reason": reason} for name, reason in failures.items()],
        "dd3g": VERSION,
        "seconds": round(time.monotonic() - started, 1),
        "processor_seconds": round(_processor_seconds() - clock, 1),
    }
    write_json(report / "results.json", results)
    with write_atomically(report / "sheet.png") as temporary:
        _sheet(results, protocol, report).save(temporary)
    return results


def _settings(options: EvaluateOptions, protocol: Protocol) -> tuple[Setting, ...]:
    if options.settings is None:
        return protocol.settings
    wanted = [protocol.setting(name) for name in options.settings]
    return (protocol.main, *(setting for setting in wanted if setting.name != protocol.main.name))


def _run(jobs: Sequence[ObjectJob], options: EvaluateOptions) -> dict[str, str]:
    """Evaluates what is not kept yet. Returns the reasons of failures by source."""
    failures: dict[str, str] = {}
    waiting = []
    for job in jobs:
        try:
            if rows_of(job) is None:
                waiting.append(job)
        except InputError as error:
            failures[job.file.source] = str(error)
    progress = Progress(len(jobs), "evaluated", done=len(jobs) - len(waiting), quiet=options.quiet)
    workers = min(options.workers, len(waiting))
    try:
        if workers <= 1:
            for job in waiting:
                try:
                    evaluate_object(job)
                except DD3GError as error:
                    failures[job.file.source] = str(error)
                progress.advance(note=job.file.name)
        else:
            for outcome in run_in_processes(evaluate_object, waiting, workers):
                if outcome.failure is not None:
                    failures[outcome.job.file.source] = outcome.failure
                progress.advance(note=outcome.job.file.name)
    finally:
        progress.close()
    ordered = [job.file.source for job in jobs]
    return {name: f"{name}: {failures[name]}" if name not in failures[name] else failures[name] for name in ordered if name in failures}


def _results(
    rows: Sequence[Mapping[str, Any]], settings: Sequence[Setting], protocol: Protocol, lookers: Lookers, options: EvaluateOptions
) -> dict[str, Any]:
    """All tables, from the objects' rows."""
    columns = with_inputs(list(protocol.metrics))
    why = {name: reason for name, reason in lookers.why.items() if name in protocol.metrics}
    made = {}
    for setting in settings:
        there = [row["settings"][setting.name] for row in rows if setting.name in row["settings"]]
        if len(there) == len(rows):
            made[setting.name] = table(setting.name, there, columns, protocol.bootstrap)
        else:
            why[setting.name] = f"outputs for this setting are there for {len(there)} of {len(rows)} objects"
    main = made.pop(protocol.main.name)
    for name in set(protocol.metrics) - set(columns_of(protocol, lookers)) - set(why):
        why[name] = "not computed by this version"
    for name in ("iou", "hull"):
        if name in protocol.metrics and main[name] is None:
            why[name] = "the renders have no alpha channel"
    if main["baselines"]["mean"] is None:
        why["mean"] = "no mean object in this installation for this protocol's views; name a folder of training views with --mean-of"
    aligned = [row["aligned"] for row in rows]
    return {
        "format": FORMAT,
        "protocol": protocol.name,
        "protocol_digest": protocol.digest(),
        **main,
        "settings": made,
        "aligned": table(protocol.main.name, aligned, columns, protocol.bootstrap) if options.align and None not in aligned else None,
        "why": why,
        "protocol_fields": protocol.about(),
    }


def _about(source: Source) -> dict[str, Any]:
    if source.kind == "model":
        student = student_of(source.place)
        return {"kind": "model", "name": student.name, "digest": student.digest}
    frame = {"frame": source.frame} if source.kind == "splats" else {}
    return {"kind": source.kind, "name": Path(source.place).resolve().name, "digest": None, **frame}


def _partial(found: Found) -> dict[str, list[str]]:
    return {"missing": list(found.missing), "different": list(found.different)}


def _processor_seconds() -> float:
    """Of this process and of those that it waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _sheet(results: Mapping[str, Any], protocol: Protocol, report: Path) -> Image.Image:
    setting = protocol.main
    count = len(setting.azimuths_deg)
    shown = [round(k * count / 8) for k in (0, 1, 2, 3, 4, 6)][:_SHEET_COLUMNS] if count >= 8 else list(range(min(count, _SHEET_COLUMNS)))
    over = torch.tensor(protocol.background)
    rows, labels = [], []
    for row in results["objects"]:
        truth, ours = report / row["truth"], report / row["ours"]
        first = _thumbnail(truth / f"{setting.input_view:03d}.png", over)
        rows.append([first, *(_thumbnail(folder / f"{i:03d}.png", over) for folder in (ours, truth) for i in shown)])
        labels.append(f"{row['name']}   psnr {row['psnr']:.2f}   ssim {row['ssim']:.3f}" if "ssim" in row else row["name"])
    degrees = [f"{setting.azimuths_deg[i]:g}" for i in shown]
    titles = ["input", *(f"ours {d}" for d in degrees), *(f"true {d}" for d in degrees)]
    return sheet(rows, column_titles=titles, row_titles=labels)


def _thumbnail(file: Path, over: Tensor) -> Tensor:
    with Image.open(file, formats=("PNG",)) as image:
        pixels = torch.from_numpy(np.asarray(image.convert("RGBA")).copy()).permute(2, 0, 1).float() / 255
    rgb = composite(pixels[:3], pixels[3:], over)
    side = (_SHEET_PX, _SHEET_PX)
    return torch.nn.functional.interpolate(rgb[None], side, mode="bilinear", antialias=True, align_corners=False)[0].clamp(0, 1)
