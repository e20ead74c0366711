"""A report on disk.

FOLDER/report.html        everything in one file
FOLDER/report.md          the same as Markdown
FOLDER/report_files/      its pictures and charts

The figures themselves, for programs, are in the JSON that whoever made the report writes beside it (results.json, comparison.json).
"""

from __future__ import annotations

import os
from pathlib import Path

from dd3g.core.files import write_atomically, write_folder_atomically
from dd3g.evaluate.report.blocks import Report
from dd3g.evaluate.report.markdown import markdown
from dd3g.evaluate.report.page import page

_FILES = "report_files"


def write_report(report: Report, folder: str | os.PathLike[str]) -> Path:
    """Writes the report and returns the path of its page.

    Raises:
        OutputError: The folder can't be written.
    """
    place = Path(folder)
    text, files = markdown(report, _FILES)
    with write_folder_atomically(place / _FILES) as temporary:
        for name, content in files.items():
            (temporary / name).write_bytes(content)
    for name, content in (("report.md", text), ("report.html", page(report))):
        with write_atomically(place / name) as temporary:
            temporary.write_text(content, encoding="utf-8")
    return place / "report.html"
