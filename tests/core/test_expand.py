"""Expand, with overlay, hidden facts and degree cap, against a dict of sets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgwalk import Graph
from kgwalk._core import Expand, Overlay
from tests.core.oracle import Fact, Oracle, capped, expand_all, facts_array, ids, oracles, rows_of


@given(oracles(), st.integers(0, 5))
def test_rows_under_a_cap_are_the_best_by_pagerank(oracle: Oracle, cap: int) -> None:
    expand = Expand(oracle.graph(), None, cap)
    best = capped(oracle, cap)
    assert expand_all(expand) == [best[e] for e in range(oracle.num_entities)]
    full = oracle.edges()
    assert expand_all(expand, capped=False) == [sorted(full[e]) for e in range(oracle.num_entities)]


@given(oracles(), st.integers(1, 5), st.data())
def test_scores_may_take_the_place_of_pagerank(oracle: Oracle, cap: int, data: st.DataObject) -> None:
    graph = oracle.graph()
    drawn = st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=graph.num_edges, max_size=graph.num_edges)
    scores = np.array(data.draw(drawn), np.float32)
    best = []
    for head, edges in sorted(oracle.edges().items()):
        row = [(-float(scores[graph.offsets[head] + i]), edge[1], edge[0]) for i, edge in enumerate(sorted(edges))]
        best.append(sorted((relation, tail) for _, tail, relation in sorted(row)[:cap]))
    assert expand_all(Expand(graph, None, cap, scores)) == best


def test_scores_that_do_not_fit_are_refused() -> None:
    graph = Graph.from_triples(facts_array([(0, 0, 1), (0, 0, 2), (0, 0, 3)]), 4, 1)
    with pytest.raises(ValueError, match=r"edge_scores: expected shape \(6,\), got \(5,\)"):
        Expand(graph, None, 2, np.zeros(5, np.float32))
    with pytest.raises(ValueError, match="expected dtype float32"):
        Expand(graph, None, 2, np.zeros(6))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="got nan at 1"):
        Expand(graph, None, 2, np.array([0, np.nan, 0, 0, 0, 0], np.float32))
    overlay = Overlay(graph, facts_array([]), facts_array([(1, 0, 2)]))
    with pytest.raises(ValueError, match="none beside an overlay"):
        Expand(graph, overlay, 2, np.zeros(6, np.float32))


@given(oracles(), st.integers(0, 3), st.data())
def test_one_relation_a_row(oracle: Oracle, cap: int, data: st.DataObject) -> None:
    n = data.draw(st.integers(0, 12))
    frontier = data.draw(st.lists(st.integers(0, oracle.num_entities - 1), min_size=n, max_size=n))
    relations = data.draw(st.lists(st.integers(-1, oracle.stay - 1), min_size=n, max_size=n))
    best = capped(oracle, cap)
    expected = [[e for e in best[h] if r in (-1, e[0])] for h, r in zip(frontier, relations, strict=True)]
    assert rows_of(Expand(oracle.graph(), None, cap)(ids(frontier), ids(relations))) == expected


@given(oracles().filter(lambda o: bool(o.facts)), st.data())
def test_an_excluded_fact_is_hidden_in_both_directions(oracle: Oracle, data: st.DataObject) -> None:
    head, relation, tail = data.draw(st.sampled_from(oracle.facts))
    rest = oracle.without([(head, relation, tail)]).edges()
    expected = [sorted(rest[e]) for e in range(oracle.num_entities)]
    expand = Expand(oracle.graph())
    assert expand_all(expand, exclude=(head, relation, tail)) == expected
    assert expand_all(expand, exclude=(tail, oracle.inverse(relation), head)) == expected
    everything = oracle.edges()
    assert expand_all(expand, exclude=(head, relation, -1)) == [
        sorted(everything[e]) for e in range(oracle.num_entities)
    ]


@st.composite
def overlaid(draw: st.DrawFn) -> tuple[Oracle, list[Fact], list[Fact], int]:
    """A graph, facts hidden, facts added, and how many entities are added."""
    oracle = draw(oracles())
    hidden = draw(st.lists(st.sampled_from(oracle.facts), max_size=4)) if oracle.facts else []
    new = draw(st.integers(0, 2))
    entity = st.integers(0, oracle.num_entities + new - 1)
    added = draw(st.lists(st.tuples(entity, st.integers(0, oracle.num_relations - 1), entity), max_size=6))
    return oracle, hidden, added, new


@given(overlaid(), st.integers(0, 3), st.booleans())
def test_an_overlay_is_the_graph_with_those_facts(
    case: tuple[Oracle, list[Fact], list[Fact], int], cap: int, inverse: bool
) -> None:
    oracle, hidden, added, new = case

    def direct(fact: Fact) -> Fact:
        return (fact[2], oracle.inverse(fact[1]), fact[0]) if inverse else fact

    overlay = Overlay(
        oracle.graph(),
        facts_array([direct(f) for f in hidden]),
        facts_array([direct(f) for f in added]),
        [0] * new,
    )
    grown = Oracle(oracle.without(hidden).facts + added, oracle.num_entities + new, oracle.num_relations)
    assert overlay.num_entities == grown.num_entities
    expand = Expand(oracle.graph(), overlay, cap)
    rows = grown.edges()
    assert expand_all(expand, capped=False) == [sorted(rows[e]) for e in range(grown.num_entities)]
    # The cap goes by the graph's own ranks; an added entity has none.
    rank = np.concatenate([oracle.graph().pagerank(), np.zeros(new)])
    for head, shown in enumerate(expand_all(expand)):
        best = sorted(rows[head], key=lambda e: (-rank[e[1]], e[1], e[0]))
        assert shown == sorted(best[:cap] if cap else best)


@given(overlaid(), st.integers(0, 3))
def test_an_overlay_put_on_later_shows_what_one_put_on_at_once_does(
    case: tuple[Oracle, list[Fact], list[Fact], int], cap: int
) -> None:
    oracle, hidden, added, new = case
    graph = oracle.graph()
    overlay = Overlay(graph, facts_array(hidden), facts_array(added), [0] * new)
    plain = Expand(graph, None, cap)
    later, at_once = plain.with_overlay(overlay), Expand(graph, overlay, cap)
    assert (later.num_entities, later.max_out_degree) == (at_once.num_entities, cap)
    assert later.overlay is overlay
    assert plain.overlay is None
    assert expand_all(later) == expand_all(at_once)
    assert expand_all(later, capped=False) == expand_all(at_once, capped=False)
    np.testing.assert_array_equal(later.edge_table(), at_once.edge_table())
    with pytest.raises(ValueError, match="there is an overlay already"):
        later.with_overlay(overlay)


@given(overlaid(), st.integers(0, 3))
def test_the_edge_table_holds_every_graph_edge_in_place(
    case: tuple[Oracle, list[Fact], list[Fact], int], cap: int
) -> None:
    oracle, hidden, added, new = case
    graph = oracle.graph()
    expand = Expand(graph, Overlay(graph, facts_array(hidden), facts_array(added), [0] * new), cap)
    table = expand.edge_table()
    np.testing.assert_array_equal(table[: graph.num_edges], graph.edges)
    stored = {tuple(e) for e in table.tolist()}
    assert all(e in stored for row in expand_all(expand) for e in row)


def test_a_hub_is_cut_to_its_cap_and_no_other_node_is() -> None:
    n = 100_001
    spokes = np.arange(1, n, dtype=np.int32)
    zeros = np.zeros_like(spokes)
    graph = Graph.from_triples(np.stack([zeros, zeros, spokes], axis=1), n, 1)
    expand = Expand(graph, None, 256)
    offsets, _, tails = expand(ids([0, 5]), ids([-1]))
    assert offsets.tolist() == [0, 256, 257]
    assert tails[:256].tolist() == list(range(1, 257))  # all spokes rank alike: the lower ids
    assert expand(ids([0]), ids([-1]), None, False)[0].tolist() == [0, n - 1]


def test_bad_input_is_refused_before_memory_is_touched() -> None:
    oracle = Oracle([(0, 0, 1)], 3, 1)
    graph = oracle.graph()
    expand = Expand(graph)
    one, any_ = ids([0]), ids([-1])
    for bad in (-1, 3, 2**31 - 1):
        with pytest.raises(IndexError, match=str(bad)):
            expand(ids([0, bad]), any_)
    for bad in (2, -2):
        with pytest.raises(IndexError, match=str(bad)):
            expand(one, ids([bad]))
        with pytest.raises(IndexError, match=str(bad)):
            expand(one, any_, ids([[0, bad, 1]]))
    with pytest.raises(ValueError, match="expected 1 or 3 relations, got 2"):
        expand(ids([0, 0, 0]), ids([0, 1]))
    with pytest.raises(ValueError, match="excluded"):
        expand(ids([0, 0]), any_, ids([[0, 0, 1]]))
    with pytest.raises(ValueError, match="frontier: expected dtype int32, got int64"):
        expand(np.array([0]), any_)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="exclude: expected dtype int32, got int16"):
        expand(one, any_, np.zeros((1, 3), np.int16))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"frontier: expected shape \(n,\), got \(1, 1\)"):
        expand(one.reshape(1, 1), any_)
    with pytest.raises(ValueError, match="max_out_degree"):
        Expand(graph, None, -1)
    with pytest.raises(ValueError, match="not in the graph"):
        Overlay(graph, facts_array([(0, 0, 2)]), facts_array([]))
    with pytest.raises(IndexError, match="type"):
        Overlay(graph, facts_array([]), facts_array([]), [1])
    with pytest.raises(IndexError, match="added fact"):
        Overlay(graph, facts_array([]), facts_array([(0, 0, 3)]))
