"""RuleGuider: a relation agent and an entity agent, guided by mined rules (Lei et al., EMNLP 2020)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from kgwalk.data import Dataset
from kgwalk.graph import Expand, Graph
from kgwalk.protocols import Evidence, Ids, Ranked
from kgwalk.rules import RuleGuide, RuleSet, RuleTrie
from kgwalk.search import weigh_evidence

from ..policies.split import SplitPolicy
from ..rules import NAME as AGENT_FILE
from ..rules import RuleAgent
from ..trainable import Trainable
from ..walker import WalkerAgent, WalkPolicy
from .config import Guidance, RuleGuiderConfig, config_for
from .stages import RULES, RuleGuiderTrainer

_SETTINGS = ("rule_threshold", "guidance", "walk_weight")


class RuleGuider(WalkerAgent, Trainable[RuleGuiderConfig]):
    """Two agents that walk together, and the rules that guided them; rules and walks both speak for an answer.

    Args:
        policy: scores moves.
        rule_agent: the rules.
        rule_threshold: see ``RuleGuiderConfig``.
        guidance: see ``RuleGuiderConfig``.
        walk_weight: see ``RuleGuiderConfig``.
        settings: of ``WalkerAgent``.
    """

    name = "rule-guider"
    Config = RuleGuiderConfig

    def __init__(
        self,
        policy: WalkPolicy,
        rule_agent: RuleAgent,
        *,
        rule_threshold: float,
        guidance: Guidance,
        walk_weight: float | None,
        **settings: Any,
    ) -> None:
        super().__init__(policy, **settings)
        if (rule_agent.num_entities, rule_agent.num_relations) != (policy.num_entities, policy.num_relations):
            raise ValueError("the policy and the rules are of graphs of different sizes")
        if not (isinstance(rule_threshold, (int, float)) and 0 <= rule_threshold <= 1):
            raise ValueError(f"rule_threshold must be from 0 to 1, got {rule_threshold!r}")
        if guidance not in get_args(Guidance):
            raise ValueError(f"guidance must be one of {', '.join(get_args(Guidance))}, got {guidance!r}")
        if walk_weight is not None and not (isinstance(walk_weight, (int, float)) and 0 <= walk_weight < math.inf):
            raise ValueError(f"walk_weight must be a finite number of 0 or more, or None, got {walk_weight!r}")
        self.rule_agent = rule_agent
        self.rule_threshold = rule_threshold
        self.guidance = guidance
        self.walk_weight = walk_weight
        if isinstance(policy, SplitPolicy):
            policy.relation_agent.guide = None if guidance == "none" else RuleGuide(self.trie(), guidance)

    @staticmethod
    def config_for(dataset: str) -> RuleGuiderConfig:
        """The configuration that was chosen on a dataset's valid split; the defaults for an unknown name."""
        return config_for(dataset)

    @classmethod
    def trainer(cls, dataset: Dataset, config: RuleGuiderConfig, folder: Path, *, seed: int = 0) -> RuleGuiderTrainer:
        """What ``fit`` runs, before its first step."""
        return RuleGuiderTrainer(cls, dataset, config, folder, seed)

    @property
    def rules(self) -> RuleSet:
        """See ``kgwalk.protocols.RuleGuided``."""
        return self.rule_agent.rules

    @property
    def confidence(self) -> NDArray[np.float64]:
        """See ``kgwalk.protocols.RuleGuided``."""
        return self.rule_agent.confidence

    def trie(self) -> RuleTrie:
        """The cyclic rules that are rewarded, and guide."""
        smoothing = self.rule_agent.config.smoothing
        return RuleTrie(self.rules, self.policy.num_relations, smoothing=smoothing, threshold=self.rule_threshold)

    def answer(self, queries: Ids, graph: Graph | Expand) -> Ranked:
        """See ``kgwalk.protocols.Agent``: by walks alone if there is no ``walk_weight``."""
        walked = super().answer(queries, graph)
        if self.walk_weight is None:
            return walked
        return weigh_evidence(self.rule_agent.answer(queries, graph), walked, self.walk_weight)

    def evidence(self, query: tuple[int, int], entity: int, graph: Graph | Expand, groundings: int) -> list[Evidence]:
        """See ``kgwalk.protocols.Reasoner``."""
        return self.rule_agent.evidence(query, entity, graph, groundings)

    def save(self, folder: Path) -> None:
        """Write the policy to ``folder/agent.safetensors``, and the rules beside it unless they are there."""
        super().save(folder)
        if not (folder / RULES / AGENT_FILE).exists():
            self.rule_agent.save(folder / RULES)

    def _settings(self) -> dict[str, Any]:
        return {**super()._settings(), **{key: getattr(self, key) for key in _SETTINGS}}

    @classmethod
    def _arguments(cls, note: dict[str, Any], folder: Path) -> dict[str, Any]:
        own = {key: note[key] for key in _SETTINGS}
        return {
            **super()._arguments(note, folder),
            **own,
            "rule_agent": RuleAgent.load(folder / RULES, note["fingerprint"]),
        }
