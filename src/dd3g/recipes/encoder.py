"""The student's eyes, taught before the student: surfaces, the input camera, and what an image classifier sees.

No rendering and no decoder, so a sample costs a third of the student's. What comes out is a student file whose decoder is untaught;
`dd3g train --init` goes on from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from PIL.Image import Image
from torch import Tensor, nn

from dd3g.core.model_file import save_model_file
from dd3g.core.sheet import sheet
from dd3g.core.views import composite
from dd3g.encoders.mobilenet import TEACHING_CHANNELS, MobileNetV2, load_mobilenet
from dd3g.recipes.source_views import PictureStore, frame_inputs, read_sources
from dd3g.recipes.student import camera_loss, slope_loss, surface_grid, surface_loss
from dd3g.recipes.student_batches import StudentBatch, StudentBatches, StudentDataConfig
from dd3g.recipes.views_pack import ViewsPack
from dd3g.student import PEPD, PEPDConfig
from dd3g.student.anchored_decoding import View
from dd3g.student.config import config_to_json
from dd3g.student.seeding import HALF_FRAME
from dd3g.training import Recipe, Score

_CHUNK = 24


@dataclass(frozen=True)
class EncoderLossConfig:
    """Weights of what is asked of the encoder."""

    surfaces: float = 1.0
    slopes: float = 0.5  # differences of neighbouring surface points: edges and flat faces
    camera: float = 0.03
    semantics: float = 0.1  # features of MobileNetV2; 0 leaves it, and its weights, out


class EncoderTask(nn.Module):
    """A student of which only the eyes are used, and the tie to the classifier's features."""

    def __init__(self, student: PEPD) -> None:
        super().__init__()
        self.student = student
        self.tie = nn.Linear(student.config.encoder.width, TEACHING_CHANNELS)


def encoder_recipe(
    model: PEPDConfig,
    data: StudentDataConfig,
    loss: EncoderLossConfig,
    train: Sequence[ViewsPack],
    dev: ViewsPack | None,
    *,
    seed: int,
    provenance: Mapping[str, Any],
    device: torch.device | str = "cpu",
) -> Recipe:
    """What the engine needs to teach the encoder.

    Raises:
        WeightsError: ``loss.semantics`` is above 0 and MobileNetV2's weights are not there.
    """
    torch.manual_seed(seed)
    task = EncoderTask(PEPD(model))
    teacher = load_mobilenet().to(device) if loss.semantics > 0 else None

    def losses(network: nn.Module, batch: StudentBatch, step: int) -> dict[str, Tensor]:
        return encoder_losses(cast(EncoderTask, network), batch, loss, teacher)

    def export(path: Path, network: nn.Module, about: Mapping[str, Any]) -> None:
        tensors = cast(EncoderTask, network).student.state_dict()
        save_model_file(
            path, kind="student", config=config_to_json(model), about={**provenance, **about}, tensors=tensors, dtype=torch.float16
        )

    return Recipe(
        kind="encoder",
        identity={
            "model": config_to_json(model),
            "data": asdict(data),
            "loss": asdict(loss),
            "views": [pack.digest for pack in train],
            "seed": seed,
        },
        network=task,
        batch=StudentBatches(train, data, model.noise_shape, seed, device),
        losses=losses,
        export=export,
        evaluate=None if dev is None else lambda network: dev_surfaces(cast(EncoderTask, network).student, dev),
        score=None if dev is None else Score("dev_surface_error", larger_is_better=False),
        sheet=None if dev is None else lambda network: surfaces_sheet(cast(EncoderTask, network).student, dev),
    )


def encoder_losses(task: EncoderTask, batch: StudentBatch, config: EncoderLossConfig, teacher: MobileNetV2 | None) -> dict[str, Tensor]:
    """Dense geometry, camera and semantics of a batch of pictures."""
    view = task.student.look_at(batch.image, batch.elevation_deg, batch.distance)
    terms = {
        "surfaces": config.surfaces * surface_loss(view, batch.towards),
        "slopes": config.slopes * slope_loss(view, batch.towards),
        "camera": config.camera * camera_loss(view, batch),
    }
    if teacher is not None:
        terms["semantics"] = config.semantics * semantic_loss(task, view, teacher)
    return terms


