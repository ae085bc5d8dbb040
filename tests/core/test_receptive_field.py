"""sample_neighbours, extend_field and ripple_sets against rows of a dict of sets."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgwalk.graph import (
    Expand,
    Graph,
    Overlay,
    extend_field,
    ripple_sets,
    sample_neighbours,
    set_num_threads,
)
from tests.core.oracle import Edge, Oracle, facts_array, ids, oracles

Seeds = st.integers(0, 2**64 - 1)


def seen(oracle: Oracle, forward_only: bool) -> dict[int, set[Edge]]:
    """Rows of the oracle, or their forward edges."""
    limit = oracle.num_relations if forward_only else oracle.stay
    return {head: {e for e in row if e[0] < limit} for head, row in oracle.edges().items()}


def star(leaves: int) -> Expand:
    """Entity 0 and its leaves."""
    return Expand(Graph.from_triples(facts_array([(0, 0, leaf) for leaf in range(1, leaves + 1)]), leaves + 1, 1))


@given(oracles(), st.integers(1, 12), st.integers(0, 2), st.booleans(), Seeds)
def test_neighbours_are_edges_and_distinct_where_there_are_enough(
    oracle: Oracle, count: int, cap: int, forward_only: bool, seed: int
) -> None:
    expand = Expand(oracle.graph(), None, cap)
    entities = np.arange(oracle.num_entities, dtype=np.int32)
    relations, tails = sample_neighbours(expand, entities, count, seed, forward_only)
    assert relations.shape == tails.shape == (oracle.num_entities, count)
    assert relations.dtype == tails.dtype == np.int32
    for head, row in seen(oracle, forward_only).items():
        drawn = set(zip(relations[head].tolist(), tails[head].tolist(), strict=True))
        if row:
            assert drawn <= row
            assert len(row) < count or len(drawn) == count
        else:
            assert drawn == {(oracle.stay, head)}


@given(oracles(), st.data(), Seeds)
def test_an_entity_has_one_sample_wherever_it_stands(oracle: Oracle, data: st.DataObject, seed: int) -> None:
    expand = Expand(oracle.graph())
    order = ids(data.draw(st.lists(st.integers(0, oracle.num_entities - 1), max_size=12)))
    everything = sample_neighbours(expand, np.arange(oracle.num_entities, dtype=np.int32), 3, seed)
    for some, every in zip(sample_neighbours(expand, order, 3, seed), everything, strict=True):
        np.testing.assert_array_equal(some, every[order])


@pytest.mark.parametrize("leaves", [5, 6, 50, 1000])
def test_every_place_shows_every_neighbour_as_often(leaves: int) -> None:
    # A seed per draw, fixed: 5 of `leaves`, each in each place 1 in `leaves` times.
    expand, hub, draws = star(leaves), ids([0]), 200 * leaves if leaves < 100 else 20_000
    tails = np.concatenate([sample_neighbours(expand, hub, 5, seed)[1] for seed in range(draws)])
    assert all(len(set(row)) == 5 for row in tails.tolist())
    bins = min(leaves, 10)
    for place in range(5):
        share = np.bincount((tails[:, place] - 1) * bins // leaves, minlength=bins) / draws
        width = np.bincount(np.arange(leaves) * bins // leaves, minlength=bins) / leaves
        assert np.all(np.abs(share - width) < 5 * np.sqrt(width / draws))


def test_few_neighbours_are_drawn_with_replacement() -> None:
    tails = np.stack([sample_neighbours(star(3), ids([0]), 4, seed)[1][0] for seed in range(3000)])
    for place in range(4):
        assert np.all(np.abs(np.bincount(tails[:, place], minlength=4)[1:] / 3000 - 1 / 3) < 0.045)
    # Two places agree one time in three: the draws are independent.
    assert abs(np.mean(tails[:, 0] == tails[:, 1]) - 1 / 3) < 0.045


def test_many_of_a_hubs_neighbours() -> None:
    everything = sample_neighbours(star(3000), ids([0]), 3000, 1)[1][0]
    assert sorted(everything.tolist()) == list(range(1, 3001))
    assert everything.tolist() != sorted(everything.tolist())
    assert len(set(sample_neighbours(star(3000), ids([0]), 2999, 1)[1][0].tolist())) == 2999


@given(oracles(), st.integers(0, 2), st.booleans(), Seeds)
def test_a_field_grows_away_from_its_centre(oracle: Oracle, cap: int, forward_only: bool, seed: int) -> None:
    n = oracle.num_entities
    centres, nodes = (x.astype(np.int32).ravel() for x in np.mgrid[:n, :n])
    relations, tails = extend_field(Expand(oracle.graph(), None, cap), centres, nodes, seed, forward_only)
    assert relations.shape == tails.shape == (n * n,)
    assert relations.dtype == tails.dtype == np.int32
    rows = seen(oracle, forward_only)
    for centre, node, *edge in zip(*(x.tolist() for x in (centres, nodes, relations, tails)), strict=True):
        open_edges = {e for e in rows[node] if e[1] != centre}
        assert tuple(edge) in (open_edges or {(oracle.stay, node)})


def test_neighbours_off_the_centre_are_drawn_as_often() -> None:
    # Most edges lead to the centre, 1; those to 2 (by two relations) and to 3 are drawn one time in three each.
    facts = [(0, r, 1) for r in range(9)] + [(0, 2, 2), (0, 5, 2), (0, 8, 3)]
    expand = Expand(Graph.from_triples(facts_array(facts), 4, 9))
    rows = np.zeros(9000, np.int32)
    relations, tails = extend_field(expand, rows + 1, rows, 4)
    counts = Counter(zip(relations.tolist(), tails.tolist(), strict=True))
    assert counts.keys() == {(2, 2), (5, 2), (8, 3)}
    assert all(abs(times / 9000 - 1 / 3) < 0.025 for times in counts.values())


@given(oracles(), st.integers(1, 3), st.integers(1, 8), st.booleans(), Seeds, st.data())
def test_ripples_spread_along_the_tails_of_the_hop_before(
    oracle: Oracle, hops: int, size: int, forward_only: bool, seed: int, data: st.DataObject
) -> None:
    owned = data.draw(st.lists(st.lists(st.integers(0, oracle.num_entities - 1), max_size=3), max_size=6))
    offsets = np.cumsum([0, *map(len, owned)], dtype=np.int64)
    items = ids([item for own in owned for item in own])
    drawn = ripple_sets(Expand(oracle.graph(), None, 1), offsets, items, hops, size, seed, forward_only)
    assert all(x.shape == (len(owned), hops, size) and x.dtype == np.int32 for x in drawn)
    rows = seen(oracle, forward_only)
    for own, per_hop in zip(owned, np.stack(drawn, axis=-1).tolist(), strict=True):
        sources, before = own, [[own[0] if own else 0, oracle.stay, own[0] if own else 0]] * size
        for triples in per_hop:
            pool = Counter((head, *edge) for head in sources for edge in rows[head])
            if pool:
                counts = Counter(map(tuple, triples))
                assert counts.keys() <= pool.keys()
                assert pool.total() < size or counts <= pool
            else:
                assert triples == before
            # Nothing spreads from entity 0 to a user without items.
            sources, before = [tail for _, _, tail in triples] if own else [], triples


def test_ripples_draw_every_edge_of_the_pool_as_often() -> None:
    # Item 0 has 4 edges, 5 has one, given twice: a pool of 6 places.
    facts = [(0, 0, tail) for tail in (1, 2, 3, 4)] + [(5, 0, 6)]
    expand = Expand(Graph.from_triples(facts_array(facts), 7, 1))
    users = 6000
    offsets = np.arange(users + 1, dtype=np.int64) * 3
    for size in (2, 6, 10):
        _, _, tails = ripple_sets(expand, offsets, np.tile(ids([5, 0, 5]), users), 1, size, 8, True)
        share = np.bincount(tails.ravel(), minlength=7)[1:] / (users * size)
        np.testing.assert_allclose(share, np.array([1, 1, 1, 1, 0, 2]) / 6, atol=0.02)
        if size == 6:
            assert np.all(np.sort(tails[:, 0]) == [1, 2, 3, 4, 6, 6])


def test_ripples_that_lead_nowhere_repeat() -> None:
    # 0 -> 1 and 0 -> 2, forward edges only; 3 has none.
    expand = Expand(Graph.from_triples(facts_array([(0, 0, 1), (0, 0, 2)]), 4, 1))
    heads, relations, tails = ripple_sets(expand, np.array([0, 1, 3, 3]), ids([0, 3, 1]), 3, 2, 5, True)
    assert heads.tolist() == [[[0, 0]] * 3, [[3, 3]] * 3, [[0, 0]] * 3]
    assert relations.tolist() == [[[0, 0]] * 3, [[2, 2]] * 3, [[2, 2]] * 3]
    assert sorted(tails[0, 0].tolist()) == [1, 2]
    assert tails.tolist() == [[tails[0, 0].tolist()] * 3, [[3, 3]] * 3, [[0, 0]] * 3]


def test_overlays_count() -> None:
    graph = Graph.from_triples(facts_array([(0, 0, 1), (0, 0, 2)]), 3, 1)
    expand = Expand(graph, Overlay(graph, facts_array([(0, 0, 1)]), facts_array([(3, 0, 2)]), [0, 0]))
    relations, tails = sample_neighbours(expand, ids([0, 1, 3, 4]), 2, 0)
    assert relations.tolist() == [[0, 0], [2, 2], [0, 0], [2, 2]]
    assert tails.tolist() == [[2, 2], [1, 1], [2, 2], [4, 4]]
    assert [x.tolist() for x in extend_field(expand, ids([0, 3]), ids([2, 2]), 0)] == [[1, 1], [3, 0]]
    heads, _, tails = ripple_sets(expand, np.array([0, 1]), ids([3]), 2, 2, 0)
    assert (heads[0, 0].tolist(), sorted(tails[0, 1].tolist())) == ([3, 3], sorted(tails[0, 1].tolist()))
    assert set(tails[0, 1].tolist()) <= {0, 3}


@pytest.mark.usefixtures("keep_num_threads")
def test_seeds_and_nothing_else_decide() -> None:
    draw = np.random.default_rng(0)
    facts = np.stack([draw.integers(0, n, 5000, dtype=np.int32) for n in (300, 4, 300)], axis=1)
    expand = Expand(Graph.from_triples(facts, 310, 4))
    entities, centres = draw.integers(0, 310, (2, 20_000), dtype=np.int32)
    offsets = np.arange(0, 20_001, 5)
    results = []
    for threads, seed in ((1, 5), (2, 5), (1, 5), (1, 6)):
        set_num_threads(threads)
        results.append(
            (
                *sample_neighbours(expand, entities, 8, seed),
                *extend_field(expand, centres, entities, seed),
                *ripple_sets(expand, offsets, entities, 2, 16, seed),
            )
        )
    for other in results[1:3]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)
    assert not any(np.array_equal(a, b) for a, b in zip(results[0], results[3], strict=True))


def test_nothing_gives_nothing() -> None:
    none = ids([])
    assert [x.shape for x in sample_neighbours(star(2), none, 3, 0)] == [(0, 3)] * 2
    assert [x.shape for x in extend_field(star(2), none, none, 0)] == [(0,)] * 2
    assert [x.shape for x in ripple_sets(star(2), np.zeros(1, np.int64), none, 2, 3, 0)] == [(0, 2, 3)] * 3


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"entities": ids([0, 3])}, IndexError, r"entities: 3 at 1 is not in \[0, 3\)"),
        ({"entities": ids([-1])}, IndexError, "entities: -1"),
        ({"entities": ids([[0]])}, ValueError, r"entities: expected shape \(n,\), got \(1, 1\)"),
        ({"entities": np.array([0])}, ValueError, "entities: expected dtype int32, got int64"),
        ({"count": 0}, ValueError, "count must be at least 1 and below 2\\^31, got 0"),
        ({"count": -1}, ValueError, "got -1"),
        ({"count": 2**31}, ValueError, "count must be"),
        ({"seed": -1}, TypeError, "incompatible"),
    ],
)
def test_wrong_arguments_of_sample_neighbours(changes: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        sample_neighbours(**{"expand": star(2), "entities": ids([0]), "count": 2, "seed": 0, **changes})


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"nodes": ids([0, 3])}, IndexError, "nodes: 3 at 1"),
        ({"centres": ids([-1, 0])}, IndexError, "centres: -1 at 0"),
        ({"nodes": ids([0])}, ValueError, r"nodes: expected shape \(2,\), got \(1,\)"),
        ({"centres": ids([[0, 1]])}, ValueError, r"centres: expected shape \(n,\)"),
        ({"centres": np.zeros(2, np.int16)}, ValueError, "centres: expected dtype int32, got int16"),
        ({"nodes": np.zeros(2)}, ValueError, "nodes: expected dtype int32, got float64"),
    ],
)
def test_wrong_arguments_of_extend_field(changes: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        extend_field(**{"expand": star(2), "centres": ids([0, 1]), "nodes": ids([1, 0]), "seed": 0, **changes})


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"items": ids([0, 3])}, IndexError, "items: 3 at 1"),
        ({"items": ids([-5, 0])}, IndexError, "items: -5 at 0"),
        ({"items": np.zeros(2, np.int64)}, ValueError, "items: expected dtype int32"),
        ({"items": ids([[0, 1]])}, ValueError, "items: expected shape"),
        ({"offsets": ids([0, 1, 2])}, ValueError, "offsets: expected dtype int64, got int32"),
        ({"offsets": np.zeros((1, 2), np.int64)}, ValueError, "offsets: expected shape"),
        ({"offsets": np.zeros(0, np.int64)}, ValueError, "offsets must start with 0"),
        ({"offsets": np.array([1, 2])}, ValueError, "offsets must start with 0"),
        ({"offsets": np.array([0, 2, 1, 2])}, ValueError, "offsets must not fall"),
        ({"offsets": np.array([0, 1])}, ValueError, "offsets must end at 2, got 1"),
        ({"offsets": np.array([0, 2**62])}, ValueError, "offsets must end at 2"),
        ({"hops": 0}, ValueError, "hops must be at least 1"),
        ({"size": 0}, ValueError, "size must be at least 1"),
        ({"size": -3}, ValueError, "got -3"),
        ({"hops": 2**16, "size": 2**16}, ValueError, r"hops \* size must be"),
    ],
)
def test_wrong_arguments_of_ripple_sets(changes: dict[str, object], error: type[Exception], message: str) -> None:
    fine = {"expand": star(2), "offsets": np.array([0, 1, 2]), "items": ids([0, 1]), "hops": 2, "size": 2, "seed": 0}
    with pytest.raises(error, match=message):
        ripple_sets(**{**fine, **changes})
