"""Users, items and what is known of them: ids, splits, metapaths, and what is said when a file is wrong."""

import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgwalk._core import FormatError
from kgwalk.data import CARDS, DamagedFileError, Recommendation, load
from kgwalk.data.dataset import contains
from kgwalk.data.recommendation import dataset as recommendation
from kgwalk.data.recommendation.catalog import RECOMMENDATION_CARDS
from kgwalk.data.report import report
from kgwalk.data.verify import verify


def interactions(data):
    """Names of (user, item) by split."""
    return {
        split: {(data.entities[h], data.entities[t]) for h, _, t in rows.tolist()}
        for split, rows in data.splits.items()
    }


def test_ids_of_a_type_are_neighbours_users_and_items_first(shop):
    data = load(shop())
    assert isinstance(data, Recommendation)
    assert [kind.name for kind in data.types] == ["user", "item", "brand"]
    assert [len(kind) for kind in data.types] == [6, 8, 3]
    assert (data.users.first, data.items.first, data.types[-1].last) == (0, 6, len(data.entities))
    for kind in data.types:
        assert all(data.entities[i].startswith(f"{kind.name}/") for i in range(kind.first, kind.last))
    assert data.graph.type_offsets == [0, 6, 14, 17]
    assert data.type_named("brand") is data.types[2]
    with pytest.raises(KeyError, match="no entity type 'shop'; it has user, item, brand"):
        data.type_named("shop")


def test_valid_is_one_interaction_of_everyone_who_has_five(shop):
    data = load(shop())
    sides = interactions(data)
    # user/u has u + 1 interactions in the file.
    assert {user for user, _ in sides["valid"]} == {"user/4", "user/5"}
    assert len(sides["valid"]) == 2
    assert len(sides["train"]) == 1 + 2 + 3 + 4 + 4 + 5
    assert not sides["train"] & sides["valid"]
    assert interactions(load(shop(name="again"))) == sides
    for split in ("valid", "test"):
        assert not contains(data.graph, data.queries(split)).any()
    assert contains(data.graph, data.queries("train")).all()
    assert data.graph.num_facts == 9 + len(sides["train"])


def test_a_valid_split_of_ones_own_is_kept(shop):
    folder = shop(
        {"valid.txt": "user/2\tbought\titem/6\n"},
        splits=(("train", "train.txt"), ("valid", "valid.txt"), ("test", "test.txt")),
    )
    assert interactions(load(folder))["valid"] == {("user/2", "item/6")}
    assert len(load(folder).splits["train"]) == 21


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 9)), min_size=1, max_size=60))
def test_carving_takes_one_of_five_or_more_and_loses_nothing(pairs):
    rows = np.array([(user, 0, item) for user, item in pairs], np.int32)
    train, valid = recommendation._carve(rows)
    whole = {tuple(row) for row in rows.tolist()}
    assert {tuple(row) for row in train.tolist()} | {tuple(row) for row in valid.tolist()} == whole
    assert len(train) + len(valid) == len(whole)
    counts = {user: sum(row[0] == user for row in whole) for user in range(7)}
    assert sorted(valid[:, 0].tolist()) == [user for user, count in counts.items() if count >= 5]


def test_labelled_interactions_without_a_split_get_a_seeded_one(shop):
    lines = [f"user/{u}\tbought\titem/{i}\t{int((u + i) % 2 == 0)}\n" for u in range(5) for i in range(8)]
    files = {"interactions.tsv": "".join(lines) + "user/9\tbought\titem/0\t1\n\n"}
    folder = shop(files, splits=(("train", "interactions.tsv"),), test_share=0.25)
    sides = interactions(load(folder))
    assert sum(map(len, sides.values())) == 21
    assert len(sides["test"]) == round(0.25 * 21)
    assert {user for user, _ in sides["train"]} == {*(f"user/{u}" for u in range(5)), "user/9"}
    assert all((int(user[5:]) + int(item[5:])) % 2 == 0 for user, item in sides["test"])


BAD_FILES = {
    "no type": ({"kg.txt": "item/1\tmade_by\tacme\n"}, "entity 'acme' has no type; expected a name such as item/7"),
    "no slash in a user": ({"train.txt": "ada\tbought\titem/1\n"}, "entity 'ada' has no type"),
    "empty type": ({"kg.txt": "item/1\tmade_by\t/acme\n"}, "entity '/acme' has no type"),
    "ends swapped": ({"train.txt": "item/1\tbought\tuser/1\n"}, r"shop, train: .*from 'item/1' to 'user/1'"),
    "a user for an item": ({"test.txt": "user/0\tbought\tuser/1\n"}, r"shop, test: .*to 'user/1'"),
    "a brand for an item": ({"test.txt": "user/0\tbought\tbrand/1\n"}, r"shop, test: .*to 'brand/1'"),
    "another relation": ({"train.txt": "user/1\tlike\titem/1\n"}, r"expected user/\.\.\., bought, item/\.\.\."),
    "two columns": ({"train.txt": "user/1\tbought\titem/1\nuser/1\tbought\n"}, r"train\.txt.*2"),
    "in train and test": ({"test.txt": "user/0\tbought\titem/0\n"}, "'user/0' with 'item/0' stands in train and in t"),
    "interactions as knowledge": ({"kg.txt": "user/1\tbought\titem/3\n"}, "holds an interaction of 'user/1' with 'ite"),
    "no such turn": (
        {"metapaths.txt": "bought made_by bought\n"},
        "does not type-check: it stands at brand, but bough",
    ),
    "no item at the end": ({"metapaths.txt": "bought made_by\n"}, "ends at brand, not at an item"),
    "begins elsewhere": ({"metapaths.txt": "made_by rev_made_by\n"}, "stands at user, but made_by starts at item"),
}


