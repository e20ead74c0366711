"""A batch in equal parts: for the ranks of a run, and for gradients that are gathered over several passes.

Every rank makes the whole batch of a step and takes its rows. So what a step sees depends on (seed, step) alone, and a run goes on with
any number of ranks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

from torch import Tensor

from dd3g.core.errors import InputError


def share(batch: Any, part: int, parts: int) -> Any:
    """Rows ``part * b / parts ...`` of a batch of b rows.

    Args:
        batch: A dataclass of tensors, or of dataclasses of tensors, whose first dimension is the batch; other values belong to all parts.
        part: Which, from 0.
        parts: Of how many; 1 takes any batch as it is.

    Raises:
        InputError: b is no multiple of ``parts``, or tensors differ in their first dimension.
    """
    if parts == 1:
        return batch
    sizes = dict(_leading(batch, type(batch).__name__))
    if len(set(sizes.values())) != 1:
        found = ", ".join(f"{name} {size}" for name, size in list(sizes.items())[:4])
        raise InputError(f"a batch of this network can't be split (rows: {found or 'none'}); train it on one rank with fit.accumulate=1")
    (rows,) = set(sizes.values())
    if rows % parts:
        raise InputError(
            f"a batch of {rows} can't be split in {parts} equal parts (ranks x fit.accumulate); set data.batch to a multiple of {parts}"
        )
    each = rows // parts
    return _rows(batch, slice(part * each, (part + 1) * each))


def _leading(value: Any, place: str) -> Iterator[tuple[str, int]]:
    if isinstance(value, Tensor):
        yield place, len(value) if value.ndim else 0
    elif is_dataclass(value):
        for field in fields(value):
            yield from _leading(getattr(value, field.name), f"{place}.{field.name}")
    elif isinstance(value, tuple | list):
        for i, item in enumerate(value):
            yield from _leading(item, f"{place}[{i}]")


def _rows(value: Any, rows: slice) -> Any:
    if isinstance(value, Tensor):
        return value[rows]
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: _rows(getattr(value, field.name), rows) for field in fields(value)})
    if isinstance(value, tuple | list):
        return type(value)(_rows(item, rows) for item in value)
    return value
