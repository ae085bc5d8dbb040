"""Walks and rules together: an answer is worth what the walks to it and the rules behind it say."""

from __future__ import annotations

import math

import numpy as np

from kgwalk._core import rank_order
from kgwalk.protocols import Ranked
from kgwalk.search.paths import row_numbers

_LEAST = 1e-6  # evidence of an answer that no rule gives
_FLOOR = -14.0  # log-probability of an answer that no walk reaches


def weigh_evidence(reasoned: Ranked, walked: Ranked, weight: float) -> Ranked:
    """Rank answers by ``log c + weight * log p``: their evidence, and the probability that a walker arrives.

    p adds up the walks of the policy, and c is the noisy-or of the confidences of the rules that give the answer. Their
    bodies are walks, but that of an existential rule does not lead to the answer, and a zero rule has none. Either
    alone would miss what the other sees: a walker's probability tells which of the walks open here are to be trusted,
    a rule's confidence how often its like was right.

    Args:
        reasoned: answers of rules; scores are ``-log(1 - c)``, as a noisy-or gives them.
        walked: answers of walks; scores are log p. Its paths go along.
        weight: what log p counts, 0 or more.

    Returns:
        All answers of either, best first, ties by id. An answer without a rule counts c = 1e-6, one without a walk, or
        an even less likely one, log p = -14.

    Raises:
        ValueError: different numbers of queries, or a bad weight.
    """
    if len(reasoned.offsets) != len(walked.offsets):
        raise ValueError(
            f"expected answers to the same queries, got {len(reasoned.offsets) - 1} and {len(walked.offsets) - 1} rows"
        )
    if not 0 <= weight < math.inf:
        raise ValueError(f"weight must be a finite number of 0 or more, got {weight}")
    by_rule, by_walk = _keys(reasoned), _keys(walked)
    keys = np.union1d(by_rule, by_walk)
    scores = np.full(len(keys), math.log(_LEAST) + weight * _FLOOR)
    scores[np.searchsorted(keys, by_rule)] += np.log(_LEAST - np.expm1(-reasoned.scores)) - math.log(_LEAST)
    scores[np.searchsorted(keys, by_walk)] += weight * (np.maximum(walked.scores, _FLOOR) - _FLOOR)
    offsets = np.searchsorted(keys >> 32, np.arange(len(walked.offsets))).astype(np.int64)
    entities = (keys & 0xFFFFFFFF).astype(np.int32)
    order = rank_order(offsets, entities, scores)
    return Ranked(offsets, entities[order], scores[order], walked.paths)


def _keys(ranked: Ranked) -> np.ndarray:
    """(row, entity) of every answer as one number."""
    return row_numbers(ranked.offsets).astype(np.int64) << 32 | ranked.entities
