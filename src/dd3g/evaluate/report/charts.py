"""Charts as SVG text: curves with bands, bars with intervals, histograms.

Colours, ink and paper are named by classes; the page (or, in a file of its own, :data:`SVG_STYLE`) says what they are in light and in
dark. Groups differ in dashes and marks too, so that colour is never all that tells them apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from dd3g.evaluate.intervals import Interval
from dd3g.evaluate.report.axes import Axis, decades, tick_text, ticks
from dd3g.evaluate.report.blocks import Bars, Histogram, Lines, Series

_WIDTH, _HEIGHT = 460, 270
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 34, 40
_LETTER = 6.7  # width of a letter at 11 px, generously
_KINDS = 6  # colours and dashes before they repeat
_FEW = 24  # points that get a mark each

# Okabe and Ito's colours, which colour-blind readers tell apart; lighter ones on dark paper.
_LIGHT = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56748c")
_DARK = ("#56b4e9", "#ff8c42", "#2fc79a", "#e6a0c8", "#f0c93e", "#a9c0d3")
_DASHES = ("", "7 3", "2 3", "10 3 2 3", "4 2", "1 2")
_RULES = (
    "svg.chart text{font:11px system-ui,sans-serif;fill:var(--soft)}"
    "svg.chart .head{font-size:13px;font-weight:600;fill:var(--ink)}"
    "svg.chart .grid{stroke:var(--line);stroke-width:1}"
    "svg.chart .level{stroke:var(--soft);stroke-width:1;stroke-dasharray:3 3}"
    "svg.chart .whisker{stroke:var(--ink);stroke-width:1.4}"
    "svg.chart .curve{fill:none;stroke-width:2;stroke-linejoin:round}"
    + "".join(f"svg.chart .s{k}{{stroke:var(--c{k})}}svg.chart .f{k}{{fill:var(--c{k})}}" for k in range(_KINDS))
    + "svg.chart .band{opacity:.18}svg.chart .bar{opacity:.8}"
    + "".join(f"svg.chart .curve.s{k}{{stroke-dasharray:{dash}}}" for k, dash in enumerate(_DASHES) if dash)
)


def _variables(ink: str, soft: str, line: str, colours: Sequence[str]) -> str:
    return f"--ink:{ink};--soft:{soft};--line:{line};" + "".join(f"--c{k}:{colour};" for k, colour in enumerate(colours))


CHART_RULES = _RULES
LIGHT_VARIABLES = _variables("#1c2024", "#5b6570", "#dfe3e7", _LIGHT)
DARK_VARIABLES = _variables("#e8eaed", "#a3adb8", "#343a42", _DARK)
SVG_STYLE = f"<style>svg{{{LIGHT_VARIABLES}}}@media(prefers-color-scheme:dark){{svg{{{DARK_VARIABLES}}}}}{_RULES}</style>"


def chart(block: Lines | Bars | Histogram) -> str:
    """The block as one ``<svg>`` element."""
    if isinstance(block, Lines):
        return _lines(block)
    return _bars(block) if isinstance(block, Bars) else _histogram(block)


def _lines(block: Lines) -> str:
    shown = [s for s in block.series if any(y is not None for y in s.y)]
    if not shown:
        return _paper(block.title, "no values", [f'<text x="{_WIDTH / 2}" y="{_HEIGHT / 2}" text-anchor="middle">no values</text>'])
    xs = [x for s in shown for x, y in zip(s.x, s.y, strict=True) if y is not None]
    ys = [v for s in shown for values in (s.y, s.low or (), s.high or ()) for v in values if v is not None]
    legend, top = _legend([s.name for s in shown])
    marks_y = ticks(min(ys), max(ys))
    marks_x = _marks_x(block, xs)
    across = _across(min([*xs, *marks_x]), max([*xs, *marks_x]), log=block.log_x)
    up = Axis(marks_y[0], marks_y[-1], _HEIGHT - _BOTTOM, top)
    parts = [*_grid_y(up, marks_y), *_labels_x(across, marks_x), *_titles(block.x, block.y), *legend]
    for k, series in enumerate(shown):
        parts += _curve(series, across, up, k % _KINDS)
    told = "; ".join(f"{s.name}: {_ends(s)}" for s in shown)
    return _paper(block.title, told, parts)


def _marks_x(block: Lines, xs: Sequence[float]) -> list[float]:
    if block.x_ticks is not None:
        return list(block.x_ticks)
    if block.log_x:
        return decades(min(xs), max(xs))
    inside = [m for m in ticks(min(xs), max(xs)) if min(xs) <= m <= max(xs)]
    return inside if len(inside) > 1 else ticks(min(xs), max(xs))


def _across(low: float, high: float, *, log: bool = False) -> Axis:
    if high <= low:
        low, high = (low / 2, high * 2) if log else (low - 0.5, high + 0.5)
    return Axis(low, high, _LEFT, _WIDTH - _RIGHT, log)


def _curve(series: Series, across: Axis, up: Axis, kind: int) -> list[str]:
    parts = []
    if series.low is not None and series.high is not None:
        known = [(x, lo, hi) for x, lo, hi in zip(series.x, series.low, series.high, strict=True) if lo is not None and hi is not None]
        outline = [(x, hi) for x, _, hi in known] + [(x, lo) for x, lo, _ in reversed(known)]
        if len(known) > 1:
            parts.append(f'<polygon class="band f{kind}" points="{_points(outline, across, up)}"/>')
    parts += [f'<polyline class="curve s{kind}" points="{_points(run, across, up)}"/>' for run in _runs(series)]
    points = [(x, y) for x, y in zip(series.x, series.y, strict=True) if y is not None]
    if len(points) <= _FEW:
        parts += [_mark(across.place(x), up.place(y), kind) for x, y in points]
    return parts


def _runs(series: Series) -> list[list[tuple[float, float]]]:
    """Stretches without gaps."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in zip(series.x, series.y, strict=True):
        if y is None:
            runs.append([])
        else:
            runs[-1].append((x, y))
    return [run for run in runs if len(run) > 1]


