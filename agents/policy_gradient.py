"""The policy gradient: walks drawn from a policy are made likelier in so far as they earn more than the others do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kgwalk import ragged
from kgwalk.graph import ActionSets
from kgwalk.protocols import FinishedWalks, Ids, Policy

from .rollouts import distinct_share, roll_out, walk_log_probs
from .training import ShuffledBatches

#: Reward of each finished walk, (k,), of queries (k, 3), a row for each walk.
Reward = Callable[[FinishedWalks, Ids], NDArray[np.float64]]


@dataclass(frozen=True)
class PolicyGradientConfig:
    """How walks are sampled and learnt from.

    Attributes:
        steps: how many.
        batch: queries in a step.
        rollouts: walks per query.
        learning_rate: of Adam; falls linearly to a tenth.
        entropy: weight of the policy's entropy in the loss.
        entropy_decay: factor on that weight over all of the steps.
        baseline_momentum: share of the moving baseline that stays at each step.
        action_dropout: share of options hidden while sampling.
    """

    steps: int = 400
    batch: int = 512
    rollouts: int = 20
    learning_rate: float = 3e-4
    entropy: float = 0.02
    entropy_decay: float = 0.1
    baseline_momentum: float = 0.95
    action_dropout: float = 0.1

    def __post_init__(self) -> None:
        """Refuse numbers that cannot be trained with."""
        if type(self.steps) is not int or self.steps < 0:
            raise ValueError(f"steps must not be negative, got {self.steps!r}")
        for key in ("batch", "rollouts"):
            if type(getattr(self, key)) is not int or getattr(self, key) < 1:
                raise ValueError(f"{key} must be at least 1, got {getattr(self, key)!r}")
        for key in ("learning_rate", "entropy_decay"):
            if not 0 < getattr(self, key) < float("inf"):
                raise ValueError(f"{key} must be positive, got {getattr(self, key)}")
        for key in ("baseline_momentum", "action_dropout"):
            if not 0 <= getattr(self, key) < 1:
                raise ValueError(f"{key} must be a share of at least 0 and below 1, got {getattr(self, key)}")


class PolicyGradient:
    """REINFORCE (Williams 1992) with a moving baseline and an entropy bonus.

    Args:
        policy: samples and learns.
        actions: what is legal in training.
        queries: (n, 3) int32, of training.
        reward: what a walk earns.
        config: numbers.
        hops: length of a walk.
        seed: of the run.
        extra: holds the moving baseline, under ``"baseline"``; a checkpoint keeps it.
    """

    def __init__(
        self,
        policy: Policy[Any],
        actions: ActionSets,
        queries: Ids,
        reward: Reward,
        config: PolicyGradientConfig,
        *,
        hops: int,
        seed: int,
        extra: dict[str, float],
    ) -> None:
        self.policy = policy
        self.actions = actions
        self.queries = queries
        self.reward = reward
        self.config = config
        self.hops = hops
        self.seed = seed
        self.extra = extra
        self.batches = ShuffledBatches(np.arange(len(queries)), config.batch, seed)

    def learning_rate(self, step: int) -> float:
        """That of a step."""
        return self.config.learning_rate * (1 - 0.9 * step / self.config.steps)

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, float]]:
        """The loss of a step, and numbers to log."""
        c = self.config
        queries: Ids = np.ascontiguousarray(self.queries[self.batches(step)])
        choices, walks = roll_out(
            self.policy,
            self.actions,
            queries,
            hops=self.hops,
            rollouts=c.rollouts,
            seed=self.seed,
            stream=step * c.batch * c.rollouts,
            action_dropout=c.action_dropout,
        )
        reward = torch.from_numpy(self.reward(walks, queries[walks.query]).astype(np.float32))
        gain = ((reward - self.extra["baseline"]) * walk_log_probs(choices)).mean()
        entropy = torch.stack([ragged.entropy(made.log_probs, made.offsets).mean() for made in choices]).mean()
        weight = c.entropy * c.entropy_decay ** (step / c.steps)
        earned, m = float(reward.mean()), c.baseline_momentum
        self.extra["baseline"] = earned if step == 0 else m * self.extra["baseline"] + (1 - m) * earned
        return -gain - weight * entropy, {
            "reinforce/reward": earned,
            "reinforce/hit": float(walks.hit.mean()),
            "reinforce/entropy": entropy.item(),
            "reinforce/distinct_states": distinct_share(choices),
        }
