"""Quadruples in Parquet files: any program opens them, a flipped byte is found, and the same quadruples are the same bytes.

Pages carry a CRC that is checked when they are read, and every row carries a digest of its own values (:func:`record.row_digest`), so that
a fault that another tool wrote with a fresh CRC is found as well. Rows keep the order that they were given in; nothing in a file depends on
the clock or the machine. Latents hardly compress and stay as they are.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dd3g.core.errors import InputError, require
from dd3g.core.files import is_file, write_atomically
from dd3g.quadruples.record import Quadruple, from_row, to_row

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = "dd3g-quadruples-1"
_ROWS_A_GROUP = 32  # what a reader of one row must read beside it


def write_shard(path: str | os.PathLike[str], quadruples: Sequence[Quadruple], latent_shape: tuple[int, int, int, int]) -> None:
    """Writes quadruples, all or nothing; the same quadruples give the same bytes.

    Args:
        path: Of the file; replaced if it is there.
        quadruples: In the order in which they will be read.
        latent_shape: Of one's noise and latents: views, channels, height, width.

    Raises:
        InputError: One is of another shape, or two have the same key.
    """
    pa, parquet = _arrow()
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
    about = {"format": FORMAT, "latent_shape": ",".join(map(str, latent_shape))}
    schema = _schema(pa).with_metadata(about)
    columns = {name: [row[name] for row in rows] for name in schema.names}
    table = pa.table(columns, schema=schema)
    with write_atomically(path, durable=True) as temporary:
        parquet.write_table(
            table,
            temporary,
            compression="none",
            use_dictionary=False,
            write_statistics=False,
            write_page_checksum=True,
            row_group_size=_ROWS_A_GROUP,
            store_schema=True,
        )


def read_shard(path: str | os.PathLike[str]) -> list[Quadruple]:
    """Reads all quadruples of a file, each checked against its digest.

    Raises:
        InputError: No such file, cut short, a byte changed, or another kind of file; names the file, and the row where it is one.
    """
    pa, parquet = _arrow()
    place = Path(path)
    if not is_file(place):
        raise InputError(f"{place}: no such file of quadruples")
    try:
        with parquet.ParquetFile(place, page_checksum_verification=True) as file:
            about = {k.decode(): v.decode() for k, v in (file.schema_arrow.metadata or {}).items()}
            if about.get("format") != FORMAT or set(file.schema_arrow.names) != set(_schema(pa).names):
                raise InputError(
                    f"{place}: Parquet, but not quadruples of format {FORMAT} (found {about.get('format')!r}); collect them again"
                )
            shape = tuple(int(part) for part in about["latent_shape"].split(","))
            rows = file.read().to_pylist()
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"{place}: damaged or not a Parquet file ({reason}); delete it and collect it again") from None
    found = []
    for number, row in enumerate(rows):
        try:
            found.append(from_row(row, shape))  # pyright: ignore[reportArgumentType] - four numbers, or from_row says that they don't fit
        except InputError as error:
            raise InputError(f"{place}: row {number} ({row['image_id']}#{row['draw']}): {error}; delete it and collect it again") from None
    return found


def _schema(pa: Any) -> pa.Schema:
    return pa.schema(
        [
            pa.field("image_id", pa.string(), nullable=False),
            pa.field("draw", pa.int32(), nullable=False),
            pa.field("guidance", pa.float32(), nullable=False),
            pa.field("azimuth_deg", pa.float32(), nullable=False),
            pa.field("elevation_deg", pa.float32(), nullable=False),
            pa.field("latents", pa.binary()),
            pa.field("noise", pa.binary()),
            pa.field("views", pa.binary()),
            pa.field("digest", pa.binary(16), nullable=False),
        ]
    )


def _arrow() -> tuple[Any, Any]:
    return require("pyarrow", "train"), require("pyarrow.parquet", "train")
