"""A checkpoint named by its place on a model hub. Only tensors and settings are fetched; code that lies beside them is not."""

from __future__ import annotations

import os
import re
from pathlib import Path

from dd3g.core.errors import CheckpointError, require
from dd3g.core.files import is_folder

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_WANTED = ["*.safetensors", "*.json"]
_FILES = (".pt", ".pth", ".ckpt", ".bin", ".safetensors")
_FLAT = {"pixel": "*-ipmv.pt", "local": "*-ipmv-local.pt"}


def local_path(path: str | os.PathLike[str], variant: str) -> Path:
    """The path itself where something stands there or where it can't be a hub's name; else what was fetched from the hub, or its cache.

    A file's suffix, or a folder that is there, makes a name a mistyped path, about which no hub is asked.

    Raises:
        CheckpointError: The hub can't be reached, or has nothing of that name.
    """
    place = Path(path)
    if os.path.lexists(place) or place.suffix in _FILES or is_folder(place.parent) or not _NAME.fullmatch(os.fspath(path)):
        return place
    require("huggingface_hub", "train")
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(os.fspath(path), allow_patterns=[*_WANTED, _FLAT[variant]]))
    except Exception as error:  # their errors have no base, and those of their transport change with it
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise CheckpointError(f"{path}: nothing stands there, and no hub gave it ({reason}); check the name, or fetch it by hand") from None
    flat = sorted(folder.glob(_FLAT[variant]))
    return flat[0] if flat else folder
