"""What a report is made of. Plain records: the page, the Markdown and the figures are functions of them.

    Report
    `- Section      a heading and blocks
       |- Prose     a paragraph of plain text
       |- Code      text as it is: a command, a configuration
       |- Table     rows of cells; a cell may be an interval
       |- Lines     curves, with confidence bands where there are intervals
       |- Bars      values side by side, with intervals and lines of reference
       |- Histogram how often which value, by group
       |- Gallery   pictures with captions
       |- Slider    two pictures in one place, one uncovering the other
       |- Cards     blocks beside each other, a card an object
       `- Details   blocks that are folded until asked for

All text is plain: whoever writes HTML or Markdown into it reads it back as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from PIL.Image import Image

from dd3g.evaluate.intervals import Interval

Better = Literal["higher", "lower", "one", "zero"]


Cell = str | float | Interval | None  # None: not known, shown as a dash


@dataclass(frozen=True)
class Column:
    """A table's column; ``better`` puts an arrow beside its name."""

    name: str
    digits: int = 3
    better: Better | None = None


@dataclass(frozen=True)
class Prose:
    """A paragraph; ``kind`` "verdict" is set apart: what we conclude."""

    text: str
    kind: Literal["plain", "note", "verdict"] = "plain"


@dataclass(frozen=True)
class Code:
    """Text as it is."""

    text: str


@dataclass(frozen=True)
class Table:
    """Rows of as many cells as there are columns; the first names the row. ``strong`` rows are set in bold."""

    columns: Sequence[Column | str]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""
    strong: Sequence[int] = ()

    def __post_init__(self) -> None:
        for number, row in enumerate(self.rows):
            assert len(row) == len(self.columns), f"row {number} has {len(row)} cells, the table {len(self.columns)} columns"


@dataclass(frozen=True)
class Series:
    """A curve; ``low`` and ``high`` bound its band. A ``y`` of None is a gap."""

    name: str
    x: Sequence[float]
    y: Sequence[float | None]
    low: Sequence[float | None] | None = None
    high: Sequence[float | None] | None = None

    def __post_init__(self) -> None:
        given = [len(values) for values in (self.x, self.y, self.low, self.high) if values is not None]
        assert len(set(given)) == 1, f"series {self.name}: lengths {given}"
        assert (self.low is None) == (self.high is None), f"series {self.name}: one end of a band"


@dataclass(frozen=True)
class Lines:
    """Curves over one axis. ``x_ticks`` names the places to mark (angles, steps of a scan); None: round numbers."""

    title: str
    series: Sequence[Series]
    x: str = ""
    y: str = ""
    x_ticks: Sequence[float] | None = None
    log_x: bool = False


@dataclass(frozen=True)
class Bars:
    """Values side by side, an :class:`Interval` each; ``references`` are levels to compare with: name -> value."""

    title: str
    bars: Sequence[tuple[str, Interval]]
    label: str = ""
    references: Sequence[tuple[str, float]] = ()


@dataclass(frozen=True)
class Histogram:
    """How many values lie where, for up to a few groups in the same bins; None: as many bins as so many values bear."""

    title: str
    groups: Sequence[tuple[str, Sequence[float]]]
    x: str = ""
    bins: int | None = None


@dataclass(frozen=True)
class Gallery:
    """Pictures with captions, in rows as the page is wide. ``width`` is a picture's on the page, in px."""

    pictures: Sequence[tuple[str, Image]]
    width: int = 160


@dataclass(frozen=True)
class Slider:
    """Two pictures of one size; what lies left of a handle is ``before``, right of it ``after``."""

    before: Image
    after: Image
    before_name: str
    after_name: str

    def __post_init__(self) -> None:
        assert self.before.size == self.after.size, f"slider: {self.before.size} beside {self.after.size}"


@dataclass(frozen=True)
class Card:
    """A titled group of blocks."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Cards:
    """Cards, as many beside each other as fit; ``width`` is the least that one may have, in px."""

    cards: Sequence[Card]
    width: int = 320


@dataclass(frozen=True)
class Details:
    """Blocks behind a line that unfolds them."""

    summary: str
    blocks: Sequence[Block]


Block = Prose | Code | Table | Lines | Bars | Histogram | Gallery | Slider | Cards | Details


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Report:
    """A whole report; ``subtitle`` says in one line what it is about."""

    title: str
    sections: Sequence[Section]
    subtitle: str = ""
