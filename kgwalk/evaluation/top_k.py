"""Metrics of the first k of ranked lists, by user, as pure functions. Fractions, not percent.

Items that share a score have no order of their own: every figure is its expectation over their orders.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from kgwalk.protocols import Ids, Offsets, Ranked
from kgwalk.search.paths import row_numbers

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


class Relevant(NamedTuple):
    """What lists shall hold: of user ``i`` the items ``items[offsets[i]:offsets[i + 1]]``.

    Attributes:
        offsets: (num_users + 1,) int64.
        items: (num_relevant,) int32, distinct within a row.
    """

    offsets: Offsets
    items: Ids

    def only(self, kept: NDArray[np.bool_]) -> Relevant:
        """The items for which ``kept``, (num_relevant,), holds; the users stay, some of them with none."""
        counts = np.bincount(row_numbers(self.offsets)[kept], minlength=len(self.offsets) - 1)
        return Relevant(np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]), self.items[kept])


def top_k_metrics(ranked: Ranked, relevant: Relevant, cutoffs: Sequence[int] = (10,)) -> dict[str, Floats]:
    """NDCG, recall, hit ratio and precision of the first k of each user's list.

    With ``rel`` relevant items and places counted from 1: ``DCG@k`` is the sum of ``1 / log2(place + 1)`` over the
    relevant items within k, and NDCG that over the most it could be, with ``min(rel, k)`` of them in front. Recall
    divides the hits by ``rel``, precision by ``k`` however short the list is, and the hit ratio asks for one hit.
    A list that is short is not filled up, and one that is empty scores 0.

    Args:
        ranked: A list for each user, without what is no candidate.
        relevant: What each list shall hold.
        cutoffs: The k.

    Returns:
        ``ndcg@k``, ``recall@k``, ``hr@k`` and ``precision@k`` for every k, (num_users,) float64 each; NaN for a user
        who has no relevant item.

    Raises:
        ValueError: If there is not one list for each user, a score is NaN, scores rise within a list, or a k is
            below 1.
    """
    if len(ranked.offsets) != len(relevant.offsets):
        raise ValueError(f"{len(ranked.offsets) - 1} lists for {len(relevant.offsets) - 1} users")
    if not cutoffs or min(cutoffs) < 1:
        raise ValueError(f"cutoffs are {tuple(cutoffs)}; expected numbers of 1 or more")
    ranked = first_places(ranked, max(cutoffs))
    blocks = _blocks(ranked, relevant)
    sizes = np.diff(relevant.offsets).astype(np.float64)
    sizes[sizes == 0] = np.nan
    metrics: dict[str, Floats] = {}
    for k in cutoffs:
        gain, hits, missed = blocks.expected(k, len(sizes))
        best = np.concatenate([[np.nan], np.cumsum(_discounts(k))])[np.minimum(np.diff(relevant.offsets), k)]
        metrics[f"ndcg@{k}"] = gain / best
        metrics[f"recall@{k}"] = hits / sizes
        metrics[f"hr@{k}"] = np.where(np.isnan(sizes), np.nan, 1 - missed)
        metrics[f"precision@{k}"] = np.where(np.isnan(sizes), np.nan, hits / k)
    return metrics


def first_places(ranked: Ranked, k: int) -> Ranked:
    """The first k of each list, and what is tied with the last of them. Paths go along as they are.

    Raises:
        ValueError: If a score is NaN, or scores rise within a list.
    """
    if np.isnan(ranked.scores).any():
        raise ValueError("an item is scored NaN")
    sizes = np.diff(ranked.offsets)
    inside = np.ones(len(ranked.scores), np.bool_)
    inside[ranked.offsets[:-1][sizes > 0]] = False
    with np.errstate(invalid="ignore"):  # of two infinite scores
        rising = np.diff(ranked.scores, prepend=np.inf) > 0
    if (rising & inside).any():
        row = int(row_numbers(ranked.offsets)[rising & inside][0])
        raise ValueError(f"the scores of list {row} rise: expected the best item first")
    long = np.flatnonzero(sizes > k)
    least = np.full(len(sizes), -np.inf)
    least[long] = ranked.scores[ranked.offsets[long] + k - 1]
    owner = row_numbers(ranked.offsets)
    kept = ranked.scores >= least[owner]
    return select(ranked, kept)


def select(ranked: Ranked, kept: NDArray[np.bool_]) -> Ranked:
    """The answers for which ``kept``, (num_answers,), holds, in their order. Paths go along as they are."""
    counts = np.bincount(row_numbers(ranked.offsets)[kept], minlength=len(ranked.offsets) - 1)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    return Ranked(offsets, ranked.entities[kept], ranked.scores[kept], ranked.paths)


def cut(ranked: Ranked, k: int) -> Ranked:
    """The first k of each list and nothing else: ties are left to the order they came in."""
    place = np.arange(len(ranked.entities)) - ranked.offsets[row_numbers(ranked.offsets)]
    return select(ranked, place < k)


def are_among(offsets: Offsets, items: Ids, other_offsets: Offsets, other_items: Ids) -> NDArray[np.bool_]:
    """Which of ragged rows' items are in the same row of others, (len(items),)."""
    width = np.int64(max(items.max(initial=0), other_items.max(initial=0))) + 1
    keys = row_numbers(offsets).astype(np.int64) * width + items
    found: NDArray[np.bool_] = np.isin(keys, row_numbers(other_offsets).astype(np.int64) * width + other_items)
    return found


