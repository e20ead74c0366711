"""From the options of `dd3g collect` to a collection: which pictures, which plan, and what was found.

OUT/plan.json                    what every quadruple is a function of
OUT/inputs/part-00000.parquet    the input pictures, once each
OUT/records/u=000000.parquet     quadruples, one file a unit
OUT/manifest.parquet             units, rows, bytes, SHA-256: made from the files at the end, and made again whenever they change
OUT/report.json                  of a collection of inverted views: round trip and the noise's statistics
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dd3g.core.cameras import stacked as stacked_cameras
from dd3g.core.errors import DD3GError, InputError, OutputError
from dd3g.core.files import is_folder, make_folder, read_json, sweep_partial, write_json
from dd3g.core.noise import digest
from dd3g.core.progress import Progress
from dd3g.core.views import premultiplied
from dd3g.core.views_folder import original_name
from dd3g.photos import Background, prepare
from dd3g.photos.folders import named_pictures
from dd3g.quadruples import Plan, Quadruple, collect, open_quadruples, verify
from dd3g.quadruples.collect import Make
from dd3g.quadruples.collection import read_inputs_of
from dd3g.quadruples.inputs import InputPicture, Placement, digest_of, input_parts, part_path, read_inputs, split_of, stacked, write_inputs
from dd3g.quadruples.plan import read_plan, unit_path, write_plan
from dd3g.quadruples.produce import RealViews, draw_unit, invert_unit, noise_statistics
from dd3g.quadruples.record import VIEWS
from dd3g.quadruples.table import write_rows
from dd3g.recipes.source_views import PictureStore, frame_inputs, read_sources
from dd3g.recipes.teacher import orbits_of
from dd3g.recipes.views_pack import ViewsPack, open_pack
from dd3g.teacher.fast import Precision, graphed, in_precision
from dd3g.teacher.imagedream.prompts import NEGATIVE, PROMPT, PromptName, prompts_named
from dd3g.teacher.schedule import scaled_linear
from dd3g.teacher.solvers import Solver, solver_times
from dd3g.teacher.teacher import STEPS, Teacher, encode, load_teacher, on_device, sample

_A_PART = 256  # inputs a file
_SIZE = 192  # of the inputs, px
_CANONICAL = 16  # target views round the object from the front
_ROUND_TRIPS = 32  # inverted quadruples that are followed back for the report


@dataclass(frozen=True)
class CollectOptions:
    """What a user asks of `dd3g collect`."""

    sources: tuple[str, ...]  # pictures, folders of pictures; or folders and archives of views
    teacher: str
    out: str
    invert: bool = False
    draws: int = 8  # of each input; sets of views of each, where they are inverted
    guidance: float | None = None  # None: the teacher's own
    prompt: str | None = None  # by name, of a teacher that reads text; None: the authors' choice, likewise below
    negative: str | None = None
    steps: int = STEPS
    solver: Solver = "ddim"
    dtype: Precision = "fp32"
    graphs: bool = False  # the teacher's launches recorded: the same numbers, sooner; on a GPU
    varied: float = 0.0
    per_object: int = 3  # inputs taken of each object, where the sources are views
    size: int | None = None  # of the inputs as they are kept; None: 192, or the teacher's own pictures' if those are larger
    dev_share: float = 0.05
    unit: int = 64
    batch: int = 16
    iterations: int = 10
    tolerance: float = 1e-3
    background: Background = "auto"
    device: str = "cpu"
    workers: int = 1
    verify: bool = False
    quiet: bool = False


def run_collect(options: CollectOptions) -> int:
    """Collects as asked, or goes on with it.

    Returns:
        Exit status: 0, or 2 if a picture could not be used.

    Raises:
        DD3GError: An option that makes no sense, sources or a teacher that can't be used, a plan that differs from the folder's.
    """
    _check(options)
    out = make_folder(options.out)
    prompts = _prompts(options)
    teacher = load_teacher(options.teacher, prompts)
    options = replace(options, size=options.size or max(_SIZE, teacher.side))
    packs = [open_pack(source, quiet=options.quiet) for source in options.sources] if _are_views(options.sources) else []
    if options.invert and not packs:
        raise InputError(f"--invert: wants views whose pictures are true, found {options.sources[0]}; make them with `dd3g objects`")
    _refuse_other_sizes(packs, teacher, options)
    sources, inputs, failed = _inputs_from_views(packs, out, options) if packs else _inputs_from_pictures(out, options)
    shape = teacher.network.config
    plan = Plan(
        kind="invert" if options.invert else "draw",
        teacher=teacher.digest,
        latent_shape=(shape.views, shape.latent_channels, shape.latent_size, shape.latent_size),
        sources=sources,
        inputs=len(inputs),
        inputs_digest=digest_of(inputs),
        per_input=options.draws,
        guidance=1.0 if options.invert else teacher.guidance if options.guidance is None else options.guidance,
        steps=options.steps,
        varied=0.0 if options.invert else options.varied,
        iterations=options.iterations if options.invert else 0,
        tolerance=options.tolerance if options.invert else 0.0,
        unit=options.unit,
        batch=options.batch,
        prompt=teacher.told[0],
        negative=teacher.told[1],
        solver=options.solver,
        dtype=options.dtype,
    )
    write_plan(out, plan)
    if options.verify:
        for line in verify(out, plan, quiet=options.quiet):
            print(f"dd3g collect: {line}; deleted", file=sys.stderr)
    opener = partial(open_maker, str(out), options.teacher, options.device, options.sources if packs else (), options.graphs)
    made = collect(out, plan, opener, workers=options.workers, quiet=options.quiet)
    write_manifest(out, plan)
    if options.invert and (made or not (out / "report.json").exists()):
        report = inversion_report(teacher, open_quadruples(out).quadruples, {p.image_id: p for p in inputs}, plan, options.device)
        write_json(out / "report.json", report)
        if not options.quiet:
            print(
                f"inverted {plan.quadruples}: round trip {report['round_trip_db']:.1f} dB over {report['round_trips']}; noise mean "
                f"{report['mean']:.4f}, variance {report['variance']:.4f}",
                file=sys.stderr,
            )
    return 2 if failed else 0


def open_maker(out: str, teacher_path: str, device: str, sources: tuple[str, ...], graphs: bool = False) -> Make:
    """What makes a unit of the collection in ``out``; loads the teacher, and the views where they are asked for."""
    if device.startswith("cuda"):
        torch.set_float32_matmul_precision("high")
    plan = read_plan(out)
    loaded = load_teacher(teacher_path, prompts_named(plan.prompt, plan.negative) if plan.prompt else None)
    teacher = on_device(in_precision(loaded, plan.dtype), device)
    if graphs:
        teacher = graphed(teacher)
    inputs = read_inputs_of(out, plan)
    if plan.kind == "draw":
        return partial(draw_unit, teacher, plan, inputs)
    views_of = real_views([open_pack(source, quiet=True) for source in sources], inputs)
    return partial(invert_unit, teacher, plan, inputs, views_of)


def real_views(packs: Sequence[ViewsPack], inputs: Sequence[InputPicture]) -> Callable[[int, int], RealViews]:
    """Four real views of (input, k): for k = 0 the rig's from the front of the input as nearly as the data have them, then other orbits."""
    store = PictureStore(packs, "targets", torch.device("cpu"))
    place_of = {name: i for i, name in enumerate(name for pack in packs for name in pack.names)}
    orbits = orbits_of(store.poses[0])
    step = 360 / _CANONICAL

    def views_of(i: int, k: int) -> RealViews:
        picture = inputs[i]
        assert picture.azimuth_deg is not None  # of inputs from views
        nearest = round(picture.azimuth_deg / step) % _CANONICAL
        quarter = _CANONICAL // VIEWS
        others = [first for first in range(_CANONICAL) if first != nearest]
        elsewhere = [(first + quarter * np.arange(VIEWS)) % _CANONICAL for first in others]
        elsewhere += [first + np.arange(VIEWS) for first in orbits]
        order = np.random.Generator(np.random.Philox(key=int(picture.image_id, 16))).permutation(len(elsewhere))
        # orbits and starts in turn, so that few sets are varied as well
        chosen = (nearest + quarter * np.arange(VIEWS)) % _CANONICAL if k == 0 else elsewhere[order[(k - 1) % len(elsewhere)]]
        here = place_of[picture.name.rpartition("/")[0]]
        pose = store.poses[here, chosen[0]].astype(np.float64)
        x, y, z = -(pose[:3, :3].T @ pose[:3, 3])
        azimuth = (np.degrees(np.arctan2(x, z)) - picture.azimuth_deg) % 360
        views = (store.rgba(np.full(VIEWS, here), chosen) * 255).round().to(torch.uint8)
        return RealViews(float(np.float32(azimuth)), float(np.float32(np.degrees(np.arctan2(y, np.hypot(x, z))))), views)

    return views_of


