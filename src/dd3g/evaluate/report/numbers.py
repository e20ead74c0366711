"""Figures as text."""

from __future__ import annotations

import math

from dd3g.evaluate.intervals import Interval
from dd3g.evaluate.report.blocks import Better, Cell

DASH = "\u2013"
ARROWS: dict[Better, tuple[str, str]] = {
    "higher": ("↑", "higher is better"),
    "lower": ("↓", "lower is better"),
    "one": ("→1", "1 is best"),
    "zero": ("→0", "0 is best"),
}


def cell_text(cell: Cell, digits: int = 3) -> str:
    """A cell as text: numbers with so many decimals, intervals in brackets, a dash for what is not known or no number."""
    if cell is None or (isinstance(cell, float) and not math.isfinite(cell)):
        return DASH
    if isinstance(cell, Interval):
        if cell.low is None or cell.high is None:
            return cell_text(cell.mean, digits)
        return f"{cell_text(cell.mean, digits)} ({cell_text(cell.low, digits)} to {cell_text(cell.high, digits)})"
    if isinstance(cell, int | str):
        return str(cell)
    text = f"{cell:.{digits}f}"
    return text.lstrip("-") if not float(text) else text
