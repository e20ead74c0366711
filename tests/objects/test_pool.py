"""Processes that do jobs, and that may die of them."""

import multiprocessing
import os
import signal
import time

import pytest

from dd3g.objects.pool import run_in_processes

from .failing_work import work


def test_a_job_that_fails_or_kills_its_process_is_reported_and_the_rest_goes_on(tmp_path):
    jobs = [f"touch {tmp_path / 'a'}", "refuse b.glb", "break", "kill", "exit", "memory", f"touch {tmp_path / 'g'}"]
    outcomes = {outcome.job: outcome.failure for outcome in run_in_processes(work, jobs, 2)}
    assert list(outcomes) != []
    assert outcomes.pop(jobs[0]) is None
    assert outcomes.pop(jobs[-1]) is None
    assert outcomes == {
        "refuse b.glb": "b.glb: no faces",
        "break": "ZeroDivisionError: by zero",
        "kill": "the process that worked on it died (signal SIGKILL; out of memory?)",
        "exit": "the process that worked on it died (exit status 3)",
        "memory": "needs more memory than there is; simplify the object or its textures",
    }
    assert (tmp_path / "a").exists()
    assert (tmp_path / "g").exists()


def test_no_jobs_start_no_process():
    assert list(run_in_processes(work, [], 4)) == []


def test_stopping_early_leaves_no_process_behind(tmp_path):
    outcomes = run_in_processes(work, [f"touch {tmp_path / 'a'}", f"sleep {tmp_path / 'b'}"], 2)
    next(outcomes)
    outcomes.close()
    assert multiprocessing.active_children() == []


def test_processes_die_with_a_killed_parent(tmp_path):
    started = tmp_path / "started"
    parent = multiprocessing.get_context("spawn").Process(target=_sleep_in_a_pool, args=(str(started),))
    parent.start()
    child = int(_wait_for(lambda: started.exists() and started.read_text()))
    parent.kill()
    parent.join()
    _wait_for(lambda: not _runs(child))


def _sleep_in_a_pool(path: str) -> None:
    list(run_in_processes(work, [f"sleep {path}"], 1))


def _runs(process_id: int) -> bool:
    try:
        os.kill(process_id, signal.SIG_DFL)
    except ProcessLookupError:
        return False
    try:  # nobody may have waited for it: a zombie does not run
        with open(f"/proc/{process_id}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _wait_for(condition, seconds: float = 20.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    pytest.fail("waited in vain")
