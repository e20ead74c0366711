"""`dd3g evaluate --quadruples`: a student against the draws of a collection.

REPORT/results.json      figures with intervals, every image
REPORT/sheet.png         input, true draws 0, 1, 2, ours with their noise: the sides that the picture does not show
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from PIL.Image import Image
from torch import Tensor

from dd3g.core import NoiseKey, draw_noise
from dd3g.core.errors import InputError
from dd3g.core.files import write_atomically, write_json
from dd3g.core.progress import Progress
from dd3g.core.sheet import sheet
from dd3g.core.views import composite
from dd3g.core.weights import BUNDLED
from dd3g.distill.codec_perceptual import CodecPerceptual
from dd3g.encoders.codec import load_codec
from dd3g.evaluate.alignment import Distance, ImageFigures, columns_of, compare, summary
from dd3g.evaluate.intervals import RESAMPLES, bootstrap
from dd3g.evaluate.protocol import Bootstrap
from dd3g.evaluate.results import DRAWS_FORMAT
from dd3g.recipes.quadruple_batches import DecodedCollection, QuadrupleBatches, open_decoded
from dd3g.recipes.student import render_batch
from dd3g.recipes.student_batches import StudentDataConfig
from dd3g.student import PEPD
from dd3g.student.load import load_student
from dd3g.teacher.imagedream.vae import OpaqueCodec
from dd3g.teacher.teacher import load_teacher
from dd3g.training import check_device
from dd3g.version import VERSION

COLUMNS = ("distillation_psnr", "lead_over_shuffled_db", "lead_over_fresh_db", "retrieval_views", "retrieval_noise", "student_diversity")
Split = Literal["dev", "train", "all"]
_AT_ONCE = 8
_SHOWN_IMAGES, _SHOWN_DRAWS = 12, 3
_SHOWN_VIEWS = {1: "90", 2: "180"}  # of the rig: the front is the picture, whatever the noise
_SHEET_PX = 128


@dataclass(frozen=True)
class AlignmentOptions:
    """What a user asks of `dd3g evaluate --quadruples`."""

    quadruples: str  # a collection that was drawn
    teacher: str  # that drew it
    model: str = BUNDLED
    split: Split = "dev"
    images: int | None = None  # at most so many, evenly from all
    device: str = "cpu"
    quiet: bool = False


@dataclass(frozen=True)
class ImageDraws:
    """The draws of one picture at one set of cameras, as places of the batches."""

    image_id: str
    places: tuple[int, ...]


def evaluate_alignment(options: AlignmentOptions, out: str | os.PathLike[str]) -> dict[str, Any]:
    """Compares a student with a collection and writes the report.

    Returns:
        What ``results.json`` holds.

    Raises:
        InputError: No collection, one that was not drawn, of another teacher, or without two draws of an image.
        CheckpointError: The model or the teacher can't be used.
    """
    check_device(options.device)
    if options.images is not None and options.images < 1:
        raise InputError(f"--images: found {options.images}, expected at least 1")
    started, report = time.monotonic(), Path(out)
    loaded = load_student(options.model)
    teacher = load_teacher(options.teacher)
    decoded = open_decoded(options.quadruples, teacher, device=options.device, quiet=options.quiet)
    plan, student = decoded.collection.plan, loaded.network.to(options.device)
    if plan.kind != "draw":
        raise InputError(f"{options.quadruples}: its noise was found from real views, one for each; give a collection that was drawn")
    if student.config.noise_shape != plan.latent_shape:
        raise InputError(
            f"--model {options.model}: takes noise of {student.config.noise_shape}, and {options.quadruples} holds {plan.latent_shape}; "
            "give a student that learnt from this teacher's quadruples"
        )
    # needs no weights but those that are here; of views that had no alpha the package's own codec judges
    perceptual = CodecPerceptual(load_codec() if isinstance(teacher.codec, OpaqueCodec) else teacher.codec).to(options.device)
    batches = batches_of(decoded, options.split, options.device)
    images, left_out = draws_of(batches, options)
    progress, rows, figures, pictures = Progress(len(images), "images compared", quiet=options.quiet), [], [], []
    shown = {images[round(k)].image_id for k in torch.linspace(0, len(images) - 1, min(_SHOWN_IMAGES, len(images))).tolist()}
    draws_shown = min(_SHOWN_DRAWS, *(len(image.places) for image in images))
    for image in images:
        name = decoded.collection.inputs[image.image_id].name
        one, truth, ours, picture = compare_image(student, batches, image, plan.latent_shape, perceptual)
        figures.append(one)
        rows.append({"name": name, "image_id": image.image_id, "sha256": image.image_id, **asdict(one), **columns_of(one)})
        if image.image_id in shown:
            pictures.append((_label(name, one), _row(picture, truth[:draws_shown], ours[:draws_shown])))
        progress.advance(note=name)
    progress.close()
    results = {
        **_as_a_table(rows, decoded.digest, options),
        **summary(figures),
        "left_out": left_out,
        "collection": {"folder": str(options.quadruples), "digest": decoded.digest, "guidance": plan.guidance, "split": options.split},
        "told_guidance": student.config.extraction.guidance is not None,
        "model": {"kind": "model", "name": loaded.name, "digest": loaded.digest},
        "teacher": teacher.digest,
        "objects": rows,
        "dd3g": VERSION,
        "seconds": round(time.monotonic() - started, 1),
    }
    write_json(report / "results.json", results)
    with write_atomically(report / "sheet.png") as temporary:
        _sheet(pictures, draws_shown).save(temporary)
    return results


def _as_a_table(rows: Sequence[dict[str, Any]], collection: str, options: AlignmentOptions) -> dict[str, Any]:
    """What :func:`dd3g.evaluate.results.compare` needs to pair two students on one collection, image by image."""
    how = Bootstrap(0.95, RESAMPLES, 0)
    asked = json.dumps([collection, options.split, options.images])
    figures = {column: asdict(bootstrap([row[column] for row in rows], seed=how.seed)) for column in COLUMNS}
    return {
        "format": DRAWS_FORMAT,
        "protocol": "draws",
        "protocol_digest": hashlib.sha256(asked.encode()).hexdigest(),
        "protocol_fields": {"bootstrap": asdict(how)},
        "setting": options.split,
        **{column: found["mean"] for column, found in figures.items()},
        "figures": figures,
        "settings": {},
        "aligned": None,
    }


def batches_of(decoded: DecodedCollection, split: Split, device: str) -> QuadrupleBatches:
    """The collection at its own sizes, over white."""
    side = next(iter(decoded.collection.inputs.values())).rgba.shape[-1]
    config = StudentDataConfig(image_size=side, render_size=decoded.views.shape[-1])
    return QuadrupleBatches([decoded], config, 0, device, split=None if split == "all" else split)


def draws_of(batches: QuadrupleBatches, options: AlignmentOptions) -> tuple[list[ImageDraws], int]:
    """Of every image, the largest set of draws at the same cameras; and how many images have no two of them.

    Raises:
        InputError: No image has two.
    """
    found: dict[str, dict[tuple[float, float], list[int]]] = defaultdict(lambda: defaultdict(list))
    for place, (c, i) in enumerate(batches.places):
        quadruple = batches.collections[c].collection.quadruples[i]
        found[quadruple.image_id][quadruple.azimuth_deg, quadruple.elevation_deg].append(place)
    largest = [ImageDraws(image_id, tuple(max(sets.values(), key=len))) for image_id, sets in found.items()]
    images = [image for image in largest if len(image.places) > 1]
    if not images:
        raise InputError(
            f"{options.quadruples}: none of its {len(largest)} images of --split {options.split} has two draws at the same cameras; "
            "collect with --draws 2 or more"
        )
    left_out = len(largest) - len(images)
    if options.images is not None and options.images < len(images):
        images = [images[k * len(images) // options.images] for k in range(options.images)]
    return images, left_out


def compare_image(
    student: PEPD, batches: QuadrupleBatches, image: ImageDraws, shape: tuple[int, ...], distance: Distance | None = None
) -> tuple[ImageFigures, Float[Tensor, "d v 3 h w"], Float[Tensor, "d v 3 h w"], Float[Tensor, "4 p p"]]:
    """Figures of one image, its draws' views, ours, and the picture."""
    batch = batches.of(list(image.places))
    truth = composite(batch.target_rgb, batch.target_alpha, batch.background)
    fresh = torch.stack([draw_noise(NoiseKey(f"fresh {image.image_id}", k), shape) for k in range(len(truth))])

    # A photograph's place is found from silhouettes: from those of all draws, or a render would be told which draw it belongs to.
    silhouettes = batch.target_alpha.mean(0)

    def render(noise: Tensor) -> Tensor:
        count = len(noise)
        asked = batches.of([image.places[0]] * count)  # draws differ in nothing else that the student is told
        return render_batch(student, replace(asked, noise=noise, target_alpha=silhouettes.expand(count, -1, -1, -1, -1)))[1].rgb

    figures, ours = compare(truth, batch.noise, fresh.to(truth.device), render, at_once=_AT_ONCE, distance=distance)
    return figures, truth, ours, batch.image[0]


def _row(picture: Tensor, truth: Tensor, ours: Tensor) -> list[Tensor]:
    views = list(_SHOWN_VIEWS)
    sides = torch.cat([truth[:, views].flatten(0, 1), ours[:, views].flatten(0, 1)])
    first = composite(picture[:3], picture[3:], torch.ones(3))
    return [_small(first[None])[0], *_small(sides)]


def _small(pictures: Tensor) -> Tensor:
    return F.interpolate(pictures.clamp(0, 1).cpu(), (_SHEET_PX, _SHEET_PX), mode="bilinear", antialias=True)


def _label(name: str, figures: ImageFigures) -> str:
    found = f"{figures.views_found * figures.draws:g} of {figures.draws} draws found"
    return f"{name}   with its noise {figures.paired_db:.2f} dB, with others' {figures.shuffled_db:.2f} dB   {found}"


def _sheet(pictures: Sequence[tuple[str, list[Tensor]]], draws: int) -> Image:
    titles = ["input", *(f"{whose} {draw}: {deg}" for whose in ("true", "ours") for draw in range(draws) for deg in _SHOWN_VIEWS.values())]
    return sheet([row for _, row in pictures], column_titles=titles, row_titles=[label for label, _ in pictures])
