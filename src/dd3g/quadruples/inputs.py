"""The input pictures II of a collection, stored once each: OUT/inputs/part-00000.parquet, ..."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from dd3g.core.errors import InputError
from dd3g.core.noise import digest
from dd3g.quadruples.record import pixels_of, png_of
from dd3g.quadruples.table import Row, bad_row, read_rows, write_rows

FORMAT = "dd3g-quadruple-inputs-1"
_COLUMNS = {
    "image_id": "string",
    "name": "string",
    "group": "string",
    "split": "string",
    "image": "binary",
    "azimuth_deg": "float?",
    "elevation_deg": "float?",
    "distance": "float?",
    "scale": "float?",
    "offset_x": "float?",
    "offset_y": "float?",
    "offset_z": "float?",
}


@dataclass(frozen=True)
class Placement:
    """Where the student's frame of an input lies in the object's own (turned so that the input stands at azimuth 0)."""

    scale: float  # student = scale * object + offset
    offset: tuple[float, float, float]


@dataclass(frozen=True)
class InputPicture:
    """II, and what is known of the camera that took it: everything of a rendered one, nothing of a photograph."""

    name: str  # for people: the file, or OBJECT/view
    group: str  # pictures of one object stand on one side of the split
    split: str  # "train" or "dev"
    rgba: UInt8[Tensor, "4 p p"]  # straight, framed
    azimuth_deg: float | None = None  # in the object's own frame
    elevation_deg: float | None = None
    distance: float | None = None  # in the student's frame
    placement: Placement | None = None

    @property
    def image_id(self) -> str:
        """Names the pixels: the same picture draws the same noise wherever it comes from."""
        return digest(np.ascontiguousarray(self.rgba.cpu().numpy()).tobytes())

    def image(self) -> Float[Tensor, "4 p p"]:
        """II in [0, 1]."""
        return self.rgba.float() / 255


def split_of(group: str, dev_share: float) -> str:
    """Which side an object's pictures stand on, by its name alone, so that no draw of theirs is on the other."""
    word = int.from_bytes(hashlib.blake2b(group.encode(errors="surrogateescape"), digest_size=8).digest(), "little")
    return "dev" if word < dev_share * 2**64 else "train"


def write_inputs(path: str | os.PathLike[str], inputs: Sequence[InputPicture]) -> None:
    """Writes one part of the table, all or nothing."""
    write_rows(path, [_to_row(picture) for picture in inputs], _COLUMNS, {"format": FORMAT})


def read_inputs(path: str | os.PathLike[str]) -> list[InputPicture]:
    """Reads one part of the table.

    Raises:
        InputError: Missing or damaged, with the file and the row.
    """
    rows, _ = read_rows(path, _COLUMNS, FORMAT)
    return [_from_row(path, number, row) for number, row in enumerate(rows)]


def input_parts(folder: str | os.PathLike[str]) -> list[Path]:
    """The table's files, in order."""
    return sorted((Path(folder) / "inputs").glob("part-*.parquet"))


def part_path(folder: str | os.PathLike[str], part: int) -> Path:
    """The file of one part."""
    return Path(folder) / "inputs" / f"part-{part:05d}.parquet"


def digest_of(inputs: Sequence[InputPicture]) -> str:
    """Names a list of inputs: their pixels, order and split."""
    return digest("\n".join(f"{p.image_id} {p.split} {p.group}" for p in inputs).encode(errors="surrogateescape"))


def _to_row(picture: InputPicture) -> Row:
    place = picture.placement
    offset = (None, None, None) if place is None else place.offset
    numbers = {
        "azimuth_deg": picture.azimuth_deg,
        "elevation_deg": picture.elevation_deg,
        "distance": picture.distance,
        "scale": None if place is None else place.scale,
        **dict(zip(("offset_x", "offset_y", "offset_z"), offset, strict=True)),
    }
    return {
        "image_id": picture.image_id,
        "name": picture.name,
        "group": picture.group,
        "split": picture.split,
        "image": png_of(picture.rgba.permute(1, 2, 0)),
        **{name: None if value is None else float(np.float32(value)) for name, value in numbers.items()},
    }


def _from_row(path: str | os.PathLike[str], number: int, row: Row) -> InputPicture:
    placement = None
    if row["scale"] is not None:
        placement = Placement(row["scale"], (row["offset_x"], row["offset_y"], row["offset_z"]))
    try:
        rgba = pixels_of(row["image"]).permute(2, 0, 1).contiguous()
    except (OSError, ValueError) as error:
        raise bad_row(path, number, row, f"its picture can't be read ({error})") from None
    picture = InputPicture(
        row["name"], row["group"], row["split"], rgba, row["azimuth_deg"], row["elevation_deg"], row["distance"], placement
    )
    if picture.image_id != row["image_id"]:
        raise bad_row(path, number, row, f"its picture is {picture.image_id}")
    return picture


def stacked(inputs: Sequence[InputPicture]) -> Float[Tensor, "b 4 p p"]:
    """Pictures as one batch.

    Raises:
        InputError: They are of different sizes.
    """
    sides = {picture.rgba.shape[-1] for picture in inputs}
    if len(sides) > 1:
        raise InputError(f"inputs: found pictures of {sorted(sides)} px in one collection, expected one size")
    return torch.stack([picture.image() for picture in inputs])
