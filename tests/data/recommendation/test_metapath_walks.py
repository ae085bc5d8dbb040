"""Walks along metapaths against a search in plain Python, on small typed graphs."""

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgwalk._core import Expand, Graph, Overlay, set_num_threads
from kgwalk.data.recommendation.metapath_walks import (
    check_metapath,
    check_metapaths,
    count_metapaths,
    metapath_ends,
    sample_metapath,
)

BUY, MAKER, ALSO = 0, 1, 2
R = 3


class Shop:
    """Users, items and makers; facts as the walker sees them once hidden and added ones are accounted for."""

    def __init__(self, sizes, facts, hidden=(), added=()):
        users, items, makers = sizes
        self.first_item, self.first_maker, self.size = users, users + items, users + items + makers
        offsets = [0, self.first_item, self.first_maker, self.size]
        self.graph = Graph.from_triples(as_rows(facts), self.size, R, offsets)
        overlay = Overlay(self.graph, as_rows(hidden), as_rows(added)) if hidden or added else None
        self.expand = Expand(self.graph, overlay)
        self.facts = (set(facts) - set(hidden)) | set(added)
        self.pairs = np.array([(s, t) for s in range(self.size) for t in range(self.size)], np.int32)

    def walks(self, metapath, source, hide=None):
        """All simple walks by depth-first search; hide is one fact that no step may take, either way."""
        found = [(source,)]
        for relation in metapath:
            found = [(*w, t) for w in found for t in self.tails(w[-1], relation, hide) if t not in w]
        return found

    def tails(self, head, relation, hide):
        if relation < R:
            return sorted(t for h, r, t in self.facts - {hide} if (h, r) == (head, relation))
        return sorted(h for h, r, t in self.facts - {hide} if (t, r) == (head, relation - R))


def as_rows(facts):
    return np.array(sorted(facts), np.int32).reshape(-1, 3)


@st.composite
def shops(draw):
    """Also-bought edges may be loops and go both ways; an overlay hides some facts and adds others."""
    sizes = users, items, makers = draw(st.integers(1, 3)), draw(st.integers(1, 5)), draw(st.integers(1, 2))
    user, item = st.integers(0, users - 1), st.integers(users, users + items - 1)
    maker = st.integers(users + items, users + items + makers - 1)
    fact = (
        st.tuples(user, st.just(BUY), item)
        | st.tuples(item, st.just(MAKER), maker)
        | st.tuples(item, st.just(ALSO), item)
    )
    facts = draw(st.sets(fact, min_size=1, max_size=18))
    hidden = draw(st.sets(st.sampled_from(sorted(facts)), max_size=3)) if draw(st.booleans()) else set()
    added = draw(st.sets(fact, max_size=3)) - facts if hidden else set()
    return Shop(sizes, facts, hidden, added)


METAPATHS = [
    m
    for m in itertools.chain.from_iterable(itertools.product(range(2 * R), repeat=n) for n in (1, 2, 3))
    if m[0] in (BUY, ALSO)
]
metapaths = st.sampled_from(METAPATHS) | st.sampled_from(
    [(BUY, ALSO, ALSO, ALSO), (BUY, BUY + R, BUY, BUY + R), (BUY, MAKER, MAKER + R, BUY + R, BUY), (ALSO,) * 4]
)


@settings(max_examples=150, deadline=None)
@given(shop=shops(), metapath=metapaths, hide=st.booleans())
def test_counts_and_walks_are_those_of_a_search(shop, metapath, hide):
    sources, targets = np.ascontiguousarray(shop.pairs.T)
    expected = []
    for s, t in shop.pairs.tolist():
        own = (s, BUY, t) if hide else None
        expected.append([w for w in shop.walks(metapath, s, own) if w[-1] == t])
    hidden = BUY if hide else -1
    counts = count_metapaths(shop.expand, [metapath, metapath[:1]], sources, targets, hidden=hidden)
    assert counts[:, 0].tolist() == [len(w) for w in expected]
    walks = sample_metapath(shop.expand, metapath, sources, targets, 10**6, hidden=hidden)
    assert walks.pairs.tolist() == [i for i, own in enumerate(expected) for _ in own]
    assert walks.entities.tolist() == [list(w) for own in expected for w in own]
    some = sample_metapath(shop.expand, metapath, sources, targets, 2, hidden=hidden, seed=7)
    for i, own in enumerate(expected):
        drawn = [tuple(w) for w in some.entities[some.pairs == i].tolist()]
        assert drawn == sorted(set(drawn))
        assert set(drawn) <= set(own)
        assert len(drawn) == min(2, len(own))


