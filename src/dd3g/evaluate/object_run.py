"""One object through a protocol, as a process does it: truth, output, figures, pictures; all of it kept, so that a killed run goes on.

REPORT/objects/NAME.json           the object's rows and what they were made of
REPORT/renders/NAME/SETTING/*.png  what was compared, straight RGBA
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from dd3g.core.errors import InputError
from dd3g.core.files import read_json, write_folder_atomically, write_json
from dd3g.core.sheet import to_image
from dd3g.core.threads import one_thread
from dd3g.core.views import Views, unpremultiply
from dd3g.evaluate.failures import failure_signatures
from dd3g.evaluate.mean_object import mean_object_for
from dd3g.evaluate.object_files import ObjectFile, file_sum
from dd3g.evaluate.perceptual import Lookers, load_lookers
from dd3g.evaluate.protocol import Protocol, Setting
from dd3g.evaluate.scoring import columns_of, score
from dd3g.evaluate.similarity import register
from dd3g.evaluate.sources import Shown, Source, input_of, show, shown_of, source_digest
from dd3g.evaluate.truth import group_of, true_views

SCORING = "dd3g-scoring-2"  # a change of any figure is a new name, so that kept ones are not mixed with new ones


@dataclass(frozen=True)
class ObjectJob:
    """What a process needs to evaluate one object."""

    file: ObjectFile
    protocol: Protocol
    settings: tuple[Setting, ...]  # the main one first
    source: Source
    align: bool
    mean_of: str | None  # folder of views whose mean is a baseline; the bundled one if None
    report: Path
    truth: Path

    @property
    def place(self) -> Path:
        """Where its rows are kept."""
        return self.report / "objects" / f"{self.file.name}.json"

    def key(self, lookers: Lookers) -> str:
        """Digest of all that the rows depend on."""
        parts = {
            "scoring": SCORING,
            "protocol": self.protocol.digest(),
            "settings": [setting.name for setting in self.settings],
            "source": source_digest(self.source, self.file.name, self.settings, self.protocol),
            "kind": [self.source.kind, self.source.frame],
            "object": file_sum(self.file),
            "align": self.align,
            "mean_of": self.mean_of,
            "columns": columns_of(self.protocol, lookers),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def rows_of(job: ObjectJob) -> dict[str, Any] | None:
    """The kept rows of an object; None where there are none, or of something else.

    Raises:
        InputError: A file of the object or its output is missing.
    """
    if not job.place.is_file():
        return None
    try:
        found = read_json(job.place)
    except InputError:
        return None
    same = isinstance(found, dict) and found.get("key") == job.key(load_lookers(job.protocol.metrics))
    return found["rows"] if same else None


def evaluate_object(job: ObjectJob) -> None:
    """Evaluates one object and keeps its rows: ``{name, sha256, settings: {SETTING: row}, aligned: row | None}``.

    Raises:
        InputError: Its mesh, splats or renders can't be used.
    """
    lookers = load_lookers(job.protocol.metrics)
    with one_thread(), torch.inference_mode():
        key = job.key(lookers)
        truth = true_views(job.file, job.protocol, job.settings, job.truth)
        settings: dict[str, Any] = {}
        aligned = None
        for setting in job.settings:
            shown = show(job.source, job.file.name, setting, job.protocol, truth[setting.name])
            if shown is None:
                continue
            settings[setting.name] = _row(job, setting, shown, truth[setting.name], lookers, setting.name)
            if job.align and setting is job.settings[0] and shown.splats is not None:
                aligned = _aligned_row(job, setting, shown, truth[setting.name], lookers)
        rows = {"name": job.file.name, "sha256": file_sum(job.file), "settings": settings, "aligned": aligned}
    write_json(job.place, {"key": key, "rows": rows})


def _row(job: ObjectJob, setting: Setting, shown: Shown, truth: Views, lookers: Lookers, folder: str) -> dict[str, Any]:
    mean = _mean_object(job.mean_of, job.protocol, setting)
    figures = score(shown, truth, job.protocol, setting, lookers, mean)
    background = torch.tensor(job.protocol.background)
    signatures = failure_signatures(shown, truth, background, setting.input_view)
    ours = job.report / "renders" / job.file.name / folder
    _keep(shown, ours, background)
    truth_folder = job.truth / job.file.name / group_of(job.protocol, setting)
    places = {"truth": _below(truth_folder, job.report), "ours": _below(ours, job.report)}
    return {"name": job.file.name, "sha256": file_sum(job.file), **figures, "signatures": signatures, **places}


def _aligned_row(job: ObjectJob, setting: Setting, shown: Shown, truth: Views, lookers: Lookers) -> dict[str, Any]:
    assert shown.splats is not None
    camera = shown.cameras.pick(slice(setting.input_view, setting.input_view + 1))
    found = register(shown.splats, camera, input_of(truth, setting), torch.tensor(job.protocol.background))
    moved = shown_of(found.apply(shown.splats), shown.cameras, job.protocol)
    row = _row(job, setting, moved, truth, lookers, f"{setting.name}-aligned")
    return {**row, "similarity": {**asdict(found), "offset": list(found.offset)}}


@lru_cache(maxsize=4)
def _mean_object(mean_of: str | None, protocol: Protocol, setting: Setting) -> Float[Tensor, "v 3 h w"] | None:
    return mean_object_for(mean_of, protocol, setting)


def _keep(shown: Shown, folder: Path, background: Tensor) -> None:
    """Writes the pictures that were compared: RGBA where there is alpha."""
    with write_folder_atomically(folder) as temporary:
        for i, rgb in enumerate(shown.rgb):
            picture = rgb
            if shown.alpha is not None:
                alpha = shown.alpha[i]
                picture = torch.cat([unpremultiply(rgb - (1 - alpha) * background[:, None, None], alpha), alpha])
            to_image(picture).save(temporary / f"{i:03d}.png", compress_level=1)


def _below(place: Path, report: Path) -> str:
    """As results.json names it: relative to the report where it lies in it."""
    return place.relative_to(report).as_posix() if place.is_relative_to(report) else str(place.resolve())
