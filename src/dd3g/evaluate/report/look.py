"""How the page looks, and its one script: moving a slider's handle. Nothing is fetched; both are part of every page."""

from __future__ import annotations

import base64
import hashlib

from dd3g.evaluate.report.charts import CHART_RULES, DARK_VARIABLES, LIGHT_VARIABLES

_LIGHT = f"--paper:#fff;--card:#f7f8fa;--link:#0b5cad;--mark:#eef4fb;{LIGHT_VARIABLES}"
_DARK = f"--paper:#16191d;--card:#1f242a;--link:#7db8f0;--mark:#1d2a38;{DARK_VARIABLES}"

STYLE = f"""
:root{{color-scheme:light dark;{_LIGHT}}}
@media(prefers-color-scheme:dark){{:root{{{_DARK}}}}}
*{{box-sizing:border-box}}
body{{margin:0 auto;max-width:1240px;padding:24px 20px 60px;background:var(--paper);color:var(--ink);font:15px/1.55 system-ui,sans-serif}}
h1{{font-size:1.7rem;line-height:1.2;margin:.2em 0}}
h2{{font-size:1.25rem;margin:2.2em 0 .5em;padding-top:.5em;border-top:1px solid var(--line)}}
h3{{font-size:1rem;margin:0 0 .5em;overflow-wrap:anywhere}}
.sub{{color:var(--soft);margin:0 0 1em;overflow-wrap:anywhere}}a{{color:var(--link)}}
p{{max-width:78ch;white-space:pre-line;overflow-wrap:anywhere;margin:.6em 0}}.note{{color:var(--soft);font-size:.92em}}
.verdict{{background:var(--mark);border-left:4px solid var(--c0);padding:.7em 1em;border-radius:0 6px 6px 0}}
nav ul{{display:flex;flex-wrap:wrap;gap:.2em 1.2em;list-style:none;padding:0;margin:.8em 0}}
.scroll{{overflow-x:auto;margin:.8em 0}}.scroll:focus-visible,:focus-visible{{outline:2px solid var(--link);outline-offset:2px}}
table{{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.93em}}
caption{{text-align:left;color:var(--soft);padding-bottom:.4em}}
th,td{{padding:.35em .8em;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap;vertical-align:top}}
th:first-child,td:first-child{{text-align:left}}thead th{{color:var(--soft);font-weight:600;border-bottom:2px solid var(--line)}}
tbody th{{font-weight:400;white-space:normal;overflow-wrap:break-word;min-width:9em;max-width:26em}}.strong,.strong th{{font-weight:650}}
th.text,td.text{{text-align:left}}td.long{{white-space:normal;overflow-wrap:break-word;min-width:22em;max-width:60ch}}
.range{{color:var(--soft);font-size:.86em;font-weight:400;margin-left:.5em}}
pre{{background:var(--card);padding:.8em 1em;overflow-x:auto;border-radius:6px;font-size:.85em}}
figure{{margin:0}}figcaption{{font-size:.85em;color:var(--soft);overflow-wrap:anywhere}}
.charts{{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));gap:18px;margin:1em 0}}
svg.chart{{width:100%;max-width:600px;height:auto;display:block}}
.gallery{{display:flex;flex-wrap:wrap;gap:12px;margin:.8em 0}}.gallery figure{{max-width:100%}}
img{{display:block;max-width:100%;height:auto;border-radius:4px}}
.cards{{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,var(--least)),1fr));gap:16px;margin:1em 0}}
.card{{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:12px;min-width:0}}
.card table{{font-size:.85em}}.card th,.card td{{padding:.2em .5em}}.card tbody th{{min-width:0}}
.slider{{position:relative;--cut:50%;user-select:none}}.slider img{{width:100%;border-radius:6px}}
.slider .over{{position:absolute;inset:0;clip-path:inset(0 calc(100% - var(--cut)) 0 0)}}
.slider .bar{{position:absolute;top:0;bottom:0;left:var(--cut);width:2px;margin-left:-1px;background:#fff;
box-shadow:0 0 0 1px #0006;pointer-events:none}}
.slider .bar::after{{content:"";position:absolute;top:50%;left:-13px;width:28px;
height:28px;margin-top:-14px;border-radius:50%;background:#fff;
box-shadow:0 0 0 1px #0006,0 1px 4px #0005}}
.slider .bar::before{{content:"\\2194";position:absolute;z-index:1;top:50%;left:-13px;width:28px;
height:28px;line-height:27px;margin-top:-14px;
text-align:center;color:#222}}
.slider input{{position:absolute;inset:0;width:100%;height:100%;margin:0;opacity:0;cursor:ew-resize;touch-action:pan-y}}
.slider:focus-within .bar::after{{box-shadow:0 0 0 3px var(--link)}}
.ends{{display:flex;justify-content:space-between;font-size:.85em;color:var(--soft);margin:.2em 0 .5em}}
details{{margin:.8em 0}}summary{{cursor:pointer;color:var(--link)}}
{CHART_RULES}
@media print{{.slider .bar,nav{{display:none}}.slider .over{{clip-path:none;position:static}}.card{{break-inside:avoid}}}}
@media(max-width:600px){{body{{padding:14px 12px 40px;font-size:14px}}th,td{{padding:.3em .5em}}
.range{{display:block;margin:0}}}}
"""

SCRIPT = (
    """document.addEventListener("input",e=>{const s=e.target.closest(".slider");if(s)s.style.setProperty("--cut",e.target.value+"%")})"""
)

# The browser refuses anything that is not in the page, and any script that is not this one: a name can't become code.
_HASH = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
POLICY = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'"
