"""A folder of views: what is to be rendered, what is there already, and doing the rest.

VIEWS/about.json      the plan: rig, seed, renderer, stretch
VIEWS/failures.json   objects that could not be rendered, each with its reason; absent if there are none
VIEWS/NAME/           one object (dd3g.core.views_folder)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dd3g.core.errors import InputError, MeshError, ViewsError, require
from dd3g.core.files import is_folder, make_folder, read_json, sweep_partial, write_json
from dd3g.core.progress import Progress
from dd3g.core.views_folder import original_name
from dd3g.objects.job import ObjectJob, is_done, render_object
from dd3g.objects.load import READERS
from dd3g.objects.pool import run_in_processes
from dd3g.objects.rig import Rig

FORMAT = "dd3g-views-collection-1"
OBJECTS_PER_SEED = 1_000_000  # `--procedural N --seed S` makes objects of seeds S * 1,000,000 + i


@dataclass(frozen=True)
class Summary:
    """What a run did."""

    rendered: int
    skipped: int  # were there already
    failures: tuple[tuple[str, str], ...]  # (source, reason)


def find_meshes(root: Path, list_file: Path | None = None) -> list[str]:
    """Paths of mesh files relative to ``root``, sorted; or those of a list file (one a line, # comments), in the list's order.

    Raises:
        InputError: No such folder or list, nothing in it, or a listed path twice or outside ``root``.
    """
    if not is_folder(root):
        raise InputError(f"{root}: no such folder; name the folder that holds the meshes")
    if list_file is None:
        found = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.suffix.lower() in READERS and path.is_file())
        if not found:
            raise InputError(f"{root}: holds no meshes, expected files that end in {', '.join(READERS)}")
        return found
    try:
        lines = [line.strip() for line in list_file.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{list_file}: not a readable text file ({error})") from None
    listed = [line for line in lines if line and not line.startswith("#")]
    if not listed:
        raise InputError(f"{list_file}: names no meshes, expected one path a line, relative to {root}")
    for line in listed:
        if Path(line).is_absolute() or ".." in Path(line).parts:
            raise InputError(f"{list_file}: names {line!r}, expected a path relative to {root} and below it")
    return listed


def jobs_for_files(root: Path, files: Sequence[str], rig: Rig, seed: int, out: Path) -> list[ObjectJob]:
    """One job a mesh file; an object's name is its relative path without suffix, joined by "-".

    Raises:
        InputError: Two files would have one name, or a file one that is hidden or stands for a version of another object.
    """
    names: dict[str, str] = {}
    jobs = []
    for file in files:
        name = "-".join(Path(file).with_suffix("").parts)
        if name in names:
            raise InputError(
                f"{names[name]} and {file} would both be written to {out / name}; name only one of them (--list), or rename one"
            )
        if name.startswith("."):
            raise InputError(f"{file}: a name that begins with a dot is hidden from readers of {out}; rename it")
        if name != original_name(name):
            raise InputError(f"{file}: a name that ends so is taken for a changed version of {original_name(name)}; rename it")
        names[name] = file
        jobs.append(ObjectJob(name, file, root / file, 0, rig, seed, out))
    return jobs


def jobs_for_seeds(count: int, rig: Rig, seed: int, out: Path) -> list[ObjectJob]:
    """One job a procedural object."""
    if not 1 <= count <= OBJECTS_PER_SEED:
        raise InputError(f"--procedural: found {count}, expected 1 to {OBJECTS_PER_SEED}")
    if seed < 0:
        raise InputError(f"--seed: found {seed}, expected 0 or more")
    seeds = [seed * OBJECTS_PER_SEED + i for i in range(count)]
    return [ObjectJob(f"made-{s:09d}", f"seed {s}", None, s, rig, seed, out) for s in seeds]


def render_collection(
    jobs: Sequence[ObjectJob], *, workers: int, quiet: bool = False, report: Callable[[str], None] = lambda line: None
) -> Summary:
    """Renders what is not there yet. Safe to kill at any moment; the same call goes on.

    Args:
        jobs: All of one plan and one folder.
        workers: Processes.
        quiet: No progress on standard error.
        report: Is told of every failure.

    Raises:
        ViewsError: The folder holds views of another plan.
        MissingExtraError: The ray tracer is not installed.
    """
    require("embreex", "train")  # said once, not by every object
    out = jobs[0].out
    _open_folder(out, jobs[0].plan())
    failures: dict[str, str] = {}
    waiting = []
    for job in jobs:
        try:
            if not is_done(job, _header(job)):
                waiting.append(job)
        except MeshError as error:
            failures[job.source] = str(error)
            report(str(error))
    progress = Progress(len(jobs), "objects", done=len(jobs) - len(waiting), quiet=quiet)
    try:
        for outcome in run_in_processes(render_object, waiting, workers):
            if outcome.failure is not None:
                named = outcome.failure if outcome.job.source in outcome.failure else f"{outcome.job.source}: {outcome.failure}"
                failures[outcome.job.source] = named
                report(named)
            progress.advance(note=outcome.job.name)
    finally:
        progress.close()
        sweep_partial(out)
    rendered = len(waiting) - sum(job.source in failures for job in waiting)
    ordered = tuple((job.source, failures[job.source]) for job in jobs if job.source in failures)
    _write_failures(out, ordered)
    return Summary(rendered, len(jobs) - rendered - len(ordered), ordered)


def _open_folder(out: Path, plan: dict[str, Any]) -> None:
    make_folder(out)
    about = out / "about.json"
    if about.exists():
        found = read_json(about)
        there = found.get("plan") if isinstance(found, dict) else None
        if there != plan:
            differences = _differences(there, plan)
            raise ViewsError(
                f"{out}: holds views of another plan ({differences}); choose another folder, or give the options it was made with"
            )
    elif any(out.glob("*/object.json")):
        raise ViewsError(f"{out}: holds views, but no about.json that says how they were made; choose another folder")
    sweep_partial(out)
    write_json(about, {"format": FORMAT, "plan": plan})


def _differences(there: Any, here: dict[str, Any]) -> str:
    """What two plans differ in, in words."""
    if not isinstance(there, dict):
        return "its about.json names none"
    flat_there, flat_here = ({**plan, **(plan.get("rig") or {})} for plan in (there, here))
    names = [name for name in flat_here | flat_there if name != "rig" and flat_there.get(name) != flat_here.get(name)]
    return ", ".join(f"{name} {flat_there.get(name)} there, {flat_here.get(name)} here" for name in names) or "written by another version"


def _header(job: ObjectJob) -> dict[str, Any] | None:
    """The object's description on disk; None where there is none, or a damaged one: then it is made again."""
    path = job.out / job.name / "object.json"
    try:
        found = read_json(path) if path.exists() else None
    except InputError:
        return None
    return found if isinstance(found, dict) else None


def _write_failures(out: Path, failures: Sequence[tuple[str, str]]) -> None:
    path = out / "failures.json"
    if failures:
        write_json(path, [{"source": source, "reason": reason} for source, reason in failures])
    else:
        path.unlink(missing_ok=True)
