"""What RuleGuider may be told, and what was chosen for each dataset."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from kgwalk.data import Directions

from ..policies.split import SplitPolicyConfig
from ..policy_gradient import PolicyGradientConfig
from ..rules import RuleAgent, RulesConfig

Hit = Literal["hit", "shaped"]
Decision = Literal["split", "edge"]
Guidance = Literal["none", "prior", "mask"]


@dataclass(frozen=True)
class LikelihoodConfig:
    """Supervised steps, on paths to the answer that are drawn anew in each.

    Attributes:
        steps: how many.
        batch: queries in a step.
        paths: paths per query.
        branch: entities of a relation that their search follows before the last hop.
        learning_rate: of Adam; falls linearly to a twentieth.
    """

    steps: int = 600
    batch: int = 256
    paths: int = 64
    branch: int = 32
    learning_rate: float = 3e-3

    def __post_init__(self) -> None:
        """Refuse numbers that cannot be trained with."""
        if type(self.steps) is not int or self.steps < 0:
            raise ValueError(f"steps must not be negative, got {self.steps!r}")
        for key in ("batch", "paths", "branch"):
            if type(getattr(self, key)) is not int or getattr(self, key) < 1:
                raise ValueError(f"{key} must be at least 1, got {getattr(self, key)!r}")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate must be positive, got {self.learning_rate}")


@dataclass(frozen=True)
class RuleGuiderConfig:
    """Everything that ``RuleGuider.fit`` may be told.

    Attributes:
        policy: sizes of the two agents.
        decision: ``"split"``: two agents; ``"edge"``: one that chooses relation and entity at once, with entity
            embeddings of the same size, for comparison.
        hops: length of a walk.
        max_out_degree: edges a node shows at most, 0 for all; None takes the dataset card's.
        directions: ``"both"`` trains on inverse queries too; ``"tail"`` does not, and can answer none.
        scorer: the embedding of the first stage, by the name of its agent; empty for none.
        hit: what a walk earns by where it ends: 1 at its target, else nothing (``"hit"``) or what the scorer finds the
            answer worth (``"shaped"``).
        rules: what is mined in the second stage, and what its rules are worth as evidence.
        rule_threshold: least confidence of a rule that is rewarded or guides.
        rule_weight: share of the rule reward, lambda in the paper; the rest is the reward of the end.
        guidance: what rules do to the relation agent while it walks: nothing, add the log of the confidence still to be
            had behind a relation (``"prior"``), or close the relations that no rule follows where one is open that does
            (``"mask"``).
        pretraining: the third stage: the relation agent alone, on the rule reward alone; 0 steps leave it out.
        freeze: the relation agent learns nothing after its pretraining.
        likelihood: the fourth stage's supervised steps, in which walks that arrive count by their reward.
        joint: the fourth stage's reinforcement steps, both agents on the whole reward.
        clip: largest norm of the gradient.
        validate_every: steps between validations.
        validate_queries: queries of valid that select the model; 0 for all.
        beam: paths listed per query for explanations.
        spread: see ``WalkerAgent``; 0 ranks what the beam lists.
        walk_weight: what the log-probability of arriving counts beside the log of the evidence of rules; None ranks by
            walks alone.
    """

    policy: SplitPolicyConfig = field(default_factory=SplitPolicyConfig)
    decision: Decision = "split"
    hops: int = 3
    max_out_degree: int | None = 0
    directions: Directions = "both"
    scorer: str = "complex"
    hit: Hit = "hit"
    rules: RulesConfig = field(default_factory=RulesConfig)
    rule_threshold: float = 0.15
    rule_weight: float = 0.1
    guidance: Guidance = "none"
    pretraining: PolicyGradientConfig = field(
        default_factory=lambda: PolicyGradientConfig(steps=100, learning_rate=3e-3, action_dropout=0.0)
    )
    freeze: bool = False
    likelihood: LikelihoodConfig = field(default_factory=LikelihoodConfig)
    joint: PolicyGradientConfig = field(default_factory=lambda: PolicyGradientConfig(steps=0))
    clip: float = 5.0
    validate_every: int = 200
    validate_queries: int = 0
    beam: int = 128
    spread: int = 3000
    walk_weight: float | None = 0.5

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with."""
        for key, choices in (("decision", Decision), ("hit", Hit), ("guidance", Guidance)):
            if getattr(self, key) not in get_args(choices):
                raise ValueError(f"{key} must be one of {', '.join(get_args(choices))}, got {getattr(self, key)!r}")
        for key, least, most in (("hops", 1, 16), ("beam", 1, 1 << 20), ("spread", 0, 1 << 30)):
            if type(getattr(self, key)) is not int or not least <= getattr(self, key) <= most:
                raise ValueError(f"{key} must be a whole number from {least} to {most}, got {getattr(self, key)!r}")
        if self.max_out_degree is not None and (type(self.max_out_degree) is not int or self.max_out_degree < 0):
            raise ValueError(f"max_out_degree must be 0 or more, or None, got {self.max_out_degree!r}")
        if self.directions not in ("tail", "both"):
            raise ValueError(f"directions must be tail or both, got {self.directions!r}")
        for key in ("rule_threshold", "rule_weight"):
            if not 0 <= getattr(self, key) <= 1:
                raise ValueError(f"{key} must be from 0 to 1, got {getattr(self, key)}")
        if self.walk_weight is not None and not 0 <= self.walk_weight < math.inf:
            raise ValueError(f"walk_weight must not be negative, got {self.walk_weight}")
        if self.walk_weight is not None and self.rules.aggregation != "noisy-or":
            raise ValueError(
                f"walk_weight weighs walks beside a noisy-or of rules, not {self.rules.aggregation}: "
                "set rules.aggregation=noisy-or, or walk_weight=none to rank by walks alone"
            )
        if not 0 < self.clip < math.inf:
            raise ValueError(f"clip must be positive, got {self.clip}")
        for key, least in (("validate_every", 1), ("validate_queries", 0)):
            if type(getattr(self, key)) is not int or getattr(self, key) < least:
                raise ValueError(f"{key} must be at least {least}, got {getattr(self, key)!r}")
        if self.hit == "shaped" and not self.scorer:
            raise ValueError("the shaped reward asks for a scorer: name the embedding of the first stage")
        if self.likelihood.steps + self.joint.steps < 1:
            raise ValueError("likelihood.steps and joint.steps are both 0: there is nothing to train")
        if self.freeze and not (self.decision == "split" and self.policy.entity_dim and self.pretraining.steps):
            raise ValueError(
                "freeze needs a pretrained relation agent and an entity agent (policy.entity_dim) to train"
            )
        if self.guidance != "none" and self.decision != "split":
            raise ValueError("guidance is for the relation agent of decision=split")
        if self.spread and (self.decision != "split" or (self.policy.entity_dim and self.policy.sight != "relations")):
            raise ValueError("spread adds up walks of split agents that see relations only: set spread=0")


