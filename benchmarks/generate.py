"""From a picture to Gaussians: how long it takes, warm and cold, and how much memory.

    python benchmarks/generate.py [--model FILE] [--times 9] [--threads N] [--json FILE]

Warm: the model is loaded, a picture file becomes Gaussians (decoding, cutting out, the network), once with a picture that brings its alpha
and once with a photograph whose background is removed. Cold: a new process, `dd3g generate --format ply` and `dd3g --help`. The picture
with alpha is a procedural object of our own; the photograph is scikit-image's cup of coffee.

Every figure is the median over the calls and the worst of them; the median is held against the limit. Limits are for two quiet
cores. On a busy machine look at --threads 1: with more, OpenMP's threads wait for each other there at hundreds of small steps (0.7 s for
0.04 s of preparing was seen). "processor" is the median of the processor's seconds, such waiting included.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NoReturn, TypeVar

# Nothing of ours is imported up here: it would bring torch, and the cold figures are of processes that have to load it themselves.

WARM_ALPHA_LIMIT_S = 0.5
WARM_PHOTOGRAPH_LIMIT_S = 1.5
COLD_GENERATE_LIMIT_S = 6.0
COLD_HELP_LIMIT_S = 0.5
MEMORY_LIMIT_GB = 1.5
_OBJECT_SEED = 1_000_001  # a cup and saucer
_OBJECT_PX = 512
_HEAVY = "torch"  # what --help must not load

Result = TypeVar("Result")


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    unit: str = "s"
    median: float | None = None
    worst: float | None = None
    processor_s: float | None = None
    limit: float | None = None
    skipped: str | None = None  # why there is no figure

    @property
    def verdict(self) -> str:
        """PASS, over, or why there is none."""
        if self.median is None:
            return f"skipped: {self.skipped}"
        return "" if self.limit is None else "PASS" if self.median <= self.limit else "over"


@dataclass(frozen=True)
class Spent:
    """Seconds of one call or process."""

    wall: float
    processor: float


@dataclass(frozen=True)
class Ended:
    """A process that has ended."""

    spent: Spent
    peak_gb: float
    output: str


def fail(message: str) -> NoReturn:
    """Ends with one sentence, as everything of ours does."""
    print(f"benchmarks/generate.py: {message}", file=sys.stderr)
    raise SystemExit(2)


def run_process(arguments: list[str]) -> Ended:
    """Runs Python with these arguments to its end.

    Raises:
        SystemExit: It failed; what it said is told.
    """
    with tempfile.TemporaryFile("w+") as output:
        start = time.perf_counter()
        process = subprocess.Popen([sys.executable, *arguments], stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        said = output.read()
    if process.returncode:
        fail(f"python {' '.join(arguments)}: exit status {process.returncode}, expected 0; it said: {said.strip()}")
    return Ended(Spent(wall, usage.ru_utime + usage.ru_stime), usage.ru_maxrss / (2**20 if sys.platform != "darwin" else 2**30), said)


def timed(action: Callable[[], Result], times: int) -> tuple[list[Spent], list[Result]]:
    """What each of some calls took and gave; one more before them fills the caches."""
    action()
    spent, results = [], []
    for _ in range(times):
        wall, processor = time.perf_counter(), time.process_time()
        results.append(action())
        spent.append(Spent(time.perf_counter() - wall, time.process_time() - processor))
    return spent, results


def row_of_times(what: str, spent: list[Spent], limit: float) -> Row:
    """A line from what calls took."""
    processor = statistics.median(one.processor for one in spent)
    return replace(row_of(what, [one.wall for one in spent], limit), processor_s=round(processor, 3))


def row_of(what: str, values: list[float], limit: float | None, unit: str = "s") -> Row:
    """A line from its figures."""
    return Row(what, unit, round(statistics.median(values), 3), round(max(values), 3), limit=limit)


# ---------------------------------------------------------------- pictures
def picture_with_alpha(folder: Path) -> Path | str:
    """A procedural object, rendered from a little above; or why there is none."""
    import torch

    from dd3g.core.cameras import orbit
    from dd3g.core.errors import MissingExtraError
    from dd3g.core.sheet import to_image
    from dd3g.objects import SKY, make_object, render_views

    try:
        views = render_views(make_object(_OBJECT_SEED), orbit([20], [15], size=_OBJECT_PX), [SKY])
    except MissingExtraError as error:
        return str(error)
    path = folder / "alpha.png"
    to_image(torch.cat([views.rgb[0], views.alpha[0]])).save(path)
    return path


def photograph() -> Path | str:
    """A photograph and its background; or why it can't be used."""
    from dd3g.core.errors import CheckpointError
    from dd3g.core.weights import bundled

    try:
        bundled("background")
        import skimage
    except CheckpointError as error:
        return str(error)
    except ModuleNotFoundError:
        return "scikit-image, which brings the photograph, is not installed: pip install 'dd3g[demo]'"
    return Path(skimage.__file__).parent / "data" / "coffee.png"


