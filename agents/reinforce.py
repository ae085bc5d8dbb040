"""REINFORCE over walks (MINERVA, Das et al. 2018), with an optional supervised warm start."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kgwalk.data import Dataset, Directions
from kgwalk.search.layout import Final

from .policies.path import PathPolicy, PathPolicyConfig
from .policy_gradient import PolicyGradient, PolicyGradientConfig
from .trainable import Trainable, check_seed
from .training import ShuffledBatches, Trainer, first_of_valid, plain, tail_mrr
from .walker import WalkerAgent, walking_rules
from .warm_start import AnswerPaths


@dataclass(frozen=True)
class ReinforceConfig:
    """Everything that ``Reinforce.fit`` may be told.

    Attributes:
        policy: sizes of the network.
        hops: length of a walk.
        max_out_degree: edges a node shows at most, 0 for all; None takes the dataset card's.
        directions: ``"both"`` trains on inverse queries too; ``"tail"`` does not, and can answer none.
        warm_up_steps: supervised steps before reinforcement; 0 for none.
        warm_up_batch: queries in a supervised step.
        warm_up_paths: paths kept per query for it.
        warm_up_branch: edges followed per node in their search.
        steps: reinforcement steps.
        batch: queries in a step.
        rollouts: walks per query.
        learning_rate: of Adam, in the supervised steps.
        reinforce_learning_rate: of Adam, in reinforcement steps; falls linearly to a tenth.
        entropy: weight of the policy's entropy in the loss.
        entropy_decay: factor on that weight over all of the reinforcement steps.
        baseline_momentum: share of the moving baseline that stays at each step.
        action_dropout: share of moves hidden while sampling.
        clip: largest norm of the gradient.
        validate_every: steps between validations.
        validate_queries: queries of valid that select the model; 0 for all.
        beam: paths kept per query and hop when answering.
        final: see ``WalkerAgent``.
    """

    policy: PathPolicyConfig = field(default_factory=PathPolicyConfig)
    hops: int = 3
    max_out_degree: int | None = None
    directions: Directions = "both"
    warm_up_steps: int = 600
    warm_up_batch: int = 512
    warm_up_paths: int = 64
    warm_up_branch: int = 256
    steps: int = 400
    batch: int = 512
    rollouts: int = 20
    learning_rate: float = 3e-3
    reinforce_learning_rate: float = 3e-4
    entropy: float = 0.02
    entropy_decay: float = 0.1
    baseline_momentum: float = 0.95
    action_dropout: float = 0.1
    clip: float = 5.0
    validate_every: int = 200
    validate_queries: int = 0
    beam: int = 128
    final: Final = "keep"

    def __post_init__(self) -> None:
        """Refuse numbers that cannot be trained with."""
        for key in ("warm_up_steps", "validate_queries"):
            if getattr(self, key) < 0:
                raise ValueError(f"{key} must not be negative, got {getattr(self, key)}")
        for key in ("warm_up_batch", "warm_up_paths", "warm_up_branch", "validate_every"):
            if getattr(self, key) < 1:
                raise ValueError(f"{key} must be at least 1, got {getattr(self, key)}")
        for key in ("learning_rate", "reinforce_learning_rate", "clip"):
            if not 0 < getattr(self, key) < math.inf:
                raise ValueError(f"{key} must be positive, got {getattr(self, key)}")
        _ = self.gradient  # refuses what is its own
        if self.warm_up_steps + self.steps < 1:
            raise ValueError("warm_up_steps and steps are both 0: there is nothing to train")
        if self.directions not in ("tail", "both"):
            raise ValueError(f"directions must be tail or both, got {self.directions!r}")

    @property
    def gradient(self) -> PolicyGradientConfig:
        """What the reinforcement steps are told."""
        return PolicyGradientConfig(
            steps=self.steps,
            batch=self.batch,
            rollouts=self.rollouts,
            learning_rate=self.reinforce_learning_rate,
            entropy=self.entropy,
            entropy_decay=self.entropy_decay,
            baseline_momentum=self.baseline_momentum,
            action_dropout=self.action_dropout,
        )


# What differs from the defaults, by dataset; each was chosen on valid.
_SMALL = {"warm_up_batch": 64, "warm_up_steps": 200, "steps": 50, "batch": 64, "validate_every": 50}
_TUNED: dict[str, dict[str, Any]] = {
    "Family": {
        "warm_up_steps": 400,
        "warm_up_batch": 128,
        "warm_up_paths": 16,
        "steps": 100,
        "batch": 128,
        "validate_every": 100,
    },
    "Kinship": {
        # Few and densely joined entities: here their embeddings pay, and three hops reach everything a hundred ways.
        "policy": PathPolicyConfig(entity_dim=64, embedding_dropout=0.4, hidden_dropout=0.2),
        "hops": 2,
        "warm_up_steps": 1000,
        "warm_up_batch": 128,
        "steps": 200,
        "batch": 128,
        "reinforce_learning_rate": 3e-4,
        "validate_every": 100,
    },
    "Countries-S1": _SMALL,
    "Countries-S2": _SMALL,
    "Countries-S3": _SMALL,
    "NELL-995": {"warm_up_batch": 128, "warm_up_steps": 600, "steps": 200, "batch": 128, "validate_every": 100},
    # Hubs of thousands of edges: a sample of each node's edges still finds a path for 96 % of the training queries.
    "FB15k-237": {
        "warm_up_branch": 32,
        "warm_up_paths": 16,
        "warm_up_steps": 1200,
        "steps": 100,
        "validate_queries": 2000,
    },
}


class Reinforce(WalkerAgent, Trainable[ReinforceConfig]):
    """Policy gradient on walks that reach their query's own target."""

    name = "reinforce"
    Config = ReinforceConfig

    @staticmethod
    def config_for(dataset: str) -> ReinforceConfig:
        """The configuration that was chosen on a dataset's valid split; the defaults for an unknown name."""
        return ReinforceConfig(**_TUNED.get(dataset, {}))

    @classmethod
    def trainer(cls, dataset: Dataset, config: ReinforceConfig, folder: Path, *, seed: int = 0) -> Trainer:
        """What ``fit`` runs, before its first step."""
        check_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            policy = PathPolicy(dataset.graph.num_entities, dataset.graph.num_relations, config.policy)
        agent = cls(
            policy,
            dataset=dataset.name,
            fingerprint=dataset.fingerprint,
            hops=config.hops,
            max_out_degree=dataset.card.max_out_degree if config.max_out_degree is None else config.max_out_degree,
            beam=config.beam,
            final=config.final,
            directions=config.directions,
        )
        learner = _Learner(agent, dataset, config, seed)
        return Trainer(
            policy,
            torch.optim.Adam(policy.parameters(), lr=config.learning_rate, fused=True),
            folder,
            seed=seed,
            run_id={"config": plain(config), "dataset": dataset.fingerprint, "seed": seed},
            loss=learner.loss,
            validate=learner.validate,
            keep=lambda: agent.save(folder),
            steps=config.warm_up_steps + config.steps,
            validate_every=config.validate_every,
            learning_rate=learner.learning_rate,
            clip=config.clip,
            extra=learner.extra,
        )


