"""Scorers that need no training."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kgwalk.protocols import Ids


class TableScorer:
    """Scores from a table of source, relation and target. They are eighths, so that ties are common.

    Attributes:
        asked: every fact that it was asked about, in order.
        relations: those of its calls, in order.
    """

    name = "table"

    def __init__(self, num_entities: int, num_relations: int, seed: int = 0) -> None:
        shape = (num_entities, 2 * num_relations, num_entities)
        self.table = np.random.default_rng(seed).integers(0, 9, shape).astype(np.float32) / 8
        self.asked: list[tuple[int, int, int]] = []
        self.relations: list[int] = []

    def score(self, sources: Ids, relation: int, targets: Ids) -> NDArray[np.float32]:
        for ids in (sources, targets):
            assert ids.dtype == np.int32
            assert ids.shape == sources.shape
            assert ids.flags.c_contiguous
        if not 0 <= relation < self.table.shape[1]:
            raise IndexError(f"no relation {relation}")
        self.relations.append(relation)
        self.asked += [(s, relation, t) for s, t in zip(sources.tolist(), targets.tolist(), strict=True)]
        scores: NDArray[np.float32] = self.table[sources, relation, targets]
        return scores

    def top_k(
        self, sources: Ids, relation: int, k: int, *, entity_type: int | None = None
    ) -> tuple[Ids, NDArray[np.float32]]:
        raise NotImplementedError("nothing here asks for it")

    def of(self, source: int, relation: int, target: int) -> float:
        """The score of one fact, not counted as asked."""
        return float(self.table[source, relation, target])


class BrokenScorer:
    """Gives whatever it is told to, repeated ``count`` times the number of facts."""

    def __init__(self, value: object, dtype: str = "float32", count: int = 1) -> None:
        self.value, self.dtype, self.count = value, dtype, count

    def score(self, sources: Ids, relation: int, targets: Ids) -> NDArray[np.float32]:
        return np.full(len(sources) * self.count, self.value, self.dtype)

    def top_k(
        self, sources: Ids, relation: int, k: int, *, entity_type: int | None = None
    ) -> tuple[Ids, NDArray[np.float32]]:
        raise NotImplementedError("nothing here asks for it")
