"""List and compare runs of `dd3g train` and `dd3g teach`.

dd3g runs out/
dd3g runs run-a run-b --json
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    parser.add_argument("folders", nargs="+", metavar="FOLDER", help="runs, or folders of runs")
    parser.add_argument("--json", action="store_true", help="for programs")


def run(options: argparse.Namespace) -> int:
    """Prints the comparison, and returns the exit status."""
    import json
    from dataclasses import asdict

    from dd3g.training.compare import as_text, differing_settings, find_runs, summarise

    runs = [summarise(folder) for folder in find_runs(options.folders)]
    if options.json:
        print(json.dumps({"runs": [asdict(run) for run in runs], "differing": differing_settings(runs)}, indent=2))
    else:
        print(as_text(runs))
    return 0