def inversion_report(
    teacher: Teacher, quadruples: Sequence[Quadruple], inputs: dict[str, InputPicture], plan: Plan, device: str
) -> dict[str, Any]:
    """Inverted noise against white noise, and what the ODE makes of it against what it was found for (decoded views, PSNR over RGBA)."""
    teacher = on_device(teacher, device)
    chosen = [quadruples[round(k)] for k in np.linspace(0, len(quadruples) - 1, min(_ROUND_TRIPS, len(quadruples)))]
    values = []
    for start in range(0, len(chosen), plan.batch):
        part = chosen[start : start + plan.batch]
        with torch.inference_mode():
            truth = torch.stack([q.views for q in part if q.views is not None]).to(device).float() / 255
            grey = torch.tensor([q.grey for q in part], device=device) if teacher.opaque else None
            wanted = _seen(teacher, encode(teacher, truth, grey))
            asked = stacked_cameras([q.cameras for q in part]).to(device)
            noise = torch.stack([q.noise_of(plan.latent_shape) for q in part]).to(device)
            again = sample(teacher, stacked([inputs[q.image_id] for q in part]).to(device), asked, noise, grey=grey, steps=plan.steps)
            made = _seen(teacher, again)
        error = (made - wanted).square().mean((1, 2, 3, 4)).clamp_min(1e-12)
        values.append(-10 * error.log10().cpu())
    each = torch.cat(values)
    every = torch.stack([q.noise_of(plan.latent_shape) for q in quadruples])
    residuals = [q.residual for q in quadruples if q.residual is not None]
    return {
        "round_trip_db": each.mean().item(),
        "round_trip_worst_db": each.min().item(),
        "round_trips": len(each),
        "largest_residual": max(residuals),
        **asdict(noise_statistics(every)),
        "white": {"mean": 0.0, "variance": 1.0, "spectrum": 1.0},
    }


