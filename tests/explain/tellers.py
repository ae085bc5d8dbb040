"""Agents that answer as they are told, with made-up walks: for blind sheets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kgwalk.data import Dataset
from kgwalk.protocols import Ids, Ranked
from kgwalk.search.paths import Paths

SPLIT = "valid"
Answer = tuple[int, float]
Walk = tuple[list[int], list[int], float]  # entities after the source, relations, probability


class Teller:
    """Answers each query by a function of its row in the split: answers with scores, and walks."""

    def __init__(self, dataset: Dataset, name: str, answers: Any, walks: Any) -> None:
        facts = np.unique(dataset.queries(SPLIT), axis=0)
        self.name = name
        self.facts = {(s, r): [f for f in facts.tolist() if f[:2] == [s, r]] for s, r, _ in facts.tolist()}
        self.answers, self.walked = answers, walks  # `walks` would make it a Walker
        self.stay = dataset.graph.stay

    def answer(self, queries: Ids, graph: Any) -> Ranked:
        assert (queries[:, 2] == -1).all()
        listed: list[list[Answer]] = []
        paths = []
        for row, (source, relation, _) in enumerate(queries.tolist()):
            targets = [target for _, _, target in self.facts[source, relation]]
            listed.append(sorted(self.answers(source, relation, targets), key=lambda pair: -pair[1]))
            paths += [(row, source, walk) for target in targets for walk in self.walked(source, relation, target)]
        flat = [pair for one in listed for pair in one]
        return Ranked(
            np.cumsum([0, *map(len, listed)], dtype=np.int64),
            np.array([entity for entity, _ in flat], np.int32),
            np.array([score for _, score in flat]),
            Paths(
                np.array([row for row, _, _ in paths], np.int32),
                np.array([[source, *walk[0]] for _, source, walk in paths], np.int32).reshape(-1, 3),
                np.array([walk[1] for _, _, walk in paths], np.int32).reshape(-1, 2),
                np.log([walk[2] for _, _, walk in paths]),
                self.stay,
            ),
        )

    def save(self, folder: Path) -> None:
        raise NotImplementedError


def right(source: int, relation: int, targets: Sequence[int]) -> list[Answer]:
    return [(target, 0.5) for target in targets]


def straight(source: int, relation: int, target: int) -> list[Walk]:
    return [([target, target], [relation, relation], 0.9)]


def around(source: int, relation: int, target: int) -> list[Walk]:
    return [([(source + 1) % 200, target], [relation, relation + 1], 0.9)]
