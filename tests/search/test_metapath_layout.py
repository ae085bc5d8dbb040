"""Allocations and budgets of metapaths: the properties that Algorithm 1 promises, and the paper's numbers by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgwalk.search import allocate, metapath_layout, metapath_tree

METAPATH = st.lists(st.integers(0, 3), min_size=1, max_size=4).map(tuple)


@st.composite
def asked(draw):
    """Metapaths, some of which begin others, and what two users ask of each."""
    metapaths = draw(st.lists(METAPATH, min_size=1, max_size=8, unique=True))
    counts = st.lists(st.integers(0, 9), min_size=len(metapaths), max_size=len(metapaths))
    return metapaths, np.array([draw(counts), draw(counts)], np.int64)


def slow_budgets(metapaths, paths):
    """Algorithm 1 as the paper writes it: {prefix: budget}, of a metapath's own leaf {(metapath, None): budget}."""
    budgets = {}

    def update(prefix):
        children = {m[: len(prefix) + 1] for m in metapaths if len(m) > len(prefix) + 1 and m[: len(prefix)] == prefix}
        keys = sorted(children) + [(m, None) for m in metapaths if m[:-1] == prefix]
        for child in children:
            update(child)
        for m in metapaths:
            if m[:-1] == prefix:
                budgets[m, None] = paths[metapaths.index(m)]
        if prefix == ():
            return
        positive = [budgets[key] for key in keys if budgets[key] > 0]
        budgets[prefix] = min(positive, default=0)
        for key in keys if positive else []:
            budgets[key] //= budgets[prefix]

    update(())
    return budgets


@settings(max_examples=100, deadline=None)
@given(drawn=asked())
def test_budgets_are_those_of_the_paper(drawn):
    metapaths, y = drawn
    tree = metapath_tree(metapaths)
    layout = metapath_layout(tree, y)
    for user, row in enumerate(layout.budgets.tolist()):
        expected = slow_budgets(metapaths, y[user].tolist())
        for j, metapath in enumerate(metapaths):
            node = tree.leaves[j]
            assert row[node] == expected[metapath, None]
            product = row[node]
            for hop in range(len(metapath) - 1, 0, -1):
                assert tree.relations[node] == metapath[hop]
                node = tree.parents[node]
                assert row[node] == expected[metapath[:hop]]
                product *= row[node]
            assert tree.relations[node] == metapath[0]
            assert tree.parents[node] == 0
            assert layout.paths[user, j] == product


@settings(max_examples=100, deadline=None)
@given(drawn=asked())
def test_no_budget_is_exceeded_and_what_is_lost_is_said(drawn):
    metapaths, y = drawn
    layout = metapath_layout(metapath_tree(metapaths), y)
    assert np.all(layout.paths <= y)
    assert np.all((layout.paths > 0) == (y > 0))
    np.testing.assert_array_equal(layout.lost, y.sum(axis=1) - layout.paths.sum(axis=1))
    repaired = metapath_layout(layout.tree, y, "largest-remainder")
    assert np.all(repaired.budgets >= layout.budgets)
    assert np.all((repaired.lost >= 0) & (repaired.lost <= layout.lost))
    assert np.all((repaired.paths > 0) == (y > 0))


@settings(max_examples=60, deadline=None)
@given(drawn=asked(), data=st.data(), repair=st.sampled_from(["none", "largest-remainder"]))
def test_the_order_of_metapaths_does_not_matter(drawn, data, repair):
    metapaths, y = drawn
    order = data.draw(st.permutations(range(len(metapaths))))
    here = metapath_layout(metapath_tree(metapaths), y, repair)
    there = metapath_layout(metapath_tree([metapaths[j] for j in order]), y[:, order], repair)
    np.testing.assert_array_equal(here.budgets, there.budgets)
    np.testing.assert_array_equal(here.paths[:, order], there.paths)
    np.testing.assert_array_equal(here.tree.relations, there.tree.relations)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_allocations_never_exceed_the_total_and_spend_it_where_they_can(data):
    n, m, total = data.draw(st.integers(0, 3)), data.draw(st.integers(1, 6)), data.draw(st.integers(1, 20))

    def rows(numbers):
        drawn = data.draw(st.lists(st.lists(numbers, min_size=m, max_size=m), min_size=n, max_size=n))
        return np.array(drawn, np.float64).reshape(n, m)

    prior, value = (
        rows(st.integers(0, 32).map(lambda quarters: quarters / 4)),
        rows(st.sampled_from([-np.inf, -9.5, -2, -1, 0])),
    )
    uniform = allocate("uniform", total, prior)
    assert np.all(uniform.sum(axis=1) == total)
    by_prior = allocate("prior", total, prior)
    assert np.all(by_prior.sum(axis=1) == np.where(prior.sum(axis=1) > 0, total, 0))
    together = prior.sum(axis=1, keepdims=True)
    assert np.all(by_prior <= np.ceil(total * prior / np.where(together > 0, together, 1)))
    heuristic = allocate("heuristic", total, prior, value=value)
    room = np.floor(prior)
    assert np.all(heuristic <= room)
    assert np.all(heuristic.sum(axis=1) == np.minimum(room.sum(axis=1), total))
    for y, k, v in zip(
        heuristic, room, value, strict=True
    ):  # whoever gets less than it could is beaten by all that got
        for j in np.flatnonzero(y < k):
            assert np.all(v[y > 0] >= v[j])
    whole = allocate("heuristic", total, prior, value=value, exact=True)
    can = np.isfinite(value)
    assert np.all(whole.sum(axis=1) == np.where(can.any(axis=1), total, heuristic.sum(axis=1)))
    for more, v in zip(whole - heuristic, value, strict=True):
        assert np.all(more[~np.isfinite(v)] == 0)
        dealt = more[np.isfinite(v)]
        assert len(dealt) == 0 or dealt.max() - dealt.min() <= 1
        for j in np.flatnonzero(np.isfinite(v) & (more < more.max(initial=0))):
            assert np.all(v[more > more[j]] >= v[j])


