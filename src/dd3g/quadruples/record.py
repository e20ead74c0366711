"""One quadruple {N, C, II, OI}, and what it is as a row of a table."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
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


def row_digest(row: dict[str, object]) -> bytes:
    """16 bytes over every other column of a row, by name, type and value: survives any conversion of the file."""
    hashed = hashlib.blake2b(digest_size=16)
    for name in sorted(row):
        if name == "digest":
            continue
        value = row[name]
        if value is None:
            kind, data = b"0", b""
        elif isinstance(value, bytes):
            kind, data = b"b", value
        elif isinstance(value, str):
            kind, data = b"s", value.encode()
        elif isinstance(value, int):
            kind, data = b"i", struct.pack("<q", value)
        elif isinstance(value, float):
            kind, data = b"f", struct.pack("<d", value)
        else:
            raise TypeError(f"{name}: {type(value).__name__} has no place in a row")
        hashed.update(struct.pack("<I", len(name)) + name.encode() + kind + struct.pack("<Q", len(data)) + data)
    return hashed.digest()


def to_row(quadruple: Quadruple) -> dict[str, object]:
    """A quadruple as a row; its pictures losslessly, its latents as fp16."""
    row: dict[str, object] = {
        "image_id": quadruple.image_id,
        "draw": quadruple.draw,
        "guidance": float(np.float32(quadruple.guidance)),
        "azimuth_deg": float(np.float32(quadruple.azimuth_deg)),
        "elevation_deg": float(np.float32(quadruple.elevation_deg)),
        "latents": None if quadruple.latents is None else _bytes(quadruple.latents, np.float16),
        "noise": None if quadruple.noise is None else _bytes(quadruple.noise, np.float32),
        "views": None if quadruple.views is None else _png(quadruple.views),
    }
    return {**row, "digest": row_digest(row)}


def from_row(row: dict[str, Any], latent_shape: tuple[int, int, int, int]) -> Quadruple:
    """Inverse of :func:`to_row`.

    Raises:
        InputError: The row's digest is not that of its values, or its sizes are not the collection's.
    """
    if row_digest(row) != row["digest"]:
        raise InputError("its values do not have the digest that was written with them")
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
        latents, noise, views,
    )  # fmt: skip


def _bytes(values: Tensor, kind: type) -> bytes:
    return np.ascontiguousarray(values.cpu().numpy().astype(kind)).tobytes()


def _png(views: UInt8[Tensor, "v 4 h w"]) -> bytes:
    """The views below each other as one PNG."""
    import io

    from PIL import Image

    stacked = views.permute(0, 2, 3, 1).flatten(0, 1).cpu().numpy()
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(stacked), "RGBA").save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()


def _from_png(data: object) -> UInt8[Tensor, "v 4 h w"]:
    import io

    from PIL import Image

    assert isinstance(data, bytes)
    with Image.open(io.BytesIO(data)) as picture:
        stacked = torch.from_numpy(np.array(picture))
    return stacked.unflatten(0, (VIEWS, -1)).permute(0, 3, 1, 2).contiguous()
