"""Graph against a dict of sets, and what it refuses."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgwalk import Graph
from tests.core.oracle import Oracle, facts_array, ids, oracles


@given(oracles())
def test_rows_are_the_facts_and_their_inverses(oracle: Oracle) -> None:
    graph = oracle.graph()
    edges = oracle.edges()
    assert graph.num_facts == len(set(oracle.facts))
    assert graph.num_edges == 2 * graph.num_facts
    for head, row in edges.items():
        assert graph.slice(head).tolist() == [list(e) for e in sorted(row)]
        for relation in range(2 * oracle.num_relations):
            expected = [[r, t] for r, t in sorted(row) if r == relation]
            assert graph.slice(head, relation).tolist() == expected


@given(oracles(), st.data())
def test_find_gives_the_place_of_an_edge(oracle: Oracle, data: st.DataObject) -> None:
    graph = oracle.graph()
    entity = st.integers(0, oracle.num_entities - 1)
    head, tail = data.draw(entity), data.draw(entity)
    relation = data.draw(st.integers(0, 2 * oracle.num_relations - 1))
    at = graph.find(head, relation, tail)
    if (relation, tail) in oracle.edges()[head]:
        assert graph.edges[at].tolist() == [relation, tail]
        assert graph.offsets[head] <= at < graph.offsets[head + 1]
    else:
        assert at == -1


@given(oracles())
def test_inverse_leads_back(oracle: Oracle) -> None:
    graph = oracle.graph()
    assert [graph.inverse(r) for r in range(oracle.stay)] == [oracle.inverse(r) for r in range(oracle.stay)]
    assert graph.inverse(graph.stay) == graph.stay == oracle.stay
    for head, row in oracle.edges().items():
        for relation, tail in row:
            assert graph.find(tail, graph.inverse(relation), head) >= 0


@given(oracles())
def test_types_are_ranges_of_ids(oracle: Oracle) -> None:
    graph = oracle.graph()
    offsets = oracle.type_offsets or [0, oracle.num_entities]
    assert graph.type_offsets == offsets
    for entity in range(oracle.num_entities):
        kind = graph.type_of(entity)
        assert offsets[kind] <= entity < offsets[kind + 1]


@given(oracles())
def test_pagerank_is_networkx_pagerank(oracle: Oracle) -> None:
    network = nx.MultiDiGraph()
    network.add_nodes_from(range(oracle.num_entities))
    network.add_edges_from((head, tail) for head, row in oracle.edges().items() for _, tail in row)
    expected = nx.pagerank(network, alpha=0.85, tol=1e-12, max_iter=1000)
    rank = oracle.graph().pagerank(0.85, 300)
    np.testing.assert_allclose(rank, [expected[e] for e in range(oracle.num_entities)], atol=1e-9)


def test_a_node_may_have_a_hundred_thousand_neighbours() -> None:
    n = 100_001
    spokes = np.arange(1, n, dtype=np.int32)
    facts = np.stack([np.zeros_like(spokes), spokes % 7, spokes], axis=1).astype(np.int32)
    graph = Graph.from_triples(facts, n, 7)
    assert len(graph.slice(0)) == n - 1
    assert graph.slice(0, 3)[:, 1].tolist() == list(range(3, n, 7))
    assert graph.find(0, 99_999 % 7, 99_999) >= 0
    assert graph.find(0, (99_999 + 1) % 7, 99_999) == -1


def test_repeated_facts_count_once_and_self_loops_have_both_directions() -> None:
    graph = Graph.from_triples(facts_array([(0, 0, 1), (0, 0, 1), (2, 0, 2)]), 4, 1)
    assert graph.num_facts == 2
    assert graph.slice(2).tolist() == [[0, 2], [1, 2]]
    assert graph.slice(3).shape == (0, 2)  # an entity without edges
    assert Graph.from_triples(facts_array([]), 0, 0).num_edges == 0


def test_arrays_are_read_only_views_that_keep_the_graph_alive() -> None:
    row = Oracle([(0, 0, 1), (0, 0, 2)], 3, 1).graph().slice(0)
    assert row.tolist() == [[0, 1], [0, 2]]
    with pytest.raises(ValueError, match="read-only"):
        row[0, 0] = 5


@pytest.mark.parametrize("bad", [-1, 3, 2**31 - 1, -(2**31)])
def test_ids_out_of_range_are_index_errors(bad: int) -> None:
    graph = Oracle([(0, 0, 1)], 3, 1).graph()
    for call in (
        lambda: graph.slice(bad),
        lambda: graph.type_of(bad),
        lambda: graph.find(bad, 0, 0),
        lambda: graph.find(0, 0, bad),
        lambda: graph.inverse(bad),
        lambda: graph.find(0, bad, 0),
        lambda: Graph.from_triples(ids([[0, 0, bad]]), 3, 1),
        lambda: Graph.from_triples(ids([[0, bad, 0]]), 3, 1),
    ):
        with pytest.raises(IndexError, match=str(bad)):
            call()
    if bad != -1:  # ANY
        with pytest.raises(IndexError, match=str(bad)):
            graph.slice(0, bad)


def test_bad_dtypes_and_shapes_name_the_argument_and_what_was_got() -> None:
    facts = ids([[0, 0, 1]])
    with pytest.raises(ValueError, match="triples: expected dtype int32, got int64"):
        Graph.from_triples(facts.astype(np.int64), 2, 1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="triples: expected dtype int32, got float32"):
        Graph.from_triples(facts.astype(np.float32), 2, 1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="triples: expected dtype int32, got >i4"):
        Graph.from_triples(facts.astype(">i4"), 2, 1)
    with pytest.raises(ValueError, match=r"triples: expected shape \(n, 3\), got \(1, 2\)"):
        Graph.from_triples(facts[:, :2], 2, 1)
    with pytest.raises(ValueError, match=r"triples: expected shape \(n, 3\), got \(3,\)"):
        Graph.from_triples(facts[0], 2, 1)
    with pytest.raises(TypeError):
        Graph.from_triples([[0, 0, 1]], 2, 1)  # type: ignore[arg-type]


def test_arrays_that_are_not_contiguous_are_read_right() -> None:
    wide = np.arange(24, dtype=np.int32).reshape(4, 6) % 3
    strided = wide[:, ::2]
    assert not strided.flags.c_contiguous
    strided_graph = Graph.from_triples(strided, 3, 3)
    assert strided_graph.edges.tolist() == Graph.from_triples(strided.copy(), 3, 3).edges.tolist()
    unaligned = np.frombuffer(b"\0" + ids([[0, 0, 1]]).tobytes(), np.uint8)[1:].view(np.int32).reshape(1, 3)
    assert Graph.from_triples(unaligned, 2, 1).num_facts == 1


def test_impossible_counts_and_types_are_refused() -> None:
    none = facts_array([])
    with pytest.raises(ValueError, match="counts"):
        Graph.from_triples(none, -1, 1)
    with pytest.raises(ValueError, match="type offsets"):
        Graph.from_triples(none, 3, 1, [0, 2])
    with pytest.raises(ValueError, match="damping"):
        Graph.from_triples(none, 3, 1).pagerank(2.0)
