"""Compiled kernels on disk: found again, never stale, never in the way."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any, no_type_check

import numba
import pytest
from numba.core.caching import FunctionCache

from dd3g.render.cpu import kernel_cache
from dd3g.render.cpu.kernel_cache import cache_folder, kernel, source_digest

SOURCE = Path(kernel_cache.__file__).parent


@no_type_check
def add_one(x):
    return x + 1


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A cache of this test's own."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    cache_folder.cache_clear()
    yield cache_folder()
    cache_folder.cache_clear()


def hits(compiled) -> int:
    return sum(compiled.stats.cache_hits.values())


def test_a_kernel_is_read_back_instead_of_compiled(folder: Path) -> None:
    first, second = kernel(add_one), kernel(add_one)
    assert first(1) == second(1) == 2
    assert (hits(first), hits(second)) == (0, 1)
    assert list(folder.rglob("*.nbc"))


def test_numbas_own_setting_is_left_as_it_was(folder: Path) -> None:
    config: Any = numba.config
    before = config.CACHE_DIR
    kernel(add_one)
    assert before == config.CACHE_DIR


def test_a_change_in_any_source_file_is_another_folder(tmp_path: Path) -> None:
    copy = tmp_path / "render"
    shutil.copytree(SOURCE.parent, copy)
    assert source_digest(copy / "cpu") == source_digest(SOURCE)
    for name in ("cpu/simd.py", "cpu/layout.py", "constants.py"):
        file = copy / name
        text = file.read_text()
        file.write_text(text + "\n# changed\n")
        assert source_digest(copy / "cpu") != source_digest(SOURCE), name
        file.write_text(text)


def test_another_numba_is_another_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    before = source_digest(SOURCE)
    monkeypatch.setattr(numba, "__version__", "0.0")
    assert source_digest(SOURCE) != before


def test_the_folder_lies_in_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    cache_folder.cache_clear()
    assert cache_folder() == tmp_path / "xdg" / "dd3g" / "kernels" / source_digest(SOURCE)
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    cache_folder.cache_clear()
    assert cache_folder() == tmp_path / "home" / ".cache" / "dd3g" / "kernels" / source_digest(SOURCE)
    cache_folder.cache_clear()


def test_where_nothing_can_be_written_kernels_run_uncached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file" / "below"))
    cache_folder.cache_clear()
    assert cache_folder() is None
    assert kernel(add_one)(1) == 2
    cache_folder.cache_clear()


def test_a_damaged_file_costs_a_compilation_only(folder: Path) -> None:
    kernel(add_one)(1)
    for file in folder.rglob("*.nbc"):
        file.write_bytes(file.read_bytes()[:100])
    again = kernel(add_one)
    assert again(1) == 2
    assert hits(again) == 0


def test_a_full_disk_costs_nothing_now(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(FunctionCache, "save_overload", full)
    assert kernel(add_one)(1) == 2


def test_kernels_of_versions_long_unused_are_removed(folder: Path) -> None:
    old, recent = folder.parent / "0123", folder.parent / "4567"
    for other in (old, recent):
        (other / "cpu").mkdir(parents=True)
        (other / "cpu" / "x.nbc").write_text("")
    long_ago = time.time() - 100 * 86400
    os.utime(old, (long_ago, long_ago))
    cache_folder.cache_clear()
    assert cache_folder() == folder
    assert not old.exists()
    assert recent.exists()
