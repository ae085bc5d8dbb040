import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgwalk._core import Graph
from kgwalk.search import ANY, chain, rank, search, tree


def as_tuples(paths, query):
    """Paths of a query as the reference writes them."""
    own = paths.of(query)
    rows = []
    for entities, relations, log_prob in zip(own.entities, own.relations, own.log_prob, strict=True):
        steps = tuple(zip(relations.tolist(), entities[1:].tolist(), strict=True))
        rows.append((((None, int(entities[0])), *steps), log_prob))
    return rows


def padded(found, hops, stay):
    """The reference's paths, filled up with STAY to the layout's longest."""
    rows = []
    for path, _, log_prob in found:
        rows.append(((*path, *[(stay, path[-1][1])] * (hops - len(path) + 1)), log_prob))
    return rows


def layouts(draw, graph):
    hops, per = draw(st.integers(1, 3)), draw(st.sampled_from(["query", "path"]))
    final = draw(st.sampled_from(["keep", "expand"]))
    budgets = st.lists(st.integers(1, 4), min_size=hops, max_size=hops)
    if draw(st.booleans()):
        return chain(ANY, draw(budgets), per=per, final=final)
    relation = st.integers(0, graph.stay)
    metapath = st.lists(relation, min_size=1, max_size=3).map(tuple)
    metapaths = draw(st.dictionaries(metapath, st.integers(1, 4), min_size=1, max_size=6))
    return tree(metapaths, per=per, final=final)


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_a_search_finds_what_a_search_in_plain_python_finds(toys, data):
    world = data.draw(toys.worlds)
    policy = toys.TablePolicy(world.graph, data.draw(st.integers(0, 99)), normalise=False)
    layout = layouts(data.draw, world.graph)
    queries = world.queries()
    paths = search(world.actions, policy, layout, queries, batch=data.draw(st.integers(1, 40)))
    assert np.all(np.diff(paths.query) >= 0)
    for i, query in enumerate(queries):
        kept, expanded = toys.search(world, policy, layout, query)
        expected = padded(kept, layout.hops, world.graph.stay)
        got = as_tuples(paths, i)
        assert [x for _, x in got] == [x for _, x in expected]
        assert sorted(got) == sorted(expected)
        if layout.per == "query" and len(set(layout.parents)) == layout.hops + 1:  # chains keep the order of ties too
            assert got == expected
        if layout.final == "expand":
            row = slice(*paths.reached.offsets[i : i + 2])
            want = toys.pooled(expanded)
            assert paths.reached.entities[row].tolist() == sorted(want)
            assert np.allclose(paths.reached.logsumexp[row], [want[e][0] for e in sorted(want)])
            assert np.allclose(paths.reached.max[row], [want[e][1] for e in sorted(want)])


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_beam_that_keeps_everything_sums_to_one(toys, data):
    world = data.draw(toys.worlds)
    queries = world.queries()
    paths = search(world.actions, toys.TablePolicy(world.graph, 3), chain(ANY, 10**6, 3), queries)
    total = np.bincount(paths.query, np.exp(paths.log_prob), len(queries))
    assert np.allclose(total, 1, atol=1e-5)


def test_nothing_depends_on_threads_batches_or_pieces(toys, town, two_threads):
    policy, queries = toys.TablePolicy(town.graph, 1), town.queries()[::7]
    layout = chain(ANY, 16, 3, final="expand")

    def run(**limits):
        paths = search(town.actions, policy, layout, queries, **limits)
        return [paths.query, paths.entities, paths.relations, paths.log_prob, *paths.reached]

    one, two = two_threads(run)
    for other in (two, run(batch=5), run(max_candidates=1), run(max_candidates=2000)):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_gold_answer_changes_nothing(toys, town):
    facts = np.array(sorted(town.facts)[:50], np.int32)  # their edges would be hidden if the target were read
    blind = facts.copy()
    blind[:, 2] = -1
    policy, layout = toys.TablePolicy(town.graph, 2), chain(ANY, 8, 2)
    told, untold = (search(town.actions, policy, layout, q) for q in (facts, blind))
    np.testing.assert_array_equal(told.entities, untold.entities)
    np.testing.assert_array_equal(told.log_prob, untold.log_prob)