# ---------------------------------------------------------------- figures
def cold_rows(picture: Path, model: str, times: int) -> list[Row]:
    """A new process a figure."""
    with tempfile.TemporaryDirectory() as out:
        generate = ["-m", "dd3g.cli.main", "generate", str(picture), "--out", out, "--format", "ply", "--model", model, "--quiet"]
        made = [run_process(generate) for _ in range(times)]
    helped = [run_process(["-m", "dd3g.cli.main", "--help"]) for _ in range(times)]
    return [
        row_of_times(f"cold: dd3g generate --format ply ({picture.name})", [ended.spent for ended in made], COLD_GENERATE_LIMIT_S),
        row_of("cold: its peak memory", [ended.peak_gb for ended in made], MEMORY_LIMIT_GB, "GB"),
        row_of_times("cold: dd3g --help", [ended.spent for ended in helped], COLD_HELP_LIMIT_S),
        Row(f"cold: dd3g --help loads {_HEAVY} (0: no)", "", *[float(help_loads_torch())] * 2, limit=0),
    ]


def help_loads_torch() -> bool:
    """Whether the help of the command line has torch loaded, which takes a second."""
    asked = f"""
import sys
from dd3g.cli.main import main
try:
    main(["--help"])
except SystemExit:
    pass
print("{_HEAVY}" in sys.modules)
"""
    return run_process(["-c", asked]).output.split()[-1] == "True"


def warm_rows(pictures: dict[str, tuple[Path | str, float]], model: str, times: int) -> list[Row]:
    """This process, its model loaded."""
    from dd3g import ImageTo3D
    from dd3g.core.errors import CheckpointError

    try:
        generate = ImageTo3D.from_pretrained(model)
    except CheckpointError as error:
        fail(str(error))
    rows = []
    for kind, (picture, limit) in pictures.items():
        what = f"warm: picture to Gaussians, {kind}"
        if isinstance(picture, str):
            rows.append(Row(what, limit=limit, skipped=picture))
        else:
            spent, made = timed(lambda picture=picture: generate(picture), times)
            rows.append(row_of_times(what, spent, limit))
            stages = made[0].milliseconds
            rows += [row_of(f"        of it: {stage}", [one.milliseconds[stage] / 1e3 for one in made], None) for stage in stages]
    return rows


# ---------------------------------------------------------------- report
def table_of(rows: list[Row]) -> str:
    """The figures as text."""
    width = max(len(row.what) for row in rows)
    lines = [f"{'':<{width}} {'median':>9} {'worst':>9} {'processor':>9} {'limit':>7}"]
    for row in rows:
        figures = ["-" if value is None else f"{value:g} {row.unit}".strip() for value in (row.median, row.worst)]
        processor = "" if row.processor_s is None else f"{row.processor_s:g} s"
        limit = "" if row.limit is None else f"{row.limit:g}"
        lines.append(f"{row.what:<{width}} {figures[0]:>9} {figures[1]:>9} {processor:>9} {limit:>7}  {row.verdict}".rstrip())
    return "\n".join(lines)


def main() -> None:
    """Measures, prints a table, writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="bundled", metavar="FILE", help="a .safetensors file that training wrote (default: the bundled)")
    parser.add_argument("--times", type=int, default=9, help="warm calls of each kind (default 9)")
    parser.add_argument("--cold-times", type=int, default=3, help="processes of each kind (default 3)")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads, of new processes as well (default: as torch chooses)")
    options = parser.parse_args()
    if min(options.times, options.cold_times) < 1:
        parser.error("--times and --cold-times: expected 1 or more")
    if options.threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(options.threads)  # torch is not loaded yet and will read it, here and in new processes
    with tempfile.TemporaryDirectory() as folder:
        alpha, photo = picture_with_alpha(Path(folder)), photograph()
        usable = [picture for picture in (photo, alpha) if isinstance(picture, Path)]
        if not usable:
            fail(f"no picture to measure with ({alpha}; {photo}); pip install 'dd3g[dev]'")
        kinds = {"own alpha": (alpha, WARM_ALPHA_LIMIT_S), "background removed": (photo, WARM_PHOTOGRAPH_LIMIT_S)}
        rows = [*warm_rows(kinds, options.model, options.times), *cold_rows(usable[0], options.model, options.cold_times)]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    load = os.getloadavg()[0]
    print(f"{platform.machine()}, {cores} cores, load {load:.1f}, threads {options.threads or 'as torch chooses'}; model {options.model}")
    print(table_of(rows))
    if options.json:
        shown = [{**asdict(row), "verdict": row.verdict} for row in rows]
        about = {"cores": cores, "load": round(load, 2), "threads": options.threads, "model": options.model}
        options.json.write_text(json.dumps({**about, "rows": shown}, indent=2) + "\n")


if __name__ == "__main__":
    main()
