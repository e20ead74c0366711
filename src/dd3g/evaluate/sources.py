"""What is evaluated: a student, a folder of splats, or a folder of rendered views. All become pictures at a setting's cameras."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from dd3g.core import Cameras, Gaussians, NoiseKey
from dd3g.core.cameras import turned
from dd3g.core.errors import InputError, PictureError
from dd3g.core.noise import digest
from dd3g.core.views import Views, composite, resized
from dd3g.core.weights import BUNDLED, sha256_of
from dd3g.evaluate.frames import Frame, load_in_frame
from dd3g.evaluate.protocol import Protocol, Setting
from dd3g.evaluate.truth import group_of
from dd3g.formats import SUFFIXES
from dd3g.render import rasterize
from dd3g.student.inference import infer
from dd3g.student.load import LoadedStudent, load_student


@dataclass(frozen=True)
class Source:
    """Where outputs come from.

    model    ``place`` is a student's file, or "bundled"
    splats   ``place``/NAME.ply shows the main setting's input, ``place``/SETTING/NAME.ply another's
    renders  ``place``/NAME/SETTING/NNN.png, or ``place``/NAME/NNN.png for the main setting; RGB over the background, or RGBA
    """

    kind: Literal["model", "splats", "renders"] = "model"
    place: str = BUNDLED
    frame: Frame = "dd3g"  # of splats


@dataclass(frozen=True)
class Shown:
    """One object's output at one setting's cameras."""

    rgb: Float[Tensor, "v 3 h w"]  # over the protocol's background, in [0, 1]
    alpha: Float[Tensor, "v 1 h w"] | None  # None: renders without it
    cameras: Cameras  # in the output's frame, where the input camera stands at azimuth 0
    splats: Gaussians | None = None
    depth: Float[Tensor, "v 1 h w"] | None = None  # of splats: expected camera z


@lru_cache(maxsize=1)
def student_of(place: str) -> LoadedStudent:
    """The student of a source; loaded once a process."""
    return load_student(place)


def show(source: Source, name: str, setting: Setting, protocol: Protocol, truth: Views) -> Shown | None:
    """An object's output; None where the source has none for this setting.

    Raises:
        InputError: A file is not usable.
    """
    cameras = turned(truth.cameras, setting.azimuths_deg[setting.input_view])
    if source.kind == "renders":
        files = _render_files(source, name, setting, protocol)
        return None if files is None else _read_renders(files, cameras, protocol)
    given = input_of(truth, setting)
    elevation = setting.elevations_deg[setting.input_view]
    if source.kind == "model":
        key = NoiseKey(digest((given * 255).round().to(torch.uint8).numpy().tobytes()), protocol.seed)
        splats = infer(student_of(source.place).network, given, key, elevation_deg=elevation, distance=protocol.radius).gaussians
    else:
        file = _splat_file(source, name, setting, protocol)
        if file is None:
            return None
        camera = cameras.pick(slice(setting.input_view, setting.input_view + 1))
        splats = load_in_frame(file, source.frame, camera, given[3:], protocol.radius)
    return shown_of(splats, cameras, protocol)


def shown_of(splats: Gaussians, cameras: Cameras, protocol: Protocol) -> Shown:
    """Splats seen by cameras."""
    render = rasterize(splats, cameras, torch.tensor(protocol.background))
    return Shown(render.rgb.clamp(0, 1), render.alpha, cameras, splats, render.depth)


def input_of(truth: Views, setting: Setting) -> Float[Tensor, "4 h w"]:
    """The picture that a model is shown: straight RGBA."""
    return torch.cat([truth.rgb[setting.input_view], truth.alpha[setting.input_view]])


def files_of(source: Source, name: str, settings: Sequence[Setting], protocol: Protocol) -> list[Path]:
    """The files that an object's outputs are read from; none for models."""
    files: list[Path] = []
    for setting in settings:
        if source.kind == "splats":
            file = _splat_file(source, name, setting, protocol)
            files += [] if file is None else [file]
        elif source.kind == "renders":
            files += _render_files(source, name, setting, protocol) or []
    return files


def source_digest(source: Source, name: str, settings: Sequence[Setting], protocol: Protocol) -> str:
    """Changes when what is evaluated of an object does."""
    if source.kind == "model":
        return student_of(source.place).digest
    total = hashlib.sha256(source.frame.encode())
    for file in files_of(source, name, settings, protocol):
        total.update(f"{file.name} {sha256_of(file)}\n".encode())
    return total.hexdigest()


def _splat_file(source: Source, name: str, setting: Setting, protocol: Protocol) -> Path | None:
    root, main = Path(source.place), setting.name == protocol.main.name
    for folder in (root / setting.name, *([root] if main else [])):
        for suffix in SUFFIXES:
            if (folder / f"{name}{suffix}").is_file():
                return folder / f"{name}{suffix}"
    if main:
        raise InputError(f"{root}: holds no {name}.ply; name splats after the protocol's objects")
    return None


def _render_files(source: Source, name: str, setting: Setting, protocol: Protocol) -> list[Path] | None:
    root, main = Path(source.place) / name, setting.name == protocol.main.name
    for folder in (root / setting.name, root / group_of(protocol, setting), *([root] if main else [])):
        files = sorted(folder.glob("*.png"))
        if files:
            if len(files) != len(setting.azimuths_deg):
                raise InputError(
                    f"{folder}: holds {len(files)} pictures, and setting {setting.name} has {len(setting.azimuths_deg)} views; "
                    "name them 000.png and so on, in the setting's order"
                )
            return files
    if main:
        raise InputError(f"{root}: holds no pictures of setting {setting.name} (000.png, ...); render this object")
    return None


def _read_renders(files: Sequence[Path], cameras: Cameras, protocol: Protocol) -> Shown:
    over = torch.tensor(protocol.background)
    pictures, alphas = [], []
    for file in files:
        try:
            with Image.open(file, formats=("PNG",)) as image:
                pixels = np.asarray(image.convert("RGBA" if "A" in image.getbands() else "RGB"))
        except (OSError, SyntaxError) as error:
            raise PictureError(f"{file}: not a whole PNG ({error}); render it again") from None
        picture = torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255
        if picture.shape[-1] != picture.shape[-2]:
            raise PictureError(f"{file}: is {picture.shape[-1]}x{picture.shape[-2]}, expected a square picture of the protocol's camera")
        if len(picture) == 4:
            picture = resized(picture, protocol.size)
            alphas.append(picture[3:])
            picture = composite(picture[:3], picture[3:], over)
        elif picture.shape[-1] != protocol.size:
            side = (protocol.size, protocol.size)
            picture = F.interpolate(picture[None], side, mode="bilinear", antialias=True, align_corners=False)[0].clamp(0, 1)
        pictures.append(picture)
    alpha = torch.stack(alphas) if len(alphas) == len(files) else None
    return Shown(torch.stack(pictures), alpha, cameras)
