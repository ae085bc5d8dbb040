"""The beam along metapaths against a search in plain Python, on small typed graphs with and without an overlay."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgwalk._core import Expand, Graph, Overlay
from kgwalk.search import FoundMetapaths, Paths, metapath_layout, metapath_tree, rank_paths, search_metapaths

BUY, MAKER, ALSO, R = 0, 1, 2, 3
METAPATH = st.sampled_from(
    [
        (BUY,),
        (BUY, ALSO),
        (BUY, BUY + R),
        (BUY, BUY + R, BUY),
        (BUY, MAKER, MAKER + R),
        (BUY, ALSO, ALSO),
        (BUY, ALSO, ALSO + R),
        (BUY, ALSO, MAKER, MAKER + R),
    ]
)


def as_rows(facts):
    return np.array(sorted(facts), np.int32).reshape(-1, 3)


class Case:
    """A shop, a layout per user, and vectors of whole numbers, so that products are exact and ties common."""

    def __init__(self, draw):
        users, items, makers = draw(st.integers(1, 3)), draw(st.integers(1, 6)), draw(st.integers(1, 2))
        first_maker, self.size = users + items, users + items + makers
        user, item = st.integers(0, users - 1), st.integers(users, first_maker - 1)
        maker = st.integers(first_maker, self.size - 1)
        fact = (
            st.tuples(user, st.just(BUY), item)
            | st.tuples(item, st.just(MAKER), maker)
            | st.tuples(item, st.just(ALSO), item)
        )
        facts = draw(st.sets(fact, min_size=1, max_size=20))
        self.graph = Graph.from_triples(as_rows(facts), self.size, R, [0, users, first_maker, self.size])
        self.users = np.array(draw(st.lists(user, min_size=1, max_size=3)), np.int32)
        overlay, new = None, set()
        if draw(st.booleans()):  # a new user, folded in, and a fact gone
            new = {(self.size, BUY, i) for i in draw(st.sets(item, min_size=1, max_size=3))}
            gone = {draw(st.sampled_from(sorted(facts)))}
            overlay = Overlay(self.graph, as_rows(gone), as_rows(new), [0])
            facts = (facts - gone) | new
            self.users = np.append(self.users, np.int32(self.size))
        self.facts, self.expand = facts, Expand(self.graph, overlay)
        n = len(self.users)
        self.tree = metapath_tree(draw(st.lists(METAPATH, min_size=1, max_size=5, unique=True)))
        counts = st.lists(st.integers(0, 6), min_size=len(self.tree.metapaths), max_size=len(self.tree.metapaths))
        repair = draw(st.sampled_from(["none", "largest-remainder"]))
        self.layout = metapath_layout(self.tree, np.array([draw(counts) for _ in range(n)]), repair)
        rng = np.random.default_rng(draw(st.integers(0, 99)))
        self.queries = rng.integers(-2, 3, (n, self.tree.num_nodes, 5)).astype(np.float32)
        self.table = rng.integers(-2, 3, (self.size + bool(new), 5)).astype(np.float32)
        self.bias = rng.integers(-2, 3, len(self.table)).astype(np.float32) if draw(st.booleans()) else None
        if self.bias is not None:
            self.bias[draw(st.integers(0, self.size - 1))] = -np.inf
        self.norm = rng.integers(0, 9, (n, self.tree.num_nodes)).astype(np.float32)
        self.norm[rng.random(self.norm.shape) < 0.3] = np.nan
        self.closed = [draw(st.sets(item, max_size=2)) for _ in range(n)] if draw(st.booleans()) else None
        self.train = draw(st.booleans())

    def search(self):
        closed = None
        if self.closed is not None:
            offsets = np.cumsum([0, *map(len, self.closed)]).astype(np.int64)
            closed = offsets, np.array([e for row in self.closed for e in sorted(row, reverse=True)], np.int32)
        return search_metapaths(
            self.expand,
            self.layout,
            self.users,
            self.queries,
            self.table,
            entity_bias=self.bias,
            log_norm=self.norm,
            interact=BUY if self.train else -1,
            closed=closed,
        )

    def tails(self, head, relation):
        if relation < R:
            return sorted(t for h, r, t in self.facts if (h, r) == (head, relation))
        return sorted(h for h, r, t in self.facts if (t, r) == (head, relation - R))

    def slow_search(self, row):
        """[(metapath, entities, log-probability, of the last hop)] node by node, one path at a time."""
        user = int(self.users[row])
        closed = set(self.tails(user, BUY)) if self.train else set()
        closed |= self.closed[row] if self.closed is not None else set()
        at = {0: [((user,), 0.0, 0.0)]}
        found = []
        for node in range(1, self.tree.num_nodes):
            leaf = node not in self.tree.parents
            at[node] = []
            for path, log_prob, _ in at[self.tree.parents[node]]:
                scores = {}
                for e in self.tails(path[-1], self.tree.relations[node]):
                    if e not in path and not (leaf and e in closed):
                        scores[e] = float(self.queries[row, node] @ self.table[e])
                        scores[e] += 0 if self.bias is None else float(self.bias[e])
                scores = {e: x for e, x in scores.items() if x > -np.inf}
                norm = float(self.norm[row, node])
                if math.isnan(norm) and scores:
                    norm = math.log(math.fsum(map(math.exp, scores.values())))
                best = sorted(scores, key=lambda e: (-scores[e], e))[: self.layout.budgets[row, node]]
                at[node] += [((*path, e), log_prob + scores[e] - norm, scores[e] - norm) for e in best]
            if leaf:
                found += [(int(self.tree.metapath_of[node]), *one) for one in at[node]]
        return found


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_the_beam_finds_what_a_search_in_plain_python_finds(data):
    case = Case(data.draw)
    found = case.search()
    paths, hops, stay = found.paths, case.tree.hops, case.graph.stay
    assert paths.stay == stay
    assert paths.entities.shape == (len(paths), hops + 1)
    assert np.all(np.diff(paths.query) >= 0)
    for row in range(len(case.users)):
        own = paths.query == row
        assert np.all(np.diff(paths.log_prob[own]) <= 0)
        got = {}
        arrays = (found.metapaths, paths.entities, paths.relations, paths.log_prob, found.last_log_prob)
        for j, entities, relations, log_prob, last in zip(*(a[own] for a in arrays), strict=True):
            metapath = case.tree.metapaths[j]
            length = len(metapath)
            assert relations.tolist() == [*metapath, *[stay] * (hops - length)]
            assert set(entities[length:].tolist()) == {entities[length]}
            got[int(j), tuple(entities[: length + 1].tolist())] = [log_prob, last]
        assert len(got) == own.sum()
        expected = {(j, path): [log_prob, last] for j, path, log_prob, last in case.slow_search(row)}
        assert got.keys() == expected.keys()
        for key, numbers in got.items():
            assert numbers == pytest.approx(expected[key], abs=1e-5)


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_every_path_is_in_the_graph_and_none_ends_at_a_train_item(data):
    case = Case(data.draw)
    case.train = True
    found = case.search()
    for query, j, entities in zip(found.paths.query, found.metapaths, found.paths.entities.tolist(), strict=True):
        metapath = case.tree.metapaths[j]
        assert entities[0] == case.users[query]
        for head, relation, tail in zip(entities, metapath, entities[1:], strict=False):
            assert tail in case.tails(head, relation)
        ends = entities[: len(metapath) + 1]
        assert len(set(ends)) == len(ends)
        assert ends[-1] not in case.tails(ends[0], BUY)
    spent = np.zeros((len(case.users), len(case.tree.metapaths)), np.int64)
    np.add.at(spent, (found.paths.query, found.metapaths), 1)
    assert np.all(spent <= case.layout.paths)
    assert np.all(spent.sum(axis=1) <= case.layout.asked.sum(axis=1))


@pytest.fixture(scope="module")
def market():
    """A hub of 600 items, which several of a user's items lead to, and many users."""
    rng = np.random.default_rng(5)
    users, items = 300, 600
    facts = [(u, BUY, users + int(i)) for u in range(users) for i in rng.choice(items, 8, replace=False)]
    facts += [(users + i, MAKER, users + items + m) for i in range(items) for m in (0, 1 + i % 7)]
    graph = Graph.from_triples(
        np.array(facts, np.int32), users + items + 8, R, [0, users, users + items, users + items + 8]
    )
    tree = metapath_tree([(BUY, MAKER, MAKER + R), (BUY, BUY + R, BUY)])
    layout = metapath_layout(tree, rng.integers(0, 30, (users, 2)))
    queries = rng.standard_normal((users, tree.num_nodes, 48), np.float32)
    table = rng.standard_normal((graph.num_entities, 48), np.float32)
    return Expand(graph), layout, np.arange(users, dtype=np.int32), queries, table


