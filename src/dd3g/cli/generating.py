"""The work behind `dd3g generate`: one model load, many pictures, a bad one doesn't stop the rest."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dd3g.core.errors import DD3GError, InputError, OutputError
from dd3g.core.files import is_file, sweep_partial, write_json
from dd3g.formats import Orientation
from dd3g.photos import Background, prepare
from dd3g.photos.folders import NOT_TEXT, PREPARED, named_pictures
from dd3g.pipeline import PICTURE_SIZE, Generated, ImageTo3D
from dd3g.student.inference import gaussians_per_token

FORMATS = ("ply", "mp4", "png")


@dataclass(frozen=True)
class GenerateOptions:
    """What a user asks of `dd3g generate`."""

    images: tuple[str, ...]
    out: str
    seed: int = 0
    samples: int = 1
    formats: tuple[str, ...] = FORMATS
    background: Background = "auto"
    model: str = "bundled"
    teacher: str | None = None  # whose image tower makes the tokens that the model reads
    elevation_deg: float | None = None
    gaussians: int | None = None
    orientation: Orientation = "supersplat"
    skip_existing: bool = False
    as_json: bool = False
    quiet: bool = False


def generate_all(options: GenerateOptions) -> int:
    """Generates from every picture.

    Returns:
        Exit status: 0, or 2 if a picture failed.

    Raises:
        InputError: An option that makes no sense, or no pictures.
        OutputError: The folder can't be written.
        CheckpointError: The model can't be used.
    """
    _check(options)
    out = Path(options.out)
    pictures = named_pictures(options.images, out)
    _refuse_replacing(pictures, out, options)
    model = _model(options)
    gaussians_per_token(model.model.network, options.gaussians)  # said once, not by every picture
    sweep_partial(out)
    failed = 0
    for place, (name, picture) in enumerate(pictures.items(), 1):
        try:
            _generate_one(model, picture, name, out, options, f"[{place}/{len(pictures)}] ")
        except OutputError:
            raise  # the next picture would meet the same full or closed folder
        except DD3GError as error:
            failed += 1
            named = str(error) if str(picture) in str(error) else f"{picture}: {error}"
            print(f"dd3g generate: {named}", file=sys.stderr)
    if failed and len(pictures) > 1:
        print(f"dd3g generate: {failed} of {len(pictures)} pictures failed", file=sys.stderr)
    return 2 if failed else 0


def _model(options: GenerateOptions) -> ImageTo3D:
    """The model, with the tower whose tokens it reads."""
    from dd3g.encoders import GivenTokensConfig
    from dd3g.student.load import load_student

    student = load_student(options.model)
    encoder = student.network.config.encoder
    if not isinstance(encoder, GivenTokensConfig):
        if options.teacher is not None:
            raise InputError(f"--teacher: says nothing beside {student.name}, which reads pictures by itself; leave it out")
        return ImageTo3D(student)
    if options.teacher is None:
        raise InputError(
            f"{student.name}: reads the tokens of CLIP's image tower; give --teacher, the ImageDream checkpoint that it learnt with"
        )
    from dd3g.recipes.image_tokens import teacher_tokens
    from dd3g.teacher.teacher import load_teacher

    return ImageTo3D(student, teacher_tokens(load_teacher(options.teacher), encoder, "cpu"))


def _refuse_replacing(pictures: dict[str, Path], out: Path, options: GenerateOptions) -> None:
    """A sheet of views is named like the photograph that it was made from, and must not replace it."""
    theirs = {(place.st_dev, place.st_ino): path for path in pictures.values() if (place := _stat(path))}
    for name in pictures:
        files = [f"{name}{PREPARED}.png", *(f"{stem}.{kind}" for stem in _stems(name, options).values() for kind in options.formats)]
        for place in map(_stat, (out / file for file in files)):
            if place and (place.st_dev, place.st_ino) in theirs:
                picture = theirs[place.st_dev, place.st_ino]
                raise InputError(f"{picture}: would be replaced by a result of the same name; choose another --out")


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (OSError, ValueError):  # nothing there, or no path at all: whoever opens it says so
        return None


def _stems(name: str, options: GenerateOptions) -> dict[int, str]:
    """Names of the results without suffix, by seed."""
    seeds = range(options.seed, options.seed + options.samples)
    return {seed: name if options.samples == 1 else f"{name}-seed{seed}" for seed in seeds}


def _check(options: GenerateOptions) -> None:
    if "" in (*options.images, options.out):
        raise InputError("found an empty name among pictures and --out, expected paths; is a variable of the shell unset?")
    unknown = [name for name in options.formats if name not in FORMATS]
    if unknown or not options.formats:
        raise InputError(f"--format {','.join(options.formats)}: expected some of {', '.join(FORMATS)}, separated by commas")
    if options.samples < 1:
        raise InputError(f"--samples: found {options.samples}, expected 1 or more")
    if options.seed < 0:
        raise InputError(f"--seed: found {options.seed}, expected 0 or more")
    if options.elevation_deg is not None and not -60 <= options.elevation_deg <= 80:
        raise InputError(f"--elevation: found {options.elevation_deg}, expected -60 to 80 degrees")


def _generate_one(model: ImageTo3D, picture: Path, name: str, out: Path, options: GenerateOptions, label: str) -> None:
    names = _stems(name, options)
    waiting = [seed for seed in names if not (options.skip_existing and is_file(out / f"{names[seed]}.json"))]
    if not waiting:
        _say(options, f"{label}{name}: there already, skipped")
        return
    started = time.perf_counter()
    prepared = prepare(picture, background=options.background, size=PICTURE_SIZE)
    prepare_ms = round((time.perf_counter() - started) * 1e3, 1)
    prepared.save(out / f"{name}{PREPARED}.png")
    for finding in prepared.findings:
        _say(options, f"{label}{name}: {finding.severity}: {finding.message}")
    for seed in waiting:
        made = model.from_prepared(prepared, seed, elevation_deg=options.elevation_deg, gaussians=options.gaussians)
        stages = {"prepare": prepare_ms, **made.milliseconds}
        files = {"prepared": f"{name}{PREPARED}.png"}
        for kind in options.formats:
            started = time.perf_counter()
            files[kind] = f"{names[seed]}.{kind}"
            made.save(out / files[kind], orientation=options.orientation)
            stages[kind] = round((time.perf_counter() - started) * 1e3, 1)
        sidecar = sidecar_of(made, picture, options, files, stages)
        write_json(out / f"{names[seed]}.json", sidecar)
        if options.as_json:
            print(json.dumps(sidecar), flush=True)
        else:
            took = f"{len(made.gaussians)} splats in {sum(stages.values()) / 1e3:.1f} s"
            _say(options, f"{label}{names[seed]}: {took} -> {out / files[options.formats[0]]}")


def sidecar_of(made: Generated, picture: Path, options: GenerateOptions, files: dict[str, str], stages: dict[str, float]) -> dict[str, Any]:
    """What NAME.json says: everything needed to make the result again, and how to look at it."""
    from dd3g.version import VERSION

    low, high = made.gaussians.means.min(0).values, made.gaussians.means.max(0).values
    return {
        "picture": NOT_TEXT.sub("_", picture.name),
        "seed": made.seed,
        "model": {"name": made.model.name, "digest": made.model.digest},
        "dd3g": VERSION,
        "orientation": options.orientation,
        "splats": len(made.gaussians),
        "sh_degree": 0,
        "colour_space": "sRGB",
        "bounding_box": {
            "min": [round(x, 5) for x in low.tolist()],
            "max": [round(x, 5) for x in high.tolist()],
            "frame": "object, +Y up, front +Z",
        },
        "suggested_camera": {
            "position": [0.0, 0.39, 1.45],
            "target": [0.0, 0.0, 0.0],
            "up": [0.0, 1.0, 0.0],
            "fov_y_deg": 49.1,
            "frame": "object",
        },
        "elevation_deg": round(made.elevation_deg, 2),
        "elevation_given": options.elevation_deg is not None,
        "prepared": {
            "method": made.prepared.method,
            "digest": made.prepared.digest,
            "findings": [vars_of(f) for f in made.prepared.findings],
        },
        "milliseconds": stages,
        "files": files,
    }


def vars_of(finding: Any) -> dict[str, str]:
    """A finding as JSON."""
    return {"code": finding.code, "severity": finding.severity, "message": finding.message}


def _say(options: GenerateOptions, line: str) -> None:
    if not options.quiet and not options.as_json:
        print(line, flush=True)
