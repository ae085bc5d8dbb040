"""What training and answering of the PGPR-style agent may be told."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from .policy import PgprPolicyConfig

Ranking = Literal["paths", "scorer"]


@dataclass(frozen=True)
class PgprConfig:
    """Everything that ``Pgpr.fit`` may be told.

    Attributes:
        policy: sizes of the network.
        teacher: path of a scorer (``kgwalk score train``) of the same dataset; None for none. It is needed for
            ``start_from_teacher``, ``teacher_reward``, ``prune`` and ``ranking="scorer"``.
        start_from_teacher: begin with the teacher's vectors of entities; ``policy.dim`` must be theirs.
        train_embeddings: whether embeddings of entities and relations learn; else they stay as they begin.
        hops: length of a walk.
        max_out_degree: edges a node shows at most, 0 for all; None takes the dataset card's.
        prune: candidates that the teacher leaves of a crowded node, when answering; 0 for all.
        hit_reward: paid for reaching the query's own item.
        teacher_reward: paid at most for what the teacher finds plausible, in proportion to the user's best item.
        metapaths_only: pay only walks along the dataset's metapaths.
        warm_up_steps: supervised steps before reinforcement, on sampled paths to the query's own item; 0 for none.
        warm_up_batch: queries in a supervised step.
        warm_up_paths: paths drawn per query for it.
        warm_up_branch: entities of a relation that their search follows before the last hop.
        steps: reinforcement steps.
        batch: queries in a step.
        rollouts: walks per query.
        learning_rate: of Adam, in the supervised steps; falls linearly to a tenth.
        reinforce_learning_rate: of Adam, in reinforcement steps; falls linearly to a tenth.
        value: weight of the value head's squared error in the loss.
        entropy: weight of the policy's entropy in the loss.
        action_dropout: share of moves hidden while sampling.
        clip: largest norm of the gradient.
        validate_every: steps between validations.
        validate_queries: queries of valid that select the model; 0 for all.
        beam: paths kept at each hop for every path that comes there.
        ranking: order of the items that paths reach: by the paths' summed probability, or by the teacher.
    """

    policy: PgprPolicyConfig = field(default_factory=PgprPolicyConfig)
    teacher: str | None = None
    start_from_teacher: bool = False
    train_embeddings: bool = True
    hops: int = 3
    max_out_degree: int | None = None
    prune: int = 0
    hit_reward: float = 1.0
    teacher_reward: float = 0.0
    metapaths_only: bool = False
    warm_up_steps: int = 400
    warm_up_batch: int = 256
    warm_up_paths: int = 4
    warm_up_branch: int = 32
    steps: int = 100
    batch: int = 128
    rollouts: int = 16
    learning_rate: float = 3e-3
    reinforce_learning_rate: float = 1e-4
    value: float = 0.5
    entropy: float = 1e-3
    action_dropout: float = 0.1
    clip: float = 5.0
    validate_every: int = 100
    validate_queries: int = 2000
    beam: tuple[int, ...] = (25, 5, 1)
    ranking: Ranking = "paths"

    def __post_init__(self) -> None:
        """Refuse numbers that cannot be trained or answered with."""
        least = dict.fromkeys(("prune", "warm_up_steps", "steps", "validate_queries"), 0) | dict.fromkeys(
            ("hops", "warm_up_batch", "warm_up_paths", "warm_up_branch", "batch", "rollouts", "validate_every"), 1
        )
        for key, smallest in least.items():
            if type(getattr(self, key)) is not int or getattr(self, key) < smallest:
                raise ValueError(f"{key} must be a whole number from {smallest}, got {getattr(self, key)!r}")
        for key in ("learning_rate", "reinforce_learning_rate", "clip"):
            if not 0 < getattr(self, key) < math.inf:
                raise ValueError(f"{key} must be positive, got {getattr(self, key)}")
        for key in ("hit_reward", "teacher_reward", "value", "entropy"):
            if not 0 <= getattr(self, key) < math.inf:
                raise ValueError(f"{key} must be a finite number of 0 or more, got {getattr(self, key)}")
        if not 0 <= self.action_dropout < 1:
            raise ValueError(f"action_dropout must be a share of at least 0 and below 1, got {self.action_dropout}")
        if self.warm_up_steps + self.steps < 1:
            raise ValueError("warm_up_steps and steps are both 0: there is nothing to train")
        check_beam(self.beam, self.hops)
        if self.ranking not in get_args(Ranking):
            raise ValueError(f"ranking must be {' or '.join(get_args(Ranking))}, got {self.ranking!r}")
        for key in ("start_from_teacher", "teacher_reward", "prune"):
            if getattr(self, key) and self.teacher is None:
                raise ValueError(f"{key} is {getattr(self, key)}: it needs a teacher, the path of a scorer")
        if self.ranking == "scorer" and self.teacher is None:
            raise ValueError("ranking is 'scorer': it needs a teacher, the path of a scorer")


def check_beam(beam: Any, hops: int) -> None:
    """Refuse what is not one positive number for each hop."""
    if (
        not isinstance(beam, tuple)
        or not len(beam) == hops > 0
        or any(type(keep) is not int or keep < 1 for keep in beam)
    ):
        raise ValueError(f"beam must be a positive number for each of {hops} hops, got {beam!r}")


# What differs from the defaults, by dataset; each was chosen on valid.
_AMAZON = {"warm_up_steps": 600, "validate_queries": 3000, "beam": (25, 10, 25)}
TUNED: dict[str, dict[str, Any]] = {
    "Amazon-Beauty": _AMAZON,
    "Amazon-Cellphones": _AMAZON,
    "LastFM": {"warm_up_steps": 150, "validate_every": 50, "validate_queries": 0, "beam": (25, 10, 25)},
    "MovieLens-1M": {"warm_up_steps": 300, "beam": (25, 10, 25)},
}
