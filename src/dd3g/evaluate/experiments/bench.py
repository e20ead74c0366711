"""Where experiments are run: the world, who draws, and one folder in which everything that is finished stays.

OUT/data/world-..., draws-...    made once
OUT/cells/NAME/cell.json         what a cell is
OUT/cells/NAME/result.json       its figures; a cell that has it is done
OUT/cells/NAME/...               its pictures, its training
OUT/EXPERIMENT/                  reports

A cell is named by everything that it depends on, so that experiments share those that they have in common, and a killed run goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dd3g.core.files import make_folder, read_json, write_json
from dd3g.core.noise import digest
from dd3g.evaluate.experiments.draws import Drawn, DrawPlan, open_draws
from dd3g.evaluate.experiments.source import Source
from dd3g.evaluate.experiments.world import World

VERSION = "dd3g-cell-1"  # a change of what a cell does is a new name


@dataclass(frozen=True)
class Bench:
    """The world, who draws, and the folder of all experiments."""

    world: World
    source: Source
    out: Path
    quiet: bool = False

    def draws(self, plan: DrawPlan) -> Drawn:
        """The quadruples of a plan, made once."""
        return open_draws(self.world, self.source, plan, self.out / "data", quiet=self.quiet)


def cell_folder(bench: Bench, what: Any, seed: int) -> Path:
    """Where a cell is kept: named by its kind, every field of it, its seed, the world and the teacher."""
    about = [VERSION, bench.world.digest, bench.source.digest, bench.source.guidance, type(what).__name__, asdict(what), seed]
    return bench.out / "cells" / digest(json.dumps(about).encode())[:16]


def kept(bench: Bench, what: Any, seed: int, compute: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """The result of a cell: read where it is there, else computed and kept.

    Args:
        bench: Where.
        what: A frozen dataclass that says what is done.
        seed: From which.
        compute: Does it, given the cell's folder; whatever it leaves there it must be able to go on from.
    """
    folder = cell_folder(bench, what, seed)
    if (folder / "result.json").is_file():
        return read_json(folder / "result.json")
    make_folder(folder)
    about = json.loads(json.dumps(asdict(what)))
    write_json(
        folder / "cell.json", {"version": VERSION, "kind": type(what).__name__, "seed": seed, "teacher": bench.source.digest, **about}
    )
    write_json(folder / "result.json", compute(folder))
    return read_json(folder / "result.json")
