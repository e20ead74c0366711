"""The everyday way: a picture in, Gaussians out.

from dd3g import ImageTo3D

generate = ImageTo3D.from_pretrained()
result = generate("chair.jpg", seed=0)
result.save("chair.ply")
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import overload

import torch
from torch import Tensor

from dd3g.core import Gaussians, NoiseKey
from dd3g.core.errors import InputError
from dd3g.core.files import write_atomically
from dd3g.core.sheet import sheet, to_image
from dd3g.core.threads import one_thread
from dd3g.core.views import composite
from dd3g.core.weights import BUNDLED
from dd3g.formats import Orientation
from dd3g.formats import save as save_splats
from dd3g.photos import Background, Prepared, prepare
from dd3g.photos.decode import PictureSource
from dd3g.student.inference import infer
from dd3g.student.load import LoadedStudent, load_student

PICTURE_SIZE = 256  # side of the prepared picture
_READS = {True: "reads", False: "does not read"}
_SHEET_AZIMUTHS_DEG = (0, 45, 90, 135, 180, 225, 270, 315)


@dataclass(frozen=True)
class Generated:
    """One object made from one picture."""

    gaussians: Gaussians  # one scene, object frame
    prepared: Prepared
    seed: int
    elevation_deg: float  # of the camera that took the picture: given, or predicted
    model: LoadedStudent = field(repr=False)
    milliseconds: dict[str, float] = field(default_factory=dict)  # by stage

    def save(self, path: str | os.PathLike[str], *, orientation: Orientation = "supersplat") -> None:
        """Writes the splats (``.ply``), a turntable (``.mp4``) or a sheet of views (``.png``), by the suffix."""
        suffix = Path(path).suffix.lower()
        if suffix == ".mp4":
            from dd3g.formats.video import save_mp4
            from dd3g.render.turntable import turntable

            save_mp4(turntable(self.gaussians), path)
        elif suffix == ".png":
            with write_atomically(path) as temporary:
                self.sheet().save(temporary)
        else:
            save_splats(self.gaussians, path, orientation=orientation)

    def sheet(self):
        """A picture of the input and of the object from eight sides, over white."""
        from dd3g.core import orbit
        from dd3g.render import rasterize

        white = torch.ones(3)
        render = rasterize(self.gaussians, orbit(_SHEET_AZIMUTHS_DEG, 10.0, size=PICTURE_SIZE), white)
        picture = composite(self.prepared.rgb, self.prepared.alpha, white)
        return sheet([[picture, *render.rgb]], column_titles=["input", *(f"{a} deg" for a in _SHEET_AZIMUTHS_DEG)])

    def prepared_image(self):
        """The picture as the network saw it: cut out and framed, RGBA."""
        return to_image(torch.cat([self.prepared.rgb, self.prepared.alpha]))


class ImageTo3D:
    """A loaded model; call it with a picture, or with a list of them.

    Args:
        model: From :func:`dd3g.student.load.load_student`.
        tokens: Makes the tokens of pictures (b, 4, h, w), for models that read those (:func:`dd3g.recipes.image_tokens.teacher_tokens`).

    Raises:
        InputError: The model reads tokens and nobody makes them, or the other way round.
    """

    def __init__(self, model: LoadedStudent, tokens: Callable[[Tensor], Tensor] | None = None) -> None:
        if model.network.reads_tokens != (tokens is not None):
            found, mend = ("none", "give one") if tokens is None else ("one", "leave it out")
            raise InputError(
                f"{model.name}: found {found} that makes tokens of pictures, which this model {_READS[tokens is None]}; {mend}"
            )
        self.model, self.tokens = model, tokens

    @classmethod
    def from_pretrained(cls, model: str | os.PathLike[str] = BUNDLED, tokens: Callable[[Tensor], Tensor] | None = None) -> ImageTo3D:
        """Loads the bundled model, or a ``.safetensors`` file that training wrote.

        Raises:
            CheckpointError: No such file, damaged, or of another architecture.
            InputError: As the class.
        """
        return cls(load_student(model), tokens)

    @overload
    def __call__(
        self,
        image: PictureSource,
        seed: int = ...,
        *,
        background: Background = ...,
        elevation_deg: float | None = ...,
        gaussians: int | None = ...,
    ) -> Generated: ...
    @overload
    def __call__(
        self,
        image: list[PictureSource],
        seed: int = ...,
        *,
        background: Background = ...,
        elevation_deg: float | None = ...,
        gaussians: int | None = ...,
    ) -> list[Generated]: ...
    def __call__(
        self,
        image: PictureSource | list[PictureSource],
        seed: int = 0,
        *,
        background: Background = "auto",
        elevation_deg: float | None = None,
        gaussians: int | None = None,
    ) -> Generated | list[Generated]:
        """Makes an object from a picture. The same picture, seed and options give the same Gaussians, alone or in a list.

        Args:
            image: A path, bytes, PIL image, array or tensor; or a list of such.
            seed: Which of the objects that fit the picture; 0 or more.
            background: How the object is cut out, see :func:`dd3g.photos.prepare`.
            elevation_deg: How far above the horizon the camera stood; predicted if None.
            gaussians: How many splats to make; rounded to a multiple of the model's tokens; None: its usual number.

        Raises:
            PictureError: A picture that can't be read, or in which no object is found.
        """
        if isinstance(image, list):
            return [self(picture, seed, background=background, elevation_deg=elevation_deg, gaussians=gaussians) for picture in image]
        if seed < 0:
            raise InputError(f"seed: found {seed}, expected 0 or more")
        clock = _Clock()
        prepared = prepare(image, background=background, size=PICTURE_SIZE)
        clock.lap("prepare")
        return self.from_prepared(prepared, seed, elevation_deg=elevation_deg, gaussians=gaussians, clock=clock)

    def from_prepared(
        self,
        prepared: Prepared,
        seed: int = 0,
        *,
        elevation_deg: float | None = None,
        gaussians: int | None = None,
        clock: _Clock | None = None,
    ) -> Generated:
        """As calling, for a picture that is already prepared."""
        clock = clock or _Clock()
        rgba = torch.cat([prepared.rgb, prepared.alpha])
        key = NoiseKey(prepared.digest, seed)
        tokens = None
        if self.tokens is not None:
            with one_thread():
                tokens = self.tokens(rgba[None])[0]
        made = infer(self.model.network, rgba, key, elevation_deg=elevation_deg, gaussians=gaussians, image_tokens=tokens)
        clock.lap("network")
        return Generated(made.gaussians, prepared, seed, made.elevation_deg, self.model, clock.laps)


class _Clock:
    """Milliseconds by stage."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.laps[stage] = round((now - self._last) * 1e3, 1)
        self._last = now
