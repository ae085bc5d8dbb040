"""Slow and obvious graphs: dicts of sets, and the hypothesis strategies that draw them."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from kgwalk import Graph
from kgwalk._core import Expand
from kgwalk.protocols import Ids

Edge = tuple[int, int]
Fact = tuple[int, int, int]


def ids(values: object) -> Ids:
    return np.array(values, dtype=np.int32)


def facts_array(facts: list[Fact]) -> Ids:
    return ids(facts).reshape(-1, 3)


@dataclass(frozen=True)
class Oracle:
    """A graph as its facts, repeated ones and self loops included.

    Two families are drawn: untyped graphs, and user-item graphs (users, items, brands; relations bought, made by,
    bought together).
    """

    facts: list[Fact]
    num_entities: int
    num_relations: int
    type_offsets: list[int] = field(default_factory=list)

    def graph(self) -> Graph:
        return Graph.from_triples(facts_array(self.facts), self.num_entities, self.num_relations, self.type_offsets)

    @property
    def stay(self) -> int:
        return 2 * self.num_relations

    def inverse(self, relation: int) -> int:
        return relation + self.num_relations if relation < self.num_relations else relation - self.num_relations

    def edges(self) -> dict[int, set[Edge]]:
        rows: dict[int, set[Edge]] = {e: set() for e in range(self.num_entities)}
        for head, relation, tail in self.facts:
            rows[head].add((relation, tail))
            rows[tail].add((self.inverse(relation), head))
        return rows

    def without(self, hidden: list[Fact]) -> Oracle:
        gone = set(hidden)
        return Oracle([f for f in self.facts if f not in gone], self.num_entities, self.num_relations)

    def forward(self, fact: Fact) -> Fact:
        """A fact as stored: turned round if its relation is an inverse."""
        head, relation, tail = fact
        return fact if relation < self.num_relations else (tail, self.inverse(relation), head)


def rows_of(result: tuple[np.ndarray, Ids, Ids]) -> list[list[Edge]]:
    """A ragged result as lists of (relation, tail)."""
    offsets, relations, tails = (x.tolist() for x in result)
    return [list(zip(relations[a:b], tails[a:b], strict=True)) for a, b in pairwise(offsets)]


def capped(oracle: Oracle, cap: int) -> dict[int, list[Edge]]:
    """Rows under a degree cap: best tails by PageRank, ties by tail, then relation; in (relation, tail) order."""
    rank = oracle.graph().pagerank()
    best = {}
    for head, row in oracle.edges().items():
        order = sorted(row, key=lambda e: (-rank[e[1]], e[1], e[0]))
        best[head] = sorted(order[:cap] if cap else order)
    return best


@st.composite
def untyped(draw: st.DrawFn) -> Oracle:
    n, r = draw(st.integers(1, 9)), draw(st.integers(1, 3))
    entity, relation = st.integers(0, n - 1), st.integers(0, r - 1)
    return Oracle(draw(st.lists(st.tuples(entity, relation, entity), max_size=30)), n, r)


@st.composite
def user_items(draw: st.DrawFn) -> Oracle:
    users, items, brands = draw(st.integers(1, 4)), draw(st.integers(1, 5)), draw(st.integers(1, 2))
    user = st.integers(0, users - 1)
    item = st.integers(users, users + items - 1)
    brand = st.integers(users + items, users + items + brands - 1)
    fact = st.one_of(
        st.tuples(user, st.just(0), item), st.tuples(item, st.just(1), brand), st.tuples(item, st.just(2), item)
    )
    total = users + items + brands
    return Oracle(draw(st.lists(fact, max_size=25)), total, 3, [0, users, users + items, total])


def oracles() -> st.SearchStrategy[Oracle]:
    return st.one_of(untyped(), user_items())


def expand_all(
    expand: Expand, relation: int = -1, exclude: Fact | None = None, capped: bool = True
) -> list[list[Edge]]:
    """Rows of every entity, in id order."""
    frontier = np.arange(expand.num_entities, dtype=np.int32)
    hidden = None if exclude is None else np.tile(ids(exclude), (len(frontier), 1))
    return rows_of(expand(frontier, ids([-1]), hidden, capped))
