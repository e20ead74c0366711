"""The codec's latents of every target view, encoded once and kept beside the packed views.

Encoding 800 objects takes a GPU a minute and two cores twenty: as much as an hour of training would notice at every start of a run.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dd3g.core.errors import OutputError
from dd3g.core.files import sweep_partial, write_atomically
from dd3g.core.noise import digest
from dd3g.core.progress import Progress
from dd3g.encoders.codec import Codec
from dd3g.recipes.source_views import PictureStore
from dd3g.recipes.views_pack import ViewsPack

_OBJECTS_AT_ONCE = 4
_LEFT_BEHIND_S = 3600.0  # a partial file that nobody has written to for so long belongs to a process that was killed


class LatentStore:
    """Latents of all target views of several packs and of their mirror images, in memory: 4 kB a view of 128 px.

    What a pack's views became is kept in the pack's folder, ``latents-DIGEST.npy``, named by the codec and the kind of device that made
    it (their bits differ); it goes when the views change. Where nothing can be written, a line on stderr says so.
    """

    def __init__(self, packs: Sequence[ViewsPack], codec: Codec, device: torch.device, *, quiet: bool = False) -> None:
        store = PictureStore(packs, "targets", torch.device("cpu"))
        name = f"latents-{_identity(codec, device)[:16]}.npy"
        parts = [_latents(pack, codec, device, name, quiet).to(device) for pack in packs]
        self.latents = torch.cat(parts) if len(parts) > 1 else parts[0]  # (object, mirrored, view, c, l, l)
        self.poses, self.lenses = store.poses, store.lenses
        self.views, self.height, self.width = store.views, store.height, store.width


def _identity(codec: Codec, device: torch.device) -> str:
    weights = b"".join(name.encode() + t.detach().cpu().numpy().tobytes() for name, t in sorted(codec.state_dict().items()))
    return digest(f"{codec.config} {device.type}".encode() + weights)


def _latents(pack: ViewsPack, codec: Codec, device: torch.device, name: str, quiet: bool) -> Float[Tensor, "n 2 v c l l"]:
    chunks = _encoded(pack, codec, device, quiet)
    if pack.folder is None:
        return torch.cat(list(chunks))
    kept = pack.folder / name
    if not kept.is_file():
        sweep_partial(pack.folder, idle_s=_LEFT_BEHIND_S)
        try:
            with write_atomically(kept) as temporary:
                _write(temporary, len(pack), chunks)
        except OutputError as error:
            print(f"{error}\nThe views' latents are not kept; the next start encodes them again.", file=sys.stderr, flush=True)
            return torch.cat(list(_encoded(pack, codec, device, quiet)))
    return torch.from_numpy(np.load(kept))


def _encoded(pack: ViewsPack, codec: Codec, device: torch.device, quiet: bool) -> Iterator[Float[Tensor, "n 2 v c l l"]]:
    """Latents of a few objects after a few others."""
    store, objects = PictureStore([pack], "targets", torch.device("cpu")), len(pack)
    progress = Progress(objects, "encoding views", quiet=quiet)
    for start in range(0, objects, _OBJECTS_AT_ONCE):
        rgba = store.whole(start, min(start + _OBJECTS_AT_ONCE, objects)).to(device).float() / 255
        both = torch.stack([rgba, rgba.flip(-1)], 1)
        with torch.no_grad():
            yield codec.encode(both.flatten(0, 2)).unflatten(0, both.shape[:3]).cpu()
        progress.advance(len(rgba))
    progress.close()


def _write(path: Path, objects: int, chunks: Iterator[Tensor]) -> None:
    """An .npy file, piece by piece: a memory map would kill the process where the disk is full."""
    with path.open("wb") as file:
        for number, chunk in enumerate(chunks):
            if number == 0:
                header = {"descr": "<f4", "fortran_order": False, "shape": (objects, *chunk.shape[1:])}
                np.lib.format.write_array_header_1_0(file, header)
            file.write(chunk.contiguous().numpy().astype("<f4", copy=False).tobytes())
