"""What is worth saying about a picture: plain sentences with a code that programs can compare."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """One observation. A warning says that the result is likely to suffer; a note only tells what was done."""

    code: str  # for example "cut_off"
    severity: Literal["note", "warning"]
    message: str


def note(code: str, message: str) -> Finding:
    """Something that was done or seen, and does no harm."""
    return Finding(code, "note", message)


def warning(code: str, message: str) -> Finding:
    """Something that will show in the result."""
    return Finding(code, "warning", message)
