"""Rendering without other processes: what those do is tested by itself, and starting them takes seconds."""

import pytest

from dd3g.core.errors import InputError
from dd3g.objects import collection
from dd3g.objects.pool import Outcome


@pytest.fixture
def in_this_process(monkeypatch):
    """Jobs are done one after another in this process; gives the names of those that were."""
    seen = []

    def run(work, jobs, workers):
        for job in jobs:
            seen.append(job.name)
            try:
                work(job)
            except InputError as error:
                yield Outcome(job, str(error))
            else:
                yield Outcome(job, None)

    monkeypatch.setattr(collection, "run_in_processes", run)
    return seen
