"""What a file or folder is, by headers, names and shapes: models of ours, ImageDream's checkpoints, runs, views, quadruples."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dd3g.cli.inspecting_models import fits
from dd3g.core.errors import CheckpointError, DD3GError
from dd3g.core.files import is_file, is_folder
from dd3g.core.model_file import ModelHeader, read_model_header
from dd3g.core.weights import BUNDLED, bundled
from dd3g.teacher.imagedream.find import KIND as IMAGEDREAM
from dd3g.teacher.imagedream.find import SETTINGS, Found, find
from dd3g.teacher.imagedream.layouts import PARTS, shown
from dd3g.teacher.imagedream.read import compared_schedule, mismatch
from dd3g.teacher.imagedream.rows import parameters
from dd3g.teacher.imagedream.siblings import variant_by_name
from dd3g.teacher.imagedream.sizes import PUBLISHED
from dd3g.teacher.imagedream.stored import open_stored

_ASSETS = ("student", "teacher", "codec", "background", "mean_object")
_STATE = {"format", "step", "network", "optimiser"}  # of a training state


@dataclass(frozen=True)
class Description:
    """What stands at a path, and whether it can be used."""

    path: str
    what: str
    reason: str | None = None  # why it can't be used, in one sentence; None where it can
    facts: dict[str, Any] = field(default_factory=dict)
    faults: tuple[str, ...] = ()  # missing, unexpected and misshapen tensors, all of them
    holds: tuple[Description, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether it can be used, with all that it holds."""
        return self.reason is None and all(held.usable for held in self.holds)

    @property
    def first_reason(self) -> str:
        """Why not, the first of several."""
        return self.reason or next((held.first_reason for held in self.holds if not held.usable), "")


def describe(place: str) -> Description:
    """Looks at a path, or at all of the package's own weights for "bundled". What can't be used is described as well as it can be."""
    if place == BUNDLED:
        return Description(BUNDLED, "the package's own weights", holds=tuple(_file(bundled(name)) for name in _ASSETS))
    path = Path(place)
    try:
        return _file(path) if is_file(path) else _folder(path)
    except DD3GError as error:
        return Description(place, "unknown", str(error))


def _file(path: Path) -> Description:
    if path.suffix == ".safetensors" and (header := read_model_header(path)):
        return _model(path, header)
    if zipfile.is_zipfile(path) and "archive.json" in _names(path):
        return Description(str(path), "archive of views")
    if path.suffix != ".safetensors" and set(open_stored(path).others) >= _STATE:
        return Description(str(path), "training state", facts={"of": "a run: `dd3g train` with the same --out goes on from it"})
    return _imagedream(find(path))


def _names(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return []  # whoever opens it next says what is wrong


def _folder(path: Path) -> Description:
    if not is_folder(path) or is_file(path / SETTINGS) or is_folder(path / "unet"):
        return _imagedream(find(path))  # which says so where nothing is there
    if is_file(path / "config.json") and is_file(path / "metrics.jsonl"):
        return _run(path)
    if is_file(path / "plan.json"):
        return _quadruples(path)
    objects = sum(not file.parent.name.startswith(".") for file in path.glob("*/object.json"))
    if objects:
        return Description(str(path), "views", facts={"objects": objects})
    raise CheckpointError(
        f"{path}: a folder of nothing that dd3g knows; give a model file, a run, views, quadruples, or ImageDream's checkpoint"
    )


def _model(path: Path, header: ModelHeader) -> Description:
    facts = {
        "parameters": parameters(header.shapes.values()),
        "tensors": len(header.shapes),
        "dtype": ", ".join(sorted(set(header.dtypes.values()))),
        "config": header.config,
        "about": header.about,
    }
    if header.kind == IMAGEDREAM:
        reason = f"{path}: one part of a converted ImageDream; give the folder {path.parent}"
        return Description(str(path), f"ImageDream's {header.config.get('part')}", reason, facts)
    faults, reason = fits(header.kind, header.config, header.shapes)
    if faults:
        reason = f"of another architecture ({shown(faults)}); use the dd3g version that wrote it"
    return Description(str(path), header.kind, f"{path}: {reason}" if reason else None, facts, tuple(faults))


def _imagedream(found: Found) -> Description:
    parts = {
        name: {"parameters": part.parameters, "tensors": len(part.stored.shapes), "dtype": part.storage, "fits": not part.faults}
        for name, part in found.parts.items()
    }
    said = found.settings.get("variant") or variant_by_name(found.path.name)
    facts: dict[str, Any] = {
        "layout": found.layout,
        "variant": said or "not told by its name",
        "sizes": "as published" if all(getattr(found.sizes, n) == getattr(PUBLISHED, n) for n in found.parts) else "not the published ones",
        "parts": parts,
        "absent": [part for part in PARTS if part not in parts],
    }
    if found.settings:
        facts["source"] = found.settings.get("source")
    faults, path = found.faults, str(found.path)
    if found.refusal:
        return Description(path, "not ImageDream's", f"{path}: {found.refusal}", facts, tuple(faults))
    if faults:
        return Description(path, "ImageDream", f"{path}: doesn't fit ({shown(faults)})", facts, tuple(faults))
    schedule, differing = compared_schedule(found)
    facts["schedule"] = "another" if differing else schedule
    reason = f"another noise schedule ({shown(differing)}): a descendant" if differing else mismatch(found)
    return Description(path, "ImageDream", f"{path}: {reason}" if reason else None, facts)


def _run(path: Path) -> Description:
    from dd3g.training.compare import summarise

    run = summarise(path)
    models = tuple(describe(str(file)) for file in (path / "model.safetensors", path / "last.safetensors") if is_file(file))
    facts = {"recipe": run.kind, "step": run.step, "steps": run.steps, "best": run.best}
    return Description(str(path), "training run", None, facts, holds=models)


def _quadruples(path: Path) -> Description:
    from dd3g.quadruples.plan import read_plan, unit_path

    plan = read_plan(path)
    made = sum(unit_path(path, unit).exists() for unit in range(plan.units))
    facts = {
        "kind": plan.kind, "quadruples": plan.quadruples, "units": plan.units, "units_made": made, "inputs": plan.inputs,
        "latent_shape": list(plan.latent_shape), "guidance": plan.guidance, "steps": plan.steps, "teacher": plan.teacher,
    }  # fmt: skip
    return Description(str(path), "quadruples", None if made else f"{path}: none of its {plan.units} units is made", facts)
