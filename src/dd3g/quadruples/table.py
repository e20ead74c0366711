"""Rows in Parquet files: any program opens them, a flipped byte is found, and the same rows are the same bytes.

Pages carry a CRC that is checked when they are read, and every row carries a digest of its own values (:func:`row_digest`), so that a fault
that another tool wrote with a fresh CRC is found as well. Rows keep the order that they were given in; nothing in a file depends on the
clock or the machine. Latents hardly compress and stay as they are.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dd3g.core.errors import InputError, require
from dd3g.core.files import is_file, write_atomically

Row = dict[str, Any]
_ROWS_A_GROUP = 32  # what a reader of one row must read beside it
_MEND = "delete it and collect it again"


def row_digest(row: Mapping[str, object]) -> bytes:
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


def write_rows(path: str | os.PathLike[str], rows: Sequence[Row], columns: Mapping[str, str], about: Mapping[str, str]) -> None:
    """Writes rows, all or nothing; the same rows give the same bytes.

    Args:
        path: Of the file; replaced if it is there.
        rows: In the order in which they will be read. Digests are added.
        columns: Arrow type by name; a "?" at its end where values may be missing.
        about: What the file says of itself.
    """
    pa, parquet = require("pyarrow", "train"), require("pyarrow.parquet", "train")
    schema = _schema(pa, columns).with_metadata(dict(about))
    digested = [{**row, "digest": row_digest(row)} for row in rows]
    table = pa.table({name: [row[name] for row in digested] for name in schema.names}, schema=schema)  # pyright: ignore[reportAttributeAccessIssue]
    with write_atomically(path, durable=True) as temporary:
        parquet.write_table(  # pyright: ignore[reportAttributeAccessIssue]
            table,
            temporary,
            compression="none",
            use_dictionary=False,
            write_statistics=False,
            write_page_checksum=True,
            row_group_size=_ROWS_A_GROUP,
            store_schema=True,
        )


def read_rows(
    path: str | os.PathLike[str], columns: Mapping[str, str], about_format: str, *, optional: Iterable[str] = ()
) -> tuple[list[Row], dict[str, str]]:
    """All rows of a file, each checked against its digest, and what the file says of itself.

    Args:
        path: Of the file.
        columns: That it has, beside the digest.
        about_format: What it must say that it is.
        optional: Columns that it may have.

    Raises:
        InputError: No such file, cut short, a byte changed, or another kind of file; names the file, and the row where it is one.
    """
    pa, parquet = require("pyarrow", "train"), require("pyarrow.parquet", "train")
    place = Path(path)
    if not is_file(place):
        raise InputError(f"{place}: no such file")
    try:
        with parquet.ParquetFile(place, page_checksum_verification=True) as file:  # pyright: ignore[reportAttributeAccessIssue]
            about = {k.decode(): v.decode() for k, v in (file.schema_arrow.metadata or {}).items()}
            if about.get("format") != about_format or set(file.schema_arrow.names) - {*optional} != {*columns, "digest"}:
                raise InputError(f"{place}: Parquet, but not of format {about_format} (found {about.get('format')!r}); collect it again")
            rows = file.read().to_pylist()
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:  # pyright: ignore[reportAttributeAccessIssue]
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"{place}: damaged or not a Parquet file ({reason}); {_MEND}") from None
    for number, row in enumerate(rows):
        if row_digest(row) != row.pop("digest"):
            raise bad_row(place, number, row, "its values do not have the digest that was written with them")
    return rows, about


def bad_row(path: str | os.PathLike[str], number: int, row: Mapping[str, object], reason: object) -> InputError:
    """The error that names a file and a row in it."""
    return InputError(f"{path}: row {number} ({row.get('image_id')}#{row.get('draw', '')}): {reason}; {_MEND}")


def _schema(pa: Any, columns: Mapping[str, str]) -> Any:
    kinds = {"string": pa.string(), "int32": pa.int32(), "float": pa.float32(), "binary": pa.binary()}
    fields = [pa.field(name, kinds[kind.removesuffix("?")], nullable=kind.endswith("?")) for name, kind in columns.items()]
    return pa.schema([*fields, pa.field("digest", pa.binary(16), nullable=False)])
