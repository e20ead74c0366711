"""A network on disk: one safetensors file whose header says what it is.

The header's metadata holds one JSON text under ``dd3g``: ``kind`` ("student", "background", ...), ``config`` (everything needed to build
the network) and ``about`` (where it comes from). One entry, since safetensors writes several in an order that differs from run to run.
Tensors may be stored in fp16; they are float32 in memory.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dd3g.core.errors import CheckpointError
from dd3g.core.files import is_file, write_atomically


@dataclass(frozen=True)
class ModelFile:
    """What a model file holds."""

    path: Path
    kind: str
    config: dict[str, Any]
    about: dict[str, Any]
    tensors: dict[str, Tensor]


def save_model_file(
    path: str | os.PathLike[str],
    *,
    kind: str,
    config: dict[str, Any],
    about: dict[str, Any],
    tensors: dict[str, Tensor],
    dtype: torch.dtype | None = None,
) -> None:
    """Writes a model file atomically; floating-point tensors are stored as ``dtype`` if it is given."""
    from safetensors.torch import save_file

    def stored(t: Tensor) -> Tensor:
        t = t.detach().cpu()
        return (t.to(dtype) if dtype is not None and t.is_floating_point() else t).contiguous()

    header = json.dumps({"kind": kind, "config": config, "about": about}, sort_keys=True)
    with write_atomically(path, durable=True) as temporary:
        save_file({name: stored(t) for name, t in tensors.items()}, temporary, {"dd3g": header})


@dataclass(frozen=True)
class ModelHeader:
    """What a model file says of itself, and its tensors' names, shapes and types by safetensors' names ("F16")."""

    kind: str
    config: dict[str, Any]
    about: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, str]


def read_model_header(path: str | os.PathLike[str]) -> ModelHeader | None:
    """Reads the header alone, of any kind; None for a safetensors file that is not this package's.

    Raises:
        CheckpointError: Damaged, cut off, or not a safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            header = (file.metadata() or {}).get("dd3g")
            if header is None:
                return None
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - safe_open is no mapping
            shapes = {name: tuple(piece.get_shape()) for name, piece in slices.items()}
            return ModelHeader(*_parse_header(header), shapes, {name: str(piece.get_dtype()) for name, piece in slices.items()})
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: damaged or not a safetensors file ({error}); fetch or export it again") from None


def load_model_file(path: str | os.PathLike[str], kind: str) -> ModelFile:
    """Reads a model file of the kind asked for; floating-point tensors come back as float32.

    Raises:
        CheckpointError: No such file, damaged, not written by this package, or of another kind.
    """
    from safetensors import SafetensorError, safe_open

    place = Path(path)
    if not is_file(place):
        raise CheckpointError(f"{place}: no such checkpoint; give a .safetensors file that dd3g wrote, or leave --model out")
    try:
        with safe_open(str(place), framework="pt") as file:
            header = (file.metadata() or {}).get("dd3g")
            if header is None:
                raise CheckpointError(
                    f"{place}: safetensors, but not a dd3g checkpoint (its header says nothing); give one that dd3g wrote"
                )
            found, config, about = _parse_header(header)
            if found != kind:
                raise CheckpointError(f"{place}: holds a '{found}' network, and a '{kind}' network is needed here; give another file")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - safe_open is no mapping
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{place}: damaged or not a safetensors file ({error}); fetch or export it again") from None
    tensors = {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(f"{place}: {name} holds values that are not finite; fetch it again, or export an earlier checkpoint")
    return ModelFile(place, kind, config, about, tensors)


def _parse_header(text: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    header = json.loads(text)
    kind, config, about = header["kind"], header["config"], header["about"]
    if not (isinstance(kind, str) and isinstance(config, dict) and isinstance(about, dict)):
        raise TypeError("its header holds other things than kind, config and about")
    return kind, config, about


def load_strictly(network: nn.Module, file: ModelFile) -> None:
    """Fills a network, or lists everything that is missing, surplus or of another shape.

    Raises:
        CheckpointError: The file belongs to another architecture.
    """
    wanted = {name: tuple(t.shape) for name, t in network.state_dict().items()}
    given = {name: tuple(t.shape) for name, t in file.tensors.items()}
    faults = [f"missing {name}" for name in wanted if name not in given]
    faults += [f"surplus {name}" for name in given if name not in wanted]
    faults += [f"{name} is {given[name]}, expected {wanted[name]}" for name in wanted if name in given and given[name] != wanted[name]]
    if faults:
        shown = "; ".join(faults[:5]) + (f"; and {len(faults) - 5} more" if len(faults) > 5 else "")
        raise CheckpointError(f"{file.path}: of another architecture ({shown}); use the dd3g version that wrote it")
    network.load_state_dict(file.tensors)
