"""Reranked: an agent whose answers a scorer puts in order."""

from __future__ import annotations

from pathlib import Path

from kgwalk.data import Directions
from kgwalk.graph import Expand, Graph
from kgwalk.protocols import Agent, Ids, Ranked, Reasoner, RuleGuided, Scorer
from kgwalk.scorers.facts import scorer_name
from kgwalk.search import rerank


class Reranked:
    """Any agent, followed by ``kgwalk.search.rerank``.

    Its name tells of both: ``"reinforce+complex"``, or ``"reinforce+0.5*complex"`` if the scorer counts half.

    Args:
        agent: finds the answers. If it has rules behind them (``Reasoner``), so have the re-ranked ones. Answers of
            a walker that ranks more than its beam kept (``final="expand"``) may rise without a path of theirs.
        scorer: of the same vocabulary.
        weight: what the scorer counts, in [0, 1].

    Raises:
        ValueError: a weight outside [0, 1].
    """

    def __init__(self, agent: Agent, scorer: Scorer, weight: float = 1.0) -> None:
        if not 0 <= weight <= 1:
            raise ValueError(f"weight must be from 0 to 1, got {weight}")
        self.agent = agent
        self.scorer = scorer
        self.weight = weight
        factor = "" if weight == 1 else f"{weight:g}*"
        self.name = f"{agent.name}+{factor}{scorer_name(scorer)}"
        self.directions: Directions = getattr(agent, "directions", "both")
        if isinstance(agent, Reasoner):
            self.rules, self.evidence = agent.rules, agent.evidence
        if isinstance(agent, RuleGuided):
            self.rules, self.confidence = agent.rules, agent.confidence

    def answer(self, queries: Ids, graph: Graph | Expand) -> Ranked:
        """See ``kgwalk.protocols.Agent``."""
        return rerank(self.agent.answer(queries, graph), queries, self.scorer, self.weight)

    def save(self, folder: Path) -> None:
        """Save the agent that finds the answers; the scorer has a file of its own."""
        self.agent.save(folder)
