"""Interactions with sampled negatives, split by row: what is drawn, what is kept, and what is refused."""

from __future__ import annotations

import pickle
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgwalk._core import FormatError
from kgwalk.data import LabelledRecommendation, bookshop, labelled, load
from kgwalk.data.dataset import contains, facts_of
from kgwalk.data.recommendation.labelled import _draw
from kgwalk.data.recommendation.metapaths import EntityType
from tests.evaluation.shop import make_shop

SPLITS = ["train", "valid", "test"]


def pairs(data, split):
    """Names of (user, item) that a split has, positives and negatives."""
    positive = [(data.entities[h], data.entities[t]) for h, _, t in data.splits[split].tolist()]
    negative = [(data.entities[h], data.entities[t]) for h, t in data.negatives[split].tolist()]
    return positive, negative


def interactions(data):
    """All (user, item) of a source, by name."""
    return {(data.entities[h], data.entities[t]) for rows in data.splits.values() for h, _, t in rows.tolist()}


def check(data, whole, num_items):
    """What holds of every labelled set: ``whole`` are all interactions by name."""
    sides = {split: pairs(data, split) for split in SPLITS}
    assert list(data.splits) == list(data.negatives) == SPLITS
    positive = [pair for split in SPLITS for pair in sides[split][0]]
    negative = [pair for split in SPLITS for pair in sides[split][1]]
    assert sorted(positive) == sorted(whole)
    assert len(set(negative)) == len(negative)
    assert not set(negative) & whole
    assert all(item.startswith(f"{data.items.name}/") for _, item in negative)
    for user in {user for user, _ in whole}:
        has = sum(owner == user for owner, _ in positive)
        assert sum(owner == user for owner, _ in negative) == min(has, num_items - has)
    rows = len(positive) + len(negative)
    sizes = [len(sides[split][0]) + len(sides[split][1]) for split in SPLITS]
    assert sizes == [rows - 2 * round(rows / 5), round(rows / 5), round(rows / 5)]


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_rows_are_all_interactions_and_as_many_negatives_cut_6_2_2(seed):
    shop = bookshop()
    data = labelled(shop, seed)
    assert isinstance(data, LabelledRecommendation)
    assert data.drawn_by == seed
    check(data, interactions(shop), len(shop.items))


def test_what_is_no_interaction_is_as_in_the_source():
    shop = bookshop()
    data = labelled(shop)
    for name in ("name", "card", "types", "interact", "folder", "stated_metapaths", "metapaths"):
        assert getattr(data, name) == getattr(shop, name)
    assert data.entities.to_list() == shop.entities.to_list()
    assert [data.metapath_name(path) for path in data.metapaths] == [shop.metapath_name(p) for p in shop.metapaths]
    assert data.graph.type_offsets == shop.graph.type_offsets


def test_the_graph_holds_what_is_known_and_the_positives_of_train():
    shop = bookshop()
    data = labelled(shop)
    facts = facts_of(shop.graph)
    expected = np.concatenate([facts[facts[:, 1] != shop.interact], data.splits["train"]])
    np.testing.assert_array_equal(facts_of(data.graph), np.unique(expected, axis=0))
    assert data.test_graph is data.graph
    assert data.graph_rows == len(expected)
    for split in ("valid", "test"):
        assert not contains(data.graph, data.queries(split)).any()
    for rows in [*data.splits.values(), *data.negatives.values()]:
        assert rows.dtype == np.int32
        assert not rows.flags.writeable
    assert data.negatives["test"].shape[1] == 2


def test_a_seed_gives_its_split_again_and_another_another():
    first, again, other = labelled(bookshop(), 3), labelled(bookshop(), 3), labelled(bookshop(), 4)
    assert first.fingerprint == again.fingerprint != other.fingerprint != bookshop().fingerprint
    for split in SPLITS:
        np.testing.assert_array_equal(first.negatives[split], again.negatives[split])
        np.testing.assert_array_equal(first.splits[split], again.splits[split])
        assert set(pairs(first, split)[0]) != set(pairs(other, split)[0])
        assert set(pairs(first, split)[1]) != set(pairs(other, split)[1])
    # What is drawn depends on the interactions, not on how they were split before.
    assert labelled(other, 3).fingerprint == first.fingerprint
    with pytest.raises(ValueError, match="negative"):
        labelled(bookshop(), -1)


def test_rows_are_shuffled_not_cut_user_by_user():
    data = labelled(bookshop())
    for split in SPLITS:
        assert len(np.unique(data.splits[split][:, 0])) > 200
        share = len(data.splits[split]) / (len(data.splits[split]) + len(data.negatives[split]))
        assert abs(share - 0.5) < 0.04


@settings(max_examples=50, deadline=None)
@given(st.sets(st.tuples(st.integers(0, 4), st.integers(5, 10)), min_size=1), st.integers(0, 5))
def test_negatives_are_as_many_as_positives_or_all_there_are(whole, seed):
    positives = np.array([(user, 0, item) for user, item in sorted(whole)], np.int32)
    drawn = _draw(positives, EntityType("item", 5, 11), np.random.default_rng(seed))
    found = [tuple(row) for row in drawn.tolist()]
    assert found == sorted(set(found))
    for user in range(5):
        has = {item for owner, item in whole if owner == user}
        got = {item for owner, item in found if owner == user}
        assert got <= set(range(5, 11)) - has
        assert len(got) == min(len(has), 6 - len(has))


