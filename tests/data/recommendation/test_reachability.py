"""What metapaths lead to, against walks listed one by one."""

import json
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgwalk._core import Expand, Graph
from kgwalk.data import bookshop, load, reachability
from kgwalk.data.recommendation import item_sets
from kgwalk.data.recommendation.metapaths import EntityType, default_metapaths


def walked(graph, source, relations):
    """Entities at the end of all walks, level by level."""
    level = {source}
    for relation in relations:
        level = {int(tail) for at in level for tail in graph.slice(at, relation)[:, 1]}
    return level


@st.composite
def graphs(draw):
    entities, relations = draw(st.integers(2, 90)), draw(st.integers(1, 3))
    fact = st.tuples(st.integers(0, entities - 1), st.integers(0, relations - 1), st.integers(0, entities - 1))
    facts = np.array(draw(st.lists(fact, min_size=1, max_size=120)), np.int32)
    path = draw(st.lists(st.integers(0, 2 * relations - 1), min_size=1, max_size=4))
    return Graph.from_triples(facts, entities, relations), path, draw(st.integers(0, entities - 1))


@given(graphs(), st.sampled_from([0.0, 1.0, 1e-9]), st.sampled_from([1, 100, 1 << 20]))
def test_item_sets_equal_walks_listed_one_by_one(drawn, cost, chunk):
    graph, path, first = drawn
    items = EntityType("item", first, graph.num_entities)
    sources = np.arange(graph.num_entities, dtype=np.int32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(item_sets, "_SECONDS_PER_ITEM", cost)
        patch.setattr(item_sets, "_BYTES", chunk)
        bits = item_sets.item_sets(Expand(graph), sources, path, items)
    members = np.unpackbits(bits, axis=1, bitorder="little")
    assert not members[:, len(items) :].any()
    for source in sources.tolist():
        found = set((np.flatnonzero(members[source]) + first).tolist())
        assert found == {end for end in walked(graph, source, path) if end >= first}


@pytest.mark.parametrize("split", ["valid", "test"])
@pytest.mark.parametrize("chunk", [1, 10_000, 1 << 27])
def test_figures_equal_a_count_by_hand(split, chunk, monkeypatch):
    monkeypatch.setattr(import_module("kgwalk.data.recommendation.reachability"), "_BYTES", chunk)
    data = bookshop(seed=2, readers=24, authors=20)
    found = reachability(data, split)
    pairs, items = data.queries(split), data.items
    train = {}
    for user, _, item in data.queries("train").tolist():
        train.setdefault(user, set()).add(item)
    everything = {int(user): set() for user in pairs[:, 0]}
    telling = {int(user): set() for user in pairs[:, 0]}
    for path, reach in zip(data.metapaths, found.metapaths, strict=True):
        ends = {user: walked(data.graph, user, path) - train[user] for user in everything}
        sizes = [len(reached) for reached in ends.values()]
        assert reach.pairs == pytest.approx(np.mean([item in ends[user] for user, _, item in pairs.tolist()]))
        assert (reach.mean, reach.median) == (np.mean(sizes), np.median(sizes))
        assert reach.users == np.mean([size > 0 for size in sizes])
        assert reach.vacuous == (np.mean(sizes) >= 0.5 * len(items))
        for user, reached in ends.items():
            everything[user] |= reached
            telling[user] |= set() if reach.vacuous else reached
    for ends, reach in ((everything, found.together), (telling, found.telling)):
        assert reach.pairs == pytest.approx(np.mean([item in ends[user] for user, _, item in pairs.tolist()]))
        assert reach.mean == np.mean([len(reached) for reached in ends.values()])
    assert {reach.vacuous for reach in found.metapaths} == {True, False}
    assert json.loads(json.dumps(found.to_dict()))["num_pairs"] == len(pairs)


def test_metapaths_may_be_chosen_in_words_or_ids():
    data = bookshop()
    steps = []
    by_words = reachability(data, metapaths=["reads followed_by"], progress=lambda *step: steps.append(step))
    assert steps == [(1, 1)]
    ids = (data.relation("reads"), data.relation("followed_by"))
    assert reachability(data, metapaths=[ids]).metapaths == by_words.metapaths
    assert by_words.metapaths[0].name == "reads followed_by"


BAD = {
    "train": ({"split": "train"}, ValueError, "held-out split"),
    "no such split": ({"split": "dev"}, KeyError, "no split 'dev'"),
    "none": ({"metapaths": []}, ValueError, "at least one metapath"),
    "no such relation": ({"metapaths": ["reads eats"]}, KeyError, "no relation 'eats'"),
    "does not type-check": ({"metapaths": ["reads written_by"]}, ValueError, "ends at author"),
    "ids that do not": ({"metapaths": [(0, 0)]}, ValueError, "does not type-check"),
    "no hop": ({"metapaths": [()]}, ValueError, "at least one relation"),
}


@pytest.mark.parametrize(("arguments", "error", "message"), BAD.values(), ids=BAD)
def test_what_cannot_be_measured_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        reachability(bookshop(), **arguments)


def test_default_metapaths_lead_somewhere_else(shop):
    kg = (
        "item/0\tmade_by\tbrand/0\nitem/1\tmade_by\tbrand/0\nitem/2\tdrawn_by\tartist/0\nitem/3\tdrawn_by\tartist/1\n"
        "shelf/0\tholds\titem/0\nshelf/0\tholds\titem/5\nitem/1\tgoes_with\titem/2\nitem/7\tlike\titem/7\n"
        "brand/0\tbased_in\ttown/0\nbrand/1\tbased_in\ttown/0\n"
    )
    data = load(shop({"kg.txt": kg}, metapaths=""))
    assert {data.metapath_name(path) for path in data.metapaths} == {
        "bought ^bought bought",
        "bought made_by ^made_by",
        "bought ^holds holds",
        "bought goes_with",
        "bought ^goes_with",
    }
    for path in default_metapaths(data):
        assert data.metapath(data.metapath_name(path)) == path
    assert reachability(data, "test").metapaths[0].name == "bought ^bought bought"


@pytest.mark.parametrize(
    ("name", "path", "pairs"),
    [
        ("LastFM", "listens ^listens listens", 0.786),
        ("Amazon-Beauty", "purchase also_viewed ^also_viewed", 0.540),
        ("Amazon-Beauty", "purchase produced_by ^produced_by", 0.259),
        ("Amazon-Beauty", "purchase bought_together ^bought_together", 0.154),
    ],
)
def test_benchmarks_reach_what_was_measured_before(load_real, name, path, pairs):
    # Over all of train others measured .801, .561, .273 and .162; here valid is no edge.
    found = reachability(load_real(name), metapaths=[path])
    assert round(found.metapaths[0].pairs, 3) == pairs
