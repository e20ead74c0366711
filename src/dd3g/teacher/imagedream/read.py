"""ImageDream's checkpoint, read strictly, whatever its layout, under the names of the stock networks.

    checkpoint = read_checkpoint("sd-v2.1-base-4view-ipmv.pt", dtype=torch.float16)
    unet.load_state_dict(checkpoint.parts["unet"], assign=True)
    if "text" in checkpoint.parts: ...                              # the towers may not be in the file

Names, shapes and number types are all compared before anything is read; that every number is finite is seen as it is read. A part is read
tensor by tensor, from a mapped file where the format allows, so that one copy is the most that memory sees. Nothing that is read can run
code.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from dd3g.core.errors import CheckpointError, InputError
from dd3g.teacher.imagedream.buffers import compare_schedule
from dd3g.teacher.imagedream.find import Found, FoundPart, find, find_towers
from dd3g.teacher.imagedream.hub import local_path
from dd3g.teacher.imagedream.layouts import REQUIRED, Layout, Origin, origins, shown
from dd3g.teacher.imagedream.siblings import variant_by_name
from dd3g.teacher.imagedream.sizes import Sizes
from dd3g.teacher.imagedream.stored import Stored

Variant = Literal["pixel", "local"]  # with the input picture as a fifth frame, or without
_SCHEDULER = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "rescale_betas_zero_snr": False,
}


@dataclass(frozen=True)
class Part(Mapping[str, Tensor]):
    """One network's tensors by the stock network's names. Each is read, converted and looked through when it is asked for."""

    stored: Stored
    origins: Mapping[str, Origin]
    dtype: torch.dtype | None  # None: as stored

    def __getitem__(self, name: str) -> Tensor:
        """One tensor, contiguous, on the CPU.

        Raises:
            CheckpointError: It holds a number that is not finite, or that ``dtype`` can't hold.
        """
        origin = self.origins[name]
        tensor = self.stored.read(origin.name).detach()  # some files hold parameters
        if origin.of > 1:
            tensor = tensor.chunk(origin.of)[origin.index]
        if origin.squeezed:
            tensor = tensor[:, :, 0, 0]
        made = tensor.to(self.dtype or tensor.dtype).contiguous()
        if not _finite(made):
            place = f"{self.stored.path}: {origin.name}"
            if _finite(tensor):
                raise CheckpointError(f"{place} holds numbers that {made.dtype} can't; take bfloat16 or float32")
            raise CheckpointError(f"{place} holds numbers that are not finite; fetch the file again")
        return made

    @property
    def bytes(self) -> int:
        """That all of its tensors take, once read."""
        return sum(
            prod(self.stored.shapes[origin.name]) // origin.of * (self.dtype or self._stored_dtype(origin)).itemsize
            for origin in self.origins.values()
        )

    def _stored_dtype(self, origin: Origin) -> torch.dtype:
        kind = self.stored.dtypes[origin.name]
        assert isinstance(kind, torch.dtype)  # others are refused before a part is made
        return kind

    def __iter__(self) -> Iterator[str]:
        return iter(self.origins)

    def __len__(self) -> int:
        return len(self.origins)


@dataclass(frozen=True)
class Source:
    """The file or folder that the weights came from first: itself, but for what `dd3g convert-teacher` wrote."""

    name: str
    layout: Layout
    sha256: str
    storage: Mapping[str, str]  # a part: "float16"; what was stored so is no more exact in a wider type
    towers_sha256: str | None = None  # where the CLIP towers came from elsewhere

    @property
    def identity(self) -> str:
        """Tells checkpoints apart: the SHA-256, with the towers' where they came from elsewhere."""
        return self.sha256 if self.towers_sha256 is None else f"{self.sha256}+{self.towers_sha256}"


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that fits, not yet read."""

    path: Path
    layout: Layout
    variant: Variant
    sizes: Sizes
    parts: Mapping[str, Part]  # "unet", "vae", and "text" and "vision" where they are there
    storage: Mapping[str, str]  # on this disk, a part: "float16"
    sha256: str  # of its files, see :func:`joint_sha256`
    source: Source
    schedule: Literal["equal", "absent"]  # whether the file's own noise schedule was there to be compared


def read_checkpoint(
    path: str | os.PathLike[str],
    *,
    dtype: torch.dtype | None = None,
    variant: Variant = "pixel",
    towers: str | os.PathLike[str] | None = None,
) -> Checkpoint:
    """Opens a checkpoint and compares everything but the numbers.

    Args:
        path: ImageDream's flat torch file, the folder of its port, what `dd3g convert-teacher` wrote, or a hub's ``owner/name``.
        dtype: float32, float16 or bfloat16, into which parts are converted as they are read; None keeps what is stored.
        variant: What the user knows the file to be. The ``-local`` sibling has the same names and shapes.
        towers: Where the CLIP towers come from, for files without them: OpenCLIP's ViT-H-14 file, or the folder of the port.

    Raises:
        CheckpointError: Another network's, cut off or damaged, or with names or shapes that don't fit, ten of which are named.
        InputError: A number type or variant that is none.
    """
    if dtype not in (None, torch.float32, torch.float16, torch.bfloat16):
        raise InputError(f"dtype: found {dtype}, expected float32, float16, bfloat16 or none")
    if variant not in ("pixel", "local"):
        raise InputError(f"variant: found {variant!r}, expected 'pixel' or 'local'")
    found = find(local_path(path, variant))
    _refuse(found)
    _check_variant(found, variant)
    schedule, differing = compared_schedule(found)
    if differing:
        raise CheckpointError(
            f"{found.path}: another noise schedule than ImageDream's ({shown(differing)}): a descendant such as CRM's first stage;"
            " give ImageDream's own"
        )
    digests = _digests(found.parts)
    source = _source(found, digests)
    sha256 = joint_sha256(found.path, digests)
    if towers is not None:
        place = local_path(towers, variant)
        found = _with_towers(found, place)
        added = {part: held for part, held in found.parts.items() if part not in REQUIRED}
        stored = {**source.storage, **{part: held.storage for part, held in added.items()}}
        source = replace(source, storage=stored, towers_sha256=joint_sha256(place, _digests(added)))
    storage = _storage(found)
    mixed = [part for part, kinds in storage.items() if "," in kinds and dtype is None]
    if mixed:
        raise CheckpointError(f"{found.path}: {mixed[0]} is stored as {storage[mixed[0]]}; choose one number type for it")
    parts = {part: Part(held.stored, origins(part, held.layout, found.sizes), dtype) for part, held in found.parts.items()}
    return Checkpoint(found.path, found.layout, variant, found.sizes, parts, storage, sha256, source, schedule)


def joint_sha256(root: Path, digests: Mapping[Path, str]) -> str:
    """The SHA-256 of a lone file; of several, that of the lines ``sha256  place`` of each, sorted by their places below ``root``."""
    if len(digests) == 1:
        return next(iter(digests.values()))
    lines = sorted((file.relative_to(root).as_posix(), digest) for file, digest in digests.items())
    return hashlib.sha256("".join(f"{digest}  {name}\n" for name, digest in lines).encode()).hexdigest()


def _digests(parts: Mapping[str, FoundPart]) -> dict[Path, str]:
    """Each file's SHA-256."""
    found = {}
    for file in {held.stored.path for held in parts.values()}:
        with file.open("rb") as opened:
            found[file] = hashlib.file_digest(opened, "sha256").hexdigest()
    return found


