"""Tensors on disk that are named and measured, and read one by one when somebody asks for them.

Nothing that is read can run code: safetensors is data, and torch's files are loaded with ``weights_only``. A torch file is mapped into
memory, so that opening one of 8 GB costs nothing.
"""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dd3g.core.errors import CheckpointError
from dd3g.teacher.imagedream.rows import Shape

_OLD_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # how files of torch before 1.6 begin: a pickle of their magic number
_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "U8": torch.uint8,
    "I8": torch.int8,
    "BOOL": torch.bool,
}


@dataclass(frozen=True)
class Stored:
    """What a file of tensors holds."""

    path: Path
    shapes: Mapping[str, Shape]
    dtypes: Mapping[str, torch.dtype | str]  # a safetensors type that torch lacks by its name there
    read: Callable[[str], Tensor]
    header: Mapping[str, str] = field(default_factory=dict)  # safetensors' metadata
    others: tuple[str, ...] = ()  # entries that are no tensors

    def below(self, prefix: str) -> Stored:
        """Only the tensors whose names begin with ``prefix``, which they lose."""
        return self._renamed({name.removeprefix(prefix): name for name in self.shapes if name.startswith(prefix)})

    def without_prefix(self, prefix: str) -> Stored:
        """All tensors; those whose names begin with ``prefix`` lose it, unless two names would become one."""
        names = {name.removeprefix(prefix): name for name in self.shapes}
        return self._renamed(names) if len(names) == len(self.shapes) else self

    def only(self, names: Iterable[str]) -> Stored:
        """Only these tensors."""
        return self._renamed({name: name for name in names})

    def _renamed(self, names: Mapping[str, str]) -> Stored:
        return Stored(
            self.path,
            {short: self.shapes[name] for short, name in names.items()},
            {short: self.dtypes[name] for short, name in names.items()},
            lambda short: self.read(names[short]),
            self.header,
        )


def open_stored(path: Path) -> Stored:
    """Opens a file of tensors, safetensors or torch's, without reading them.

    Raises:
        CheckpointError: It is neither, is cut off, or holds more than tensors.
    """
    try:
        with path.open("rb") as file:
            begins = file.read(16)
    except OSError as error:
        raise CheckpointError(f"{path}: can't be read ({error.strerror}); check the path") from None
    if begins[8:9] == b"{":  # after the header's length
        return _open_safetensors(path)
    if begins.startswith((b"PK", _OLD_TORCH)):
        return _open_torch(path, mapped=begins.startswith(b"PK"))
    raise CheckpointError(f"{path}: neither a safetensors nor a torch file; give a checkpoint (.safetensors, .pt) or the folder of one")


def _open_safetensors(path: Path) -> Stored:
    from safetensors import SafetensorError, safe_open

    try:
        file = safe_open(str(path), framework="pt")
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - safe_open is no mapping
        shapes = {name: tuple(piece.get_shape()) for name, piece in slices.items()}
        dtypes = {name: _DTYPES.get(kind := str(piece.get_dtype()), kind) for name, piece in slices.items()}
        header = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: damaged or cut off ({error}); fetch it again") from None
    return Stored(path, shapes, dtypes, file.get_tensor, header)


def _open_torch(path: Path, *, mapped: bool) -> Stored:
    if mapped and not zipfile.is_zipfile(path):  # its table of contents stands at the end
        raise CheckpointError(f"{path}: a torch file that is cut off; fetch it again")
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped or None)
    except pickle.UnpicklingError:
        raise CheckpointError(
            f"{path}: holds more than tensors, or is damaged, and nothing of it was run; give a file of tensors alone"
        ) from None
    except Exception as error:  # torch raises whatever a damaged pickle makes it stumble over
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise CheckpointError(f"{path}: a damaged torch file ({reason}); fetch it again") from None
    held: Any = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else loaded
    if not isinstance(held, dict):
        raise CheckpointError(f"{path}: a torch file that holds a {type(held).__name__}; expected a dictionary of tensors")
    tensors = {str(name): value for name, value in held.items() if isinstance(value, Tensor)}
    return Stored(
        path,
        {name: tuple(tensor.shape) for name, tensor in tensors.items()},
        {name: tensor.dtype for name, tensor in tensors.items()},
        tensors.__getitem__,
        others=tuple(str(name) for name in held if str(name) not in tensors),
    )


def read_settings(path: Path) -> dict[str, Any]:
    """A JSON file beside the tensors; empty where there is none.

    Raises:
        CheckpointError: It is damaged.
    """
    if not path.is_file():
        return {}
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: not a whole JSON file ({error}); fetch it again") from None
    if not isinstance(values, dict):
        raise CheckpointError(f"{path}: holds a {type(values).__name__}, expected settings by name; fetch it again")
    return values
