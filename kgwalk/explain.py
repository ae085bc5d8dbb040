"""Explanations: the ranked answers of a query with what leads to them, paths or rules, in words and as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kgwalk._core import RuleSet
from kgwalk.data.dataset import Dataset
from kgwalk.protocols import Agent, Evidence, Ids, Reasoner
from kgwalk.rules.words import rule_text, rule_words
from kgwalk.search.merge import merge_waits
from kgwalk.search.paths import Paths

#: Walks that are shown for a rule; there may be thousands.
GROUNDINGS = 2


@dataclass(frozen=True)
class Hop:
    """One move of a path.

    Attributes:
        relation: Name of the forward relation.
        inverse: Whether it was followed from tail to head.
        entity: Name of the entity reached.
        label: Its readable name.
    """

    relation: str
    inverse: bool
    entity: str
    label: str


@dataclass(frozen=True)
class PathInWords:
    """A path with names, waiting stripped.

    Attributes:
        source: Label of the entity it starts at.
        hops: Its moves.
        log_prob: Log of the summed probability of all action sequences that follow it.
    """

    source: str
    hops: tuple[Hop, ...]
    log_prob: float

    def __str__(self) -> str:
        """``Ada --parent--> Tom <--sister-- Ann``: arrows point from head to tail, whichever way was walked."""
        if not self.hops:
            return f"{self.source} (stays)"
        words = [self.source]
        for hop in self.hops:
            words.append(f"<--{hop.relation}--" if hop.inverse else f"--{hop.relation}-->")
            words.append(hop.label)
        return " ".join(words)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "text": str(self),
            "probability": math.exp(self.log_prob),
            "hops": [asdict(hop) for hop in self.hops],
        }


@dataclass(frozen=True)
class RuleInWords:
    """A rule that gave an answer.

    Attributes:
        words: The rule in words.
        text: The same as AnyBURL writes it.
        confidence: What the agent takes its conclusion to be worth, in [0, 1].
        support: How often it was right when it was mined; 0 if that is not known.
        predictions: How often it said something then.
        groundings: Some of the walks that make its body true.
    """

    words: str
    text: str
    confidence: float
    support: int
    predictions: int
    groundings: tuple[PathInWords, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        grounds = [{"text": str(path), "hops": [asdict(hop) for hop in path.hops]} for path in self.groundings]
        return {**asdict(self), "groundings": grounds}


@dataclass(frozen=True)
class Answer:
    """An answer to a query.

    Attributes:
        rank: Place in the list, from 1.
        entity: Its name.
        label: Its readable name.
        score: The agent's score; for walkers the log of the probability to arrive there.
        known: Whether the walked graph holds the answer already, so that it is no prediction.
        paths: The most probable paths to it, best first; empty for agents that walk none.
        rules: The most confident rules that give it, best first; empty for agents that have none.
    """

    rank: int
    entity: str
    label: str
    score: float
    known: bool
    paths: tuple[PathInWords, ...]
    rules: tuple[RuleInWords, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "rank": self.rank,
            "entity": self.entity,
            "label": self.label,
            "score": self.score if math.isfinite(self.score) else None,
            "known": self.known,
            "paths": [path.to_json() for path in self.paths],
            "rules": [rule.to_json() for rule in self.rules],
        }


@dataclass(frozen=True)
class Explanation:
    """The answers to one query.

    Attributes:
        source: Name of the entity asked about.
        label: Its readable name.
        relation: The relation asked for; ``^name`` is the inverse of ``name``.
        answers: Best first.
    """

    source: str
    label: str
    relation: str
    answers: tuple[Answer, ...]

    def __str__(self) -> str:
        """The question, then answers and, indented, paths with probabilities or rules with confidence and walks."""
        lines = [f"{self.label}, {self.relation}: ?"]
        if not self.answers:
            lines.append("  no answer was reached")
        for answer in self.answers:
            known = "  (a fact of the graph)" if answer.known else ""
            lines.append(f"  {answer.rank}. {answer.label}  score {answer.score:.3f}{known}")
            lines += [f"       {math.exp(path.log_prob):.3f}  {path}" for path in answer.paths]
            for rule in answer.rules:
                lines.append(f"       {rule.confidence:.3f}  {rule.words}")
                lines += [f"                {path}" for path in rule.groundings if path.hops]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "query": {"source": self.source, "label": self.label, "relation": self.relation},
            "answers": [answer.to_json() for answer in self.answers],
        }


def explain(
    agent: Agent,
    dataset: Dataset,
    source: str | int,
    relation: str | int,
    *,
    answers: int = 5,
    paths: int = 3,
    split: str = "test",
) -> Explanation:
    """Answer one query and say why.

    Args:
        agent: Whatever answers queries.
        dataset: Its names and its graph.
        source: Name, label or id of an entity.
        relation: Name or id of a relation; ``^name`` asks for the inverse of ``name``.
        answers: How many answers to give at most.
        paths: How many paths, or rules, to give for each.
        split: Whose graph to walk, as in `Dataset.graph_for`.

    Raises:
        KeyError: If there is no such entity or relation; the message names near matches.
        IndexError: If an id is out of range.
    """
    query = (dataset.entity(source), dataset.relation(relation))
    return explain_all(agent, dataset, np.array([query], dtype=np.int32), answers=answers, paths=paths, split=split)[0]


def explain_all(
    agent: Agent, dataset: Dataset, queries: Ids, *, answers: int = 5, paths: int = 3, split: str = "test"
) -> list[Explanation]:
    """`explain` for many queries at once.

    Args:
        agent: Whatever answers queries.
        dataset: Its names and its graph.
        queries: (n, 2) int32: source, relation.
        answers: How many answers to give at most.
        paths: How many paths, or rules, to give for each.
        split: Whose graph to walk.

    Returns:
        n explanations.
    """
    graph = dataset.graph_for(split)
    untold = np.column_stack([queries, np.full(len(queries), -1, dtype=np.int32)])
    ranked = agent.answer(np.ascontiguousarray(untold, dtype=np.int32), graph)
    routes = _Routes(ranked.paths, dataset)

    def answers_of(row: int, source: int, relation: int) -> Iterator[Answer]:
        begin = int(ranked.offsets[row])
        listed = slice(begin, min(int(ranked.offsets[row + 1]), begin + answers))
        entities, scores = ranked.entities[listed].tolist(), ranked.scores[listed].tolist()
        for place, (entity, score) in enumerate(zip(entities, scores, strict=True), start=1):
            rules: tuple[RuleInWords, ...] = ()
            if paths and isinstance(agent, Reasoner):
                behind = agent.evidence((source, relation), entity, graph, GROUNDINGS)
                rules = tuple(_rule(agent.rules, one, dataset) for one in behind[:paths])
            yield Answer(
                rank=place,
                entity=dataset.entities[entity],
                label=dataset.label(entity),
                score=score,
                known=graph.find(source, relation, entity) >= 0,
                paths=routes.to(row, entity, paths),
                rules=rules,
            )

    return [
        Explanation(
            source=dataset.entities[source],
            label=dataset.label(source),
            relation=dataset.relation_name(relation),
            answers=tuple(answers_of(row, source, relation)),
        )
        for row, (source, relation) in enumerate(queries.tolist())
    ]


class _Routes:
    """Merged paths, looked up by (query row, end entity)."""

    def __init__(self, paths: Paths | None, dataset: Dataset) -> None:
        self._dataset = dataset
        self._rows: dict[tuple[int, int], list[int]] = {}
        if paths is not None:
            self._paths = merge_waits(paths)
            ends = zip(self._paths.query.tolist(), self._paths.entities[:, -1].tolist(), strict=True)
            for index, key in enumerate(ends):
                self._rows.setdefault(key, []).append(index)

    def to(self, query: int, entity: int, limit: int) -> tuple[PathInWords, ...]:
        """The best paths of a query to an entity."""
        found = self._rows.get((query, entity), [])[:limit]
        return tuple(
            _path(
                self._paths.entities[index].tolist(),
                self._paths.relations[index].tolist(),
                float(self._paths.log_prob[index]),
                self._dataset,
            )
            for index in found
        )


def _path(entities: list[int], relations: list[int], log_prob: float, data: Dataset) -> PathInWords:
    count, stay = data.graph.num_relations, data.graph.stay
    moves = [
        Hop(data.relations[relation % count], relation >= count, data.entities[entity], data.label(entity))
        for relation, entity in zip(relations, entities[1:], strict=True)
        if relation != stay
    ]
    return PathInWords(data.label(entities[0]), tuple(moves), log_prob)


def _rule(rules: RuleSet, evidence: Evidence, data: Dataset) -> RuleInWords:
    return RuleInWords(
        words=rule_words(rules, evidence.rule, data),
        text=rule_text(rules, evidence.rule, data),
        confidence=evidence.confidence,
        support=int(rules.support[evidence.rule]),
        predictions=int(rules.predictions[evidence.rule]),
        groundings=tuple(_path(entities, relations, 0.0, data) for entities, relations in evidence.groundings),
    )
