"""Processes that do jobs, and that may die of them."""

import multiprocessing

from dd3g.objects.pool import run_in_processes

from .failing_work import work


def test_a_job_that_fails_or_kills_its_process_is_reported_and_the_rest_goes_on(tmp_path):
    jobs = [f"touch {tmp_path / 'a'}", "refuse b.glb", "break", "kill", "memory", f"touch {tmp_path / 'g'}"]
    outcomes = {outcome.job: outcome.failure for outcome in run_in_processes(work, jobs, 1)}
    assert outcomes.pop(jobs[0]) is None
    assert outcomes.pop(jobs[-1]) is None
    assert outcomes == {
        "refuse b.glb": "b.glb: no faces",
        "break": "ZeroDivisionError: by zero",
        "kill": "the process that worked on it died (signal SIGKILL; out of memory?)",
        "memory": "needs more memory than there is; simplify the object or its textures",
    }
    assert (tmp_path / "a").exists()
    assert (tmp_path / "g").exists()


def test_no_jobs_start_no_process():
    assert list(run_in_processes(work, [], 4)) == []


def test_stopping_early_leaves_no_process_behind(tmp_path):
    outcomes = run_in_processes(work, [f"touch {tmp_path / 'a'}", f"sleep {tmp_path / 'b'}"], 1)
    next(outcomes)
    outcomes.close()
    assert multiprocessing.active_children() == []
