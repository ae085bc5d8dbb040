"""What training by Stable-Baselines3 may be told, and what was chosen for each dataset."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from kgwalk.data import Directions
from kgwalk.integrations.candidates import CandidateConfig
from kgwalk.search.layout import Final


@dataclass(frozen=True)
class SB3Config:
    """Everything that ``SB3Walker.fit`` may be told. PPO: Schulman et al. 2017.

    Attributes:
        network: sizes of the network; its ``decision`` is the agent's.
        hops: length of a walk.
        max_out_degree: edges a node shows at most when answering, 0 for all; None takes the dataset card's.
        train_out_degree: the same in training, where short lists are quick; 0 for as many as when answering.
        directions: ``"both"`` trains on inverse queries too; ``"tail"`` does not, and can answer none.
        warm_up_steps: supervised steps before PPO, as in ``ReinforceConfig``; 0 for none.
        warm_up_batch: queries in a supervised step.
        warm_up_paths: paths kept per query for it.
        warm_up_branch: edges followed per node in their search.
        warm_up_learning_rate: of Adam, in the supervised steps.
        num_envs: walkers.
        walks: walks of each walker in a rollout.
        rollouts: how often walks are made and learnt from.
        batch: moves in a step of the optimizer.
        epochs: passes over a rollout.
        learning_rate: of Adam; falls linearly to a tenth.
        clip_range: of the ratio of probabilities (equation 7).
        entropy: weight of the policy's entropy in the loss, at first.
        final_entropy: and in the end; it falls linearly.
        value: weight of the critic's squared error.
        gae_lambda: of generalized advantage estimation (Schulman et al. 2016); rewards are not discounted.
        clip: largest norm of the gradient.
        validate_every: rollouts between validations.
        validate_queries: queries of valid that select the model; 0 for all.
        beam: paths kept per query and hop when answering.
        final: see ``WalkerAgent``.
    """

    network: CandidateConfig = field(default_factory=CandidateConfig)
    hops: int = 3
    max_out_degree: int | None = None
    train_out_degree: int = 0
    directions: Directions = "both"
    warm_up_steps: int = 0
    warm_up_batch: int = 512
    warm_up_paths: int = 64
    warm_up_branch: int = 256
    warm_up_learning_rate: float = 3e-3
    num_envs: int = 512
    walks: int = 4
    rollouts: int = 400
    batch: int = 2048
    epochs: int = 3
    learning_rate: float = 2e-3
    clip_range: float = 0.2
    entropy: float = 0.1
    final_entropy: float = 0.01
    value: float = 0.5
    gae_lambda: float = 0.95
    clip: float = 0.5
    validate_every: int = 50
    validate_queries: int = 2000
    beam: int = 128
    final: Final = "keep"

    def __post_init__(self) -> None:
        """Refuse numbers that cannot be trained with."""
        counts = (
            "warm_up_batch",
            "warm_up_paths",
            "warm_up_branch",
            "num_envs",
            "walks",
            "rollouts",
            "batch",
            "epochs",
        )
        for key in ("hops", *counts, "validate_every", "beam"):
            if type(getattr(self, key)) is not int or getattr(self, key) < 1:
                raise ValueError(f"{key} must be at least 1, got {getattr(self, key)!r}")
        for key in ("train_out_degree", "warm_up_steps", "validate_queries"):
            if type(getattr(self, key)) is not int or getattr(self, key) < 0:
                raise ValueError(f"{key} must not be negative, got {getattr(self, key)!r}")
        for key in ("warm_up_learning_rate", "learning_rate", "clip_range", "clip"):
            if not 0 < getattr(self, key) < math.inf:
                raise ValueError(f"{key} must be positive, got {getattr(self, key)}")
        for key in ("entropy", "final_entropy", "value"):
            if not 0 <= getattr(self, key) < math.inf:
                raise ValueError(f"{key} must not be negative, got {getattr(self, key)}")
        if not 0 <= self.gae_lambda <= 1:
            raise ValueError(f"gae_lambda must be from 0 to 1, got {self.gae_lambda}")
        if self.directions not in ("tail", "both"):
            raise ValueError(f"directions must be tail or both, got {self.directions!r}")


# What differs from the defaults, by dataset; each was chosen on valid.
TUNED: dict[str, dict[str, Any]] = {
    "Family": {
        "warm_up_steps": 600,
        "warm_up_batch": 128,
        "warm_up_paths": 16,
        "rollouts": 30,
        "entropy": 0.05,
        "final_entropy": 0.05,
        "learning_rate": 1e-4,
        "validate_every": 10,
    },
    "Kinship": {
        # A walk drawn at random hits once in a hundred times: PPO alone gets to half of this in as long.
        "network": CandidateConfig(entity_dim=64),
        "hops": 2,
        "warm_up_steps": 500,
        "warm_up_batch": 128,
        "rollouts": 60,
        "entropy": 0.02,
        "final_entropy": 0.02,
        "learning_rate": 3e-4,
        "validate_every": 20,
    },
    "WN18RR": {
        "network": CandidateConfig(relation_dim=32),
        "train_out_degree": 32,
        "rollouts": 300,
        "entropy": 0.05,
        "final_entropy": 0.005,
        "validate_every": 25,
    },
}