@settings(max_examples=150, deadline=None)
@given(shop=shops(), metapath=metapaths)
def test_ends_are_those_of_a_search(shop, metapath):
    sources = np.arange(shop.size, dtype=np.int32)
    ends = metapath_ends(shop.expand, metapath, sources)
    for source in range(shop.size):
        row = slice(*ends.offsets[source : source + 2])
        expected = Counter(walk[-1] for walk in shop.walks(metapath, source))
        assert ends.entities[row].tolist() == sorted(expected)
        assert dict(zip(ends.entities[row].tolist(), ends.counts[row].tolist(), strict=True)) == expected


@pytest.fixture(scope="module")
def town():
    """Three makers of very different size, so that walks to one item differ much in how crowded their nodes are."""
    draw = np.random.default_rng(3)
    items = range(20, 80)
    facts = {(int(u), BUY, int(i)) for u in range(20) for i in draw.choice(items, 12)}
    facts |= {(i, MAKER, 80 + (i % 10 > 5) + (i % 10 > 8)) for i in items}
    facts |= {(int(a), ALSO, int(b)) for a, b in draw.choice(items, (300, 2))}
    return Shop((20, 60, 3), facts)


@pytest.mark.parametrize(
    "metapath", [(BUY, MAKER, MAKER + R), (BUY, BUY + R, BUY), (BUY, ALSO), (BUY, ALSO, ALSO, ALSO + R)]
)
def test_every_walk_is_as_likely_as_any_other(town, metapath):
    ends = Counter(w[-1] for w in town.walks(metapath, 0))
    target = max((t for t in ends if ends[t] <= 300), key=lambda t: (ends[t], t))
    walks = [w for w in town.walks(metapath, 0) if w[-1] == target]
    drawn_of_each = (len(walks) + 1) // 2
    draws = 2000
    sources, targets = np.zeros(draws, np.int32), np.full(draws, target, np.int32)
    drawn = sample_metapath(town.expand, metapath, sources, targets, drawn_of_each, seed=1)
    seen = Counter(map(tuple, drawn.entities.tolist()))
    assert set(seen) <= set(walks)
    assert len(walks) >= 2
    mean = drawn_of_each * draws / len(walks)
    spread = sum((seen[w] - mean) ** 2 / mean for w in walks)  # chi-square: about len(walks) +- sqrt(2 len(walks))
    assert spread < len(walks) + 5 * np.sqrt(2 * len(walks))


def test_a_fan_out_bounds_the_search_and_still_gives_true_walks(town):
    metapath = (BUY, ALSO, ALSO)
    sources, targets = np.zeros(60, np.int32), np.arange(20, 80, dtype=np.int32)
    truth = set(town.walks(metapath, 0))
    every = sample_metapath(town.expand, metapath, sources, targets, 10**6)
    few = sample_metapath(town.expand, metapath, sources, targets, 10**6, max_fan_out=2)
    assert {tuple(w) for w in few.entities.tolist()} < truth
    for i in range(60):
        assert min(len(set(few.entities[few.pairs == i][:, side])) for side in (1, 2)) <= 2
    assert 0 < len(few.pairs) < len(every.pairs)
    other = sample_metapath(town.expand, metapath, sources, targets, 10**6, max_fan_out=2, seed=1)
    assert other.entities.tolist() != few.entities.tolist()
    assert len(sample_metapath(town.expand, metapath, sources, targets, 10**6, max_fan_out=99).pairs) == len(
        every.pairs
    )


