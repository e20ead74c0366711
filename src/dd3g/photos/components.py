"""Connected parts of a mask, by runs: a row is a few runs of set pixels, and runs that touch belong together."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int


def components(mask: Bool[np.ndarray, "h w"]) -> tuple[Int[np.ndarray, "h w"], Int[np.ndarray, " n"]]:
    """Labels every 4-connected part of a mask.

    Returns:
        Labels, 0 where the mask is not set and 1 to n by falling area (ties by first appearance); and the areas in pixels.
    """
    labels = np.zeros(mask.shape, np.int64)
    runs, parent = _runs(mask), list[int]()
    above: list[tuple[int, int, int]] = []
    for row in range(mask.shape[0]):
        here = []
        for start, end in runs[row]:
            parent.append(len(parent))
            here.append((start, end, len(parent) - 1))
        _join_touching(above, here, parent)
        above = here
        for start, end, run in here:
            labels[row, start:end] = run + 1
    if not parent:
        return labels, np.zeros(0, np.int64)
    roots = np.array([_root(parent, i) for i in range(len(parent))])
    labels = np.concatenate([[0], roots + 1])[labels]
    names, areas = np.unique(labels[labels > 0], return_counts=True)
    order = np.argsort(-areas, kind="stable")
    rank = np.zeros(len(parent) + 1, np.int64)
    rank[names[order]] = np.arange(1, len(names) + 1)
    return rank[labels], areas[order]


def holes(mask: Bool[np.ndarray, "h w"]) -> tuple[Int[np.ndarray, "h w"], Int[np.ndarray, " n"]]:
    """Labels and areas, as :func:`components`, of the unset parts that the picture's border doesn't reach."""
    labels, _ = components(~mask)
    outside = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    return components((labels > 0) & ~np.isin(labels, outside))


def _runs(mask: np.ndarray) -> list[list[tuple[int, int]]]:
    """Half-open column ranges of each row."""
    edges = np.diff(np.pad(mask.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    rows: list[list[tuple[int, int]]] = [[] for _ in range(mask.shape[0])]
    for row, start, end in zip(*np.nonzero(edges == 1), np.nonzero(edges == -1)[1], strict=True):
        rows[int(row)].append((int(start), int(end)))
    return rows


def _join_touching(above: list[tuple[int, int, int]], here: list[tuple[int, int, int]], parent: list[int]) -> None:
    """Both lists are sorted: one walk over the two finds every pair of runs that overlap."""
    i = j = 0
    while i < len(above) and j < len(here):
        if above[i][0] < here[j][1] and here[j][0] < above[i][1]:
            one, other = _root(parent, above[i][2]), _root(parent, here[j][2])
            parent[max(one, other)] = min(one, other)
        if above[i][1] < here[j][1]:
            i += 1
        else:
            j += 1


def _root(parent: list[int], i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i