def _seen(teacher: Teacher, latents: Tensor) -> Tensor:
    """Views as they are compared: premultiplied RGBA, or RGB over their grey."""
    made = teacher.codec.decode(latents.flatten(0, 1)).unflatten(0, latents.shape[:2])
    return made if teacher.opaque else premultiplied(made)


def write_manifest(out: Path, plan: Plan) -> None:
    """What is there, by listing: unit, rows, bytes and SHA-256 of each file."""
    rows = []
    for unit in range(plan.units):
        path = unit_path(out, unit)
        if path.exists():
            data = path.read_bytes()
            count = len(plan.jobs(unit))
            rows.append({"unit": unit, "rows": count, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()})
    columns = {"unit": "int32", "rows": "int32", "bytes": "int32", "sha256": "string"}
    write_rows(out / "manifest.parquet", rows, columns, {"format": "dd3g-manifest-1"})


def _prompts(options: CollectOptions) -> tuple[PromptName, PromptName] | None:
    if options.prompt is None and options.negative is None:
        return None
    return prompts_named(PROMPT if options.prompt is None else options.prompt, NEGATIVE if options.negative is None else options.negative)


def _check(options: CollectOptions) -> None:
    for name in ("draws", "steps", "per_object", "size", "unit", "batch", "iterations", "workers"):
        least = 16 if name == "size" else 1
        value = getattr(options, name)
        if value is not None and value < least:
            raise InputError(f"--{name.replace('_', '-')}: found {value}, expected at least {least}")
    for name in ("varied", "dev_share"):
        if not 0 <= getattr(options, name) <= 1:
            raise InputError(f"--{name.replace('_', '-')}: found {getattr(options, name)}, expected a share from 0 to 1")
    if options.workers > 1 and options.device != "cpu":
        raise InputError(f"--workers: found {options.workers} with --device {options.device}, expected 1: a GPU has one worker's queue")
    if options.graphs and not options.device.startswith("cuda"):
        raise InputError(f"--graphs: found --device {options.device}, expected cuda: they are recordings of a GPU's launches")
    if options.invert and options.solver != "ddim":
        raise InputError(f"--solver: found {options.solver} with --invert, expected ddim: only its steps can be taken back")
    if options.invert and options.dtype != "fp32":
        raise InputError(f"--dtype: found {options.dtype} with --invert, expected fp32: an inversion does not settle below its roundings")
    if options.solver != "ddim":
        solver_times(scaled_linear(), options.steps)  # refuses what there is not


def _are_views(sources: Sequence[str]) -> bool:
    kinds = [_is_views(source) for source in sources]
    if any(kinds) and not all(kinds):
        raise InputError(f"{sources[kinds.index(False)]}: no views, while {sources[kinds.index(True)]} is; collect them apart")
    return all(kinds)


def _is_views(source: str) -> bool:
    place = Path(source)
    if is_folder(place):
        return next(place.glob("*/object.json"), None) is not None
    return place.suffix == ".dd3g"


def _refuse_other_sizes(packs: Sequence[ViewsPack], teacher: Teacher, options: CollectOptions) -> None:
    side = teacher.side
    for source, pack in zip(options.sources, packs, strict=False):
        found = pack.targets.rgba.shape[-1]
        if options.invert and found != side:
            raise InputError(f"{source}: its views are {found} px wide, expected {side}, the teacher's; render them so")


