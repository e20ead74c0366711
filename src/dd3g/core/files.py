"""Files that are whole or not there: written beside their place, then renamed."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dd3g.core.errors import InputError, OutputError

_PARTIAL = ".partial-"


@contextmanager
def write_atomically(path: str | os.PathLike[str], *, durable: bool = False) -> Iterator[Path]:
    """Yields a path to write to; on success it becomes ``path``, on any error nothing is left.

    The yielded path keeps the suffix of ``path``, since writers choose their format by it.

    Args:
        path: Where the file shall stand. Missing parent folders are made.
        durable: Wait until the disk has it (checkpoints), so that a power cut can't lose a file that was announced.

    Raises:
        OutputError: The place can't be written.
    """
    target = Path(path)
    make_folder(target.parent)
    try:
        handle, name = tempfile.mkstemp(prefix=_PARTIAL, suffix=target.suffix, dir=target.parent)
        os.close(handle)
    except OSError as error:
        raise OutputError(f"{target}: can't be written ({error.strerror}); choose a folder that you may write to") from None
    temporary = Path(name)
    try:
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())
        if durable:
            _sync(temporary)
        os.replace(temporary, target)
        if durable:
            _sync(target.parent)
    except OSError as error:
        if error.filename is not None and Path(error.filename) not in (temporary, target):
            raise  # about another file, which the block was reading
        raise OutputError(f"{target}: can't be written ({error.strerror or error}); is the disk full?") from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def write_folder_atomically(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a fresh folder to fill; on success it becomes ``path`` (replacing an older one), on any error nothing is left."""
    target = Path(path)
    make_folder(target.parent)
    try:
        temporary = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=target.parent))
    except OSError as error:
        raise OutputError(f"{target}: can't be written ({error.strerror}); choose a folder that you may write to") from None
    try:
        yield temporary
        os.chmod(temporary, 0o777 & ~_umask())
        if target.exists():
            shutil.rmtree(target)
        os.replace(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def sweep_partial(folder: str | os.PathLike[str], *, idle_s: float = 0.0) -> None:
    """Removes what killed runs left half-written directly inside ``folder``.

    Args:
        folder: Where.
        idle_s: Leave what somebody wrote to within so many seconds: where other processes may be at work.
    """
    for leftover in Path(folder).glob(_PARTIAL + "*"):
        with suppress(FileNotFoundError):  # its owner has just finished it
            if idle_s and time.time() - leftover.stat().st_mtime < idle_s:
                continue
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def sync_folder(folder: str | os.PathLike[str]) -> None:
    """Waits until the disk knows which files are in a folder."""
    _sync(Path(folder))


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Makes a folder and its parents, or says why that can't be."""
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise OutputError(f"{folder}: a file stands where a folder is needed; choose another place") from None
    except OSError as error:
        raise OutputError(f"{folder}: can't be made ({error.strerror}); choose a folder that you may write to") from None
    return folder


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Whether a folder stands there; False for names that the system refuses and places that may not be looked into."""
    try:
        return Path(path).is_dir()
    except OSError:
        return False


def is_file(path: str | os.PathLike[str]) -> bool:
    """Whether a file stands there; False as in :func:`is_folder`, so that what opens it can say why."""
    try:
        return Path(path).is_file()
    except OSError:
        return False


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Writes JSON atomically, two spaces deep, keys in the order given; non-finite numbers are refused."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with write_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_json(path: str | os.PathLike[str]) -> Any:
    """Reads JSON, or says which file is damaged.

    Raises:
        InputError: The file is missing or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a whole JSON file ({error}); make it again") from None


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
