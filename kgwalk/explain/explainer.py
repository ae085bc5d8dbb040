"""Asks an agent and tells what it says in words."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kgwalk._core import Expand, RuleSet
from kgwalk.data.dataset import Dataset
from kgwalk.explain.words import Answer, Explanation, Hop, PathInWords, RuleInWords
from kgwalk.graph import Graph
from kgwalk.protocols import Agent, Ids, Ranked, Reasoner, RuleGuided, Walker
from kgwalk.rules.instances import RuleInstances
from kgwalk.rules.words import rule_text, rule_words
from kgwalk.search.merge import merge_waits
from kgwalk.search.paths import Paths

#: Walks that are shown for a rule; there may be thousands.
GROUNDINGS = 2
#: Rules that are shown below a path; one of a rule set in which constants are many may be an instance of dozens.
RULES_OF_PATH = 2


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
    return Explainer(agent, dataset, split=split)(queries, answers=answers, paths=paths)


class Explainer:
    """`explain_all` batch by batch; what it takes to find a path's rules is made once.

    Args:
        agent: Whatever answers queries.
        dataset: Its names and its graph.
        split: Whose graph to walk.

    Raises:
        KeyError: The dataset has no such split.
    """

    def __init__(self, agent: Agent, dataset: Dataset, *, split: str = "test") -> None:
        self.agent = agent
        self.dataset = dataset
        self.graph = dataset.graph_for(split)
        self._instances: RuleInstances | None = None

    def __call__(self, queries: Ids, *, answers: int = 5, paths: int = 3) -> list[Explanation]:
        """Explanations of (n, 2) int32 queries: source, relation."""
        untold = np.column_stack([queries, np.full(len(queries), -1, dtype=np.int32)])
        untold = np.ascontiguousarray(untold, dtype=np.int32)
        ranked = self.agent.answer(untold, self.graph)
        routes = Routes(walks_behind(self.agent, ranked, untold, self.graph))

        def answers_of(row: int, source: int, relation: int) -> Iterator[Answer]:
            begin = int(ranked.offsets[row])
            listed = slice(begin, min(int(ranked.offsets[row + 1]), begin + answers))
            entities, scores = ranked.entities[listed].tolist(), ranked.scores[listed].tolist()
            for place, (entity, score) in enumerate(zip(entities, scores, strict=True), start=1):
                yield Answer(
                    rank=place,
                    entity=self.dataset.entities[entity],
                    label=self.dataset.label(entity),
                    score=score,
                    known=self.graph.find(source, relation, entity) >= 0,
                    paths=tuple(self._path(relation, *walk) for walk in routes.to(row, entity, paths)),
                    rules=self._evidence(source, relation, entity, paths),
                )

        return [
            Explanation(
                source=self.dataset.entities[source],
                label=self.dataset.label(source),
                relation=self.dataset.relation_name(relation),
                answers=tuple(answers_of(row, source, relation)),
            )
            for row, (source, relation) in enumerate(queries.tolist())
        ]

    def _path(self, relation: int, entities: list[int], relations: list[int], log_prob: float) -> PathInWords:
        rules = self._rules_of(relation, entities, relations)
        return path_in_words(entities, relations, log_prob, self.dataset, rules)

    def _rules_of(self, relation: int, entities: list[int], relations: list[int]) -> tuple[RuleInWords, ...]:
        """The best rules that a path is an instance of."""
        agent = self.agent
        if not isinstance(agent, RuleGuided) or relation == self.graph.stay:
            return ()
        if self._instances is None:
            self._instances = RuleInstances(agent.rules, self.graph.num_relations)
        worth = [(float(agent.confidence[rule]), rule) for rule in self._instances.of(relation, relations, entities)]
        best = sorted((pair for pair in worth if pair[0] > 0), key=lambda pair: (-pair[0], pair[1]))
        return tuple(_rule(agent.rules, rule, worth, self.dataset) for worth, rule in best[:RULES_OF_PATH])

    def _evidence(self, source: int, relation: int, entity: int, limit: int) -> tuple[RuleInWords, ...]:
        agent = self.agent
        if not limit or not isinstance(agent, Reasoner):
            return ()
        behind = agent.evidence((source, relation), entity, self.graph, GROUNDINGS)[:limit]
        return tuple(_rule(agent.rules, one.rule, one.confidence, self.dataset, one.groundings) for one in behind)


def walks_behind(agent: Agent, ranked: Ranked, queries: Ids, graph: Graph | Expand) -> Paths | None:
    """The walks behind an agent's answers: those it listed, or lists now; None if it does not walk."""
    if ranked.paths is None and isinstance(agent, Walker):
        listed: Paths = agent.walks(queries, graph)
        return listed
    paths: Paths | None = ranked.paths
    return paths


class Routes:
    """Merged paths, looked up by (query row, end entity).

    Args:
        paths: What a search found; None if there was none.

    Attributes:
        stay: Id of STAY, with which short paths are filled up; -1 without paths.
    """

    def __init__(self, paths: Paths | None) -> None:
        self._rows: dict[tuple[int, int], list[int]] = {}
        self.stay = -1 if paths is None else paths.stay
        if paths is not None:
            self._paths = merge_waits(paths)
            ends = zip(self._paths.query.tolist(), self._paths.entities[:, -1].tolist(), strict=True)
            for index, key in enumerate(ends):
                self._rows.setdefault(key, []).append(index)

    def to(self, query: int, entity: int, limit: int) -> Iterator[tuple[list[int], list[int], float]]:
        """The best paths of a query to an entity: entities, relations (STAY at the end at most), log-probability."""
        for index in self._rows.get((query, entity), [])[:limit]:
            entities, relations = self._paths.entities[index].tolist(), self._paths.relations[index].tolist()
            yield entities, relations, float(self._paths.log_prob[index])


def path_in_words(
    entities: list[int],
    relations: list[int],
    log_prob: float,
    dataset: Dataset,
    rules: tuple[RuleInWords, ...] = (),
) -> PathInWords:
    """A walk with names, STAY left out."""
    count, stay = dataset.graph.num_relations, dataset.graph.stay
    moves = [
        Hop(dataset.relations[relation % count], relation >= count, dataset.entities[entity], dataset.label(entity))
        for relation, entity in zip(relations, entities[1:], strict=True)
        if relation != stay
    ]
    return PathInWords(dataset.label(entities[0]), tuple(moves), log_prob, rules)


def _rule(
    rules: RuleSet,
    rule: int,
    confidence: float,
    dataset: Dataset,
    groundings: list[tuple[list[int], list[int]]] | tuple[()] = (),
) -> RuleInWords:
    return RuleInWords(
        words=rule_words(rules, rule, dataset),
        text=rule_text(rules, rule, dataset),
        confidence=confidence,
        support=int(rules.support[rule]),
        predictions=int(rules.predictions[rule]),
        groundings=tuple(path_in_words(entities, relations, 0.0, dataset) for entities, relations in groundings),
    )
