"""A state in shards: the same run goes on from it, whatever kind the state before was, and whenever the process gave up."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch.distributed.checkpoint as dcp

from dd3g.core.errors import CheckpointError, OutputError
from dd3g.training import fit, sharded_state
from dd3g.training.sharded_state import read_commit
from tests.training.test_engine import CONFIG, QUIET, assert_same_state, final_state, stopping_after
from tests.training.toy import toy_recipe

SHARDED = replace(QUIET, sharded_state=True)
SHORT = replace(CONFIG, steps=12, evaluate_every=4)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    fit(toy_recipe(), SHORT, out, QUIET)
    return out


def assert_ends_as(whole, run):
    """Ends a run, with its state in one file, and compares."""
    fit(toy_recipe(), SHORT, run, QUIET)
    assert_same_state(final_state(whole), final_state(run))
    assert sorted(p.name for p in (run / "checkpoints").iterdir() if p.name.startswith((".", "last"))) == ["last.pt"]


def names(run):
    return {p.name for p in (run / "checkpoints").iterdir()}


def test_kinds_of_state_take_turns_and_nothing_changes(whole, tmp_path):
    """Shards, shards, one file, shards: every sitting goes on from the last, whose own kind is gone then."""
    for stop, session in ((3, SHARDED), (5, SHARDED), (7, QUIET), (9, SHARDED)):
        assert fit(stopping_after(stop), SHORT, tmp_path, session)["step"] == stop
        kind = {n for n in names(tmp_path) if n.startswith("last")}
        assert kind == {"last.pt"} if session is QUIET else "last.json" in kind
        assert len(kind) == (1 if session is QUIET else 2)  # the folder beside its name
    assert "best.json" in names(tmp_path)
    assert_ends_as(whole, tmp_path)
    assert (tmp_path / "model.safetensors").is_file()


class Killed(BaseException):
    """Nothing catches it."""


def dies(*arguments, **named):
    raise Killed


def unnamed(folder, target, *, rename=Path.rename):
    if folder.name == ".partial-shards":
        raise Killed
    return rename(folder, target)  # DCP renames its index


def test_a_kill_at_any_moment_of_a_save_leaves_a_whole_state(whole, tmp_path, monkeypatch):
    """While pieces are written, before the folder has its name, before it counts, before the one before is removed."""

    def half_written(tensors, storage_writer, **named):
        Path(storage_writer.path).mkdir()
        (Path(storage_writer.path) / "__0_0.distcp").write_bytes(b"half")
        raise Killed

    for moment, (place, name, instead) in enumerate(
        [(dcp, "save", half_written), (Path, "rename", unnamed), (sharded_state, "write_atomically", dies), (shutil, "rmtree", None)]
    ):
        run = tmp_path / str(moment)
        fit(stopping_after(3), SHORT, run, SHARDED)
        counted = read_commit(run / "checkpoints", "last")
        assert counted is not None
        removed = shutil.rmtree

        def only_strays(path, *, counted=counted, removed=removed, **named):
            if Path(path).name == counted.folder:
                raise Killed
            removed(path, **named)

        with monkeypatch.context() as patch:
            patch.setattr(place, name, instead or only_strays)
            with pytest.raises(Killed):
                fit(toy_recipe(), SHORT, run, SHARDED)
        assert_ends_as(whole, run)


def test_a_full_disk_leaves_the_state_before(whole, tmp_path, monkeypatch):
    fit(stopping_after(3), SHORT, tmp_path, SHARDED)

    def full(*arguments):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(dcp.FileSystemWriter, "write_data", full)
        with pytest.raises(OutputError, match=r"checkpoints/(last|best): can't be written \(.*No space left.*is the disk full\?"):
            fit(toy_recipe(), SHORT, tmp_path, SHARDED)
    counted = read_commit(tmp_path / "checkpoints", "last")
    assert counted is not None
    assert counted.step == 3
    assert_ends_as(whole, tmp_path)


def test_damage_is_named(tmp_path):
    fit(toy_recipe(), SHORT, tmp_path, SHARDED)
    counted = read_commit(tmp_path / "checkpoints", "last")
    assert counted is not None
    folder = tmp_path / "checkpoints" / counted.folder
    piece = folder / "__0_0.distcp"
    piece.write_bytes(piece.read_bytes()[:300])
    with pytest.raises(CheckpointError, match=rf"{folder.name}: damaged"):
        fit(toy_recipe(), SHORT, tmp_path, SHARDED)
    (folder / ".metadata").unlink()
    with pytest.raises(CheckpointError, match=r"last\.json: names last-[ab], which is not there or not whole"):
        fit(toy_recipe(), SHORT, tmp_path, SHARDED)
