"""`report.html`: curves as SVG and the sheets, in one file that opens from disk without a server or a network."""

from __future__ import annotations

import base64
import html
import json
from pathlib import Path
from typing import Any

from dd3g.core.files import write_atomically
from dd3g.training.journal import read_journal

_WIDTH, _HEIGHT, _MARGIN = 420, 180, 36
_NOT_CURVES = {"kind", "step", "seconds"}
_MOST_SHEETS = 6


def write_report(run: Path) -> Path:
    """Writes ``report.html`` of a run from its config, journal and sheets."""
    events = read_journal(run / "metrics.jsonl")
    config = json.loads((run / "config.json").read_text(encoding="utf-8")) if (run / "config.json").is_file() else {}
    parts = [_HEAD, f"<h1>{html.escape(run.resolve().name)}</h1>"]
    for kind in ("evaluate", "train"):
        chosen = [event for event in events if event["kind"] == kind]
        names = [name for name in (chosen[-1] if chosen else {}) if name not in _NOT_CURVES]
        if names:
            parts.append(f"<h2>{kind}</h2><div class=row>")
            parts += [_curve(name, [(e["step"], e[name]) for e in chosen if name in e]) for name in names]
            parts.append("</div>")
    sheets = sorted((run / "sheets").glob("*.png"))[-_MOST_SHEETS:]
    if sheets:
        parts.append("<h2>sheets</h2>")
    for sheet in reversed(sheets):
        data = base64.b64encode(sheet.read_bytes()).decode()
        parts.append(f"<figure><figcaption>step {int(sheet.stem)}</figcaption><img src='data:image/png;base64,{data}' alt=''></figure>")
    parts.append(f"<h2>config</h2><pre>{html.escape(json.dumps(config, indent=2))}</pre>")
    target = run / "report.html"
    with write_atomically(target) as temporary:
        temporary.write_text("\n".join(parts), encoding="utf-8")
    return target


def _curve(name: str, points: list[tuple[int, Any]]) -> str:
    """One curve; the last value stands in its title, the axes carry their ends."""
    points = [(step, float(value)) for step, value in points if value is not None]
    if not points:
        return ""
    points = points[:: max(len(points) // 600, 1)]
    steps, values = [p[0] for p in points], [p[1] for p in points]
    low, high = min(values), max(values)
    spread, length = (high - low) or 1.0, (steps[-1] - steps[0]) or 1
    inner_w, inner_h = _WIDTH - 2 * _MARGIN, _HEIGHT - 2 * _MARGIN
    path = " ".join(
        f"{_MARGIN + (s - steps[0]) / length * inner_w:.1f},{_HEIGHT - _MARGIN - (v - low) / spread * inner_h:.1f}" for s, v in points
    )
    return (
        f"<svg viewBox='0 0 {_WIDTH} {_HEIGHT}' width={_WIDTH} height={_HEIGHT} role=img aria-label='{html.escape(name)}'>"
        f"<text x={_MARGIN} y=20 class=title>{html.escape(name)}: {values[-1]:.4g}</text>"
        f"<text x=2 y={_MARGIN + 4}>{high:.3g}</text><text x=2 y={_HEIGHT - _MARGIN}>{low:.3g}</text>"
        f"<text x={_MARGIN} y={_HEIGHT - 14}>{steps[0]}</text>"
        f"<text x={_WIDTH - _MARGIN} y={_HEIGHT - 14} text-anchor=end>{steps[-1]}</text>"
        f"<rect x={_MARGIN} y={_MARGIN} width={inner_w} height={inner_h} class=frame /><polyline points='{path}'/></svg>"
    )


_HEAD = """<!doctype html><meta charset=utf-8><title>dd3g run</title>
<style>
body { font: 14px/1.5 system-ui, sans-serif; margin: 2rem; max-width: 1400px; color: #222; }
.row { display: flex; flex-wrap: wrap; gap: 8px; }
svg text { font-size: 10px; fill: #555; } svg .title { font-size: 13px; fill: #222; }
polyline { fill: none; stroke: #1565c0; stroke-width: 1.5; } .frame { fill: none; stroke: #ddd; }
img { max-width: 100%; image-rendering: pixelated; } figure { margin: 1rem 0; } pre { background: #f6f6f6; padding: 1rem; overflow: auto; }
</style>"""