class _Learner:
    """The losses of the two phases, and validation."""

    def __init__(self, agent: Reinforce, dataset: Dataset, config: ReinforceConfig, seed: int) -> None:
        self.agent = agent
        self.config = c = config
        self.seed = seed
        self.valid = first_of_valid(dataset, c.validate_queries, seed)
        self.queries = dataset.queries("train", c.directions)
        self.actions = walking_rules(dataset.graph, agent.max_out_degree, training=True)
        self.extra = {"baseline": 0.0}
        self.paths: AnswerPaths | None = None
        self.gradient = PolicyGradient(
            agent.policy,
            self.actions,
            self.queries,
            lambda walks, queries: walks.hit.astype(np.float64),
            c.gradient,
            hops=c.hops,
            seed=seed,
            extra=self.extra,
        )

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, float]]:
        if step < self.config.warm_up_steps:
            return self._supervised(step)
        return self.gradient.loss(step - self.config.warm_up_steps)

    def learning_rate(self, step: int) -> float:
        if step < self.config.warm_up_steps:
            return self.config.learning_rate
        return self.gradient.learning_rate(step - self.config.warm_up_steps)

    def validate(self) -> float:
        return tail_mrr(self.agent, self.valid)

    def _supervised(self, step: int) -> tuple[Tensor, Mapping[str, float]]:
        c = self.config
        if self.paths is None:
            self.paths = AnswerPaths(
                self.actions,
                self.queries,
                hops=c.hops,
                max_paths=c.warm_up_paths,
                max_branch=c.warm_up_branch,
                seed=self.seed,
            )
            self.warm_up_batches = ShuffledBatches(self.paths.reachable, c.warm_up_batch, self.seed)
        loss = self.paths.loss(self.agent.policy, self.warm_up_batches(step))
        return loss, {"warm_up/loss": loss.item()}