def test_crowded_rows_are_ranked_like_any_other(market):
    expand, layout, users, queries, table = market
    tree = layout.tree
    budgets = np.zeros_like(layout.budgets)
    maker, item = tree.parents[tree.leaves[0]], tree.leaves[0]
    budgets[:, [0, tree.parents[maker], maker, item]] = [1, 8, 2, 5]  # all items, their two makers, the hub among them
    layout = type(layout)(tree, budgets, layout.asked)
    found = search_metapaths(expand, layout.take(slice(0, 5)), users[:5], queries[:5], table, interact=BUY)
    for u in range(5):
        own = found.paths.of(u)
        train = {int(t) for t in expand.graph.slice(u, BUY)[:, 1]}
        ends = {}
        for path in own.entities.tolist():
            ends.setdefault(tuple(path[:3]), []).append(path[3])
        assert len(ends) == 16
        for (_, first, hub), got in ends.items():
            scores = {int(e): float(queries[u, item] @ table[e]) for e in expand.graph.slice(hub, MAKER + R)[:, 1]}
            open_items = [e for e in sorted(scores, key=scores.get, reverse=True) if e not in train | {first}]
            assert sorted(got) == sorted(open_items[:5])


def test_nothing_depends_on_threads_or_batches(market, two_threads):
    expand, layout, users, queries, table = market

    def run():
        found = search_metapaths(expand, layout, users, queries, table, interact=BUY)
        return [found.paths.query, found.paths.entities, found.paths.log_prob, found.metapaths, found.last_log_prob]

    one, two = two_threads(run)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)
    alone = search_metapaths(expand, layout.take([77]), users[[77]], queries[[77]], table, interact=BUY)
    np.testing.assert_array_equal(alone.paths.entities, one[1][one[0] == 77])
    np.testing.assert_array_equal(alone.paths.log_prob, one[2][one[0] == 77])