@pytest.mark.parametrize(("files", "message"), BAD_FILES.values(), ids=BAD_FILES)
def test_what_is_wrong_with_a_file_is_said(shop, files, message):
    with pytest.raises(FormatError, match=message):
        load(shop(files))


BAD_LABELS = {
    "two": ("user/0\tbought\titem/0\t1\nuser/0\tbought\titem/1\t2\n", r"interactions\.tsv:2: expected label 0 or 1"),
    "none": ("user/0\tbought\titem/0\n", r"interactions\.tsv.*1"),
    "empty item after a negative": ("user/0\tbought\titem/0\t0\nuser/0\tbought\t\t1\n", r"interactions\.tsv.*2"),
    "negatives only": ("user/0\tbought\titem/0\t0\n", r"interactions\.tsv: no row with label 1"),
}


@pytest.mark.parametrize(("text", "message"), BAD_LABELS.values(), ids=BAD_LABELS)
def test_a_malformed_labelled_interaction_is_named_with_its_line(shop, text, message):
    folder = shop({"interactions.tsv": text}, splits=(("train", "interactions.tsv"),), test_share=0.2)
    with pytest.raises(FormatError, match=message):
        load(folder)


HOSTILE = {
    "metapaths out of the folder": ({"metapaths": "../m.txt"}, "leads out of the folder"),
    "names out of the folder": ({"names": ["../n.tsv", 1]}, "leads out of the folder"),
    "a listed file out of the folder": ({"files": [{"name": "/etc/hosts"}]}, "leads out of the folder"),
    "every interaction out of the folder": ({"every_interaction": "../i.tsv"}, "leads out of the folder"),
    "users are items": ({"user_type": "item"}, "both 'item'"),
    "a type with a slash": ({"item_type": "a/b"}, "item_type: expected a word"),
    "a type that is a number": ({"user_type": 5}, "user_type: expected str, got 5"),
    "a cap that is a word": ({"max_out_degree": "many"}, "max_out_degree: expected int"),
    "a horizon that is true": ({"horizon": True}, "horizon: expected int"),
    "no train": ({"splits": [["test", "test.txt"]]}, "expected train"),
    "everything is test": ({"splits": [["train", "train.txt"]], "test_share": 1}, "test_share is 1"),
    "two ways to a test split": ({"test_share": 0.5}, "test_share is 0.5"),
    "a field nobody knows": ({"shoe_size": 42}, "no dataset card"),
}


@pytest.mark.parametrize(("change", "message"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_card_is_refused(shop, change, message):
    folder = shop()
    fields = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**fields, **change}))
    with pytest.raises(DamagedFileError, match=f"card.json.*{message}"):
        load(folder)


def test_an_unknown_interaction_or_item_type_names_a_row(shop):
    with pytest.raises(FormatError, match=r"user/\.\.\., reads, item/\.\.\., got a row from 'user/0'"):
        load(shop(interaction="reads"))
    with pytest.raises(FormatError, match="book/"):
        load(shop(item_type="book"))


def test_a_pickle_is_read_again_from_its_folder(shop):
    data = load(shop())
    again = pickle.loads(pickle.dumps(data))
    assert isinstance(again, Recommendation)
    assert (again.fingerprint, again.metapaths, again.types) == (data.fingerprint, data.metapaths, data.types)


def test_the_report_finds_no_held_out_interaction_in_the_graph(shop):
    found = report(load(shop()))
    assert {split: side.in_graph for split, side in found.splits.items()} == {"valid": 0, "test": 0}


REAL = [card.name for card in RECOMMENDATION_CARDS]


@pytest.mark.parametrize("name", REAL)
def test_real_sets_have_typed_ids_and_metapaths(name, load_real):
    data = load_real(name)
    assert [kind.first for kind in data.types] == [0, *(kind.last for kind in data.types[:-1])]
    assert data.types[-1].last == len(data.entities) == data.graph.num_entities
    assert data.metapaths
    assert (data.interact, data.graph.inverse(data.interact), data.interact) in data.metapaths
    train, valid = data.queries("train"), data.queries("valid")
    users, count = np.unique(np.concatenate([train, valid])[:, 0], return_counts=True)
    np.testing.assert_array_equal(np.sort(valid[:, 0]), users[count >= recommendation.VALID_FROM])
    assert len(np.unique(train, axis=0)) == len(train)


def test_amazon_metapaths_are_those_without_words(load_real):
    for name in ("Amazon-Beauty", "Amazon-Cellphones"):
        data = load_real(name)
        names = [data.metapath_name(path) for path in data.metapaths]
        assert len(names) == 12
        assert "purchase also_bought ^bought_together" in names
        assert not any("mentions" in text or "described_by" in text for text in names)


def test_lastfm_walks_through_other_listeners(benchmarks):
    data = load("LastFM", data_dir=benchmarks)
    assert data.metapath_name(data.metapaths[0]) == "listens ^listens listens"
    assert {check.file for check in verify("LastFM", benchmarks)} >= {"interactions.tsv", "train.txt"}
    assert CARDS["LastFM"].metapaths == ""
