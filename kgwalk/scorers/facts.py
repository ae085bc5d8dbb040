"""Facts of many relations put to a scorer, which takes one relation a call."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from kgwalk.data.dataset import Dataset
from kgwalk.protocols import Ids, Scorer

_NO_ID = -1 << 40  # below every int32


def score_facts(scorer: Scorer, facts: Ids) -> NDArray[np.float32]:
    """How plausible facts are, whatever their relations.

    The scorer is called once a relation, in rising order, with the distinct facts of it sorted by source and target.

    Args:
        scorer: asked for scores in [0, 1].
        facts: (n, 3) int32: source, relation, target; repeats allowed.

    Returns:
        (n,) float32 in [0, 1].

    Raises:
        ValueError: ``facts`` is not (n, 3) int32; the scorer gave another number of scores than it was asked for, or
            one that is not finite or lies outside [0, 1].
        IndexError: an id is out of the scorer's range.
    """
    if facts.dtype != np.int32 or facts.ndim != 2 or facts.shape[1] != 3:
        raise ValueError(f"facts: expected (n, 3) int32, got {facts.shape} {facts.dtype}")
    relations = facts[:, 1]
    pairs = (facts[:, 0].astype(np.int64) << 32) + facts[:, 2]
    order = np.lexsort((pairs, relations))
    is_new = np.ones(len(facts), np.bool_)
    is_new[1:] = (np.diff(pairs[order]) != 0) | (np.diff(relations[order]) != 0)
    distinct = facts[order[is_new]]
    scores = np.empty(len(distinct), np.float32)
    bounds = np.flatnonzero(np.diff(distinct[:, 1], prepend=_NO_ID, append=_NO_ID)).tolist()
    for begin, end in pairwise(bounds):
        sources, targets = (np.ascontiguousarray(distinct[begin:end, column]) for column in (0, 2))
        scores[begin:end] = _checked(scorer, scorer.score(sources, int(distinct[begin, 1]), targets), end - begin)
    result = np.empty(len(facts), np.float32)
    result[order] = scores[np.cumsum(is_new) - 1]
    return result


def check_fitted_on(scorer: Scorer, dataset: Dataset) -> None:
    """Refuse a scorer whose ``facts`` tells that it was not fitted on the training facts of ``dataset``.

    Raises:
        ValueError: its ids would mean other things, or it may have seen facts that it is asked about.
    """
    facts = getattr(scorer, "facts", None)
    if facts is not None and facts != dataset.facts_fingerprint:
        raise ValueError(
            f"scorer {scorer_name(scorer)} was fitted on facts of {getattr(scorer, 'dataset', 'another dataset')} with "
            f"fingerprint {facts}, but the training facts of {dataset.name} have {dataset.facts_fingerprint}: "
            "fit it on these"
        )


def scorer_name(scorer: Scorer) -> str:
    """What to call a scorer: its ``name``, or else that of its class."""
    return str(getattr(scorer, "name", type(scorer).__name__))


def _checked(scorer: Scorer, scores: object, count: int) -> NDArray[np.floating]:
    """What a scorer gave, if it is ``count`` numbers in [0, 1]."""
    array = np.asarray(scores)
    who = type(scorer).__name__
    if array.shape != (count,) or not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"{who}.score: expected ({count},) floats, got {array.shape} {array.dtype}")
    wrong = ~((array >= 0) & (array <= 1))  # NaN compares false
    if wrong.any():
        raise ValueError(f"{who}.score: expected scores in [0, 1], got {array[wrong][0]} ({wrong.sum()} of {count})")
    return array