def test_negatives_are_drawn_uniformly():
    # One user with items 1 and 4 of 0 to 5: each of the other four is drawn half of the time.
    positives = np.array([(9, 0, 1), (9, 0, 4)], np.int32)
    rng = np.random.default_rng(0)
    items = np.concatenate([_draw(positives, EntityType("item", 0, 6), rng)[:, 1] for _ in range(2000)])
    counts = np.bincount(items, minlength=6)
    assert counts[[1, 4]].tolist() == [0, 0]
    assert abs(counts[[0, 2, 3, 5]] - 1000).max() < 120  # five standard deviations


def test_a_user_with_every_item_has_no_negatives(shop):
    full = "".join(f"user/0\tbought\titem/{i}\n" for i in range(7)) + "user/1\tbought\titem/1\n"
    data = labelled(load(shop({"train.txt": full})))
    users = [data.entities[user] for rows in data.negatives.values() for user in rows[:, 0].tolist()]
    assert sorted(users) == ["user/1"] * 2
    with pytest.raises(ValueError, match="too few"):
        labelled(load(shop({"train.txt": "user/5\tbought\titem/1\n"}, splits=(("train", "train.txt"),))))


EVERY = "".join(f"user/{u}\tbought\titem/{(u + i) % 8}\t{10 * i}\n" for u in range(6) for i in range(u + 1))
EVERY += "user/9\tbought\titem/2\t5\nuser/0\tbought\titem/7\t1\nuser/1\tbought\titem/3\t1\n"


def test_a_file_of_every_interaction_has_users_of_its_own(shop):
    folder = shop({"all.tsv": EVERY}, every_interaction="all.tsv")
    source = load(folder)
    data = labelled(source)
    assert (len(source.users), len(data.users)) == (6, 7)
    check(data, interactions(source) | {("user/9", "item/2")}, 8)
    assert [data.metapath_name(path) for path in data.stated_metapaths] == [
        source.metapath_name(path) for path in source.stated_metapaths
    ]
    assert data.graph.num_facts == 9 + len(data.splits["train"])
    assert labelled(labelled(source, 5)).fingerprint == data.fingerprint
    (folder / "all.tsv").unlink()
    check(labelled(load(folder)), interactions(source), 8)


BAD = {
    "one that is lacking": (EVERY.replace("user/1\tbought\titem/3\t1\n", ""), "lacks 'user/1' with 'item/3', .* test"),
    "a user that is lacking": ("user/9\tbought\titem/2\t5\n", "all.tsv lacks 'user/"),
    "an item for a user": (EVERY + "item/1\tbought\titem/2\t5\n", "expected user"),
    "a column too few": (EVERY + "user/1\tbought\titem/2\n", r"all\.tsv"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_what_is_wrong_with_the_file_of_every_interaction_is_said(shop, text, message):
    source = load(shop({"all.tsv": text}, every_interaction="all.tsv"))
    with pytest.raises(FormatError, match=message):
        labelled(source)


def test_a_pickle_is_drawn_again(shop):
    folder = shop({"all.tsv": EVERY}, every_interaction="all.tsv")
    for data in (labelled(load(folder), 2), labelled(bookshop(), 1)):
        again = pickle.loads(pickle.dumps(data))
        assert isinstance(again, LabelledRecommendation)
        assert (again.fingerprint, again.drawn_by) == (data.fingerprint, data.drawn_by)
        np.testing.assert_array_equal(again.negatives["valid"], data.negatives["valid"])
    pickled = pickle.dumps(labelled(load(folder)))
    (folder / "all.tsv").write_text(EVERY + "user/9\tbought\titem/3\t5\n")
    with pytest.raises(ValueError, match="fingerprints differ"):
        pickle.loads(pickled)
    for data in (labelled(make_shop()), labelled(bookshop(seed=5))):
        with pytest.raises(TypeError, match="made in memory cannot be pickled"):
            pickle.dumps(data)


@pytest.mark.parametrize(
    ("name", "positives", "users"),
    [("LastFM", 21173, 1872), ("MovieLens-1M", 376886, 6036), ("Book-Crossing", 69873, 17860)],
)
def test_real_sets(name, positives, users, load_real):
    source = load_real(name)
    began = time.perf_counter()
    data = labelled(source)
    assert time.perf_counter() - began < 20
    assert sum(map(len, data.splits.values())) == positives
    assert len(data.users) == users
    rows = [np.concatenate(list(part.values())) for part in (data.splits, data.negatives)]
    width = len(data.entities)
    keys = [part[:, 0].astype(np.int64) * width + part[:, -1] for part in rows]
    assert len(np.unique(np.concatenate(keys))) == len(keys[0]) + len(keys[1])
    counts = [np.bincount(part[:, 0], minlength=len(data.users)) for part in rows]
    np.testing.assert_array_equal(counts[1], np.minimum(counts[0], len(data.items) - counts[0]))
    sizes = [len(data.splits[split]) + len(data.negatives[split]) for split in SPLITS]
    np.testing.assert_allclose(np.array(sizes) / sum(sizes), [0.6, 0.2, 0.2], atol=1e-4)
    knowledge = source.graph.num_facts - len(source.splits["train"])
    assert data.graph.num_facts == knowledge + len(data.splits["train"])
