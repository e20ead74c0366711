"""Processes that each do one job at a time. A process that dies takes its job with it, and nothing else."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Generic, TypeVar

from dd3g.core.errors import DD3GError

Job = TypeVar("Job")


@dataclass(frozen=True)
class Outcome(Generic[Job]):
    """What became of a job: done, or the reason why not."""

    job: Job
    failure: str | None


class _Worker(Generic[Job]):
    """One process and the job that it works on."""

    def __init__(self, work: Callable[[Job], None]) -> None:
        context = multiprocessing.get_context("spawn")  # the only way that all systems have, and no locks inherited from threads
        self.pipe, child = context.Pipe()
        self.process = context.Process(target=_serve, args=(child, work), daemon=True)
        self.process.start()
        child.close()  # so that the pipe ends when the process does
        self.job: Job | None = None

    def give(self, job: Job) -> None:
        self.job = job
        self.pipe.send(job)

    def take(self) -> Outcome[Job]:
        """The outcome of the job whose pipe became readable: an answer, or the end of the process."""
        assert self.job is not None
        job, self.job = self.job, None
        try:
            return Outcome(job, self.pipe.recv())
        except (EOFError, ConnectionResetError):
            self.process.join()
            return Outcome(job, f"the process that worked on it died ({_how(self.process.exitcode)})")

    def stop(self) -> None:
        self.process.terminate()
        self.process.join()
        self.pipe.close()


def run_in_processes(work: Callable[[Job], None], jobs: Sequence[Job], workers: int) -> Generator[Outcome[Job], None, None]:
    """Does all jobs, and yields their outcomes as they come.

    Args:
        work: A function of a module (processes find it by name). A :class:`DD3GError` is a failure with its own words; any other
            exception is one with its type.
        jobs: Arguments that can be pickled.
        workers: Processes, at least one.
    """
    waiting = deque(jobs)
    busy: list[_Worker[Job]] = []
    try:
        while waiting and len(busy) < workers:
            busy.append(_Worker(work))
            busy[-1].give(waiting.popleft())
        while busy:
            ready = wait([worker.pipe for worker in busy])
            for worker in [worker for worker in busy if worker.pipe in ready]:
                outcome = worker.take()
                busy.remove(worker)
                if waiting:
                    alive = worker.process.exitcode is None
                    busy.append(worker if alive else _Worker(work))
                    busy[-1].give(waiting.popleft())
                else:
                    worker.stop()
                yield outcome
    finally:
        for worker in busy:
            worker.stop()


def _serve(pipe: Connection, work: Callable[[Job], None]) -> None:
    """The life of a process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    threading.Thread(target=_die_with_parent, daemon=True).start()
    while True:
        try:
            job = pipe.recv()
        except EOFError:
            return
        try:
            work(job)
            failure = None
        except DD3GError as error:
            failure = str(error)
        except MemoryError:
            failure = "needs more memory than there is; simplify the object or its textures"
        except Exception as error:
            failure = f"{type(error).__name__}: {error}"
        pipe.send(failure)


def _die_with_parent() -> None:
    """A killed parent can't stop its processes; and one that lives on would write beside the next run."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _how(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return (
            f"signal {signal.Signals(-exit_code).name}; out of memory?" if -exit_code == 9 else f"signal {signal.Signals(-exit_code).name}"
        )
    return f"exit status {exit_code}"
