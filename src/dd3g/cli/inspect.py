"""Say what a checkpoint is and whether it can be used, by names, shapes and headers. No weights are read; no code that lies there is run.

dd3g inspect run/model.safetensors                  a model of ours
dd3g inspect sd-v2.1-base-4view-ipmv.pt --json      ImageDream's: layout, parameters, number types, what is missing or too much
dd3g inspect bundled                                what comes with the package

Knows models, training runs, views and archives of them, quadruples, and ImageDream's three layouts. Exit status 2 if it can't be used.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dd3g.cli.inspecting import Description


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    parser.add_argument("path", metavar="PATH", help="file or folder; 'bundled' for the package's own weights")
    parser.add_argument("--json", action="store_true", help="for programs")


def run(options: argparse.Namespace) -> int:
    """Prints what is there, and returns the exit status.

    Raises:
        CheckpointError: It can't be used; said after the description.
    """
    import json
    from dataclasses import asdict

    from dd3g.cli.inspecting import describe
    from dd3g.core.errors import CheckpointError

    found = describe(options.path)
    if options.json:
        print(json.dumps({"usable": found.usable, **asdict(found)}, indent=2))
    elif found.what != "unknown":
        print("\n".join(_lines(found)))
    if not found.usable:
        raise CheckpointError(found.first_reason)
    return 0


def _lines(found: Description, indent: str = "") -> list[str]:
    lines = [f"{indent}{found.path}: {found.what}{'' if found.reason is None else ', which can not be used'}"]
    for name, value in found.facts.items():
        if name == "parts":
            lines += [f"{indent}  {part:<13} {_part(facts)}" for part, facts in value.items()]
        elif name == "about":  # JSON has the rest
            lines += [f"{indent}  {one:<13} {_said(held)}" for one, held in value.items() if isinstance(held, (str, int, float))]
        elif name not in ("config", "best") and value not in ({}, []):
            lines.append(f"{indent}  {name.replace('_', ' '):<13} {_said(value)}")
    for held in found.holds:
        lines += _lines(held, indent + "  ")
    return lines


def _part(facts: dict[str, Any]) -> str:
    return f"{facts['parameters']:,} parameters in {facts['tensors']} tensors, {facts['dtype']}{'' if facts['fits'] else ', does not fit'}"


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_said(one)}" for name, one in value.items())
    if isinstance(value, list):
        return ", ".join(map(_said, value))
    return f"{value:.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
