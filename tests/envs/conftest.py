"""Small datasets, and a slow, obvious walker as oracle for the one in C++."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kgwalk import Graph
from kgwalk._core import Names
from kgwalk.data import Card, Dataset


def dataset_of(
    facts: list[tuple[int, int, int]],
    num_entities: int,
    num_relations: int,
    *,
    valid: list[tuple[int, int, int]] | None = None,
    type_offsets: list[int] | None = None,
) -> Dataset:
    """A dataset of facts that are also the training queries."""
    train = np.array(facts, np.int32).reshape(-1, 3)
    graph = Graph.from_triples(train, num_entities, num_relations, type_offsets or [])
    held_out = np.array(valid or [], np.int32).reshape(-1, 3)
    return Dataset(
        name="Toy",
        graph=graph,
        splits={"train": train, "valid": held_out, "test": held_out},
        test_graph=graph,
        fingerprint="toy",
        card=Card(name="Toy", folder="", title="", max_out_degree=8),
        entities=Names([f"e{i}" for i in range(num_entities)]),
        relations=Names([f"r{i}" for i in range(num_relations)]),
    )


@dataclass
class ReferenceWalk:
    """One walker, from the words of the specification."""

    facts: list[tuple[int, int, int]]
    num_entities: int
    num_relations: int
    cap: int
    horizon: int
    decision: str
    training: bool
    hide_answers: bool = True
    rank: NDArray[np.float64] | None = None
    query: tuple[int, int, int] = (0, 0, 0)
    at: int = 0
    last: int = 0
    hop: int = 0
    phase: int = 0
    chosen: int = 0
    over: bool = False
    path: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stay = 2 * self.num_relations
        both = {(h, r, t) for h, r, t in self.facts}
        both |= {(t, self.inverse(r), h) for h, r, t in self.facts}
        self.edges = {e: sorted((r, t) for h, r, t in both if h == e) for e in range(self.num_entities)}

    def inverse(self, relation: int) -> int:
        return relation + self.num_relations if relation < self.num_relations else relation - self.num_relations

    def reset(self, query: tuple[int, int, int]) -> None:
        self.query = query
        self.at, self.last, self.hop, self.phase, self.over, self.path = query[0], self.stay, 0, 0, False, []

    def shown(self, entity: int) -> list[tuple[int, int]]:
        row = self.edges[entity]
        if self.cap and len(row) > self.cap:
            assert self.rank is not None
            rank = self.rank
            row = sorted(sorted(row, key=lambda edge: (-rank[edge[1]], edge[1], edge[0]))[: self.cap])
        return row

    def hidden(self, edge: tuple[int, int]) -> bool:
        source, relation, target = self.query
        if not self.training:
            return False
        fact = (self.at, *edge)
        return fact in {(source, relation, target), (target, self.inverse(relation), source)}

    def filtered(self, edge: tuple[int, int]) -> bool:
        source, relation, target = self.query
        if not self.hide_answers or self.hop + 1 < self.horizon:
            return False
        answers = {t for r, t in self.edges[source] if r == relation}
        return edge[1] in answers and not (self.training and edge[1] == target)

    def moves(self) -> list[tuple[int, int]]:
        """Candidates as (relation, entity)."""
        wait = (self.stay, self.at)
        if self.over:
            return [wait]
        legal = [e for e in self.shown(self.at) if not self.hidden(e) and not self.filtered(e)]
        if self.decision == "edge":
            return [wait, *legal]
        if self.phase == 0:
            return [wait, *((r, self.at) for r in sorted({r for r, _ in legal}))]
        return [wait] if self.chosen == self.stay else [e for e in legal if e[0] == self.chosen]

    def index_moves(self) -> list[tuple[int, int]]:
        """What index-only actions stand for: answers that are filtered are still listed."""
        wait = (self.stay, self.at)
        return [wait] if self.over else [wait, *(e for e in self.shown(self.at) if not self.hidden(e))]

    def step(self, move: tuple[int, int] | None) -> tuple[bool, bool]:
        """Make a legal move, or an illegal one (None); returns (over, hit)."""
        relation, entity = move or (self.stay, self.at)
        if self.decision == "split" and self.phase == 0:
            self.chosen, self.phase = relation, 1
            return False, False
        self.phase, self.last, self.at = 0, relation, entity
        self.path.append((relation, entity))
        self.hop += 1
        self.over = self.hop == self.horizon
        return self.over, self.over and self.at == self.query[2]

    def state(self) -> dict[str, Any]:
        fields = {
            "source": self.query[0],
            "query_relation": self.query[1],
            "entity": self.at,
            "step": self.hop,
            "last_relation": self.last,
        }
        return fields | ({"phase": self.phase} if self.decision == "split" else {})


@pytest.fixture(scope="session")
def make_dataset() -> Any:
    """`dataset_of`, for tests that build their own."""
    return dataset_of


@pytest.fixture(scope="session")
def reference_walk() -> type[ReferenceWalk]:
    """The oracle."""
    return ReferenceWalk


@pytest.fixture(scope="session")
def toy() -> Dataset:
    """30 entities, 4 relations, 90 random facts, 8 of them held out."""
    rng = np.random.default_rng(7)
    facts = list(
        dict.fromkeys(
            zip(
                rng.integers(0, 30, 98).tolist(),
                rng.integers(0, 4, 98).tolist(),
                rng.integers(0, 30, 98).tolist(),
                strict=True,
            )
        )
    )
    return dataset_of(facts[8:], 30, 4, valid=facts[:8])


@pytest.fixture(scope="session")
def shop() -> Dataset:
    """Users 0-5, items 6-13, brands 14-16: bought (user, item), made_by (item, brand)."""
    rng = np.random.default_rng(3)
    bought = [(u, 0, 6 + int(i)) for u in range(6) for i in rng.choice(8, 3, replace=False)]
    made = [(6 + i, 1, 14 + i % 3) for i in range(8)]
    return dataset_of(bought + made, 17, 2, valid=[(0, 0, 13)], type_offsets=[0, 6, 14, 17])