@pytest.mark.usefixtures("keep_num_threads")
def test_nothing_depends_on_threads(town):
    metapath = (BUY, ALSO, ALSO)
    sources, targets = np.ascontiguousarray(town.pairs[:4000].T)

    def run():
        walks = sample_metapath(town.expand, metapath, sources, targets, 2, seed=5, max_fan_out=4)
        counts = count_metapaths(town.expand, [metapath, (BUY, ALSO)], sources, targets)
        return [*walks, counts, *metapath_ends(town.expand, metapath, sources)]

    set_num_threads(1)
    one = run()
    set_num_threads(3)
    for a, b in zip(one, run(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_new_user_walks_from_an_overlay(town):
    new = town.size
    overlay = Overlay(town.graph, as_rows([]), as_rows([(new, BUY, 20), (new, BUY, 21)]), [0])
    expand = Expand(town.graph, overlay)
    ends = metapath_ends(expand, (BUY,), np.array([new], np.int32))
    assert ends.entities.tolist() == [20, 21]
    walks = sample_metapath(expand, (BUY, BUY + R, BUY), np.array([new], np.int32), np.array([21], np.int32), 99)
    assert {tuple(w) for w in walks.entities.tolist()} == {
        (new, 20, u, 21) for u in range(20) if {(u, BUY, 20), (u, BUY, 21)} <= town.facts
    }


def test_types_are_checked_hop_by_hop(town):
    check_metapaths(town.graph, [(BUY, MAKER, MAKER + R), (BUY, BUY + R, BUY)], source_type=0, target_type=1)
    with pytest.raises(
        ValueError, match=r"hop 3, relation 0, leaves from types \[0\], but what hop 2 leads to is \[2\]"
    ):
        check_metapath(town.graph, (BUY, MAKER, BUY))
    with pytest.raises(ValueError, match=r"hop 1, relation 1.*source's type is"):
        check_metapath(town.graph, (MAKER, MAKER + R), source_type=0)
    with pytest.raises(ValueError, match=r"leads to types \[2\], but the target's type is \[1\]"):
        check_metapath(town.graph, (BUY, MAKER), target_type=1)
    with pytest.raises(IndexError, match="type 3: the graph has 3 types"):
        check_metapath(town.graph, (BUY,), source_type=3)
    with pytest.raises(ValueError, match="1 to 16 relations, got 0"):
        check_metapath(town.graph, ())
    with pytest.raises(IndexError, match="6"):
        check_metapath(town.graph, (BUY, town.graph.stay))


def test_what_makes_no_sense_is_refused(town):
    one, three = np.zeros(1, np.int32), np.zeros(3, np.int32)
    far = np.array([town.size], np.int32)
    for run in (
        lambda metapath, a, b: sample_metapath(town.expand, metapath, a, b),
        lambda metapath, a, b: count_metapaths(town.expand, [metapath], a, b),
    ):
        with pytest.raises(ValueError, match="1 to 16"):
            run((), one, one)
        with pytest.raises(ValueError, match="1 to 16"):
            run((BUY,) * 17, one, one)
        with pytest.raises(IndexError, match="relation"):
            run((BUY, -1), one, one)
        with pytest.raises(IndexError, match="targets: 83"):
            run((BUY,), one, far)
        with pytest.raises(IndexError, match="sources: 83"):
            run((BUY,), far, one)
        with pytest.raises(ValueError, match="targets: expected length 1, got 3"):
            run((BUY,), one, three)
        with pytest.raises(ValueError, match="dtype int32"):
            run((BUY,), one.astype(np.int64), one)
    with pytest.raises(IndexError, match="sources: 83"):
        metapath_ends(town.expand, (BUY,), far)
    with pytest.raises(ValueError, match="count must be at least 1"):
        sample_metapath(town.expand, (BUY,), one, one, 0)
    with pytest.raises(ValueError, match="max_fan_out"):
        sample_metapath(town.expand, (BUY,), one, one, max_fan_out=-1)
    with pytest.raises(IndexError, match="relation"):
        count_metapaths(town.expand, [(BUY,)], one, one, hidden=99)
    assert sample_metapath(town.expand, (BUY, ALSO), one[:0], one[:0]).entities.shape == (0, 3)
