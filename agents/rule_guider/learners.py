"""What the third and the fourth stage learn from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kgwalk.data import Dataset
from kgwalk.protocols import FinishedWalks, Ids, RewardTerm

from ..policy_gradient import PolicyGradient
from ..rollouts import roll_out
from ..training import ShuffledBatches, first_of_valid, tail_mrr
from ..walker import WalkerAgent, walking_rules
from ..warm_start import FreshPaths
from .config import RuleGuiderConfig

_LEAST = 0.01
_ROLLOUTS = 20  # walks per query of valid by which pretraining is judged


class Pretraining:
    """The relation agent learns which relations rules follow; where it arrives does not matter.

    Args:
        agent: walks.
        rules: the reward, the confidence of the rule that a walk follows.
        dataset: whose training queries are walked from.
        config: numbers.
        seed: of the run.
    """

    def __init__(
        self, agent: WalkerAgent, rules: RewardTerm, dataset: Dataset, config: RuleGuiderConfig, seed: int
    ) -> None:
        self.agent = agent
        self.rules = rules
        self.seed = seed
        self.extra = {"baseline": 0.0}
        self.gradient = PolicyGradient(
            agent.policy,
            walking_rules(dataset.graph, agent.max_out_degree, training=True),
            dataset.queries("train", config.directions),
            rules,
            config.pretraining,
            hops=agent.hops,
            seed=seed,
            extra=self.extra,
        )
        valid = first_of_valid(dataset, config.validate_queries, seed)
        self.queries: Ids = np.ascontiguousarray(valid.queries("valid", "tail"))
        self.actions = walking_rules(dataset.graph_for("valid"), agent.max_out_degree, training=False)

    def validate(self) -> float:
        """Mean rule reward of walks drawn for the queries of valid."""
        untold = self.queries.copy()
        untold[:, 2] = -1  # the graph does not hold these facts: there is nothing to hide, and nothing may be told
        with torch.inference_mode():
            _, walks = roll_out(
                self.agent.policy,
                self.actions,
                untold,
                hops=self.agent.hops,
                rollouts=_ROLLOUTS,
                seed=self.seed,
                stream=0,
            )
        return float(self.rules(walks, untold[walks.query]).mean())


class JointLearner:
    """Both agents learn from where they arrive and from the rules they follow.

    First supervised, on paths to the answer, each counting by its reward, then by reinforcement.

    Args:
        agent: walks.
        rules: the rule reward.
        end: the reward of where a walk ends, 1 at its target.
        dataset: whose training queries are walked from.
        config: numbers.
        seed: of the run.
    """

    def __init__(
        self,
        agent: WalkerAgent,
        rules: RewardTerm,
        end: RewardTerm,
        dataset: Dataset,
        config: RuleGuiderConfig,
        seed: int,
    ) -> None:
        self.agent = agent
        self.config = c = config
        self.rules = rules
        self.end = end
        self.valid = first_of_valid(dataset, c.validate_queries, seed)
        self.extra = {"baseline": 0.0}
        queries = dataset.queries("train", c.directions)
        actions = walking_rules(dataset.graph, agent.max_out_degree, training=True)
        self.batches = ShuffledBatches(np.arange(len(queries)), c.likelihood.batch, seed)
        self.paths = FreshPaths(
            actions,
            queries,
            hops=agent.hops,
            max_paths=c.likelihood.paths,
            max_branch=c.likelihood.branch,
            seed=seed,
            # All of these walks arrive, and without a rule's share all are worth the same.
            reward=self.positive_reward if c.rule_weight else None,
        )
        self.gradient = PolicyGradient(
            agent.policy, actions, queries, self.reward, c.joint, hops=agent.hops, seed=seed, extra=self.extra
        )

    def reward(self, walks: FinishedWalks, queries: Ids) -> NDArray[np.float64]:
        """``lambda * rule + (1 - lambda) * end`` of each walk (section 3.2)."""
        share = self.config.rule_weight
        return share * self.rules(walks, queries) + (1 - share) * self.end(walks, queries)

    def positive_reward(self, walks: FinishedWalks, queries: Ids) -> NDArray[np.float64]:
        """The same, and no less than 0.01: a likelihood weighted by nothing has no logarithm."""
        return np.maximum(self.reward(walks, queries), _LEAST)

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, float]]:
        """The loss of a step, and numbers to log."""
        supervised = self.config.likelihood.steps
        if step >= supervised:
            return self.gradient.loss(step - supervised)
        loss = self.paths.loss(self.agent.policy, self.batches(step), step)
        return loss, {"likelihood/loss": loss.item()}

    def learning_rate(self, step: int) -> float:
        """That of a step."""
        c = self.config.likelihood
        if step >= c.steps:
            return self.gradient.learning_rate(step - c.steps)
        return c.learning_rate * max(0.05, 1 - step / c.steps)

    def validate(self) -> float:
        """Mean reciprocal rank on valid, by walks alone."""
        return tail_mrr(self.agent, self.valid)
