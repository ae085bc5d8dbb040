"""Graphs for rules to be mined from, for hypothesis to draw: small enough that entities meet again and again."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from kgwalk import Graph
from kgwalk.protocols import Ids
from tests.core.oracle import Fact, Oracle


@st.composite
def crowded(draw: st.DrawFn, most_entities: int = 6, most_relations: int = 4, most_facts: int = 14) -> Oracle:
    """Few entities, some without an edge; self-loops, several edges between two, facts and their mirror images."""
    n, r = draw(st.integers(1, most_entities)), draw(st.integers(1, most_relations))
    entity, relation = st.integers(0, n - 1), st.integers(0, r - 1)
    facts: list[Fact] = draw(st.lists(st.tuples(entity, relation, entity), max_size=most_facts))
    mirrored = draw(st.integers(0, len(facts)))
    facts += [(t, (r0 + draw(st.integers(0, 1))) % r, h) for h, r0, t in facts[: mirrored // 3]]
    return Oracle(facts, n + draw(st.integers(0, 1)), r)


def random_graph(seed: int, num_entities: int, num_relations: int, num_facts: int) -> Graph:
    """Facts drawn alike from all there could be."""
    rng = np.random.default_rng(seed)
    sizes = (num_entities, num_relations, num_entities)
    facts = np.stack([rng.integers(0, size, num_facts, dtype=np.int32) for size in sizes], axis=1)
    return Graph.from_triples(facts, num_entities, num_relations)


def forward_facts(graph: Graph) -> Ids:
    """The facts of a graph, (n, 3) int32."""
    heads = np.repeat(np.arange(graph.num_entities, dtype=np.int32), np.diff(graph.offsets))
    rows = np.column_stack([heads, graph.edges])
    return rows[rows[:, 1] < graph.num_relations]
