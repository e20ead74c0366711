"""Splat files. `save(gaussians, path)` and `load(path)` choose the format by the suffix."""

from __future__ import annotations

import os
from pathlib import Path

from dd3g.core import Gaussians
from dd3g.core.errors import InputError
from dd3g.formats import ply
from dd3g.formats.orientation import ORIENTATIONS, Orientation

__all__ = ["ORIENTATIONS", "Orientation", "load", "save"]

SUFFIXES = {".ply": ply}


def save(gaussians: Gaussians, path: str | os.PathLike[str], *, orientation: Orientation = "supersplat") -> None:
    """Writes one scene's Gaussians; the object frame is turned as ``orientation`` says (docs/conventions.md)."""
    _module(path).save(gaussians, path, orientation=orientation)


def load(path: str | os.PathLike[str], *, orientation: Orientation = "supersplat") -> Gaussians:
    """Reads Gaussians into the object frame, from a file that was written with ``orientation``."""
    return _module(path).load(path, orientation=orientation)


def _module(path: str | os.PathLike[str]):
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: '{suffix}' is no splat format known here; use one of {', '.join(SUFFIXES)}")
    return SUFFIXES[suffix]