def semantic_loss(task: EncoderTask, view: View, teacher: MobileNetV2) -> Float[Tensor, ""]:
    """Mean squared difference to the classifier's features of the same crop over grey, normalised over channels."""
    grey = torch.full((3,), 0.5, device=view.cropped.device)
    with torch.no_grad():
        wanted = F.layer_norm(teacher(composite(view.cropped[:, :3], view.cropped[:, 3:], grey)).flatten(2).mT, (TEACHING_CHANNELS,))
    return (task.tie(view.features.tokens) - wanted).square().mean()


@torch.no_grad()
def dev_surfaces(student: PEPD, dev: ViewsPack) -> dict[str, float]:
    """Mean errors over every input of ``dev``: surfaces, the camera being told (object units, mean over pictures); elevation (deg) and
    distance (factor), as found."""
    surface, tilt, lens = [], [], []
    for view, batch in _dev_views(student, dev, [(i, m) for i in range(len(dev)) for m in range(dev.inputs.rgba.shape[1])]):
        found, valid = surface_grid(view, batch["towards"])
        assert view.surfaces is not None
        off = (view.surfaces * (view.box.half * HALF_FRAME)[:, None, None, None] - found).abs()
        surface.append((off * valid).flatten(1).sum(1) / valid.flatten(1).sum(1).clamp_min(1))
        tilt.append((view.predicted.elevation_deg - batch["elevation_deg"]).abs())
        lens.append((view.predicted.distance / batch["distance"]).log().abs())
    return {
        "dev_surface_error": torch.cat(surface).mean().item(),
        "dev_elevation_error_deg": torch.cat(tilt).mean().item(),
        "dev_distance_error": torch.cat(lens).mean().item(),
    }


@torch.no_grad()
def surfaces_sheet(student: PEPD, dev: ViewsPack, objects: int = 12) -> Image:
    """Crop, and first and last surface, ours and true: bright is near."""
    shown = min(objects, len(dev))
    chosen = [(round(k * (len(dev) - 1) / max(shown - 1, 1)), k % dev.inputs.rgba.shape[1]) for k in range(shown)]
    rows = []
    for view, batch in _dev_views(student, dev, chosen):
        found, valid = surface_grid(view, batch["towards"])
        assert view.surfaces is not None
        truth = found / (view.box.half * HALF_FRAME)[:, None, None, None]
        for k in range(len(found)):
            crop = F.interpolate(composite(view.cropped[k, :3], view.cropped[k, 3:], torch.ones(3))[None], found.shape[-2:], mode="area")[0]
            shades = [torch.where(valid[k, s], 0.5 + 0.5 * m[k, s], 0.0).expand(3, -1, -1) for s in (0, 1) for m in (view.surfaces, truth)]
            rows.append([crop, *shades])
    return sheet(rows, column_titles=["crop", "first", "true", "last", "true"])


def _dev_views(student: PEPD, dev: ViewsPack, chosen: Sequence[tuple[int, int]]):
    device = next(student.parameters()).device
    store = PictureStore([dev], "inputs", torch.device("cpu"))
    for start in range(0, len(chosen), _CHUNK):
        objects, views = np.array(chosen[start : start + _CHUNK]).T
        source = read_sources(store, objects, views)
        framed = frame_inputs(source, source.rgba.shape[-1], as_is=source.on_rig)
        batch = {"towards": framed.towards, "elevation_deg": source.elevation_deg, "distance": framed.scale * source.radius}
        batch = {name: value.to(device) for name, value in batch.items()}
        yield student.look_at(framed.image.to(device), batch["elevation_deg"], batch["distance"]), batch
