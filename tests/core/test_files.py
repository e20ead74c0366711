"""Atomic files: whole or not there."""

import os
import subprocess
import sys

import pytest

from dd3g.core.errors import InputError, OutputError
from dd3g.core.files import make_folder, read_json, sweep_partial, write_atomically, write_folder_atomically, write_json


def test_success_leaves_the_file_and_nothing_else(tmp_path):
    with write_atomically(tmp_path / "deep" / "a.txt") as path:
        assert path.suffix == ".txt"
        path.write_text("whole")
    assert (tmp_path / "deep" / "a.txt").read_text() == "whole"
    assert os.listdir(tmp_path / "deep") == ["a.txt"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    (tmp_path / "a.txt").write_text("old")

    def torn():
        with write_atomically(tmp_path / "a.txt") as path:
            path.write_text("half")
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        torn()
    assert (tmp_path / "a.txt").read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_an_error_inside_the_block_keeps_its_own_kind(tmp_path):
    """A missing input that is read while writing must not be reported as a full disk."""
    with pytest.raises(FileNotFoundError), write_atomically(tmp_path / "a.txt"):
        (tmp_path / "missing").read_text()


def test_a_killed_writer_leaves_the_old_file_and_the_sweep_removes_the_rest(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    code = (
        "import os, signal, sys\nfrom dd3g.core.files import write_atomically\n"
        "with write_atomically(sys.argv[1]) as path:\n    path.write_text('half')\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, tmp_path / "a.txt"]).returncode == -9
    assert (tmp_path / "a.txt").read_text() == "old"
    sweep_partial(tmp_path)
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_folder_appears_whole_and_replaces_an_older_one(tmp_path):
    for text in ("one", "two"):
        with write_folder_atomically(tmp_path / "f") as folder:
            (folder / "x").write_text(text)
            assert not (tmp_path / "f" / "x").exists() or (tmp_path / "f" / "x").read_text() != text
    assert (tmp_path / "f" / "x").read_text() == "two"
    assert os.listdir(tmp_path) == ["f"]


def test_a_file_in_the_way_of_a_folder_is_named(tmp_path):
    (tmp_path / "f").write_text("")
    with pytest.raises(OutputError, match="a file stands where a folder is needed"):
        make_folder(tmp_path / "f" / "g")


def test_json_round_trip_and_refusals(tmp_path):
    write_json(tmp_path / "a.json", {"x": [1, 2.5, "ä"]})
    assert read_json(tmp_path / "a.json") == {"x": [1, 2.5, "ä"]}
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "b.json", {"x": float("nan")})
    assert not (tmp_path / "b.json").exists()
    (tmp_path / "c.json").write_text("{")
    with pytest.raises(InputError, match=r"c\.json: not a whole JSON file"):
        read_json(tmp_path / "c.json")
