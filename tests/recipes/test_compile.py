"""Compiled blocks are the same blocks. In a process of its own: the types that tests check at run time are not what a user compiles."""

import os
import shutil
import subprocess
import sys

import pytest

from dd3g.training.checkpoint import load_state

SETTINGS = [
    *("--preset", "tiny", "--perceptual", "none", "--steps", "4", "--batch", "2", "--threads", "1"),
    *("--set", "data.image_size=64", "--set", "data.render_size=32"),
]


@pytest.mark.slow
@pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="torch.compile wants a C++ compiler: none is installed")
def test_a_compiled_student_learns_what_a_plain_one_learns(blob_views, tmp_path):
    """Fused sums are rounded in another order, and the first steps of Adam make much of the smallest gradients: a tenth of a step."""
    states, made = {}, {}
    for name, more in {"plain": [], "compiled": ["--compile"]}.items():
        kernels, out = tmp_path / f"kernels-{name}", tmp_path / name
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "TORCHINDUCTOR_CACHE_DIR": str(kernels)}
        command = [sys.executable, "-m", "dd3g", "train", str(blob_views), "--out", str(out), *SETTINGS, *more]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        states[name], made[name] = load_state(out / "checkpoints" / "last.pt").network, list(kernels.rglob("*.so"))
    assert made["compiled"]
    assert not made["plain"]
    assert states["compiled"].keys() == states["plain"].keys()
    assert max((states["compiled"][k] - states["plain"][k]).abs().max().item() for k in states["plain"]) < 1e-4
