"""One quadruple {N, C, II, OI}, and what it is as a row of a table."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from dd3g.core import Cameras, NoiseKey, draw_noise, orbit
from dd3g.core.errors import InputError

VIEWS = 4
_QUARTER_DEG = 90.0


@dataclass(frozen=True)
class Quadruple:
    """N, C and OI of one draw; II is stored once an image, in the table of inputs.

    A drawn quadruple (the teacher sampled it) holds latents and no noise: N is a pure function of its key. An inverted one (the teacher's
    ODE was followed back from real views) holds the noise that was found, and the real views.
    """

    image_id: str
    draw: int  # of the noise key; -1 where the noise was found by inversion
    guidance: float  # w of E2 that the teacher was asked with
    azimuth_deg: float  # of view 0, in the frame in which the input stands at azimuth 0; the others follow in quarters
    elevation_deg: float  # of all four
    latents: Float[Tensor, "v c l l"] | None  # OI as drawn: fp16 values
    noise: Float[Tensor, "v c l l"] | None  # N as found: float32
    views: UInt8[Tensor, "v 4 h w"] | None  # OI as real pictures: straight RGBA
    residual: float | None = None  # of the inversion: largest change of a latent that its last iteration still made
    grey: float | None = None  # that an opaque teacher saw behind II, in [0, 1]; OI lies over about the same

    def __post_init__(self) -> None:
        drawn, inverted = self.latents is not None, self.noise is not None and self.views is not None
        if drawn == inverted or (drawn and (self.noise is not None or self.views is not None)) or (self.draw >= 0) != drawn:
            raise InputError(
                f"quadruple {self.key}: found latents {self.latents is not None}, noise {self.noise is not None}, views "
                f"{self.views is not None}; expected latents and a draw, or noise, views and draw -1"
            )

    @property
    def key(self) -> str:
        """Unique in a collection."""
        return f"{self.image_id}#{self.draw if self.draw >= 0 else f'{self.azimuth_deg:g}/{self.elevation_deg:g}'}"

    @property
    def cameras(self) -> Cameras:
        """C: four cameras of the rig's radius and lens, a quarter turn apart."""
        return orbit([self.azimuth_deg + _QUARTER_DEG * k for k in range(VIEWS)], self.elevation_deg)

    def noise_of(self, shape: tuple[int, ...]) -> Float[Tensor, "v c l l"]:
        """N: drawn from the key, or as it was found."""
        return draw_noise(NoiseKey(self.image_id, self.draw), shape) if self.noise is None else self.noise


def to_row(quadruple: Quadruple) -> dict[str, object]:
    """A quadruple as a row; its pictures losslessly, its latents as fp16."""
    return {
        "image_id": quadruple.image_id,
        "draw": quadruple.draw,
        "guidance": float(np.float32(quadruple.guidance)),
        "azimuth_deg": float(np.float32(quadruple.azimuth_deg)),
        "elevation_deg": float(np.float32(quadruple.elevation_deg)),
        "residual": None if quadruple.residual is None else float(np.float32(quadruple.residual)),
        "latents": None if quadruple.latents is None else _bytes(quadruple.latents, np.float16),
        "noise": None if quadruple.noise is None else _bytes(quadruple.noise, np.float32),
        "views": None if quadruple.views is None else _png(quadruple.views),
        **({} if quadruple.grey is None else {"grey": float(np.float32(quadruple.grey))}),
    }


def from_row(row: dict[str, Any], latent_shape: tuple[int, int, int, int]) -> Quadruple:
    """Inverse of :func:`to_row`.

    Raises:
        InputError: Its sizes are not the collection's.
    """
    try:
        latents, noise = (
            None if row[name] is None else torch.from_numpy(np.frombuffer(row[name], kind).astype(np.float32).reshape(latent_shape))
            for name, kind in (("latents", np.float16), ("noise", np.float32))
        )
        views = None if row["views"] is None else _from_png(row["views"])
    except ValueError as error:
        raise InputError(f"latents, noise or views are not of the collection's sizes ({error})") from None
    return Quadruple(
        str(row["image_id"]), int(row["draw"]), float(row["guidance"]), float(row["azimuth_deg"]), float(row["elevation_deg"]),
        latents, noise, views, None if row["residual"] is None else float(row["residual"]), row.get("grey"),
    )  # fmt: skip


def _bytes(values: Tensor, kind: type) -> bytes:
    return np.ascontiguousarray(values.cpu().numpy().astype(kind)).tobytes()


def _png(views: UInt8[Tensor, "v 4 h w"]) -> bytes:
    """The views below each other as one PNG."""
    return png_of(views.permute(0, 2, 3, 1).flatten(0, 1))


def _from_png(data: object) -> UInt8[Tensor, "v 4 h w"]:
    assert isinstance(data, bytes)
    return pixels_of(data).unflatten(0, (VIEWS, -1)).permute(0, 3, 1, 2).contiguous()


def png_of(pixels: UInt8[Tensor, "h w 4"]) -> bytes:
    """Straight RGBA as a PNG, losslessly."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels.cpu().numpy()), "RGBA").save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()


def pixels_of(png: bytes) -> UInt8[Tensor, "h w 4"]:
    """Inverse of :func:`png_of`."""
    with Image.open(io.BytesIO(png)) as picture:
        return torch.from_numpy(np.array(picture))
