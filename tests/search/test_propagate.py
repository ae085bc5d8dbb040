import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgwalk.search import ANY, chain, propagate, rank, search


def as_dicts(ranked):
    """Per query {entity: probability}."""
    rows = [slice(a, b) for a, b in zip(ranked.offsets[:-1], ranked.offsets[1:], strict=True)]
    return [dict(zip(ranked.entities[r].tolist(), np.exp(ranked.scores[r]), strict=True)) for r in rows]


def assert_close(got, expected):
    assert len(got) == len(expected)
    for a, b in zip(got, expected, strict=True):
        assert a == pytest.approx(b, abs=1e-6)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_propagation_is_an_exhaustive_beam(toys, data):
    world, hops = data.draw(toys.worlds), data.draw(st.integers(1, 3))
    policy = toys.TablePolicy(world.graph, data.draw(st.integers(0, 99)), entities=False)
    queries = world.queries()
    found = propagate(world.actions, policy, queries, hops, batch=data.draw(st.integers(1, 40)))
    beamed = rank(search(world.actions, policy, chain(ANY, 10**6, hops), queries), len(queries))
    assert_close(as_dicts(found.ranked), as_dicts(beamed))
    assert not found.dropped.any()
    for row in range(len(queries)):
        assert np.all(np.diff(found.ranked.scores[slice(*found.ranked.offsets[row : row + 2])]) <= 0)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_what_is_kept_and_what_is_dropped_are_everything(toys, data):
    world = data.draw(toys.worlds)
    policy = toys.TablePolicy(world.graph, data.draw(st.integers(0, 99)), entities=False)
    queries = world.queries()
    exact = as_dicts(propagate(world.actions, policy, queries, 3).ranked)
    cut = propagate(world.actions, policy, queries, 3, prefixes=data.draw(st.integers(1, 4)))
    for kept, true, dropped in zip(as_dicts(cut.ranked), exact, cut.dropped, strict=True):
        assert sum(kept.values()) + dropped == pytest.approx(1)
        for entity, probability in true.items():
            assert kept.get(entity, 0) - 1e-9 <= probability <= kept.get(entity, 0) + dropped + 1e-9


def test_the_prefixes_of_most_mass_are_kept(toys, town):
    """Keeping k prefixes after the first hop is following the k likeliest relations only."""
    policy, queries, k = toys.TablePolicy(town.graph, 4, entities=False), town.queries()[:60], 2
    policy.tables += np.random.default_rng(0).random(policy.tables.shape, np.float32)  # no ties, which would be by id
    cut = propagate(town.actions, policy, queries, 2, prefixes=k)
    paths = search(town.actions, policy, chain(ANY, 10**6, 2), queries)
    for i, kept in enumerate(as_dicts(cut.ranked)):
        own = paths.of(i)
        probability = np.exp(own.log_prob)
        by_relation = np.bincount(own.relations[:, 0], probability, town.graph.stay + 1)
        best = np.argsort(-by_relation, kind="stable")[:k]
        assert cut.dropped[i] == pytest.approx(1 - by_relation[best].sum(), abs=1e-5)
        survive = np.isin(own.relations[:, 0], best)
        expected = np.bincount(own.entities[survive, -1], probability[survive])
        assert kept == pytest.approx({int(e): expected[e] for e in np.flatnonzero(expected)}, abs=1e-6)


def test_threads_change_nothing(toys, town, two_threads):
    policy, queries = toys.TablePolicy(town.graph, 4, entities=False), town.queries()[::9]

    def run():
        found = propagate(town.actions, policy, queries, 3, prefixes=20)
        return found.ranked.offsets, found.ranked.entities, found.ranked.scores, found.dropped

    for a, b in zip(*two_threads(run), strict=True):
        np.testing.assert_array_equal(a, b)


def test_each_prefix_is_scored_once(toys, town):
    policy, width = toys.TablePolicy(town.graph, entities=False), town.graph.stay + 1
    queries = town.queries()
    queries = queries[queries[:, 1] < 2]
    propagate(town.actions, policy, queries, 3, batch=10**6)
    assert policy.states_scored == 2 * (1 + width + width**2)


def test_a_relation_of_probability_zero_is_not_followed(toys, town):
    policy, queries = toys.TablePolicy(town.graph, entities=False), town.queries()[:40]
    policy.tables[0, :, town.graph.stay] = -np.inf
    policy.tables[0, :, 3] = -np.inf
    queries = queries[[len(town.moves(q[0], q, False)) > 3 for q in queries]]
    found = propagate(town.actions, policy, queries, 1)
    for query, got in zip(queries, as_dicts(found.ranked), strict=True):
        assert set(got) == {e for r, e in town.moves(query[0], query, True) if r not in (3, town.graph.stay)}
        assert sum(got.values()) == pytest.approx(1)


def test_no_queries_give_no_answers(toys, town):
    found = propagate(town.actions, toys.TablePolicy(town.graph, entities=False), np.empty((0, 3), np.int32), 2)
    assert found.ranked.offsets.tolist() == [0]
    assert len(found.dropped) == 0


def test_wrong_arguments(toys, town):
    policy, queries = toys.TablePolicy(town.graph, entities=False), town.queries()[:3]
    with pytest.raises(ValueError, match="factorises"):
        propagate(town.actions, toys.TablePolicy(town.graph), queries, 2)
    for wrong in ({"hops": 0}, {"prefixes": 0}, {"batch": 0}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be positive, got 0"):
            propagate(town.actions, policy, queries, **{"hops": 2, **wrong})
    with pytest.raises(ValueError, match="int32"):
        propagate(town.actions, policy, queries.astype(np.int64), 2)
    with pytest.raises(IndexError, match="300"):
        propagate(town.actions, policy, queries + np.int32(300), 2)
    policy.tables[0] = np.nan
    with pytest.raises(ValueError, match="no finite logit"):
        propagate(town.actions, policy, queries, 2)


def test_logits_of_another_graph(toys, town):
    policy = toys.TablePolicy(town.graph, entities=False)
    policy.tables = policy.tables[:, :, :-1]
    with pytest.raises(ValueError, match="logits of a prefix: expected length 11, got 10"):
        propagate(town.actions, policy, town.queries()[:3], 2)
