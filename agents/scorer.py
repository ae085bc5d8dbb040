"""ScorerAgent: a Scorer answers queries, so that embeddings stand in the same tables as walkers and rules."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kgwalk.data import Directions
from kgwalk.graph import Graph
from kgwalk.protocols import Ids, Ranked
from kgwalk.scorers import EmbeddingScorer, sorted_by_score
from kgwalk.scorers.location import NAME


class ScorerAgent:
    """Ranks all entities by the score of the fact they would make. It does not walk: its answers have no paths.

    Args:
        scorer: trained.
    """

    name = "scorer"
    directions: Directions = "both"

    def __init__(self, scorer: EmbeddingScorer) -> None:
        self.scorer = scorer
        self.name = scorer.name

    def scores(self, queries: Ids, graph: Graph) -> NDArray[np.float32]:
        """See ``kgwalk.protocols.DenseAgent``. The model's own scores, not calibrated; the graph is not looked at."""
        return self.scorer.scores(queries)

    def answer(self, queries: Ids, graph: Graph) -> Ranked:
        """See ``kgwalk.protocols.Agent``: every entity, by the model's own scores."""
        scores = self.scores(queries, graph)
        order = sorted_by_score(scores)
        offsets = np.arange(len(queries) + 1, dtype=np.int64) * scores.shape[1]
        ranked = np.take_along_axis(scores, order, 1).astype(np.float64)
        return Ranked(offsets, order.astype(np.int32).reshape(-1), ranked.reshape(-1))

    def save(self, folder: Path) -> None:
        """Write the scorer's file into a folder."""
        self.scorer.save(folder / NAME)
