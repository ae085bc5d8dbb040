"""Supervised learning: raise the probability of the walks that reach the answer.

The loss of a query is the negative log-likelihood of its target under the policy's walks, its own edge hidden,

    - log sum_{walks w to the target} prod_t pi(a_t | s_t),

what ranking by log-sum-exp asks for, without the variance of sampling walks that mostly miss, and without choosing one
walk as the right one. The walks are found by search, not by the policy: those that visit no entity twice and wait only
once they have arrived. Others may arrive too, so their sum is a lower bound of the probability to.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from kgwalk import ragged
from kgwalk.graph import ActionSets, find_paths, sample_paths
from kgwalk.protocols import FinishedWalks, Ids, Policy

from .policy_gradient import Reward
from .rollouts import Rows, follow, walk_log_probs


class AnswerPaths:
    """Paths from the sources to the targets of training queries, found once: a uniform sample of each query's.

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
        queries = np.ascontiguousarray(self.queries[rows])
        choices = follow(policy, self.actions, queries, of_walk, self.entities[paths], self.relations[paths])
        return -ragged.log_sum_exp(walk_log_probs(choices), np.concatenate([[0], ends])).mean()


class FreshPaths:
    """Paths to the targets of training queries, drawn anew in every step, those that matter most.

    The likelihood is an estimate from weighted samples (``kgwalk.graph.sample_paths``) that is right on average; its
    logarithm, of which the loss is made, is on average too low. What paths of equal probability earn may differ: then a
    walk counts by its reward, and what is raised is the log of the expected reward of the walks that arrive.

    Args:
        actions: what is legal in training.
        queries: (n, 3) int32.
        hops: length of a walk.
        max_paths: paths drawn per query.
        max_branch: entities of a relation that the search follows before the last hop.
        seed: of the run.
        reward: of walks that arrive, positive; None: 1 for each.
    """

    def __init__(
        self,
        actions: ActionSets,
        queries: Ids,
        *,
        hops: int,
        max_paths: int,
        max_branch: int,
        seed: int,
        reward: Reward | None = None,
    ) -> None:
        self.actions = actions
        self.queries = queries
        self.hops = hops
        self.max_paths = max_paths
        self.max_branch = max_branch
        self.seed = seed
        self.reward = reward

    def loss(self, policy: Policy[Any], rows: Rows, step: int) -> Tensor:
        """Mean negative log-likelihood of the targets of queries ``rows``, those without a path left out."""
        asked = np.ascontiguousarray(self.queries[rows])
        seed = self.seed * 1_000_003 + step
        query, entities, relations, weight = sample_paths(
            self.actions, asked, self.hops, self.max_paths, self.max_branch, seed
        )
        if len(query) == 0:
            raise ValueError(
                f"none of the {len(rows)} training queries of step {step} has its answer within {self.hops} hops: "
                "walk further, or make the batches larger"
            )
        reached, of_walk = np.unique(query, return_inverse=True)
        queries = np.ascontiguousarray(asked[reached])
        log_weight = torch.from_numpy(weight)
        if self.reward is not None:
            hit = np.ones(len(query), np.bool_)
            walks = FinishedWalks(query, of_walk, entities, relations, hit)
            log_weight = log_weight + torch.from_numpy(np.log(self.reward(walks, queries[of_walk])).astype(np.float32))
        log_prob = walk_log_probs(follow(policy, self.actions, queries, of_walk, entities, relations))
        offsets = np.searchsorted(of_walk, np.arange(len(queries) + 1))
        return -ragged.log_sum_exp(log_prob + log_weight, offsets).mean()
