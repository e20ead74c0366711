"""What a run leaves on disk when the disk, or the process, gives up."""

import random
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from dd3g.core.errors import OutputError
from dd3g.training import fit
from dd3g.training.checkpoint import load_state
from tests.training.test_engine import CONFIG, QUIET, assert_same_state, final_state
from tests.training.toy import toy_recipe

# A file may not grow beyond 4 kB from step 20 on: what a full disk does to a writer, without filling one.
FULL = """
import resource, signal, sys
from dataclasses import replace
from tests.training.test_engine import *
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
def filling(step):
    if step == 20:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    return batch(step)
try:
    fit(toy_recipe(batch=filling), CONFIG, sys.argv[1], QUIET)
except Exception as error:
    print(type(error).__name__, error)
"""


def test_a_full_disk_stops_the_run_with_its_state_intact(tmp_path):
    fit(toy_recipe(), CONFIG, tmp_path / "whole", QUIET)
    run = tmp_path / "full"
    said = subprocess.run([sys.executable, "-c", FULL, run], capture_output=True, text=True, check=True).stdout
    assert said.startswith(OutputError.__name__)
    assert "checkpoints/last.pt: can't be written" in said
    assert "is the disk full?" in said
    kept = load_state(run / "checkpoints" / "last.pt")
    assert 10 < kept.step <= 20
    assert not list(run.rglob(".partial-*"))
    fit(toy_recipe(), CONFIG, run, QUIET)
    assert_same_state(final_state(tmp_path / "whole"), final_state(run))


SLOWLY = """
import sys, time
from tests.training.test_engine import *
def slow(step):
    time.sleep(0.03)
    return batch(step)
print("begun", flush=True)
fit(toy_recipe(batch=slow), replace(CONFIG, steps=400), sys.argv[1], replace(QUIET, sharded_state=sys.argv[2] == "shards"))
"""


@pytest.mark.slow
@pytest.mark.parametrize("state", ["file", "shards"])
def test_ten_kills_at_random_moments_lose_nothing_but_time(tmp_path, state):
    fit(toy_recipe(), replace(CONFIG, steps=400), tmp_path / "whole", QUIET)
    run, kills, moments = tmp_path / "killed", 0, random.Random(0)
    while kills < 10:
        process = subprocess.Popen([sys.executable, "-c", SLOWLY, run, state], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(moments.uniform(0.05, 1.0))
        assert process.poll() is None, "ended before it was killed: take more steps"
        process.kill()
        process.wait()
        process.stdout.close()
        kills += 1
    fit(toy_recipe(), replace(CONFIG, steps=400), run, QUIET)
    assert_same_state(final_state(tmp_path / "whole"), final_state(run))
    assert not list(run.rglob(".partial-*"))