def join_rows(parts: Sequence[Ranked]) -> Ranked:
    """Lists of several batches, one after the other, without their paths."""
    sizes = np.concatenate([np.zeros(1, np.int64), *(np.diff(part.offsets) for part in parts)])
    entities = np.concatenate([np.empty(0, np.int32), *(part.entities for part in parts)])
    return Ranked(np.cumsum(sizes), entities, np.concatenate([np.empty(0), *(part.scores for part in parts)]))


class _Blocks(NamedTuple):
    """Runs of equal scores: whose, after how many items, how many they are and how many of them are relevant."""

    row: Rows
    start: Rows
    size: Rows
    relevant: Rows

    def expected(self, k: int, num_users: int) -> tuple[Floats, Floats, Floats]:
        """DCG, hits, and the probability of no hit within k, (num_users,) each."""
        within = np.clip(k - self.start, 0, self.size)
        share = self.relevant / self.size
        reach = np.concatenate([[0.0], np.cumsum(_discounts(k))])
        first = np.minimum(self.start, k)
        gain = share * (reach[first + within] - reach[first])
        hits = share * within
        # Of the size items `within` are drawn: hypergeometric, C(size - relevant, within) / C(size, within).
        others = self.size - self.relevant
        possible = within <= others
        least = np.minimum(within, others)
        missed = np.where(possible, np.exp(_log_choose(others, least) - _log_choose(self.size, least)), 0.0)
        log_missed = np.where(self.relevant > 0, np.log(np.maximum(missed, np.finfo(np.float64).tiny)), 0.0)
        none = np.exp(np.bincount(self.row, weights=log_missed, minlength=num_users))
        surely = np.bincount(self.row[~possible & (self.relevant > 0)], minlength=num_users) > 0
        gains, sums = (np.bincount(self.row, part, num_users).astype(np.float64) for part in (gain, hits))
        return gains, sums, np.where(surely, 0.0, none)


def _blocks(ranked: Ranked, relevant: Relevant) -> _Blocks:
    is_hit = are_among(ranked.offsets, ranked.entities, relevant.offsets, relevant.items)
    owner = row_numbers(ranked.offsets)
    new = np.ones(len(owner), np.bool_)
    new[1:] = (owner[1:] != owner[:-1]) | (ranked.scores[1:] != ranked.scores[:-1])
    block = np.cumsum(new) - 1
    begin = np.flatnonzero(new)
    row = owner[begin].astype(np.int64)
    hits = np.bincount(block[is_hit], minlength=len(begin))
    return _Blocks(row, begin - ranked.offsets[row], np.diff(begin, append=len(owner)), hits)


def _discounts(k: int) -> Floats:
    return 1 / np.log2(np.arange(2, k + 2))


def _log_choose(n: Rows, k: Rows) -> Floats:
    chosen: Floats = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return chosen
