"""Lists of items for users: the best by score, without what they know, and filled up by a scorer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgwalk._core import Expand, Graph, rank_order
from kgwalk.protocols import Ids, Offsets, Ranked, Scorer
from kgwalk.search.paths import row_numbers


def known_items(graph: Graph | Expand, users: Ids, interact: int) -> tuple[Offsets, Ids]:
    """The items that users interact with in a graph, rising: offsets (n + 1,) and items.

    Args:
        graph: or an ``Expand`` over it, whose overlay then counts too.
        users: (n,) int32.
        interact: id of the relation.
    """
    expand = graph if isinstance(graph, Expand) else Expand(graph)
    offsets, _, items = expand(np.ascontiguousarray(users, np.int32), np.array([interact], np.int32), None, False)
    return offsets, items


def top_items(scores: NDArray[np.floating[Any]], first: int, known: tuple[Offsets, Ids], k: int) -> Ranked:
    """The best k items of each user that the user does not know, and what is tied with the last of them.

    Args:
        scores: (n, num_items); minus infinity for an item that shall not be recommended. Written to.
        first: entity of column 0; the items are those from there on.
        known: offsets and items that are left out of each user's list; others than items do not matter.
        k: length of the lists; they are shorter where there are not so many, and longer by ties.

    Returns:
        Equal scores by id.

    Raises:
        ValueError: a score is NaN, or k is below 1.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    if np.isnan(scores).any():
        raise ValueError("an item is scored NaN")
    count, width = scores.shape
    owner, columns = row_numbers(known[0]), known[1] - first
    inside = (columns >= 0) & (columns < width)
    scores[owner[inside], columns[inside]] = -np.inf
    kept = scores > -np.inf
    if k < width:
        kept &= scores >= np.partition(scores, width - k, axis=1)[:, width - k, None]
    rows, found = np.nonzero(kept)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.bincount(rows, minlength=count))])
    values = scores[rows, found].astype(np.float64)
    entities = (found + first).astype(np.int32)
    order = rank_order(offsets, entities, values)
    return Ranked(offsets, entities[order], values[order])


def fill_up(
    ranked: Ranked,
    users: Ids,
    interact: int,
    scorer: Scorer,
    k: int,
    *,
    known: tuple[Offsets, Ids],
    item_type: int,
    num_items: int,
) -> Ranked:
    """Lists of k items: those that are there first, then a scorer's best.

    Args:
        ranked: a list for each user.
        users: (n,) int32.
        interact: id of the relation to ask the scorer about.
        scorer: whose ``top_k`` is asked once for all users.
        k: length of the lists; they are shorter only where the catalogue is.
        known: offsets and items that are never added.
        item_type: type of items, its place in ``Graph.type_offsets``.
        num_items: how many there are.

    Returns:
        Paths go along. The added items' scores are below those that were there: the last of these less 1 and less what
        the scorer's own are short of 1.

    Raises:
        ValueError: there is not one list for each user, or k is below 1.
    """
    if len(ranked.offsets) != len(users) + 1 or k < 1:
        raise ValueError(f"{len(ranked.offsets) - 1} lists for {len(users)} users, to be filled up to {k}")
    sizes = np.diff(ranked.offsets)
    missing = np.maximum(k - sizes, 0)
    if not missing.any():
        return ranked
    needed = int((missing + np.diff(known[0]) + sizes).max())
    best, plausible = scorer.top_k(
        np.ascontiguousarray(users, np.int32), interact, min(needed, num_items), entity_type=item_type
    )
    width = np.int64(max(best.max(), ranked.entities.max(initial=0), known[1].max(initial=0))) + 1
    rows = np.arange(len(users))[:, None]
    taken = np.concatenate(
        [row_numbers(ranked.offsets) * width + ranked.entities, row_numbers(known[0]) * width + known[1]]
    )
    free = ~np.isin(rows * width + best, taken)
    added = free & (np.cumsum(free, axis=1) <= missing[:, None])
    floor = np.zeros(len(users))
    floor[sizes > 0] = ranked.scores[ranked.offsets[1:][sizes > 0] - 1]
    below = floor[:, None] - 2 + plausible.astype(np.float64)
    owner, column = np.nonzero(added)
    row = np.concatenate([row_numbers(ranked.offsets), owner])
    order = np.argsort(row, kind="stable")
    counts = np.bincount(row, minlength=len(users))
    return Ranked(
        np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]),
        np.concatenate([ranked.entities, best[owner, column]])[order],
        np.concatenate([ranked.scores, below[owner, column]])[order],
        ranked.paths,
    )