def _storage(found: Found) -> dict[str, str]:
    return {part: held.storage for part, held in found.parts.items()}


def _with_towers(found: Found, path: Path) -> Found:
    """With other CLIP towers, in place of its own if it has any."""
    sizes, towers = find_towers(path)
    wrong = [fault for held in towers.values() for fault in held.faults]
    if wrong:
        raise CheckpointError(f"{path}: CLIP towers with {len(wrong)} faults ({shown(wrong)}); give OpenCLIP's ViT-H-14, or the port's")
    kept = {part: held for part, held in found.parts.items() if part in REQUIRED}
    joined = replace(found, parts={**kept, **towers}, sizes=replace(found.sizes, text=sizes.text, vision=sizes.vision))
    if reason := mismatch(joined):
        raise CheckpointError(f"{path}: {reason}; give the towers of ViT-H-14")
    return joined


def _refuse(found: Found) -> None:
    if found.refusal:
        raise CheckpointError(f"{found.path}: not ImageDream's: {found.refusal}; give sd-v2.1-base-4view-ipmv.pt or the folder of its port")
    if found.faults:
        raise CheckpointError(
            f"{found.path}: ImageDream's in part, with {len(found.faults)} faults ({shown(found.faults)}); fetch it again"
        )
    if reason := mismatch(found):
        raise CheckpointError(f"{found.path}: {reason}; give parts of one model")


def mismatch(found: Found) -> str | None:
    """Parts that are not of one model, by their sizes; None where they may be."""
    sizes = found.sizes
    if not sizes.unet.in_channels == sizes.unet.out_channels == sizes.vae.latent_channels:
        return f"the U-Net takes {sizes.unet.in_channels} channels and the autoencoder makes {sizes.vae.latent_channels}"
    if "text" in found.parts and sizes.unet.context != sizes.text.width:
        return f"the text tower is {sizes.text.width} wide and the U-Net takes {sizes.unet.context}"
    if "vision" in found.parts and sizes.unet.image_width != sizes.vision.width:
        return f"the image tower is {sizes.vision.width} wide and the U-Net takes {sizes.unet.image_width}"
    return None


def _check_variant(found: Found, variant: Variant) -> None:
    recorded = found.settings.get("variant")
    said = recorded or variant_by_name(found.path.name)
    if said is not None and said != variant:
        by = f"{found.path.name} says" if recorded is None else "it was converted as"
        raise CheckpointError(f"{found.path}: {by} '{said}', and '{variant}' was asked for; choose the variant {said}, or the other file")


def compared_schedule(found: Found) -> tuple[Literal["equal", "absent"], list[str]]:
    """Whether the noise schedule is there to be compared, and what of it is not ImageDream's. Reads the original's twelve small tables."""
    if found.whole:
        present, differing = compare_schedule(found.whole.shapes, found.whole.read)
        return ("equal" if present else "absent"), differing
    if found.settings:
        return found.settings.get("schedule", "absent"), []
    differing = [name for name, value in _SCHEDULER.items() if found.schedule.get(name, value) != value]
    return ("equal" if "beta_start" in found.schedule else "absent"), differing


def _source(found: Found, digests: Mapping[Path, str]) -> Source:
    if not found.settings:
        return Source(found.path.name, found.layout, joint_sha256(found.path, digests), _storage(found))
    try:
        for part, held in found.parts.items():
            if digests[held.stored.path] != found.settings["files"][part]["sha256"]:
                raise CheckpointError(f"{held.stored.path}: not the bytes that were written; convert the checkpoint again")
        return Source(**found.settings["source"])
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{found.path}: its settings are damaged ({error}); convert the checkpoint again") from None


def _finite(tensor: Tensor) -> bool:
    """Without a second tensor as large: the least and the greatest number carry what is not finite."""
    if not tensor.numel():
        return True
    low, high = torch.aminmax(tensor)
    return bool(torch.isfinite(low) and torch.isfinite(high))
