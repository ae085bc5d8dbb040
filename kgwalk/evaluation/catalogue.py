"""What recommended lists are like beside being right: how much of the catalogue they show, and how varied they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kgwalk._core import Graph
from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.protocols import Ids, Ranked

Floats = NDArray[np.float64]

#: Pairs of items compared at once.
_PAIRS = 1 << 17


def coverage(ranked: Ranked, num_items: int) -> float:
    """Share of a catalogue of ``num_items`` that is in some list."""
    return len(np.unique(ranked.entities)) / num_items


def diversity(ranked: Ranked, neighbours: sparse.csr_array, first_item: int) -> Floats:
    """Intra-list diversity: 1 less the mean Jaccard similarity of all pairs of a list's items.

    Two items are as similar as the share of their neighbours that they have in common; two without any are not.

    Args:
        ranked: Lists of items.
        neighbours: (num_items, num_entities), nonzero where an item has a fact with an entity; see `fact_neighbours`.
        first_item: Entity of row 0.

    Returns:
        (num_users,) float64 in [0, 1]; NaN for a list of fewer than two items, which has no pairs.
    """
    sizes = np.diff(ranked.offsets)
    pairs, owner = _pairs(ranked.entities.astype(np.int64) - first_item, sizes)
    width = np.int64(neighbours.shape[0])
    distinct, place = np.unique(pairs[:, 0] * width + pairs[:, 1], return_inverse=True)
    similar = _jaccard(neighbours, distinct // width, distinct % width)
    count = sizes * (sizes - 1) // 2
    total = np.bincount(owner, weights=similar[place], minlength=len(sizes))
    return np.where(count > 0, 1 - total / np.maximum(count, 1), np.nan)


def fact_neighbours(dataset: Recommendation) -> sparse.csr_array:
    """Which entities each item has a fact with, whatever the relation and its direction; interactions are none.

    Returns:
        (num_items, num_entities) of 0 and 1.
    """
    graph: Graph = dataset.graph
    items = dataset.items
    first, last = graph.offsets[[items.first, items.last]]
    edges = graph.edges[first:last]
    rows = np.repeat(np.arange(len(items)), np.diff(graph.offsets[items.first : items.last + 1]))
    is_fact = ~np.isin(edges[:, 0], [dataset.interact, graph.inverse(dataset.interact)])
    shape = len(items), graph.num_entities
    matrix = sparse.csr_array((np.ones(int(is_fact.sum())), (rows[is_fact], edges[is_fact, 1])), shape=shape)
    matrix.data[:] = 1.0  # an entity may be met by several relations
    return matrix


def cold_items(dataset: Recommendation) -> Ids:
    """Items that nobody interacts with in train, rising."""
    items = np.arange(dataset.items.first, dataset.items.last, dtype=np.int32)
    return np.setdiff1d(items, dataset.splits["train"][:, 2])


def _pairs(items: NDArray[np.int64], sizes: NDArray[np.int64]) -> tuple[NDArray[np.int64], Ids]:
    """All pairs within ragged rows, the lower id first, (m, 2), and the row of each, (m,)."""
    starts = np.cumsum(sizes) - sizes
    parts, owners = [np.empty((0, 2), np.int64)], [np.empty(0, np.int32)]
    for size in np.unique(sizes[sizes > 1]).tolist():
        rows = np.flatnonzero(sizes == size)
        left, right = np.triu_indices(size, 1)
        block = items[starts[rows][:, None] + np.arange(size)]
        parts.append(np.sort(np.stack([block[:, left].reshape(-1), block[:, right].reshape(-1)], 1), axis=1))
        owners.append(np.repeat(rows.astype(np.int32), len(left)))
    return np.concatenate(parts), np.concatenate(owners)


def _jaccard(neighbours: sparse.csr_array, left: NDArray[np.int64], right: NDArray[np.int64]) -> Floats:
    degree = np.asarray(neighbours.sum(axis=1)).reshape(-1)
    similar = np.zeros(len(left))
    for begin in range(0, len(left), _PAIRS):
        rows = slice(begin, begin + _PAIRS)
        shared = np.asarray(neighbours[left[rows]].multiply(neighbours[right[rows]]).sum(axis=1)).reshape(-1)
        similar[rows] = shared / np.maximum(degree[left[rows]] + degree[right[rows]] - shared, 1)
    return similar
