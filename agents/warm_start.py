"""Supervised warm start: raise the probability of the paths that reach the answer.

The paths are found by search, the query's own edge hidden, and the loss of a query is

    - log sum_{paths p to the target} prod_t pi(a_t | s_t),

the negative log-likelihood of its target under the policy's walks: what ranking by log-sum-exp asks for, without the
variance of sampling and without choosing one path as the right one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from kgwalk import ragged
from kgwalk.graph import ActionSets, find_paths
from kgwalk.protocols import Ids, Policy

from .rollouts import Rows, follow, walk_log_probs


class AnswerPaths:
    """Paths from the sources to the targets of training queries.

    Args:
        actions: what is legal in training.
        queries: (n, 3) int32.
        hops: length of a walk.
        max_paths: paths kept per query; of more, a uniform sample.
        max_branch: edges followed per node before the last hop; of more, a uniform sample.
        seed: of the samples.
    """

    def __init__(
        self, actions: ActionSets, queries: Ids, *, hops: int, max_paths: int, max_branch: int, seed: int
    ) -> None:
        self.actions = actions
        self.queries = queries
        query, self.entities, self.relations = find_paths(actions, queries, hops, max_paths, max_branch, seed)
        self.offsets = np.searchsorted(query, np.arange(len(queries) + 1))
        #: (k,) int64, the queries that have a path at all.
        self.reachable = np.flatnonzero(np.diff(self.offsets))

    def loss(self, policy: Policy[Any], rows: Rows) -> Tensor:
        """Mean negative log-likelihood of the targets of queries ``rows``, which must be reachable."""
        counts = np.diff(self.offsets)[rows]
        ends = np.cumsum(counts)
        of_walk = np.repeat(np.arange(len(rows)), counts)
        paths = np.arange(ends[-1]) + np.repeat(self.offsets[rows] - (ends - counts), counts)
        records = follow(
            policy,
            self.actions,
            np.ascontiguousarray(self.queries[rows]),
            of_walk,
            self.entities[paths],
            self.relations[paths],
        )
        return -ragged.log_sum_exp(walk_log_probs(records), np.concatenate([[0], ends])).mean()
