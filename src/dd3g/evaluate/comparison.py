"""Two results side by side: paired differences, how many objects each is better on, and whether that is more than chance.

OUT/comparison.json    what :func:`dd3g.evaluate.results.compare` says, with the counts
OUT/report.html        and report.md: the same with pictures
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dd3g.core.errors import InputError
from dd3g.core.files import write_json
from dd3g.evaluate.report.columns import better_of
from dd3g.evaluate.report.comparison import comparison_report
from dd3g.evaluate.report.write import write_report
from dd3g.evaluate.results import compare, load_results


def compare_reports(first: str | os.PathLike[str], second: str | os.PathLike[str], out: str | os.PathLike[str]) -> dict[str, Any]:
    """Compares two folders that ``dd3g evaluate`` wrote, and writes the comparison.

    Returns:
        What ``comparison.json`` holds.

    Raises:
        InputError: Not results, of different protocols, without an object in common, or without their pictures.
    """
    folders = [Path(first), Path(second)]
    for folder in folders:
        if Path(out).resolve() == folder.resolve():
            raise InputError(f"{out}: is one of the results that are compared; give --out another folder")
    results = [load_results(folder) for folder in folders]
    found = compare(*results)
    found["folders"] = [str(folder) for folder in folders]
    for table in found["settings"].values():
        for column, figures in table["columns"].items():
            figures["counts"] = sign_counts([row[column] for row in table["objects"]], column)
    write_json(Path(out) / "comparison.json", found)
    write_report(comparison_report(found, results, folders), out)
    return found


def sign_counts(differences: Sequence[float], column: str) -> dict[str, Any]:
    """On how many objects each side is better, and the sign test's two-sided p: how often a fair coin is so one-sided.

    Args:
        differences: Second minus first, one an object.
        column: Says which end is the good one.

    Returns:
        ``{first, second, ties, p}``.
    """
    sign = 1 if better_of(column) == "higher" else -1
    second = sum(sign * difference > 0 for difference in differences)
    first = sum(sign * difference < 0 for difference in differences)
    return {"first": first, "second": second, "ties": len(differences) - first - second, "p": sign_test(first, second)}


def sign_test(first: int, second: int) -> float:
    """Probability that ``first + second`` throws of a fair coin split at least as unevenly; 1 without any."""
    throws, fewer = first + second, min(first, second)
    tail = sum(math.comb(throws, k) for k in range(fewer + 1))
    return min(1.0, 2 * tail / 2**throws)


def comparison_table(found: Mapping[str, Any]) -> str:
    """The comparison as text."""
    lines = [f"first  {found['first']['name']}", f"second {found['second']['name']}", f"second minus first, protocol {found['protocol']}"]
    for setting, table in found["settings"].items():
        lines.append(f"{setting}, {len(table['objects'])} objects in both")
        for column, figures in table["columns"].items():
            ends, counts = figures["difference"], figures["counts"]
            interval = "" if ends["low"] is None else f" ({ends['low']:+.3f} to {ends['high']:+.3f})"
            better = "neither is better for sure" if figures["better"] is None else f"the {figures['better']} is better"
            lines.append(
                f"  {column.ljust(16)} {ends['mean']:+.3f}{interval}  {better}; "
                f"better on {counts['first']} : {counts['second']} objects, p {counts['p']:.3g}"
            )
    return "\n".join(lines)
