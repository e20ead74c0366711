"""Large files in parts, for places that limit a file's size; joined again only if every byte is right."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from dd3g.core.errors import CheckpointError
from dd3g.core.files import make_folder, read_json, write_atomically, write_json

PART_BYTES = 15 * 1000 * 1000


def export_parts(file: str | os.PathLike[str], folder: str | os.PathLike[str], part_bytes: int = PART_BYTES) -> list[Path]:
    """Copies a file into ``folder`` as NAME.part0, NAME.part1, ... and NAME.parts.json with sizes and SHA-256.

    Raises:
        CheckpointError: There is no such file.
    """
    source, target = Path(file), make_folder(folder)
    if not source.is_file():
        raise CheckpointError(f"{source}: no such file; train first")
    data, written = source.read_bytes(), []
    pieces = [data[i : i + part_bytes] for i in range(0, max(len(data), 1), part_bytes)]
    for i, piece in enumerate(pieces):
        path = target / f"{source.name}.part{i}"
        with write_atomically(path) as temporary:
            temporary.write_bytes(piece)
        written.append(path)
    header = {"name": source.name, "bytes": len(data), "sha256": _sha256(data), "parts": [_sha256(piece) for piece in pieces]}
    write_json(target / f"{source.name}.parts.json", header)
    return [*written, target / f"{source.name}.parts.json"]


def join_parts(header: str | os.PathLike[str], file: str | os.PathLike[str]) -> Path:
    """Joins what :func:`export_parts` wrote.

    Raises:
        CheckpointError: A part is missing or damaged.
    """
    place = Path(header)
    described, pieces = read_json(place), []
    for i, wanted in enumerate(described["parts"]):
        part = place.parent / f"{described['name']}.part{i}"
        if not part.is_file() or _sha256(part.read_bytes()) != wanted:
            raise CheckpointError(f"{part}: missing or damaged; copy it again")
        pieces.append(part.read_bytes())
    with write_atomically(file, durable=True) as temporary:
        temporary.write_bytes(b"".join(pieces))
    return Path(file)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
