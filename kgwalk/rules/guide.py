"""What rules say to a walker that chooses a relation: which continue a rule, and how good the best of them is."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kgwalk.protocols import Ids
from kgwalk.rules.trie import RuleTrie

# A log-score that no learnt one makes up for, and that is equal for all where no relation continues a rule; not so low
# that a float32 sum of the two would round the learnt one off.
_CLOSED = -100.0
_FLOOR = 0.01  # what a relation counts as prior that continues no rule


class RuleGuide:
    """Log-scores of relations by the rules that they continue, for a policy to add to its own.

    ``RuleTrie.mask`` and ``RuleTrie.prior`` for all relations at once, whichever are open at the node.

    Args:
        trie: the rules.
        kind: ``"prior"``: the log of the best confidence still to be had behind a relation, 0.01 at least; ``"mask"``:
            relations that continue no rule are closed, unless none that is open does.
    """

    def __init__(self, trie: RuleTrie, kind: Literal["prior", "mask"]) -> None:
        if kind not in ("prior", "mask"):
            raise ValueError(f"kind must be prior or mask, got {kind!r}")
        self.trie = trie
        self.kind = kind

    def log_scores(self, nodes: Ids) -> NDArray[np.float32]:
        """Log-scores of all relations and STAY for walkers at ``nodes`` of the trie, (n, 2R + 1)."""
        worth = np.zeros((len(nodes), 2 * self.trie.num_relations + 1), np.float32)
        below = self.trie.continuations(nodes)
        worth[np.repeat(np.arange(len(nodes)), np.diff(below.offsets)), below.relations] = below.best
        worth[:, -1] = self.trie.confidence(nodes)
        if self.kind == "mask":
            return np.where(worth > 0, np.float32(0), np.float32(_CLOSED))
        return np.log(np.maximum(worth, np.float32(_FLOOR)))
