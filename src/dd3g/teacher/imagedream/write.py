"""A checkpoint in a folder of our own, under the stock networks' names: `unet.safetensors` and so on, and `teacher.json` beside them.

teacher.json says the variant, the sizes, each file's SHA-256, and what the weights came from: the first file's name, its SHA-256 and the
number type in which it stored them. `kind` and `format` come first: `"imagedream"`, 1.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from dd3g.core.errors import OutputError
from dd3g.core.files import write_folder_atomically, write_json
from dd3g.teacher.imagedream.find import FORMAT, KIND, SETTINGS
from dd3g.teacher.imagedream.read import Checkpoint, Part
from dd3g.teacher.imagedream.rows import parameters
from dd3g.teacher.imagedream.sizes import sizes_to_json
from dd3g.version import VERSION

_SPARE = 1.05  # of the disk: headers, and what others write meanwhile


def write_converted(
    checkpoint: Checkpoint, folder: str | os.PathLike[str], *, advance: Callable[[str], object] = lambda part: None
) -> None:
    """Writes all parts that the checkpoint has; the folder appears when it is whole.

    Args:
        checkpoint: From :func:`dd3g.teacher.imagedream.read.read_checkpoint`, in the number type that is to be stored.
        folder: Must not exist yet.
        advance: Called with a part's name after each tensor that was read.

    Raises:
        OutputError: The folder exists, can't be made, or doesn't fit the disk.
        CheckpointError: A number is not finite.
    """
    target = Path(folder)
    if os.path.lexists(target):
        raise OutputError(f"{target}: stands there already; choose another place, or remove it")
    _check_space(checkpoint, target)
    files = {}
    with write_folder_atomically(target) as temporary:
        for name, part in checkpoint.parts.items():
            files[name] = _write_part(name, part, temporary, advance)
        settings = {
            "kind": KIND,
            "format": FORMAT,
            "written_by": f"dd3g {VERSION}",
            "variant": checkpoint.variant,
            "schedule": checkpoint.schedule,
            "source": asdict(checkpoint.source),
            "sizes": sizes_to_json(checkpoint.sizes),
            "files": files,
        }
        write_json(temporary / SETTINGS, settings)


def _write_part(name: str, part: Part, folder: Path, advance: Callable[[str], object]) -> dict[str, object]:
    from safetensors.torch import save_file

    tensors = {}
    for target in part:
        tensors[target] = part[target]
        advance(name)
    file = folder / f"{name}.safetensors"
    header = json.dumps({"kind": KIND, "config": {"part": name}, "about": {}}, sort_keys=True)
    try:
        save_file(tensors, file, {"dd3g": header})
    except OSError as error:
        raise OutputError(f"{file.name}: can't be written ({error.strerror or error}); is the disk full?") from None
    with file.open("rb") as written:
        digest = hashlib.file_digest(written, "sha256").hexdigest()
    count = parameters(tuple(tensor.shape) for tensor in tensors.values())
    return {"sha256": digest, "tensors": len(tensors), "parameters": count}


def _check_space(checkpoint: Checkpoint, target: Path) -> None:
    needed = sum(part.bytes for part in checkpoint.parts.values()) * _SPARE
    place = next(folder for folder in target.absolute().parents if folder.exists())
    free = shutil.disk_usage(place).free
    if free < needed:
        raise OutputError(
            f"{target}: {needed / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB free; choose another disk, or half precision"
        )