def _points(points: Sequence[tuple[float, float]], across: Axis, up: Axis) -> str:
    return " ".join(f"{across.place(x):.1f},{up.place(y):.1f}" for x, y in points)


def _mark(x: float, y: float, kind: int) -> str:
    """A mark of the kind's own form: disc, square, triangle, diamond."""
    if kind % 4 == 0:
        return f'<circle class="f{kind}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>'
    forms = {1: "M-3-3H3V3H-3z", 2: "M0-4L3.6 3H-3.6z", 3: "M0-4L4 0 0 4-4 0z"}
    return f'<path class="f{kind}" transform="translate({x:.1f} {y:.1f})" d="{forms[kind % 4]}"/>'


def _bars(block: Bars) -> str:
    """Lying bars, since names are long; a bar starts at 0 where 0 is near, and is a mark with its interval where it is not."""
    values = [v for _, e in block.bars for v in (e.mean, e.low, e.high) if v is not None] + [v for _, v in block.references]
    if not values:
        return _paper(block.title, "no values", [])
    low, high = min(values), max(values)
    from_zero = low <= 0 or low < 0.6 * high
    marks = ticks(min(low, 0.0), max(high, 0.0)) if from_zero else ticks(low, high)
    left = min(max(len(name) for name, _ in block.bars) * _LETTER + 14, _WIDTH * 0.45)
    across, pitch = Axis(marks[0], marks[-1], left, _WIDTH - 56), 26
    height = _TOP + pitch * len(block.bars) + _BOTTOM
    bottom = height - _BOTTOM
    parts = [
        f'<path class="grid" d="M{across.place(m):.1f} {_TOP}V{bottom}"/>'
        f'<text x="{across.place(m):.1f}" y="{bottom + 15}" text-anchor="middle">{tick_text(m, marks)}</text>'
        for m in marks
    ]
    for name, value in block.references:
        x = across.place(value)
        parts.append(f'<path class="level" d="M{x:.1f} {_TOP - 4}V{bottom}"/>')
        parts.append(f'<text x="{x:.1f}" y="{_TOP - 8}" text-anchor="middle">{escape(name)}</text>')
    digits = _digits([e.mean for _, e in block.bars])
    for k, (name, found) in enumerate(block.bars):
        y = _TOP + pitch * (k + 0.5)
        parts.append(f'<text x="{left - 8:.1f}" y="{y + 4:.1f}" text-anchor="end">{escape(_short(name, left))}</text>')
        parts += _bar(found, y, across, 0.0 if from_zero else None)
        end = across.place(max(v for v in (found.mean, found.high, 0.0 if from_zero else None) if v is not None))
        parts.append(f'<text x="{end + 6:.1f}" y="{y + 4:.1f}">{found.mean:.{digits}f}</text>')
    parts.append(f'<text x="{_WIDTH / 2}" y="{height - 6}" text-anchor="middle">{escape(block.label)}</text>')
    told = "; ".join(f"{name}: {_interval(e, digits)}" for name, e in block.bars)
    return _paper(block.title, told, parts, height)


def _bar(found: Interval, y: float, across: Axis, zero: float | None) -> list[str]:
    x, parts = across.place(found.mean), []
    if zero is None:
        parts.append(_mark(x, y, 0))
    else:
        start = across.place(zero)
        parts.append(f'<rect class="bar f0" x="{min(start, x):.1f}" y="{y - 8:.1f}" width="{abs(x - start):.1f}" height="16" rx="2"/>')
    if found.low is not None and found.high is not None:
        a, b = across.place(found.low), across.place(found.high)
        parts.append(f'<path class="whisker" d="M{a:.1f} {y - 4:.1f}v8M{a:.1f} {y:.1f}H{b:.1f}M{b:.1f} {y - 4:.1f}v8"/>')
    return parts


