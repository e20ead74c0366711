"""Which files of a folder are pictures, and what results made from them are called."""

from __future__ import annotations

import re
from pathlib import Path

from dd3g.core.errors import InputError
from dd3g.core.files import is_file, is_folder

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")  # what a folder is searched for; a named file may end in anything
PREPARED = ".prepared"  # stands before the suffix of a prepared picture, which is named like its photograph
NOT_TEXT = re.compile("[\ud800-\udfff]")  # stands for bytes of a file's name that are no UTF-8, which neither JSON nor a terminal takes


def named_pictures(images: tuple[str, ...], out: Path) -> dict[str, Path]:
    """Pictures by output name: the file's stem; where two share one, the later get a number.

    Folders are searched to any depth, but for hidden files and what lies in ``out``.

    Raises:
        InputError: A folder without pictures, or one that is ``out`` as well.
    """
    files: list[Path] = []
    for image in map(Path, images):
        files += _pictures_in(image, out) if is_folder(image) else [image]
    named: dict[str, Path] = {}
    for file in files:
        stem = NOT_TEXT.sub("_", file.stem.removesuffix(PREPARED))
        name, number = stem, 2
        while name in named:
            name, number = f"{stem}-{number}", number + 1
        named[name] = file
    return named


def _pictures_in(folder: Path, out: Path) -> list[Path]:
    results = out.resolve()
    if folder.resolve() == results:
        raise InputError(
            f"{folder}: is searched for pictures and is --out as well, where results would be taken for pictures; choose another"
        )
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in PICTURE_SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and is_file(path)
        and results not in path.resolve().parents
    )
    if not found:
        raise InputError(f"{folder}: holds no pictures, expected files that end in {', '.join(PICTURE_SUFFIXES)}; name another folder")
    return found
