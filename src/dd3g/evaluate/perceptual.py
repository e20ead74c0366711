"""Networks that look at pictures: LPIPS and CLIP, where their weights are. Each picture is looked at once, however often it is compared."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from dd3g.core.errors import WeightsError
from dd3g.core.weights import weights_folders

_AT_ONCE = 4  # views; bounds memory
COLUMNS = ("lpips_alex", "lpips_squeeze", "lpips_vgg", "clip")


@dataclass(frozen=True)
class Looker:
    """A network in two halves: what it sees of pictures, and the figure of two pictures that were seen."""

    see: Callable[[Tensor], Any]
    between: Callable[[Any, Any], Tensor]

    def figures(self, truth: Float[Tensor, "v 3 h w"], guesses: Mapping[str, Float[Tensor, "n 3 h w"]]) -> dict[str, Float[Tensor, " v"]]:
        """Figures of every guess against the truth, view by view; a guess of one picture stands for all views."""
        found: dict[str, list[Tensor]] = {name: [] for name in guesses}
        with torch.inference_mode():
            once = {name: self.see(pictures) for name, pictures in guesses.items() if len(pictures) == 1}
            for start in range(0, len(truth), _AT_ONCE):
                part = slice(start, start + _AT_ONCE)
                seen = self.see(truth[part])
                for name, pictures in guesses.items():
                    found[name].append(self.between(once[name] if name in once else self.see(pictures[part]), seen))
        return {name: torch.cat(parts) for name, parts in found.items()}


@dataclass(frozen=True)
class Lookers:
    """The networks that are here, and why the others aren't."""

    here: Mapping[str, Looker]
    why: Mapping[str, str]  # column -> reason of absence


def load_lookers(columns: Collection[str] = COLUMNS) -> Lookers:
    """Loads the networks of those columns that need one and whose weights are here; once a process while the folders stay the same."""
    return _load(tuple(column for column in columns if column in COLUMNS), tuple(map(str, weights_folders())))


@lru_cache(maxsize=1)
def _load(columns: tuple[str, ...], folders: tuple[str, ...]) -> Lookers:
    here: dict[str, Looker] = {}
    why: dict[str, str] = {}
    for column in columns:
        try:
            here[column] = _clip() if column == "clip" else _lpips(column.removeprefix("lpips_"))
        except WeightsError as error:
            why[column] = str(error)
    return Lookers(here, why)


def _lpips(backbone: Any) -> Looker:
    from dd3g.distill.lpips import load_lpips

    network = load_lpips(backbone).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] # half of the time on CPUs, the same to 1e-6
    return Looker(lambda rgb: network.seen(rgb.contiguous(memory_format=torch.channels_last)), network.between)


def _clip() -> Looker:
    from dd3g.evaluate.clip import load_clip

    network = load_clip()
    return Looker(network, lambda a, b: (a * b).sum(-1))
