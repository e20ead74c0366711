"""The student on several ranks is the student on one: by torchrun and by Ray Train."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from dd3g.training.checkpoint import load_state

# float32 sums in another order, which a renderer and 20 steps of Adam make larger
TOLERANCE = 1e-4
SETTINGS = [
    *("--preset", "tiny", "--perceptual", "none", "--steps", "20", "--batch", "4", "--threads", "1"),
    *("--set", "data.image_size=64", "--set", "data.render_size=32"),
]
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]


def trained(start, views, out, *more):
    command = [sys.executable, *start, "-m", "dd3g", "train", str(views), "--out", str(out), *SETTINGS, *more]
    done = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return load_state(out / "checkpoints" / "last.pt").network


@pytest.mark.slow
def test_two_ranks_equal_one_however_they_are_started_and_spread(tmp_path, blob_views):
    alone = trained([], blob_views, tmp_path / "alone")
    ways = {"ddp": (TORCHRUN,), "fsdp": (TORCHRUN, "--parallel", "fsdp", "--recompute")}
    if find_spec("ray"):
        ways["ray"] = ([], "--launcher", "ray", "--ranks", "2")
    for name, (start, *more) in ways.items():
        two = trained(start, blob_views, tmp_path / name, *more)
        assert max((two[key] - alone[key]).abs().max().item() for key in alone) < TOLERANCE, name
