"""One row of a map between two layouts of the same network: a source tensor and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Literal

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Row:
    """A tensor in the original file, and its name or names in the stock networks."""

    source: str
    targets: tuple[str, ...]  # none: not needed; several: equal parts along the first axis
    shape: Shape  # of the source
    squeezed: bool = False  # a 1x1 kernel (o, i, 1, 1) becomes a matrix (o, i)

    @property
    def operation(self) -> Literal["copy", "split", "squeeze", "drop"]:
        """What is done to the tensor."""
        if not self.targets:
            return "drop"
        if len(self.targets) > 1:
            return "split"
        return "squeeze" if self.squeezed else "copy"

    @property
    def target_shape(self) -> Shape:
        """Of each target."""
        shape = self.shape[:2] if self.squeezed else self.shape
        return (shape[0] // len(self.targets), *shape[1:]) if len(self.targets) > 1 else shape


def weight(source: str, target: str, *shape: int) -> Row:
    """A lone weight."""
    return Row(f"{source}.weight", (f"{target}.weight",), shape)


def affine(source: str, target: str, *shape: int) -> Iterator[Row]:
    """A weight, and a bias as long as its first axis: linear maps, convolutions, and norms with one axis."""
    yield weight(source, target, *shape)
    yield Row(f"{source}.bias", (f"{target}.bias",), shape[:1])


def resnet(source: str, target: str, names: Iterable[str], ins: int, outs: int, time: int | None = None) -> Iterator[Row]:
    """A residual block of Stable Diffusion's; ``names`` are the source's for norm1, conv1, norm2, conv2, conv_shortcut, time_emb_proj."""
    norm1, conv1, norm2, conv2, shortcut, embedding = (f"{source}.{name}" for name in names)
    yield from affine(norm1, f"{target}.norm1", ins)
    yield from affine(conv1, f"{target}.conv1", outs, ins, 3, 3)
    if time is not None:
        yield from affine(embedding, f"{target}.time_emb_proj", outs, time)
    yield from affine(norm2, f"{target}.norm2", outs)
    yield from affine(conv2, f"{target}.conv2", outs, outs, 3, 3)
    if ins != outs:
        yield from affine(shortcut, f"{target}.conv_shortcut", outs, ins, 1, 1)


def source_shapes(rows: Iterable[Row]) -> dict[str, Shape]:
    """Names and shapes on the original's side."""
    return {row.source: row.shape for row in rows}


def target_shapes(rows: Iterable[Row]) -> dict[str, Shape]:
    """Names and shapes on the stock networks' side."""
    return {target: row.target_shape for row in rows for target in row.targets}


def parameters(shapes: Iterable[Shape]) -> int:
    """How many numbers tensors of these shapes hold."""
    return sum(map(prod, shapes))
