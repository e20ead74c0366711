"""The state of a run in shards: every rank writes its own pieces, and any number of ranks reads them back (torch's DCP).

    checkpoints/
      last.json      names the folder that counts, and holds all that is no tensor
      last-a/        or last-b: __0_0.distcp, __1_0.distcp, ... and .metadata

A folder is filled under another name and renamed when every rank has ended; it counts from the moment in which the JSON names it, and only
then the one before is removed. Whatever a kill leaves behind is not named, and is swept by the next start.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch.distributed as dist
from torch import Tensor

from dd3g.core.errors import CheckpointError, OutputError
from dd3g.core.files import read_json, sync_folder, write_atomically
from dd3g.training.ranks import Ranks

FORMAT = 1
_PARTIAL = ".partial-shards"  # of all ranks together; swept like whatever else begins so


@dataclass(frozen=True)
class Commit:
    """What stands beside the tensors of a state."""

    folder: str  # that holds them, beside the file that says so
    step: int
    identity: dict[str, Any]
    best: float | None
    seconds: float
    format: int = FORMAT


def read_commit(checkpoints: Path, name: str) -> Commit | None:
    """The state ``name`` in shards, or None where there is none.

    Raises:
        CheckpointError: Of another version, or its folder is gone.
    """
    path = checkpoints / f"{name}.json"
    if not path.exists():
        return None
    values = read_json(path)
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise CheckpointError(f"{path}: a training state of another version; go on with the version that wrote it, or choose another --out")
    commit = Commit(**values)
    if not (checkpoints / commit.folder / ".metadata").is_file():
        raise CheckpointError(f"{path}: names {commit.folder}, which is not there or not whole; put it back, or remove {path.name}")
    return commit


def save_shards(checkpoints: Path, name: str, tensors: dict[str, Tensor], told: Commit, ranks: Ranks) -> None:
    """Writes a state; every rank must call it, with its own pieces of what is sharded. At any moment one whole state is named.

    Args:
        checkpoints: The folder of states, the same one for all ranks.
        name: ``last`` or ``best``.
        tensors: By name; sharded ones are written by who has them, others once.
        told: The rest; its folder is chosen here.
        ranks: Who writes.

    Raises:
        OutputError: The disk is full, or the place can't be written; the state before stands.
    """
    import torch.distributed.checkpoint as dcp

    partial = checkpoints / _PARTIAL
    try:
        with _alone_is_fine():
            dcp.save(tensors, storage_writer=dcp.FileSystemWriter(partial), no_dist=not dist.is_initialized())
    except (dcp.api.CheckpointException, OSError) as error:
        if ranks.first:
            shutil.rmtree(partial, ignore_errors=True)
        raise OutputError(
            f"{checkpoints / name}: can't be written ({_last_line(error)}); is the disk full? make room, and the same command goes on from "
            "the state before"
        ) from error
    if not ranks.first:
        return
    before = read_commit(checkpoints, name)
    a, b = f"{name}-a", f"{name}-b"
    folder = b if before is not None and before.folder == a else a
    shutil.rmtree(checkpoints / folder, ignore_errors=True)  # never the one that counts
    sync_folder(partial)
    partial.rename(checkpoints / folder)
    with write_atomically(checkpoints / f"{name}.json", durable=True) as temporary:
        temporary.write_text(json.dumps({**asdict(told), "folder": folder}, indent=2) + "\n", encoding="utf-8")
    if before is not None:
        shutil.rmtree(checkpoints / before.folder, ignore_errors=True)


def load_shards(checkpoints: Path, commit: Commit, tensors_of: Callable[[set[str]], dict[str, Tensor]]) -> None:
    """Reads a state into tensors that are there; every rank must call it, each gets its own pieces.

    Args:
        checkpoints: The folder of states.
        commit: Which one.
        tensors_of: The names that the state has -> the tensors to fill, by name, sharded as they now are.

    Raises:
        CheckpointError: Damaged, or not the state of this network.
    """
    import torch.distributed.checkpoint as dcp

    folder = checkpoints / commit.folder
    try:
        reader = dcp.FileSystemReader(folder)
        wanted = tensors_of(set(reader.read_metadata().state_dict_metadata))
        with _alone_is_fine():
            dcp.load(wanted, storage_reader=reader, no_dist=not dist.is_initialized())
    except (Exception, dcp.api.CheckpointException) as error:  # half a dozen kinds, one of which is no Exception
        raise CheckpointError(
            f"{folder}: damaged ({type(error).__name__}: {_last_line(error)}); remove {folder.name} and its JSON to start the run again"
        ) from error


def remove_shards(checkpoints: Path, name: str) -> None:
    """Removes a state, its name first."""
    (checkpoints / f"{name}.json").unlink(missing_ok=True)
    for folder in (f"{name}-a", f"{name}-b"):
        shutil.rmtree(checkpoints / folder, ignore_errors=True)


def sweep_shards(checkpoints: Path) -> None:
    """Removes folders that no JSON names: what killed runs left behind."""
    for name in ("last", "best"):
        commit = read_commit(checkpoints, name)
        for folder in (f"{name}-a", f"{name}-b"):
            if commit is None or commit.folder != folder:
                shutil.rmtree(checkpoints / folder, ignore_errors=True)


@contextmanager
def _alone_is_fine() -> Iterator[None]:
    """DCP warns a process that is alone that it is."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*single process.*")
        yield


def _last_line(error: BaseException) -> str:
    return next((line for line in reversed(str(error).strip().splitlines()) if line.strip()), type(error).__name__).strip()
