"""A report as Markdown, for places that show no HTML. Pictures and charts stand in a folder beside it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from dd3g.evaluate.report.blocks import (
    Bars,
    Block,
    Cards,
    Code,
    Column,
    Details,
    Gallery,
    Histogram,
    Lines,
    Prose,
    Report,
    Slider,
    Table,
)
from dd3g.evaluate.report.charts import SVG_STYLE, chart
from dd3g.evaluate.report.numbers import ARROWS, cell_text
from dd3g.evaluate.report.pictures import webp

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|!~&])")


@dataclass
class _Files:
    """Files that the text names, numbered as they come, since object names are no file names; what is shown twice is one file."""

    folder: str
    names: dict[bytes, str] = field(default_factory=dict)

    def add(self, content: bytes, suffix: str) -> str:
        name = self.names.setdefault(content, f"{len(self.names):03d}{suffix}")
        return f"{self.folder}/{name}"


def markdown(report: Report, folder: str = "report_files") -> tuple[str, dict[str, bytes]]:
    """The text, and the files that belong into ``folder`` beside it: name -> content."""
    files, lines = _Files(folder), [f"# {_plain(report.title)}", ""]
    if report.subtitle:
        lines += [_plain(report.subtitle), ""]
    for section in report.sections:
        lines += [f"## {_plain(section.title)}", "", *_blocks(section.blocks, files)]
    return "\n".join(lines).rstrip() + "\n", {name: content for content, name in files.names.items()}


def _blocks(blocks: Sequence[Block], files: _Files) -> list[str]:
    return [line for block in blocks for line in (*_block(block, files), "")]


def _block(block: Block, files: _Files) -> list[str]:
    if isinstance(block, Prose):
        return [("> " if block.kind == "verdict" else "") + _plain(block.text)]
    if isinstance(block, Code):
        fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", block.text)), default=0))
        return [fence, block.text, fence]
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Lines | Bars | Histogram):
        svg = chart(block)
        inside = svg.index(">") + 1
        return [_image(block.title, files.add(f"{svg[:inside]}{SVG_STYLE}{svg[inside:]}".encode(), ".svg"))]
    if isinstance(block, Gallery):
        return [_image(caption, files.add(webp(picture), ".webp")) + f" {_plain(caption)}" for caption, picture in block.pictures]
    if isinstance(block, Slider):
        return [
            f"{_plain(name)}: {_image(name, files.add(webp(picture), '.webp'))}"
            for name, picture in ((block.before_name, block.before), (block.after_name, block.after))
        ]
    if isinstance(block, Cards):
        return [line for card in block.cards for line in (f"### {_plain(card.title)}", "", *_blocks(card.blocks, files))]
    assert isinstance(block, Details)
    return [f"**{_plain(block.summary)}**", "", *_blocks(block.blocks, files)]


def _table(block: Table) -> list[str]:
    columns = [column if isinstance(column, Column) else Column(column) for column in block.columns]
    names = [_plain(c.name) + (f" {ARROWS[c.better][0]}" if c.better else "") for c in columns]
    lines = [_plain(block.caption), ""] if block.caption else []
    lines += ["| " + " | ".join(names) + " |", "|" + "|".join(["---", *["---:"] * (len(columns) - 1)]) + "|"]
    for number, row in enumerate(block.rows):
        texts = [_plain(cell_text(cell, column.digits)) for cell, column in zip(row, columns, strict=True)]
        if number in block.strong:
            texts = [f"**{text}**" for text in texts]
        lines.append("| " + " | ".join(texts) + " |")
    return lines


def _image(caption: str, path: str) -> str:
    return f"![{_plain(caption)}]({path})"


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, in one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