def test_queries_come_back_in_the_order_asked_repeats_included(toys, town):
    queries = np.array([(9, 1, 0), (2, 0, 5), (9, 1, 3), (2, 3, 0)], np.int32)
    policy, layout = toys.TablePolicy(town.graph, 2), chain(ANY, 8, 2)
    paths = search(town.actions, policy, layout, queries)
    assert paths.of(0).entities[0, 0] == 9
    assert paths.of(1).entities[0, 0] == 2
    np.testing.assert_array_equal(paths.of(0).entities, paths.of(2).entities)
    for i in range(4):
        alone = search(town.actions, policy, layout, queries[i : i + 1])
        np.testing.assert_array_equal(paths.of(i).relations, alone.relations)


def test_a_torch_policy_needs_no_gradients(toys, town):
    torch = pytest.importorskip("torch")

    class TorchPolicy(toys.TablePolicy):
        def logits(self, state, candidates):
            weight = torch.ones(1, requires_grad=True)
            scores = torch.from_numpy(super().logits(state, candidates)) * weight
            assert not scores.requires_grad
            return scores

        def log_norm(self, state, logits, candidates):
            return torch.from_numpy(super().log_norm(state, logits.numpy(), candidates))

    queries, layout = town.queries()[:20], chain(ANY, 4, 2)
    got = search(town.actions, TorchPolicy(town.graph), layout, queries)
    expected = search(town.actions, toys.TablePolicy(town.graph), layout, queries)
    np.testing.assert_array_equal(got.entities, expected.entities)


def test_moves_of_probability_zero_are_not_kept(toys, town):
    policy = toys.TablePolicy(town.graph)
    policy.tables[0, :, town.graph.stay] = -np.inf
    paths = search(town.actions, policy, chain(ANY, 100, 2), town.queries()[:30])
    assert len(paths) > 0
    assert not np.any(paths.relations == town.graph.stay)


def test_a_layout_that_leads_nowhere_finds_nothing(toys):
    world = toys.World(Graph.from_triples(np.array([(0, 0, 1)], np.int32), 3, 2), frozenset({(0, 0, 1)}))
    policy, queries = toys.TablePolicy(world.graph), np.array([(0, 0, -1), (2, 0, -1)], np.int32)
    paths = search(world.actions, policy, tree({(1, 1, 0): 3}, final="expand"), queries)
    assert len(paths) == 0
    assert rank(paths, 2).offsets.tolist() == [0, 0, 0]
    # (0, 2) reaches 1 and goes back, from node 0 only; the masked last hop takes nothing from it
    paths = search(world.actions, policy, tree({(0, 2): 3, (1,): 1}, final="expand"), queries)
    assert paths.query.tolist() == [0]
    assert rank(paths, 2).entities.tolist() == [0]


def test_no_queries_give_no_paths(toys, town):
    none = np.empty((0, 3), np.int32)
    for final in ("keep", "expand"):
        paths = search(town.actions, toys.TablePolicy(town.graph), chain(ANY, 4, 3, final=final), none)
        assert (paths.entities.shape, paths.relations.shape) == ((0, 4), (0, 3))
        assert rank(paths, 0).offsets.tolist() == [0]


@pytest.mark.parametrize("query", [(300, 0, 0), (-1, 0, 0), (0, 10, 0), (0, -1, 0)])
def test_ids_out_of_range(toys, town, query):
    with pytest.raises(IndexError, match=r"\d"):
        search(town.actions, toys.TablePolicy(town.graph), chain(ANY, 4, 2), np.array([query], np.int32))


def test_wrong_arguments(toys, town):
    policy, layout, queries = toys.TablePolicy(town.graph), chain(ANY, 4, 2), town.queries()[:3]
    with pytest.raises(ValueError, match="int32"):
        search(town.actions, policy, layout, queries.astype(np.int64))
    with pytest.raises(ValueError, match=r"\(3, 2\)"):
        search(town.actions, policy, layout, queries[:, :2])
    with pytest.raises(ValueError, match="batch"):
        search(town.actions, policy, layout, queries, batch=0)
    with pytest.raises(ValueError, match="max_candidates"):
        search(town.actions, policy, layout, queries, max_candidates=0)
    policy.entity[:] = np.nan
    with pytest.raises(ValueError, match="not a number"):
        search(town.actions, policy, layout, queries)
