"""A report as one HTML page that needs nothing else: no server, no network, no file beside it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from dd3g.evaluate.intervals import Interval
from dd3g.evaluate.report.blocks import (
    Bars,
    Block,
    Cards,
    Cell,
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
from dd3g.evaluate.report.charts import chart
from dd3g.evaluate.report.look import POLICY, SCRIPT, STYLE
from dd3g.evaluate.report.numbers import ARROWS, cell_text
from dd3g.evaluate.report.pictures import data_uri

_LONG = 28  # letters in a cell from which it may be broken into lines


def page(report: Report) -> str:
    """The whole page. Text of the report is escaped, wherever it came from."""
    links = "".join(f'<li><a href="#s{k}">{escape(section.title)}</a></li>' for k, section in enumerate(report.sections))
    body = "\n".join(
        f'<section aria-labelledby="s{k}"><h2 id="s{k}">{escape(section.title)}</h2>\n{_blocks(section.blocks)}\n</section>'
        for k, section in enumerate(report.sections)
    )
    title = escape(report.title)
    subtitle = f'<p class="sub">{escape(report.subtitle)}</p>' if report.subtitle else ""
    contents = f'<nav aria-label="Contents"><ul>{links}</ul></nav>' if len(report.sections) > 1 else ""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width,initial-scale=1"><title>{title}</title><style>{STYLE}</style></head>
<body><header><h1>{title}</h1>{subtitle}{contents}</header>
<main>
{body}
</main><script>{SCRIPT}</script></body></html>
"""


def _blocks(blocks: Sequence[Block]) -> str:
    """Charts that follow each other stand beside each other."""
    parts: list[str] = []
    charts: list[str] = []
    for block in blocks:
        if isinstance(block, Lines | Bars | Histogram):
            charts.append(f"<figure>{chart(block)}</figure>")
            continue
        parts, charts = [*parts, *_row(charts)], []
        parts.append(_block(block))
    return "\n".join([*parts, *_row(charts)])


def _row(charts: Sequence[str]) -> list[str]:
    return [f'<div class="charts">{"".join(charts)}</div>'] if charts else []


def _block(block: Block) -> str:
    if isinstance(block, Prose):
        return f"<p{'' if block.kind == 'plain' else f' class={block.kind}'}>{escape(block.text)}</p>"
    if isinstance(block, Code):
        return f'<pre tabindex="0">{escape(block.text)}</pre>'
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Gallery):
        figures = [
            f'<figure style="width:{block.width}px"><img src="{data_uri(picture)}" alt="{escape(caption)}" width="{block.width}" '
            f'height="{round(block.width * picture.height / picture.width)}" loading="lazy">'
            f"<figcaption>{escape(caption)}</figcaption></figure>"
            for caption, picture in block.pictures
        ]
        return f'<div class="gallery">{"".join(figures)}</div>'
    if isinstance(block, Slider):
        return _slider(block)
    if isinstance(block, Cards):
        cards = [f'<article class="card"><h3>{escape(card.title)}</h3>{_blocks(card.blocks)}</article>' for card in block.cards]
        return f'<div class="cards" style="--least:{block.width}px">{"".join(cards)}</div>'
    if isinstance(block, Details):
        return f"<details><summary>{escape(block.summary)}</summary>{_blocks(block.blocks)}</details>"
    return chart(block)


def _table(block: Table) -> str:
    columns = [column if isinstance(column, Column) else Column(column) for column in block.columns]
    words = [any(isinstance(row[k], str) for row in block.rows) for k in range(len(columns))]
    head = "".join(
        f'<th scope="col"{" class=text" if text else ""}>{escape(column.name)}{_arrow(column)}</th>'
        for column, text in zip(columns, words, strict=True)
    )
    rows = []
    for number, row in enumerate(block.rows):
        cells = [f'<th scope="row">{escape(cell_text(row[0], columns[0].digits))}</th>']
        cells += [_cell(cell, column.digits, text) for cell, column, text in zip(row[1:], columns[1:], words[1:], strict=True)]
        rows.append(f"<tr{' class=strong' if number in block.strong else ''}>{''.join(cells)}</tr>")
    caption = f"<caption>{escape(block.caption)}</caption>" if block.caption else ""
    label = escape(block.caption or "table")
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{label}"><table>{caption}<thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _arrow(column: Column) -> str:
    if column.better is None:
        return ""
    sign, meaning = ARROWS[column.better]
    return f' <abbr title="{meaning}">{sign}</abbr>'


def _cell(cell: Cell, digits: int, text: bool) -> str:
    if isinstance(cell, Interval) and cell.low is not None:
        whole = cell_text(Interval(cell.mean), digits)
        return f'<td>{whole}<span class="range">{cell_text(cell.low, digits)} to {cell_text(cell.high, digits)}</span></td>'
    if isinstance(cell, str):
        return f'<td class="text{" long" if len(cell) > _LONG else ""}">{escape(cell)}</td>'
    return f"<td{' class=text' if text else ''}>{escape(cell_text(cell, digits))}</td>"


def _slider(block: Slider) -> str:
    """A range input lies over the pictures: a mouse drags it, a finger too, and arrow keys move it."""
    before, after, width, height = escape(block.before_name), escape(block.after_name), *block.before.size
    size = f'width="{width}" height="{height}" loading="lazy"'
    return (
        f'<figure><div class="slider"><img src="{data_uri(block.after)}" alt="{after}" {size}>'
        f'<img class="over" src="{data_uri(block.before)}" alt="{before}" {size}><span class="bar"></span>'
        f'<input type="range" min="0" max="100" value="50" aria-label="{before} to the left, {after} to the right"></div>'
        f'<figcaption class="ends"><span>{before}</span><span>{after}</span></figcaption></figure>'
    )
