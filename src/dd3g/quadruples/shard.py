"""Quadruples in Parquet files, one file a unit of a collection; see :mod:`dd3g.quadruples.table` for what is promised of them."""

from __future__ import annotations

import os
from collections.abc import Sequence

from dd3g.core.errors import InputError
from dd3g.quadruples.record import Quadruple, from_row, to_row
from dd3g.quadruples.table import bad_row, read_rows, write_rows

FORMAT = "dd3g-quadruples-1"
_COLUMNS = {
    "image_id": "string",
    "draw": "int32",
    "guidance": "float",
    "azimuth_deg": "float",
    "elevation_deg": "float",
    "residual": "float?",
    "latents": "binary?",
    "noise": "binary?",
    "views": "binary?",
}
_OPAQUE = {"grey": "float"}  # one column more, in collections of a teacher that sees no alpha


def write_shard(path: str | os.PathLike[str], quadruples: Sequence[Quadruple], latent_shape: tuple[int, int, int, int]) -> None:
    """Writes quadruples, all or nothing; the same quadruples give the same bytes.

    Args:
        path: Of the file; replaced if it is there.
        quadruples: In the order in which they will be read.
        latent_shape: Of one's noise and latents: views, channels, height, width.

    Raises:
        InputError: One is of another shape, or two have the same key.
    """
    seen: set[str] = set()
    for quadruple in quadruples:
        for name in ("latents", "noise"):
            values = getattr(quadruple, name)
            if values is not None and tuple(values.shape) != latent_shape:
                raise InputError(f"quadruple {quadruple.key}: {name} are {tuple(values.shape)}, expected {latent_shape}")
        if quadruple.key in seen:
            raise InputError(f"quadruple {quadruple.key}: found twice, expected once")
        seen.add(quadruple.key)
    rows = [to_row(quadruple) for quadruple in quadruples]
    columns = _COLUMNS | _OPAQUE if any("grey" in row for row in rows) else _COLUMNS
    write_rows(path, rows, columns, {"format": FORMAT, "latent_shape": ",".join(map(str, latent_shape))})


def read_shard(path: str | os.PathLike[str]) -> list[Quadruple]:
    """Reads all quadruples of a file, each checked against its digest.

    Raises:
        InputError: No such file, cut short, a byte changed, or another kind of file; names the file, and the row where it is one.
    """
    rows, about = read_rows(path, _COLUMNS, FORMAT, optional=_OPAQUE)
    shape = tuple(int(part) for part in about["latent_shape"].split(","))
    found = []
    for number, row in enumerate(rows):
        try:
            found.append(from_row(row, shape))  # pyright: ignore[reportArgumentType] - four numbers, or from_row says that they don't fit
        except InputError as error:
            raise bad_row(path, number, row, error) from None
    return found