def _inputs_from_views(packs: Sequence[ViewsPack], out: Path, options: CollectOptions) -> tuple[str, list[InputPicture], int]:
    """A few pictures of every object, framed as the student gets them, with everything that is known of their cameras."""
    size = options.size
    assert size is not None  # known with the teacher
    store = PictureStore(packs, "inputs", torch.device("cpu"))
    names = [name for pack in packs for name in pack.names]
    identity = digest(f"{[pack.digest for pack in packs]} {options.per_object} {options.size} {options.dev_share}".encode())
    count = min(options.per_object, store.views)
    wanted = []  # (object, view): one of the rig's own and others in turn, chosen by the object's name
    for i, name in enumerate(names):
        order = np.random.Generator(np.random.Philox(key=int(digest(name.encode(errors="surrogateescape")), 16))).permutation(store.views)
        wanted += [(i, int(view)) for view in order[:count]]

    def make(part: Sequence[tuple[int, int]]) -> tuple[list[InputPicture], int]:
        objects, views = np.array(part).T
        source = read_sources(store, objects, views)
        framed = frame_inputs(source, size, as_is=source.on_rig)
        pixels = (framed.image * 255).round().to(torch.uint8)
        numbers = zip(source.azimuth_deg.tolist(), source.elevation_deg.tolist(), (framed.scale * source.radius).tolist(), strict=True)
        places = [Placement(s, (x, y, z)) for s, (x, y, z) in zip(framed.scale.tolist(), framed.offset.tolist(), strict=True)]
        return [
            InputPicture(
                f"{names[i]}/{view}", original_name(names[i]), split_of(original_name(names[i]), options.dev_share), rgba, *known, place
            )
            for (i, view), rgba, known, place in zip(part, pixels, numbers, places, strict=True)
        ], 0

    return _in_parts(out, identity, wanted, make, options)


def _inputs_from_pictures(out: Path, options: CollectOptions) -> tuple[str, list[InputPicture], int]:
    """Photographs and drawings, cut out and framed; nothing is known of their cameras. A bad one is told of and left out."""
    size = options.size
    assert size is not None  # known with the teacher
    pictures = named_pictures(options.sources, out)
    listing = [f"{name} {_bytes_of(path)}" for name, path in pictures.items()]
    identity = digest(f"{listing} {options.background} {options.size} {options.dev_share}".encode(errors="surrogateescape"))

    def make(part: Sequence[tuple[str, Path]]) -> tuple[list[InputPicture], int]:
        found, failed = [], 0
        for name, path in part:
            try:
                prepared = prepare(path, background=options.background, size=size)
            except OutputError:
                raise
            except DD3GError as error:
                failed += 1
                print(f"dd3g collect: {error if str(path) in str(error) else f'{path}: {error}'}", file=sys.stderr)
                continue
            rgba = (torch.cat([prepared.rgb, prepared.alpha]) * 255).round().to(torch.uint8)
            found.append(InputPicture(name, name, split_of(name, options.dev_share), rgba))
        return found, failed

    return _in_parts(out, identity, list(pictures.items()), make, options)


_MakeInputs = Callable[[Sequence[Any]], tuple[list[InputPicture], int]]  # sources -> inputs, and how many could not be used


def _in_parts(
    out: Path, identity: str, wanted: Sequence[Any], make: _MakeInputs, options: CollectOptions
) -> tuple[str, list[InputPicture], int]:
    """Makes the table of inputs, part by part; parts that are there are kept, if they were made from the same sources."""
    folder = make_folder(out / "inputs")
    sweep_partial(folder)
    mark = folder / "sources.json"
    if (mark.exists() or input_parts(out)) and read_json(mark).get("sources") != identity:
        raise InputError(f"{out}: its inputs come from other sources, or options; choose another --out")
    write_json(mark, {"sources": identity})
    inputs: list[InputPicture] = []
    seen: set[str] = set()
    failed = 0
    progress = Progress(len(wanted), "inputs", quiet=options.quiet)
    for part in range(-(-len(wanted) // _A_PART)):
        path, chosen = part_path(out, part), wanted[part * _A_PART : (part + 1) * _A_PART]
        if not path.exists():
            made, bad = make(chosen)
            failed += bad
            fresh = {p.image_id: p for p in made if p.image_id not in seen}  # the same pixels twice would be the same draws twice
            write_inputs(path, list(fresh.values()))
        found = read_inputs(path)
        seen |= {picture.image_id for picture in found}
        inputs += found
        progress.advance(len(chosen))
    progress.close()
    if not inputs:
        raise InputError(f"{options.sources[0]}: none of its {len(wanted)} pictures can be used")
    return identity, inputs, failed


def _bytes_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1  # whoever opens it says why
