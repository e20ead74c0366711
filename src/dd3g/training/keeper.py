"""Where a run's states are: the last and the best, whole in one file each, or in shards. A run goes on from either, and with the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from dd3g.core.errors import TrainingError
from dd3g.core.files import sweep_partial
from dd3g.training.checkpoint import load_state, save_state
from dd3g.training.config import FitConfig, SessionConfig
from dd3g.training.ranks import Ranks
from dd3g.training.sharded_state import Commit, load_shards, read_commit, remove_shards, save_shards, sweep_shards
from dd3g.training.trainee import Trainee

WHOLE_MOST_BYTES = 8_000_000_000  # of a sharded network's state that rank 0 gathers and writes alone
_BYTES_A_PARAMETER = 16  # weight, average, two moments, in float32

Name = Literal["last", "best"]


class Keeper:
    """Keeps a trainee's states in a folder.

    Args:
        folder: RUN/checkpoints.
        trainee: Whose they are.
        identity: What the run is.
        session: Whether shards are asked for.
        ranks: With whom.
    """

    def __init__(self, folder: Path, trainee: Trainee, identity: dict[str, Any], session: SessionConfig, ranks: Ranks) -> None:
        self.folder, self._trainee, self._identity, self._ranks = folder, trainee, identity, ranks
        size = _BYTES_A_PARAMETER * sum(p.numel() for p in trainee.network.parameters())
        too_large = ranks.world > 1 and session.parallel == "fsdp" and size > WHOLE_MOST_BYTES
        self.sharded = session.sharded_state or too_large

    def resume(self) -> tuple[int, float | None, float]:
        """Goes on from the last state, if there is one: (steps done, best score, seconds spent).

        Raises:
            CheckpointError: It is damaged.
            TrainingError: It is another run's.
        """
        whole, commit = self.folder / "last.pt", read_commit(self.folder, "last")
        state = load_state(whole) if whole.exists() else None
        if state is not None and (commit is None or state.step > commit.step):  # both: killed between writing one and removing the other
            self._refuse_other(state.identity)
            self._trainee.load(state)
            return state.step, state.best, state.seconds
        if commit is None:
            return 0, None, 0.0
        self._refuse_other(commit.identity)
        load_shards(self.folder, commit, self._trainee.tensors)
        self._trainee.loaded()
        return commit.step, commit.best, commit.seconds

    def sweep(self) -> None:
        """Removes what killed sittings left half-written; for rank 0, before anything is saved."""
        sweep_partial(self.folder)
        sweep_shards(self.folder)

    def keep(self, name: Name, step: int, best: float | None, seconds: float) -> None:
        """Saves the state, in place of the one of that name; every rank must call it.

        Raises:
            OutputError: The disk is full, or the place can't be written; the state before stands.
        """
        path = self.folder / f"{name}.pt"
        if self.sharded:
            save_shards(self.folder, name, self._trainee.tensors(), Commit("", step, self._identity, best, seconds), self._ranks)
            if self._ranks.first:
                path.unlink(missing_ok=True)
            return
        state = self._trainee.state(step, self._identity, best, seconds)
        if self._ranks.first:
            save_state(path, state)
            remove_shards(self.folder, name)

    def _refuse_other(self, found: dict[str, Any]) -> None:
        # settings that an older version did not have were what they are by default
        differing = sorted(_differences({**found, "fit": {**asdict(FitConfig()), **found["fit"]}}, self._identity))
        if differing:
            shown = "; ".join(differing[:4]) + (f"; and {len(differing) - 4} more" if len(differing) > 4 else "")
            raise TrainingError(
                f"{self.folder.parent}: holds another run ({shown}); choose another --out, or give the options that this run began with"
            )


def _differences(found: Any, wanted: Any, place: str = "") -> Iterator[str]:
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in found.keys() | wanted.keys():
            yield from _differences(found.get(key), wanted.get(key), f"{place}.{key}" if place else str(key))
    elif (list(found) if isinstance(found, tuple) else found) != (list(wanted) if isinstance(wanted, tuple) else wanted):
        yield f"{place} was {found!r}, now {wanted!r}"
