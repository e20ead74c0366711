"""Reports: records of what is shown (:mod:`.blocks`), as a page that needs nothing else and as Markdown."""

from dd3g.evaluate.report.blocks import (
    Bars,
    Block,
    Card,
    Cards,
    Cell,
    Code,
    Column,
    Details,
    Gallery,
    Histogram,
    Interval,
    Lines,
    Prose,
    Report,
    Section,
    Series,
    Slider,
    Table,
)
from dd3g.evaluate.report.markdown import markdown
from dd3g.evaluate.report.page import page
from dd3g.evaluate.report.pictures import view_grid
from dd3g.evaluate.report.write import write_report

__all__ = [
    "Bars",
    "Block",
    "Card",
    "Cards",
    "Cell",
    "Code",
    "Column",
    "Details",
    "Gallery",
    "Histogram",
    "Interval",
    "Lines",
    "Prose",
    "Report",
    "Section",
    "Series",
    "Slider",
    "Table",
    "markdown",
    "page",
    "view_grid",
    "write_report",
]
