"""The renderers' benchmarks run: the GPU's as a rehearsal on the CPU, since nobody sees it fail until there is a GPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

_COUNT = """
import sys
sys.path.insert(0, sys.argv[1])
from rasterizer_scenes import Point
from rasterizer_yardsticks import counted
print(*counted(Point(1, 200, 1, 40), "fog").values())
"""


@pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed")
def test_the_gpu_part_can_be_rehearsed_without_a_gpu(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCHMARKS / "rasterizer_gpu.py"), "--device", "cpu", "--point", "1", "10", "1", "8", "--pairs", "1"]
    done = subprocess.run(
        [*command, "--json", str(tmp_path / "found.json")], env={**os.environ, "TRITON_INTERPRET": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "found.json").read_text())["points"]
    assert [row["scene"] for row in rows] == ["shell", "fog"]
    assert all(row["gpu"]["forward"] > 0 and row["gpu"]["backward"] > 0 for row in rows)


@pytest.mark.slow  # compiles the counting loop
def test_the_work_counted_is_consistent() -> None:
    done = subprocess.run([sys.executable, "-c", _COUNT, str(BENCHMARKS)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    splats, rows, pairs, segments = map(int, done.stdout.split())
    assert 0 < splats <= 200
    assert splats <= rows <= 2 * splats  # two rows of tiles
    assert segments <= pairs <= 8 * segments
