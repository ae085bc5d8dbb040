"""Propagation of split policies against an enumeration of all walks, and its kernels' borders."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kgwalk.search.split_propagate as split_module
from kgwalk._core import ActionSets, Expand, Graph, split_entities, split_relations
from kgwalk.search import propagate_split

HISTORIES = 7


class SplitTable:
    """Tables of the query's relation and of a number made of all relations followed, in their order.

    Logits are multiples of 1/4, so that ties are common.
    """

    factorises = True

    def __init__(self, graph: Graph, seed: int = 0, *, entities: bool = True) -> None:
        width = graph.stay + 1
        draw = np.random.default_rng(seed)

        def table(*shape):
            return draw.integers(-4, 5, shape).astype(np.float32) / 4

        self.asked, self.followed = table(width, width), table(HISTORIES, width)
        self.entity_table = table(graph.num_entities, 3)
        self.query_tables = (table(width, 3), table(HISTORIES, 3)) if entities else None
        self.states_scored = 0

    def begin(self, queries):
        return np.stack([queries[:, 1], np.zeros(len(queries), np.int32)], axis=1)

    def select(self, state, rows):
        return state[rows]

    def advance(self, state, moves):
        return np.stack([state[:, 0], (3 * state[:, 1] + moves.relations + 1) % HISTORIES], axis=1)

    def relation_logits(self, state):
        self.states_scored += len(state)
        return self.asked[state[:, 0]] + self.followed[state[:, 1]]

    def entity_queries(self, state):
        if self.query_tables is None:
            return None
        return self.query_tables[0][state[:, 0]] + self.query_tables[1][state[:, 1]]


def softmax(logits):
    weights = np.exp(logits.astype(np.float64) - logits.max())
    return weights / weights.sum()


def walk_all(world, policy, query, hops):
    """{entity: probability} by following every walk on its own."""
    ends = defaultdict(float)

    def follow(entity, history, hops_left, probability):
        if hops_left == 0:
            ends[entity] += probability
            return
        tails = defaultdict(list)
        for relation, tail in world.moves(entity, query, hops_left == 1):
            tails[relation].append(tail)
        logits = policy.asked[query[1]] + policy.followed[history]
        for relation, share in zip(tails, softmax(logits[list(tails)]), strict=True):
            after = (3 * history + relation + 1) % HISTORIES
            scores = np.zeros(len(tails[relation]))
            if policy.query_tables is not None:
                asked = policy.query_tables[0][query[1]] + policy.query_tables[1][after]
                scores = policy.entity_table[tails[relation]] @ asked
            for tail, part in zip(tails[relation], softmax(scores), strict=True):
                follow(tail, after, hops_left - 1, probability * share * part)

    follow(int(query[0]), 0, hops, 1.0)
    return dict(ends)


def as_dicts(ranked):
    """Per query {entity: probability}."""
    rows = [slice(a, b) for a, b in zip(ranked.offsets[:-1], ranked.offsets[1:], strict=True)]
    return [dict(zip(ranked.entities[r].tolist(), np.exp(ranked.scores[r]), strict=True)) for r in rows]


def arrays(found):
    return found.ranked.offsets, found.ranked.entities, found.ranked.scores, found.dropped


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_propagation_is_the_sum_over_all_walks(toys, data):
    world, hops = data.draw(toys.worlds), data.draw(st.integers(1, 3))
    policy = SplitTable(world.graph, data.draw(st.integers(0, 99)), entities=data.draw(st.booleans()))
    queries = world.queries()
    found = propagate_split(world.actions, policy, queries, hops, batch=data.draw(st.integers(1, 40)))
    assert not found.dropped.any()
    for query, got in zip(queries, as_dicts(found.ranked), strict=True):
        assert got == pytest.approx(walk_all(world, policy, query, hops), abs=1e-6)
    for row in range(len(queries)):
        assert np.all(np.diff(found.ranked.scores[slice(*found.ranked.offsets[row : row + 2])]) <= 0)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_what_is_kept_and_what_is_dropped_are_everything(toys, data):
    world = data.draw(toys.worlds)
    policy = SplitTable(world.graph, data.draw(st.integers(0, 99)), entities=data.draw(st.booleans()))
    queries = world.queries()
    exact = as_dicts(propagate_split(world.actions, policy, queries, 3).ranked)
    cut = propagate_split(world.actions, policy, queries, 3, keep=data.draw(st.integers(1, 6)))
    assert np.all(cut.dropped >= 0)
    for kept, true, dropped in zip(as_dicts(cut.ranked), exact, cut.dropped, strict=True):
        assert sum(kept.values()) + dropped == pytest.approx(1)
        for entity, probability in true.items():
            assert kept.get(entity, 0) - 1e-9 <= probability <= kept.get(entity, 0) + dropped + 1e-9


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_items_of_most_mass_are_kept(toys, data):
    world, last = data.draw(toys.worlds), data.draw(st.booleans())
    n, queries = world.graph.num_entities, world.queries()[:4]
    seed, keep = data.draw(st.integers(0, 99)), data.draw(st.integers(1, 12))
    draw = np.random.default_rng(seed)
    logits = draw.integers(0, 2, (2, world.graph.stay + 1)).astype(np.float32)  # ties
    offsets = np.arange(len(queries) + 1) * 2 * n
    prefixes = np.tile(np.repeat(np.arange(2, dtype=np.int32), n), len(queries))
    entities = np.tile(np.arange(n, dtype=np.int32), 2 * len(queries))
    mass = draw.integers(0, 4, len(entities)) / 8
    given_ = (world.actions, queries, offsets, prefixes, entities, mass, logits, last)
    all_offsets, *everything, none = split_relations(*given_)
    assert not none.any()
    kept_offsets, *kept, dropped = split_relations(*given_, keep=keep)
    for q in range(len(queries)):
        rows = np.arange(all_offsets[q], all_offsets[q + 1])
        weights = everything[3][rows]
        assert weights.sum() == pytest.approx(mass[offsets[q] : offsets[q + 1]].sum())
        assert np.all(weights > 0)
        triples = list(zip(*(column[rows].tolist() for column in everything[:3]), strict=True))
        assert triples == sorted(set(triples))
        best = np.argsort(-weights, kind="stable")[:keep]
        for column, got in zip(everything, kept, strict=True):
            np.testing.assert_array_equal(got[kept_offsets[q] : kept_offsets[q + 1]], column[rows[np.sort(best)]])
        assert dropped[q] == pytest.approx(weights.sum() - weights[best].sum(), abs=1e-12)


def test_long_runs_of_one_prefix():
    """More tails of a prefix than are scored at once, shared by the same heads."""
    draw = np.random.default_rng(0)
    n, heads, dim = 3000, 4, 37
    tails = [np.sort(draw.choice(np.arange(heads, n), size, replace=False)) for size in (2500, 2000, 1, 2900)]
    facts = np.concatenate([np.stack([np.full(len(t), h), np.zeros(len(t)), t], 1) for h, t in enumerate(tails)])
    actions = ActionSets(Expand(Graph.from_triples(facts.astype(np.int32), n, 1)))
    asked, table = draw.standard_normal((2, dim), np.float32), draw.standard_normal((n, dim), np.float32)
    prefixes = np.array([0] * heads + [1] * heads, np.int32)
    at = np.array([*range(heads)] * 2, np.int32)
    mass = np.array([4, 3, 2, 1, 1, 2, 3, 4]) / 20
    arguments = (
        actions, np.array([(0, 1, -1)], np.int32), np.array([0, 8]), prefixes, np.zeros(8, np.int32), at, mass
    )  # fmt: skip
    expected = np.zeros((2, n))
    for prefix, entity, share in zip(prefixes, at, mass, strict=True):
        expected[prefix, tails[entity]] += share * softmax(table[tails[entity]] @ asked[prefix])
    offsets, got_prefixes, entities, got = split_entities(*arguments, asked, table, False)
    assert offsets.tolist() == [0, np.count_nonzero(expected)]
    assert (got_prefixes.astype(int) * n + entities).tolist() == np.flatnonzero(expected).tolist()
    np.testing.assert_allclose(got, expected[expected > 0], rtol=1e-4)
    offsets, got_prefixes, entities, got = split_entities(*arguments, asked, table, True)
    assert not got_prefixes.any()
    np.testing.assert_array_equal(entities, np.flatnonzero(expected.sum(0)))
    np.testing.assert_allclose(got, expected.sum(0)[entities], rtol=1e-4)


def test_threads_change_nothing(toys, town, two_threads):
    policy, queries = SplitTable(town.graph, 4), town.queries()[::9]
    results = two_threads(lambda: arrays(propagate_split(town.actions, policy, queries, 3, keep=30)))
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


def test_grouping_changes_nothing(town, monkeypatch):
    policy, queries = SplitTable(town.graph, 4), town.queries()[::9]
    for keep in (None, 20):
        results = []
        for items in (1 << 20, 50):
            monkeypatch.setattr(split_module, "_ITEMS", items)
            results.append(arrays(propagate_split(town.actions, policy, queries, 3, keep=keep)))
        for a, b in zip(*results, strict=True):
            np.testing.assert_array_equal(a, b)


def test_each_prefix_is_scored_once(town):
    policy, width = SplitTable(town.graph), town.graph.stay + 1
    queries = town.queries()
    propagate_split(town.actions, policy, queries[queries[:, 1] < 2], 2, batch=10**6)
    assert policy.states_scored == 2 * (1 + width)


def test_a_relation_of_probability_zero_is_not_followed(town):
    policy, queries = SplitTable(town.graph), town.queries()[:40]
    policy.asked[:, [3, town.graph.stay]] = -np.inf
    queries = queries[[any(r not in (3, town.graph.stay) for r, _ in town.moves(q[0], q, True)) for q in queries]]
    found = propagate_split(town.actions, policy, queries, 1)
    for query, got in zip(queries, as_dicts(found.ranked), strict=True):
        assert set(got) == {e for r, e in town.moves(query[0], query, True) if r not in (3, town.graph.stay)}
        assert sum(got.values()) == pytest.approx(1)


def test_no_queries_give_no_answers(town):
    found = propagate_split(town.actions, SplitTable(town.graph), np.empty((0, 3), np.int32), 2)
    assert found.ranked.offsets.tolist() == [0]
    assert len(found.dropped) == 0


def test_wrong_arguments(town):
    policy, queries = SplitTable(town.graph), town.queries()[:3]
    for wrong in ({"hops": 0}, {"keep": 0}, {"batch": 0}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be positive, got 0"):
            propagate_split(town.actions, policy, queries, **{"hops": 2, **wrong})
    with pytest.raises(IndexError, match="300"):
        propagate_split(town.actions, policy, queries + np.int32(300), 2)
    policy.entity_table = np.full_like(policy.entity_table, np.nan)
    with pytest.raises(ValueError, match="no finite logit"):
        propagate_split(town.actions, policy, queries, 2)
    policy.asked[:] = -np.inf
    with pytest.raises(ValueError, match="no finite logit"):
        propagate_split(town.actions, policy, queries, 2)
    policy.factorises = False
    with pytest.raises(ValueError, match="factorises"):
        propagate_split(town.actions, policy, queries, 2)


def test_arrays_of_another_graph(town):
    queries = town.queries()[:3]
    policy = SplitTable(town.graph)
    policy.asked, policy.followed = policy.asked[:, :-1], policy.followed[:, :-1]
    with pytest.raises(ValueError, match="logits of a prefix: expected length 11, got 10"):
        propagate_split(town.actions, policy, queries, 2)
    policy = SplitTable(town.graph)
    policy.entity_table = policy.entity_table[1:]
    with pytest.raises(ValueError, match="entity_table: expected length 300, got 299"):
        propagate_split(town.actions, policy, queries, 2)


ITEM = {
    "queries": np.array([(0, 0, -1)], np.int32),
    "query_offsets": np.array([0, 2]),
    "prefixes": np.zeros(2, np.int32),
    "entities": np.array([0, 1], np.int32),
    "mass": np.ones(2),
    "last_hop": False,
}
BAD_ITEMS = [
    ({"prefixes": np.array([0, 1], np.int32)}, IndexError, r"prefixes: 1 at 1 is not in \[0, 1\)"),
    ({"entities": np.array([0, 300], np.int32)}, IndexError, "entities: 300 at 1"),
    ({"queries": np.array([(0, 10, -1)], np.int32)}, IndexError, "10"),
    ({"mass": np.ones(3)}, ValueError, "mass: expected length 2, got 3"),
    ({"mass": np.array([1, -1.0])}, ValueError, "mass must be finite and not negative"),
    ({"mass": np.array([1, np.nan])}, ValueError, "mass must be finite and not negative"),
    ({"mass": np.array([np.inf, 1])}, ValueError, "mass must be finite and not negative"),
    ({"query_offsets": np.array([0, 1, 2])}, ValueError, "query_offsets: expected length 2, got 3"),
]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        *BAD_ITEMS,
        ({"entities": np.array([1, 1], np.int32)}, ValueError, r"\(prefix, entity\) must rise within a query"),
        ({"logits": np.zeros((1, 12), np.float32)}, ValueError, "logits of a prefix: expected length 11, got 12"),
        ({"keep": -1}, ValueError, "keep must be 0"),
    ],
)
def test_split_relations_checks_its_arrays(town, changes, error, message):
    good = {**ITEM, "logits": np.zeros((1, 11), np.float32)}
    split_relations(town.actions, **good)
    with pytest.raises(error, match=message):
        split_relations(town.actions, **{**good, **changes})


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        *BAD_ITEMS,
        ({"relations": np.array([10, 11], np.int32)}, IndexError, r"relations: 11 at 1 is not in \[0, 11\)"),
        ({"relations": np.array([10, 10, 10], np.int32)}, ValueError, "relations: expected length 2, got 3"),
        ({"prefixes": np.array([1, 0], np.int32), "entity_query": None}, ValueError, "prefixes must not fall"),
        ({"entity_table": None}, ValueError, "entity_query needs an entity_table"),
        ({"entity_query": np.zeros((1, 5), np.float32)}, ValueError, "row of entity_table: expected length 5, got 4"),
        ({"entity_query": np.zeros((1, 4))}, ValueError, "entity_query: expected dtype float32"),
    ],
)
def test_split_entities_checks_its_arrays(town, changes, error, message):
    good = {
        **ITEM,
        "relations": np.full(2, 10, np.int32),
        "entity_query": np.zeros((1, 4), np.float32),
        "entity_table": np.zeros((300, 4), np.float32),
    }
    split_entities(town.actions, **good)
    with pytest.raises(error, match=message):
        split_entities(town.actions, **{**good, **changes})


def test_a_relation_that_is_not_open(town):
    closed = next(r for r in range(10) if r not in {r for r, _ in town.neighbours(0)})
    with pytest.raises(ValueError, match=f"relation {closed} is not open at entity 0"):
        split_entities(
            town.actions,
            **{**ITEM, "query_offsets": np.array([0, 1])}
            | {name: ITEM[name][:1] for name in ("prefixes", "entities", "mass")},
            relations=np.array([closed], np.int32),
            entity_query=None,
            entity_table=None,
        )
