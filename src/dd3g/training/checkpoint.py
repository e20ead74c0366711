"""The state of a run on disk: atomic, plain tensors, the last and the best."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dd3g.core.errors import CheckpointError, OutputError
from dd3g.core.files import write_atomically

FORMAT = 1


@dataclass
class State:
    """All that a run needs to go on as if it had not been stopped."""

    step: int  # steps done
    network: dict[str, Any]
    average: dict[str, Any]  # of the weights over time (EMA)
    optimiser: dict[str, Any]
    identity: dict[str, Any]  # resolved configuration
    best: float | None  # value of the recipe's score
    seconds: float  # spent so far, over all sittings


def save_state(path: Path, state: State) -> None:
    """Writes the state so that ``path`` is at any moment the old or the new one, whole and on disk.

    Raises:
        OutputError: The disk is full, or the place can't be written; the old state stands.
    """
    with write_atomically(path, durable=True) as temporary:
        try:
            torch.save({"format": FORMAT, **state.__dict__}, temporary)
        except RuntimeError as error:  # torch's own writer has no other word for a full disk
            raise OutputError(
                f"{path}: can't be written ({str(error).splitlines()[0]}); is the disk full? make room, and the same command goes on from "
                "the state before"
            ) from error


def load_state(path: Path) -> State:
    """Reads a state.

    Raises:
        CheckpointError: Damaged, or of another version.
    """
    try:
        values = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # torch raises half a dozen kinds here, unpickling errors among them
        raise CheckpointError(f"{path}: damaged ({type(error).__name__}: {error}); remove it to start the run again") from None
    if not isinstance(values, dict) or values.pop("format", None) != FORMAT:
        raise CheckpointError(f"{path}: a training state of another version; go on with the version that wrote it, or choose another --out")
    return State(**values)
