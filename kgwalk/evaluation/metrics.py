"""Metrics as pure functions of ranks, scores and labels. Fractions, not percent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


def ranking_metrics(ranks: Floats, hits: Sequence[int] = (1, 3, 5, 10)) -> dict[str, float]:
    """Mean reciprocal rank and hits@k.

    Args:
        ranks: (n,) float64; infinity is a target that was not reached: reciprocal rank 0 and a miss at every k.
        hits: The k of hits@k; a hit is a rank of at most k, ties averaged.

    Returns:
        ``mrr`` and ``hits@k`` for every k; all NaN for no ranks at all.
    """
    if not len(ranks):
        return dict.fromkeys(["mrr", *(f"hits@{k}" for k in hits)], float("nan"))
    return {"mrr": float((1.0 / ranks).mean()), **{f"hits@{k}": float((ranks <= k).mean()) for k in hits}}


def average_metrics(tail: dict[str, float], head: dict[str, float]) -> dict[str, float]:
    """The metric ``both``: tail and head queries are equally many, so it is the mean over both sets."""
    return {name: (tail[name] + head[name]) / 2.0 for name in tail}


def auc_pr(scores: Floats, labels: NDArray[np.bool_]) -> float:
    """Area under the precision-recall curve, all candidates of all queries pooled.

    The area is average precision, the sum of precision times the step in recall, which does not interpolate.

    Args:
        scores: (n,) float64; minus infinity (not reached) counts as below every other score.
        labels: (n,) bool.

    Returns:
        The area; NaN without a positive candidate.
    """
    if not labels.any():
        return float("nan")
    from sklearn.metrics import average_precision_score  # type: ignore[import-untyped]  # takes seconds to import

    # Only the order counts, and scikit-learn takes no infinities: hand it the places of the distinct scores.
    places = np.unique(scores, return_inverse=True)[1]
    return float(average_precision_score(labels, places))


def roc_auc(labels: NDArray[np.bool_], scores: NDArray[np.floating]) -> float:
    """Area under the ROC curve: how often a true one scores above a false one, ties counting half.

    Args:
        labels: (n,), what is true; both kinds are there.
        scores: (n,).
    """
    from sklearn.metrics import roc_auc_score  # type: ignore[import-untyped, unused-ignore]  # takes seconds to import

    return float(roc_auc_score(labels, scores))


def expected_average_precision(queries: Rows, scores: Floats, labels: NDArray[np.bool_]) -> tuple[Rows, Floats]:
    """Average precision of each query's candidates, ties in expectation over their orders.

    Within a block of n tied candidates, p of them positive, after s better ones, c of them positive, the i-th place
    holds a positive with probability p/n, and then sees c + 1 + (i-1)(p-1)/(n-1) positives on average in s + i places.
    Candidates that were not reached share one such block at the end.

    Args:
        queries: (n,) int64, the query a candidate belongs to, in any order.
        scores: (n,) float64; minus infinity for a candidate that was not reached.
        labels: (n,) bool.

    Returns:
        The queries that have a positive candidate, rising, and their average precision.
    """
    if not len(queries):
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    order = np.lexsort((-scores, queries))
    queries, scores, labels = queries[order], scores[order], labels[order].astype(np.int64)
    index = np.arange(len(queries))

    new_query = np.r_[True, queries[1:] != queries[:-1]]
    new_block = new_query | np.r_[True, scores[1:] != scores[:-1]]
    positives_before: Rows = np.cumsum(labels) - labels
    query_of = np.cumsum(new_query) - 1
    block_of = np.cumsum(new_block) - 1
    query_start, block_start = np.flatnonzero(new_query), np.flatnonzero(new_block)

    size = np.bincount(block_of)[block_of]
    positive = np.bincount(block_of, weights=labels)[block_of]
    seen = positives_before[block_start][block_of] - positives_before[query_start][query_of]
    within = index - block_start[block_of]
    place = index - query_start[query_of] + 1
    among = within * (positive - 1) / np.maximum(size - 1, 1)
    gain = positive / size * (seen + 1 + among) / place

    total = np.bincount(query_of, weights=labels)
    has_positive = total > 0
    precision = np.bincount(query_of, weights=gain)[has_positive] / total[has_positive]
    return queries[query_start][has_positive], precision
