"""Pages that need nothing else, in which names stay names; charts whose marks lie where their values say."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dd3g.evaluate.report import (
    Bars,
    Card,
    Cards,
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
    page,
    view_grid,
    write_report,
)
from dd3g.evaluate.report.axes import Axis, tick_text, ticks
from dd3g.evaluate.report.charts import chart
from dd3g.evaluate.report.numbers import DASH, cell_text

EVIL = '"><img src=x onerror=alert(1)><script>alert(1)</script>|`&'
VOID = {"meta", "img", "input", "path", "circle", "rect", "polyline", "polygon"}


def every_block(name=EVIL):
    picture = Image.new("RGB", (8, 8), "red")
    return [
        Prose(name, "verdict"),
        Code(name),
        Table([name, Column(name, 2, "higher")], [[name, 1.0], [name, name], ["x", Interval(1.0, 0.5, 1.5)]], name, strong=[0]),
        Lines(name, [Series(name, [0, 1, 2], [1.0, None, 3.0], [0.5, None, 2.0], [1.5, None, 4.0]), Series(name, [0], [2.0])], name, name),
        Bars(name, [(name, Interval(1.0, 0.5, 1.5))], name, [(name, 0.7)]),
        Histogram(name, [(name, [1.0, 2.0, 2.0])], name),
        Gallery([(name, picture)]),
        Slider(picture, picture, name, name),
        Cards([Card(name, [Prose(name)])]),
        Details(name, [Prose(name)]),
    ]


class Tags(HTMLParser):
    """Tags in order, text outside scripts, and whether every tag that opens is closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.open, self.text = [], [], [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def report_of(name=EVIL):
    return Report(name, [Section(name, every_block(name)), Section("b", [])], name)


def test_a_page_asks_for_nothing_outside_itself():
    text = page(report_of("name"))
    found = Tags(text)
    assert not {"link", "iframe", "object", "base", "form"} & set(found.tags)
    for tag, key, value in found.attributes:
        if key in ("src", "href", "srcset", "data", "action"):
            assert value.startswith(("data:image/webp;base64,", "#")), (tag, key, value)
    assert set(re.findall(r"https?://[^\s\"'<]+", text)) == {"http://www.w3.org/2000/svg"}  # a name, not an address
    assert "url(" not in text
    assert "@import" not in text


def test_names_stay_text_wherever_they_stand():
    evil, good = Tags(page(report_of(EVIL))), Tags(page(report_of("x")))
    assert evil.tags == good.tags
    assert [a[:2] for a in evil.attributes] == [a[:2] for a in good.attributes]
    assert not evil.open  # well-formed
    assert evil.text.count(EVIL) >= 12  # and they are read as they were written


def test_only_the_pages_own_script_may_run():
    text = page(report_of())
    (script,) = re.findall(r"<script>(.*?)</script>", text.split("<main>")[1].split("</main>")[1], re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(value for tag, key, value in Tags(text).attributes if tag == "meta" and key == "content" and "default-src" in value)
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_a_slider_is_a_labelled_range_that_a_keyboard_moves():
    found = Tags(page(Report("r", [Section("s", [every_block("a")[7]])])))
    inputs = {key: value for tag, key, value in found.attributes if tag == "input"}
    assert inputs["type"] == "range"
    assert inputs["aria-label"] == "a to the left, a to the right"
    with pytest.raises(AssertionError, match="slider"):
        Slider(Image.new("RGB", (4, 4)), Image.new("RGB", (4, 5)), "a", "b")


def test_the_same_report_gives_the_same_bytes(tmp_path):
    first, second = write_report(report_of(), tmp_path / "a"), write_report(report_of(), tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()
    assert (tmp_path / "a" / "report.md").read_bytes() == (tmp_path / "b" / "report.md").read_bytes()


def test_markdown_names_files_that_are_there_and_rows_keep_their_cells(tmp_path):
    write_report(report_of(), tmp_path)
    text = (tmp_path / "report.md").read_text()
    named = re.findall(r"\]\((report_files/[^)]+)\)", text)
    assert sorted(set(named)) == sorted(f"report_files/{path.name}" for path in (tmp_path / "report_files").iterdir())
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {3}  # two columns have three bars
    assert not re.search(r"(?<!\\)<(img|script)", text.replace(f"```\n{EVIL}\n```", "").replace(f"```\n{EVIL}", ""))


def test_charts_are_whole_svg_whatever_the_names():
    for block in every_block():
        if isinstance(block, Lines | Bars | Histogram):
            root = ElementTree.fromstring(chart(block))
            assert root.attrib["role"] == "img"
            assert EVIL in root.attrib["aria-label"]


def points_of(svg, kind="polyline"):
    lists = [e.attrib["points"] for e in ElementTree.fromstring(svg).iter() if e.tag.endswith(kind)]
    return [[tuple(map(float, point.split(","))) for point in text.split()] for text in lists]


def test_a_curve_lies_inside_its_band_and_larger_is_higher():
    y = [1.0, 3.0, 2.0, 5.0]
    svg = chart(Lines("t", [Series("a", [0, 1, 2, 3], y, [v - 0.5 for v in y], [v + 1 for v in y])]))
    (curve,), (band,) = points_of(svg), points_of(svg, "polygon")
    assert [p[0] for p in curve] == sorted(p[0] for p in curve)
    heights = [-p[1] for p in curve]
    assert sorted(range(4), key=heights.__getitem__) == sorted(range(4), key=y.__getitem__)
    upper, lower = band[:4], band[:3:-1]
    for over, at, below in zip(upper, curve, lower, strict=True):
        assert over[0] == at[0] == below[0]
        assert over[1] < at[1] < below[1]  # paper's heights grow downwards
        assert (below[1] - at[1]) / (at[1] - over[1]) == pytest.approx(0.5, abs=0.02)  # rounded to a tenth of a px


def test_a_gap_cuts_the_curve_and_a_histogram_counts_everything():
    gap = chart(Lines("t", [Series("a", [0, 1, 2, 3, 4], [1.0, 2.0, None, 2.0, 3.0])]))
    assert [len(run) for run in points_of(gap)] == [2, 2]
    values = [0.0, 0.1, 0.1, 0.5, 1.0]
    root = ElementTree.fromstring(chart(Histogram("h", [("a", values)], bins=10)))
    heights = sorted(float(e.attrib["height"]) for e in root.iter() if e.tag.endswith("rect"))
    assert sum(heights) / heights[0] == pytest.approx(len(values), abs=0.02)


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_ticks_are_round_even_and_hold_the_range(low, width):
    high = low + width
    marks = ticks(low, high)
    steps = [b - a for a, b in pairwise(marks)]
    slack = 2e-6 * max(abs(low), abs(high), 1e-3)
    assert marks[0] <= low + slack
    assert marks[-1] >= high - slack
    assert 2 <= len(marks) <= 9
    assert max(steps) - min(steps) <= slack
    assert len({tick_text(m, marks) for m in marks}) == len(marks)  # neighbours are told apart


@pytest.mark.parametrize(
    ("values", "texts"), [((14.13, 14.42), {"14.13", "14.42"}), ((0.8, 0.1), {"0.800", "0.100"}), ((1200.0, 300.0), {"1200", "300"})]
)
def test_bars_say_numbers_that_tell_them_apart(values, texts):
    svg = chart(Bars("t", [(f"bar {k}", Interval(value)) for k, value in enumerate(values)]))
    assert texts <= {element.text for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("text")}


def test_an_axis_keeps_its_ends():
    axis = Axis(10, 1000, 5.0, 25.0, log=True)
    assert [axis.place(v) for v in (10, 100, 1000)] == pytest.approx([5, 15, 25])


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, DASH),
        (float("nan"), DASH),
        (1.25, "1.2"),
        (-0.01, "0.0"),
        (3, "3"),
        ("a", "a"),
        (Interval(1.0, 0.5, 2.0), "1.0 (0.5 to 2.0)"),
    ],
)
def test_cells_as_text(cell, text):
    assert cell_text(cell, 1) == text


def test_a_grid_holds_every_view_in_its_place():
    views = torch.arange(5).float()[:, None, None, None].expand(5, 3, 4, 4) / 5
    pixels = np.asarray(view_grid(views, 3, 4))[::4, ::4, 0]
    assert pixels.tolist() == [[0, 51, 102], [153, 204, 255]]
