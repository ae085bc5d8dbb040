"""A tiny dataset with answers one can work out by hand, and agents that answer as they are told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kgwalk import Graph
from kgwalk._core import Names
from kgwalk.data import Card, Dataset
from kgwalk.protocols import Ids, Ranked
from kgwalk.search.paths import Paths

ENTITIES = ["ada", "tom", "ann", "bob", "eve", "zoe"]
RELATIONS = ["parent", "sister"]
ADA, TOM, ANN, BOB, EVE, ZOE = range(6)
PARENT, SISTER = range(2)


class ListAgent:
    """Answers with what a function says of (source, relation): (entity, score) pairs. Notes what it was asked."""

    name = "list"

    def __init__(self, answers: Callable[[int, int], Sequence[tuple[int, float]]], paths: Paths | None = None):
        self.answers = answers
        self.paths = paths
        self.asked: list[list[int]] = []

    def answer(self, queries: Ids, graph: Graph) -> Ranked:
        assert queries.dtype == np.int32
        assert queries.flags.c_contiguous
        self.asked += queries.tolist()
        lists = [
            sorted(self.answers(source, relation), key=lambda pair: -pair[1])
            for source, relation, _ in queries.tolist()
        ]
        flat = [pair for one in lists for pair in one]
        return Ranked(
            offsets=np.cumsum([0, *map(len, lists)], dtype=np.int64),
            entities=np.array([entity for entity, _ in flat], dtype=np.int32),
            scores=np.array([score for _, score in flat], dtype=np.float64),
            paths=self.paths,
        )

    def save(self, folder: Path) -> None:
        raise NotImplementedError


class BlockAgent(ListAgent):
    """Scores every entity; the same as a ranked list of all of them, if it is asked for that."""

    name = "block"

    def __init__(self, block: Callable[[int, int], NDArray[np.float32]]):
        super().__init__(lambda *query: [(entity, float(score)) for entity, score in enumerate(block(*query))])
        self.block = block
        self.rows: list[int] = []

    def scores(self, queries: Ids, graph: Graph) -> NDArray[np.float32]:
        assert (queries[:, 2] == -1).all()
        self.rows.append(len(queries))
        rows = [self.block(source, relation) for source, relation, _ in queries.tolist()]
        return np.array(rows, np.float32).reshape(len(rows), graph.num_entities)


def ids(*rows: tuple[int, ...]) -> Ids:
    return np.array(rows, dtype=np.int32).reshape(-1, 3)


def make_dataset(**changes: Any) -> Dataset:
    """Ada has children Tom and Ann; Ann is Tom's sister; Bob's parent Ada is held out; Zoe has no edge."""
    train = ids((TOM, PARENT, ADA), (ANN, PARENT, ADA), (TOM, SISTER, ANN), (EVE, PARENT, TOM))
    test = ids((BOB, SISTER, ANN), (TOM, SISTER, EVE), (EVE, PARENT, ZOE))
    bob = ids((BOB, PARENT, TOM))
    graph = Graph.from_triples(np.concatenate([train, bob]), len(ENTITIES), len(RELATIONS))
    fields: dict[str, Any] = {
        "name": "Tiny",
        "graph": graph,
        "splits": {"train": train, "test": test},
        "test_graph": graph,
        "fingerprint": "0" * 64,
        "card": Card(name="Tiny", folder="tiny", title="tiny"),
        "entities": Names(ENTITIES),
        "relations": Names(RELATIONS),
    }
    return Dataset(**{**fields, **changes})


@pytest.fixture
def tiny() -> Dataset:
    return make_dataset()


@pytest.fixture
def tiny_with() -> Callable[..., Dataset]:
    """The tiny dataset with some fields changed."""
    return make_dataset


@pytest.fixture
def agent_of() -> Callable[..., ListAgent]:
    """An agent that answers from a dictionary of (source, relation), or as a function of them says."""

    def make(answers: Any, paths: Paths | None = None) -> ListAgent:
        return ListAgent(answers if callable(answers) else lambda *query: answers.get(query, ()), paths)

    return make


@pytest.fixture
def coarse_agent() -> Callable[..., tuple[BlockAgent, ListAgent]]:
    """A dense agent with few different scores, so with many ties, and its twin that gives ranked lists only."""

    def make(num_entities: int) -> tuple[BlockAgent, ListAgent]:
        def block(source: int, relation: int) -> NDArray[np.float32]:
            return np.random.default_rng([source, relation]).integers(-2, 3, num_entities).astype(np.float32)

        dense = BlockAgent(block)
        return dense, ListAgent(dense.answers)

    return make
