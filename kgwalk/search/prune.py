"""Action pruning: a scorer says which candidates of a crowded node are worth a policy's look."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kgwalk._core import rank_order
from kgwalk.protocols import Candidates, Ids, Scorer
from kgwalk.scorers.facts import score_facts, scorer_name
from kgwalk.search.paths import row_numbers, take_rows


@dataclass(frozen=True)
class Prune:
    """Keeps the candidates that lead to the most plausible answers of the query (PGPR, Xian et al., SIGIR 2019).

    A candidate is worth the score of (query's source, query's relation, the entity it leads to), whatever hop it is
    for. Nodes with no more than ``max_actions`` candidates keep them all, and their entities are not scored.

    Attributes:
        scorer: of the graph's vocabulary.
        max_actions: candidates kept of a node, STAY included, which is always kept.
    """

    scorer: Scorer
    max_actions: int

    def __post_init__(self) -> None:
        """Refuse what is no number of actions, and a scorer that cannot be asked about all entities."""
        if type(self.max_actions) is not int or self.max_actions < 1:
            raise ValueError(f"max_actions must be a whole number from 1, got {self.max_actions!r}")
        if getattr(self.scorer, "targets", None) is not None:
            raise ValueError(
                f"{scorer_name(self.scorer)} cannot prune: it scores what is recommended only, and moves lead elsewhere"
            )

    def __call__(self, moves: Candidates, queries: Ids) -> Candidates:
        """The candidates that are kept, in the order they had.

        Args:
            moves: candidates of n walkers, STAY first in each row.
            queries: (n, 3) int32, the query of each row; targets are not read.

        Returns:
            n rows of at most ``max_actions``; equal scores go to the earlier candidate.

        Raises:
            ValueError: the scorer gave no scores in [0, 1].
            IndexError: an id is out of the scorer's range.
        """
        sizes = np.diff(moves.offsets)
        crowded = np.flatnonzero(sizes > self.max_actions)
        if len(crowded) == 0:
            return moves
        offsets, index = take_rows(moves.offsets, crowded)
        moving = np.ones(len(index), np.bool_)
        moving[offsets[:-1]] = False
        owner = crowded[row_numbers(offsets)[moving]]
        worth = np.full(len(index), np.inf)
        worth[moving] = score_facts(self.scorer, np.column_stack([queries[owner, :2], moves.entities[index[moving]]]))
        best_first = rank_order(offsets, np.arange(len(index), dtype=np.int32), worth)
        place = np.arange(len(index)) - np.repeat(offsets[:-1], np.diff(offsets))
        keep = np.ones(len(moves.entities), np.bool_)
        keep[index[best_first[place >= self.max_actions]]] = False
        ends = np.cumsum(np.minimum(sizes, self.max_actions))
        return Candidates(np.append(0, ends).astype(np.int64), moves.relations[keep], moves.entities[keep])