def _histogram(block: Histogram) -> str:
    values = [v for _, group in block.groups for v in group]
    if not values:
        return _paper(block.title, "no values", [])
    marks_x = ticks(min(values), max(values))
    low, high = marks_x[0], marks_x[-1]
    bins = block.bins or min(max(round(2 * max(len(group) for _, group in block.groups) ** 0.5), 4), 24)
    counts = [_counts(group, low, high, bins) for _, group in block.groups]
    marks_y = [m for m in ticks(0.0, float(max(max(c) for c in counts)), 4) if m == int(m)]
    legend, top = _legend([name for name, _ in block.groups])
    across, up = _across(low, high), Axis(0.0, marks_y[-1], _HEIGHT - _BOTTOM, top)
    parts = [*_grid_y(up, marks_y), *_labels_x(across, marks_x), *_titles(block.x, "count"), *legend]
    width = (across.end - across.start) / bins
    for k, group in enumerate(counts):
        each = (width - 2) / len(counts)
        for b, count in enumerate(group):
            if count:
                x, y = across.start + b * width + 1 + k * each, up.place(count)
                parts.append(
                    f'<rect class="bar f{k % _KINDS}" x="{x:.1f}" y="{y:.1f}" width="{each:.1f}" height="{up.start - y:.1f}" rx="1"/>'
                )
    told = "; ".join(f"{name}: {len(group)} values, {min(group):.4g} to {max(group):.4g}" for name, group in block.groups if group)
    return _paper(block.title, told, parts)


def _counts(values: Sequence[float], low: float, high: float, bins: int) -> list[int]:
    counts = [0] * bins
    for value in values:
        counts[min(int((value - low) / (high - low) * bins), bins - 1)] += 1
    return counts


def _grid_y(up: Axis, marks: Sequence[float]) -> list[str]:
    return [
        f'<path class="grid" d="M{_LEFT} {up.place(m):.1f}H{_WIDTH - _RIGHT}"/>'
        f'<text x="{_LEFT - 6}" y="{up.place(m) + 4:.1f}" text-anchor="end">{tick_text(m, marks)}</text>'
        for m in marks
    ]


def _labels_x(across: Axis, marks: Sequence[float]) -> list[str]:
    base = _HEIGHT - _BOTTOM
    texts = [f"{m:g}" if across.log else tick_text(m, marks) for m in marks]
    every = max(1, math.ceil(len(marks) * (max(map(len, texts)) + 1.5) * _LETTER / (across.end - across.start)))
    return [
        f'<path class="grid" d="M{across.place(m):.1f} {base}v4"/>'
        + (f'<text x="{across.place(m):.1f}" y="{base + 16}" text-anchor="middle">{text}</text>' if k % every == 0 else "")
        for k, (m, text) in enumerate(zip(marks, texts, strict=True))
    ]


def _titles(x: str, y: str) -> list[str]:
    found = [f'<text x="{(_LEFT + _WIDTH) / 2}" y="{_HEIGHT - 6}" text-anchor="middle">{escape(x)}</text>'] if x else []
    if y:
        middle = (_TOP + _HEIGHT - _BOTTOM) / 2
        found.append(f'<text transform="translate(11 {middle}) rotate(-90)" text-anchor="middle">{escape(y)}</text>')
    return found


def _legend(names: Sequence[str]) -> tuple[list[str], int]:
    """The names with their marks below the title, in as many lines as they need, and where the paper below them begins."""
    if len(names) < 2:
        return [], _TOP
    parts, x, y = [], float(_LEFT), 36
    for k, name in enumerate(names):
        width = 26 + len(name) * _LETTER
        if x + width > _WIDTH and x > _LEFT:
            x, y = float(_LEFT), y + 15
        kind = k % _KINDS
        parts.append(f'<path class="curve s{kind}" d="M{x:.1f} {y - 4}h16"/>{_mark(x + 8, y - 4, kind)}')
        parts.append(f'<text x="{x + 20:.1f}" y="{y}">{escape(name)}</text>')
        x += width + 6
    return parts, y + 14


def _paper(title: str, told: str, parts: Sequence[str], height: float = _HEIGHT) -> str:
    heading = f'<text class="head" x="{_LEFT if height == _HEIGHT else 4}" y="17">{escape(title)}</text>'
    return (
        f'<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:g}" role="img" '
        f'aria-label="{escape(f"{title}. {told}")}">{heading}{"".join(parts)}</svg>'
    )


def _ends(series: Series) -> str:
    points = [(x, y) for x, y in zip(series.x, series.y, strict=True) if y is not None]
    return f"{points[0][1]:.4g} at {points[0][0]:g} to {points[-1][1]:.4g} at {points[-1][0]:g}"


def _interval(found: Interval, digits: int) -> str:
    ends = "" if found.low is None or found.high is None else f" ({found.low:.{digits}f} to {found.high:.{digits}f})"
    return f"{found.mean:.{digits}f}{ends}"


def _digits(values: Sequence[float]) -> int:
    """Decimals that show three figures of the largest value, and two of how far the values lie apart."""
    largest, apart = max((abs(v) for v in values), default=0.0), max(values, default=0.0) - min(values, default=0.0)
    wanted = [most - math.floor(math.log10(size)) for most, size in ((2, largest), (1, apart)) if size > 0]
    return min(max([*wanted, 0]), 6) if wanted else 3


def _short(text: str, width: float) -> str:
    most = int((width - 14) / _LETTER)
    return text if len(text) <= most else text[: most - 1] + "…"
