"""Random numbers from a key: the same on every machine and with every version of NumPy, which promises only Philox's raw bits."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from jaxtyping import Float64

Item = TypeVar("Item")


class Draws:
    """A stream of draws that depends on its key and on nothing else."""

    def __init__(self, *key: object) -> None:
        self._key = "|".join(map(str, key))
        words = hashlib.blake2b(self._key.encode(), digest_size=16).digest()
        self._bits = np.random.Philox(key=np.frombuffer(words, "<u8"))

    def branch(self, *key: object) -> Draws:
        """A stream of its own for a part, so that what one part draws does not move what the next one gets."""
        return Draws(self._key, *key)

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """A number in [low, high)."""
        return low + (high - low) * float(self.uniforms(1)[0])

    def uniforms(self, count: int) -> Float64[np.ndarray, " count"]:
        """Numbers in [0, 1)."""
        return (self._bits.random_raw(count) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def integer(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + int(self.uniform() * (high - low + 1))

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.uniform() < probability

    def pick(self, items: Sequence[Item], weights: Sequence[float] | None = None) -> Item:
        """One of the items."""
        if weights is None:
            return items[self.integer(0, len(items) - 1)]
        at, total = self.uniform(0.0, sum(weights)), 0.0
        for item, weight in zip(items, weights, strict=True):
            total += weight
            if at < total:
                return item
        return items[-1]

    def shuffled(self, items: Sequence[Item]) -> list[Item]:
        """The items in another order."""
        order = np.argsort(self.uniforms(len(items)), kind="stable")
        return [items[i] for i in order]

    def sign(self) -> int:
        """1 or -1."""
        return 1 if self.chance(0.5) else -1