def test_torch_tables_serve_as_well(market):
    torch = pytest.importorskip("torch")
    expand, layout, users, queries, table = market
    here = search_metapaths(expand, layout, users, queries, table)
    there = search_metapaths(
        expand, layout, users, torch.from_numpy(queries), torch.nn.Parameter(torch.from_numpy(table))
    )
    np.testing.assert_array_equal(here.paths.entities, there.paths.entities)


def test_scores_of_an_item_with_several_paths():
    entities = np.array([[0, 5, 7], [0, 6, 7], [0, 6, 8], [1, 5, 9]], np.int32)
    log_prob = np.log([0.5, 0.25, 0.3, 1.0])
    paths = Paths(np.array([0, 0, 0, 2], np.int32), entities, entities[:, 1:], log_prob, 99)
    found = FoundMetapaths(paths, np.zeros(4, np.int32), np.log([0.5, 0.6, 0.9, 1.0]))
    expected = {
        "last": ([8, 7, 9], [0.9, 0.6, 1.0]),
        "max": ([7, 8, 9], [0.5, 0.3, 1.0]),
        "sum": ([7, 8, 9], [0.75, 0.3, 1.0]),
        "noisy-or": ([7, 8, 9], [1 - 0.5 * 0.75, 0.3, 1.0]),
    }
    for how, (items, scores) in expected.items():
        ranked = rank_paths(found, 3, how)
        assert ranked.offsets.tolist() == [0, 2, 2, 3]
        assert ranked.entities.tolist() == items
        assert np.exp(ranked.scores) == pytest.approx(scores)
        assert ranked.paths is paths
    unlikely = Paths(paths.query, entities, entities[:, 1:], log_prob - 2000, 99)
    ranked = rank_paths(FoundMetapaths(unlikely, found.metapaths, found.last_log_prob), 3, "noisy-or")
    assert ranked.scores + 2000 == pytest.approx(np.log([0.75, 0.3, 1.0]))
    with pytest.raises(ValueError, match="how must be one of last, max, sum, noisy-or"):
        rank_paths(found, 3, "mean")
    with pytest.raises(IndexError, match="not of 2 users"):
        rank_paths(found, 2)


