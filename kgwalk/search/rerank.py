"""Re-ranking: one agent finds the answers, a scorer orders them."""

from __future__ import annotations

import numpy as np

from kgwalk._core import rank_order
from kgwalk.protocols import Ids, Ranked, Scorer
from kgwalk.scorers.facts import score_facts
from kgwalk.search.paths import row_numbers

#: Scores below this count as this, so that their logarithm stays finite.
LEAST = 1e-12


def rerank(ranked: Ranked, queries: Ids, scorer: Scorer, weight: float = 1.0) -> Ranked:
    """The same answers in an order that heeds a scorer.

    An answer's new score is ``(1 - weight) * old + weight * log(max(score, 1e-12))``, in nats where the old ones are
    log-probabilities. With weight 1 paths retrieve and the scorer ranks, as in PGPR (Xian et al., SIGIR 2019).

    Args:
        ranked: answers of ``queries``; not changed.
        queries: (n, 3) int32: source, relation, target. Targets are not read.
        scorer: of the same vocabulary; asked once about each distinct fact (source, relation, answer).
        weight: what the scorer counts, in [0, 1]; 0 gives ``ranked`` back and asks nothing.

    Returns:
        Scores falling within a row, equal ones by entity id; with weight 1 equal ones keep the order they had (an
        evaluation takes them for ties all the same). The paths go along as they are.

    Raises:
        ValueError: a weight outside [0, 1]; ``queries`` is not (n, 3) int32, or not as many as ``ranked`` answers; the
            scorer gave no scores in [0, 1].
        IndexError: an id is out of the scorer's range.
    """
    if not 0 <= weight <= 1:
        raise ValueError(f"weight must be from 0 to 1, got {weight}")
    if queries.dtype != np.int32 or queries.ndim != 2 or queries.shape[1] != 3:
        raise ValueError(f"queries: expected (n, 3) int32, got {queries.shape} {queries.dtype}")
    if len(ranked.offsets) != len(queries) + 1:
        raise ValueError(f"ranked answers {len(ranked.offsets) - 1} queries, not {len(queries)}")
    if weight == 0:
        return ranked
    facts = np.column_stack([queries[row_numbers(ranked.offsets), :2], ranked.entities])
    plausible = np.log(np.maximum(score_facts(scorer, facts).astype(np.float64), LEAST))
    if weight == 1:  # old scores may be infinite, and zero times that is no number
        scores, ties = plausible, np.arange(len(plausible), dtype=np.int32)
    else:
        scores, ties = (1 - weight) * ranked.scores + weight * plausible, ranked.entities
    order = rank_order(ranked.offsets, ties, scores)
    return Ranked(ranked.offsets, ranked.entities[order], scores[order], ranked.paths)