def test_allocations_by_hand():
    prior = np.array([[3.9, 2.0, 5.0, 0.0]])
    value = np.array([[-2.0, -1.0, -3.0, 0.0]])
    assert allocate("heuristic", 4, prior, value=value).tolist() == [[2, 2, 0, 0]]
    assert allocate("heuristic", 100, prior, value=value).tolist() == [[3, 2, 5, 0]]
    # 3 + 2 + 5 within the caps, 5 left for four columns: one each, and one more for that of greatest value, 0
    assert allocate("heuristic", 15, prior, value=value, exact=True).tolist() == [[4, 3, 6, 2]]
    value[0, 3] = -np.inf
    # 3 + 2 + 5 within the caps, 5 left for three columns: one each, and one more for the two of greatest value
    assert allocate("heuristic", 15, prior, value=value, exact=True).tolist() == [[5, 4, 6, 0]]
    assert allocate("prior", 10, np.array([[5.0, 3.0, 2.0]])).tolist() == [[5, 3, 2]]
    # 4 * (5, 3, 2) / 10 = (2, 1.2, .8): rounded up 2 + 2 + 1, of which the last is one too many
    assert allocate("prior", 4, np.array([[5.0, 3.0, 2.0]])).tolist() == [[2, 2, 0]]
    assert allocate("prior", 4, np.zeros((1, 3))).tolist() == [[0, 0, 0]]


def test_uniform_draws_belong_to_user_and_seed():
    prior = np.ones((500, 4))
    drawn = allocate("uniform", 15, prior, seed=3)
    assert abs(drawn.mean(axis=0) - 15 / 4).max() < 0.3
    few = np.array([7, 400, 7])
    np.testing.assert_array_equal(allocate("uniform", 15, prior[:3], users=few, seed=3), drawn[few])
    assert np.any(allocate("uniform", 15, prior, seed=4) != drawn)


def test_lost_paths_by_hand():
    tree = metapath_tree([(0, 1), (0, 2)])
    layout = metapath_layout(tree, np.array([[5, 3], [0, 0], [4, 0]]))
    assert layout.budgets.tolist() == [[1, 3, 1, 1], [1, 0, 0, 0], [1, 4, 1, 0]]
    assert layout.lost.tolist() == [2, 0, 0]
    # Node (0, 1) has 5 and (0, 2) has 3, so node (0,) has 3 and both are left with 1.
    tree = metapath_tree([(0, 1, 1), (0, 2)])
    plain = metapath_layout(tree, np.array([[5, 3]]))
    assert plain.paths.tolist() == [[3, 3]]
    tree = metapath_tree([(0, 1), (0, 2), (0, 3)])
    y = np.array([[7, 2, 3]])
    assert metapath_layout(tree, y).paths.tolist() == [[6, 2, 2]]
    assert metapath_layout(tree, y, "largest-remainder").paths.tolist() == [[8, 2, 2]]  # 12 of 12
    assert metapath_layout(tree, y).take(np.array([0, 0])).budgets.shape == (2, 5)


def test_what_makes_no_sense_is_refused():
    for bad in ([], [()], [(0, 1), ()]):
        with pytest.raises(ValueError, match="at least one hop"):
            metapath_tree(bad)
    with pytest.raises(ValueError, match="twice"):
        metapath_tree([(0, 1), (0, 1)])
    tree = metapath_tree([(0, 1), (0,)])
    for y in ([[1]], [1, 2], [[-1, 2]], [[2**31 - 1, 1]]):
        with pytest.raises(ValueError, match="asked"):
            metapath_layout(tree, np.array(y))
    with pytest.raises(ValueError, match="repair"):
        metapath_layout(tree, np.array([[1, 2]]), "all")
    one = np.ones((1, 2))
    with pytest.raises(ValueError, match="kind must be one of uniform, prior, heuristic"):
        allocate("greedy", 3, one)
    for total in (0, 2**31):
        with pytest.raises(ValueError, match="total"):
            allocate("prior", total, one)
    for prior in (np.ones(2), -one, one * np.nan, np.ones((1, 0))):
        with pytest.raises(ValueError, match="prior"):
            allocate("prior", 3, prior)
    for value in (None, np.ones((1, 3)), one * np.nan):
        with pytest.raises(ValueError, match="value"):
            allocate("heuristic", 3, one, value=value)
    with pytest.raises(ValueError, match="users"):
        allocate("uniform", 3, one, users=np.arange(2))