def test_what_makes_no_sense_is_refused(market):
    expand, layout, users, queries, table = market
    layout, users, queries = layout.take(slice(0, 2)), users[:2], queries[:2]

    def run(**changed):
        given = {"layout": layout, "users": users, "node_queries": queries, "entity_table": table} | changed
        return search_metapaths(expand, **given)

    def with_budgets(node, value):
        budgets = layout.budgets.copy()
        budgets[:, node] = value
        return type(layout)(layout.tree, budgets, layout.asked)

    leaf = int(layout.tree.leaves[0])
    busy = with_budgets(slice(1, None), 2)
    spoilt = queries.copy()
    spoilt[1, leaf, 3] = np.nan
    with pytest.raises(ValueError, match=f"vector of node {leaf}, user row 1 is not finite"):
        run(node_queries=spoilt, layout=busy)
    with pytest.raises(ValueError, match="negative: -3"):
        run(layout=with_budgets(leaf, -3))
    with pytest.raises(ValueError, match="too many paths"):
        run(layout=with_budgets(slice(1, None), 2000))
    norms = np.full(layout.budgets.shape, np.inf, np.float32)
    with pytest.raises(ValueError, match=r"log_norm.*infinite"):
        run(log_norm=norms, layout=busy)
    sick = table.copy()
    sick[300:] = np.nan
    with pytest.raises(ValueError, match=r"score of entity .* is not a finite number"):
        run(entity_table=sick, layout=busy)
    with pytest.raises(IndexError, match="has no row in entity_table, which has 310"):
        run(entity_table=table[:310], layout=busy)
    with pytest.raises(IndexError, match="users: 908"):
        run(users=np.array([0, 908], np.int32))
    with pytest.raises(IndexError, match="relation"):
        run(interact=6)
    with pytest.raises(IndexError, match="closed: 999"):
        run(closed=(np.array([0, 1, 1]), np.array([999], np.int32)))
    with pytest.raises(ValueError, match="closed_offsets"):
        run(closed=(np.array([0, 1]), np.array([9], np.int32)))
    for wrong in (queries[:1], queries[:, :-1], queries[..., :-1]):
        with pytest.raises(ValueError, match="node_queries: expected shape"):
            run(node_queries=wrong)
    with pytest.raises(ValueError, match="budgets: expected shape"):
        run(layout=layout.take(slice(0, 1)))
    strange = metapath_tree([(BUY, 6)])
    with pytest.raises(IndexError, match="relation id 6"):
        run(layout=metapath_layout(strange, np.ones((2, 1), np.int64)), node_queries=queries[:, :3])
    assert len(run(users=users[:0], layout=layout.take(slice(0, 0)), node_queries=queries[:0]).paths) == 0