# What differs from the defaults, by dataset; each was chosen on valid.
_TUNED: dict[str, dict[str, Any]] = {
    # Three hops reach two thirds of the answers, six nearly nine tenths; most entities have few relations.
    "WN18RR": {
        "hops": 6,
        "rule_weight": 0.65,
        "likelihood": LikelihoodConfig(steps=1500, batch=512, branch=6),
        "spread": 5000,
        "validate_every": 500,
    },
    # Few training queries, and relations of hundreds of entities: here it pays to learn which. Rules that already sit
    # beside the walker as a prior have nothing to add as a reward.
    "NELL-995": {
        "policy": SplitPolicyConfig(
            relation_dim=128, entity_dim=32, hidden_dim=128, embedding_dropout=0.1, hidden_dropout=0.1
        ),
        "rule_weight": 0.0,
        "rule_threshold": 0.02,
        "guidance": "prior",
        "likelihood": LikelihoodConfig(steps=400),
        "validate_every": 100,
    },
    # Where cyclic rules explain least: any share of their reward costs.
    "FB15k-237": {
        "policy": SplitPolicyConfig(entity_dim=32, embedding_dropout=0.1, hidden_dropout=0.1),
        "rule_weight": 0.0,
        "likelihood": LikelihoodConfig(steps=4000),
        "walk_weight": 0.2,
        "spread": 1000,
        "validate_every": 1000,
        "validate_queries": 2000,
    },
}


def config_for(dataset: str) -> RuleGuiderConfig:
    """The configuration that was chosen on a dataset's valid split; the defaults for an unknown name."""
    rules = RuleAgent.config_for(dataset)
    if dataset == "WN18RR":  # rules as long as the walks; fewer rounds find nearly as many
        rules = replace(rules, max_length=6, rounds=14)
    return replace(RuleGuiderConfig(rules=rules), **_TUNED.get(dataset, {}))
