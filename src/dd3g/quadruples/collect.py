"""Runs a plan: units that are not there yet, by one process or several, on one machine or on all that share the folder.

A unit is claimed by a lease, made, and published by a rename: whole or not there. Its bytes depend on the plan and the inputs, not on who
made it or when, so a run that was killed goes on by the same command, and several commands may run at once.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dd3g.core.errors import DD3GError, InputError, OutputError
from dd3g.core.files import make_folder, sweep_partial
from dd3g.core.progress import Progress
from dd3g.quadruples.lease import any_alive, lease, sweep_stale
from dd3g.quadruples.plan import Plan, unit_path
from dd3g.quadruples.record import Quadruple
from dd3g.quadruples.shard import read_shard, write_shard

Make = Callable[[Sequence[tuple[int, int]]], list[Quadruple]]  # jobs of a unit -> its quadruples
_POLL_S = 0.3


def collect(out: str | os.PathLike[str], plan: Plan, opener: Callable[[], Make], *, workers: int = 1, quiet: bool = False) -> int:
    """Makes every unit of a plan that is not there yet.

    Args:
        out: The collection's folder, with its plan and inputs.
        plan: As fixed there.
        opener: Loads the teacher and gives what makes a unit; called once in each process, so it must be picklable for several.
        workers: Processes; 1 works in this one.
        quiet: No progress on standard error.

    Returns:
        How many units were missing when it began.

    Raises:
        DD3GError: What a worker met; units that are finished stay.
    """
    folder = Path(out)
    records, leases = make_folder(folder / "records"), make_folder(folder / "leases")
    if not any_alive(leases):  # a file half written by somebody who lives is not ours to sweep
        sweep_partial(records)
    missing = [unit for unit in range(plan.units) if not unit_path(folder, unit).exists()]
    progress = Progress(plan.units, f"units of {plan.unit}", done=plan.units - len(missing), quiet=quiet)

    def show() -> None:
        done = sum(unit_path(folder, unit).exists() for unit in missing) + plan.units - len(missing)
        if done > progress.done:
            progress.advance(done - progress.done)

    if missing and (workers == 1 or len(missing) == 1):
        _work(folder, plan, opener, 0, 1, show)
    elif missing:
        _in_processes(folder, plan, opener, min(workers, len(missing)), show)
    progress.close()
    sweep_stale(leases)
    return len(missing)


def verify(out: str | os.PathLike[str], plan: Plan, *, quiet: bool = False) -> list[str]:
    """Reads every unit that is there, and deletes the bad ones, so that the next run makes them again.

    Returns:
        What was wrong, a line a unit.
    """
    found = [unit for unit in range(plan.units) if unit_path(out, unit).exists()]
    progress, wrong = Progress(len(found), "checking units", quiet=quiet), []
    for unit in found:
        path = unit_path(out, unit)
        try:
            rows = len(read_shard(path))
            if rows != len(plan.jobs(unit)):
                raise InputError(f"{path}: holds {rows} quadruples, expected {len(plan.jobs(unit))}")
        except InputError as error:
            wrong.append(str(error))
            path.unlink()
        progress.advance()
    progress.close()
    return wrong


def _work(folder: Path, plan: Plan, opener: Callable[[], Make], rank: int, workers: int, after: Callable[[], None]) -> None:
    """One worker: its own share of the units first, then whatever is left."""
    parent, make = os.getppid(), None
    order = sorted(range(plan.units), key=lambda unit: (unit % workers != rank, unit))
    while left := [unit for unit in order if not unit_path(folder, unit).exists()]:
        made = False
        for unit in left:
            path = unit_path(folder, unit)
            if os.getppid() != parent:
                return  # whoever started us was killed
            if path.exists():
                continue
            with lease(folder / "leases", path.stem) as ours:
                if ours and not path.exists():
                    make = make or opener()
                    write_shard(path, make(plan.jobs(unit)), plan.latent_shape)
                    made = True
            after()
        if not made:
            time.sleep(_POLL_S)  # others are at work on the rest; should they die, it is ours


def _in_processes(folder: Path, plan: Plan, opener: Callable[[], Make], workers: int, show: Callable[[], None]) -> None:
    context = multiprocessing.get_context("spawn")
    failures: Any = context.SimpleQueue()
    arguments = [(folder, plan, opener, rank, workers, failures) for rank in range(workers)]
    processes = [context.Process(target=_worker, args=a, daemon=True) for a in arguments]
    for process in processes:
        process.start()
    try:
        while any(process.is_alive() for process in processes):
            time.sleep(_POLL_S)
            show()
            if not failures.empty():
                break
        if failures.empty():
            bad = [p.exitcode for p in processes if p.exitcode]
            if bad:
                raise OutputError(f"{folder}: a worker ended with status {bad[0]}; the same command goes on")
        else:
            kind, message = failures.get()
            raise {"OutputError": OutputError, "InputError": InputError}.get(kind, DD3GError)(message)
    finally:
        for process in processes:
            process.terminate()
            process.join()
    show()


def _worker(folder: Path, plan: Plan, opener: Callable[[], Make], rank: int, workers: int, failures: Any) -> None:
    try:
        _work(folder, plan, opener, rank, workers, lambda: None)
    except DD3GError as error:
        failures.put((type(error).__name__, str(error)))
    except KeyboardInterrupt:
        pass
