"""How many hops an answer is away: exact, for whole splits at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kgwalk._core import ANY, Expand
from kgwalk.protocols import Ids

Hops = NDArray[np.int8]
Progress = Callable[[int, int], None]

#: Neighbours that one chunk of queries may touch; bounds memory to some 100 MB.
_CHUNK = 4_000_000


def hops_to_answer(
    expand: Expand,
    queries: Ids,
    *,
    hide_fact: bool = False,
    max_hops: int = 4,
    progress: Progress | None = None,
) -> Hops:
    """The length of the shortest walk from source to target of each query, over what ``expand`` shows.

    A target that is its own source counts as one hop: the walker waits. Walks from both ends meet in the middle, so
    that no level set grows past two hops.

    Args:
        expand: graph, overlay and cap; capped rows are what a walker sees.
        queries: (n, 3) int32: source, relation, target.
        hide_fact: hide each query's own edge and its inverse, as in training.
        max_hops: 1 to 4.
        progress: called after every length with (queries answered, queries).

    Returns:
        (n,) int8: 1 to ``max_hops``, or 0 if the target is further away or out of reach.

    Raises:
        ValueError: ``max_hops`` out of range.
    """
    if not 1 <= max_hops <= 4:
        raise ValueError(f"max_hops is {max_hops}; expected 1 to 4")
    out = _adjacency(expand)
    into = sparse.csr_array(out.T)
    hops = np.zeros(len(queries), dtype=np.int8)
    sources, targets = queries[:, 0], queries[:, 2]
    # Neighbours one and two steps from either end: what a query costs.
    ahead, behind = np.diff(out.indptr), np.diff(into.indptr)
    ahead2, behind2 = out @ ahead, into @ behind
    everything = np.arange(len(queries))
    for chunk in _chunks(everything, ahead[sources]):
        hops[chunk] = _joined(expand, queries[chunk], hide_fact)
    hops[sources == targets] = 1
    for length in range(2, max_hops + 1):
        todo = everything[hops == 0]
        from_source = ahead2[sources[todo]] <= behind2[targets[todo]]
        halves = {
            2: [(todo, 1, 1)],
            3: [(todo[from_source], 2, 1), (todo[~from_source], 1, 2)],
            4: [(todo, 2, 2)],
        }
        for rows, forward, back in halves[length]:
            price = (ahead, ahead2)[forward - 1][sources[rows]] + (behind, behind2)[back - 1][targets[rows]]
            for chunk in _chunks(rows, price):
                hops[chunk[_meet(out, into, sources[chunk], targets[chunk], forward, back)]] = length
        if progress is not None:
            progress(int((hops > 0).sum()) if length < max_hops else len(queries), len(queries))
    return hops


def _meet(
    out: sparse.csr_array, into: sparse.csr_array, sources: Ids, targets: Ids, forward: int, back: int
) -> NDArray[np.bool_]:
    """Whether one or two steps forward from each source and back from each target lead to a common node.

    Asked only for pairs that no edge joins but a hidden one. The first step leaves the source for another node than the
    target and the last one comes from another than the source, so no walk that is counted takes the hidden edge.
    """
    rows = np.arange(len(sources))
    begins = _without(out[sources], rows, targets)
    ends = _without(into[targets], rows, sources)
    if forward == 2:
        begins = begins @ out
    if back == 2:
        ends = ends @ into
    return np.asarray(begins.multiply(ends).sum(axis=1)).ravel() > 0


def _without(level: sparse.csr_array, rows: NDArray[np.int64], nodes: Ids) -> sparse.csr_array:
    """The level sets without one node a row."""
    of_row = np.repeat(rows, np.diff(level.indptr))
    keep = level.indices != nodes[of_row]
    indptr = np.concatenate([[0], np.cumsum(np.bincount(of_row[keep], minlength=len(rows)))])
    return sparse.csr_array((level.data[keep], level.indices[keep], indptr), shape=level.shape)


def _adjacency(expand: Expand) -> sparse.csr_array:
    """Which entity leads to which other in one step; self loops, which shorten no walk, left out."""
    count = expand.num_entities
    heads = np.arange(count, dtype=np.int32)
    offsets, _, tails = expand(heads, np.array([ANY], dtype=np.int32))
    of_row = np.repeat(heads, np.diff(offsets))
    other = of_row != tails
    ones = np.ones(int(other.sum()), dtype=np.float32)
    matrix = sparse.csr_array((ones, (of_row[other], tails[other])), shape=(count, count))
    matrix.data[:] = 1
    return matrix


def _joined(expand: Expand, queries: Ids, hide_fact: bool) -> NDArray[np.bool_]:
    """Whether an edge leads straight from source to target, the query's own not counted if hidden."""
    exclude = queries if hide_fact else None
    offsets, _, tails = expand(np.ascontiguousarray(queries[:, 0]), np.array([ANY], dtype=np.int32), exclude)
    of_row = np.repeat(np.arange(len(queries)), np.diff(offsets))
    return np.bincount(of_row[tails == queries[of_row, 2]], minlength=len(queries)) > 0


def _chunks(rows: NDArray[np.int64], price: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    """Rows in runs that each cost at most `_CHUNK`, or one row."""
    if len(rows) == 0:
        return []
    bins = np.floor(np.cumsum(price) / _CHUNK).astype(np.int64)
    return np.split(rows, np.flatnonzero(np.diff(bins)) + 1)
