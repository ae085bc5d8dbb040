"""Lists for users: who is in them and in which order, what is said of them, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kgwalk.data import Recommendation
from kgwalk.protocols import Ids, Ranked
from kgwalk.recommend import Recommender, recommend
from kgwalk.recommend.words import numbers, percent
from tests.evaluation.conftest import ListAgent

from .conftest import Guide


def listed(found: Any) -> list[tuple[str, bool, str]]:
    return [(item.label, item.explained, item.by) for item in found.items]


def test_walks_first_then_what_is_popular(shop: Recommendation, guide: Guide) -> None:
    found = recommend(guide, shop, "ada", k=4)
    # a and b are Ada's own; nobody has e or f, so they come by id.
    fill = sorted(["e", "f"], key=lambda label: shop.entity(f"item/{label}"))
    assert listed(found) == [
        ("d", True, "guide"),
        ("c", True, "guide"),
        *((label, False, "popularity") for label in fill),
    ]
    assert [item.rank for item in found.items] == [1, 2, 3, 4]
    assert found.has == ("a", "b")
    assert found.notes == ("guide lists 2; the list is filled up by popularity.",)


def test_popular_items_come_by_the_number_of_their_buyers(shop: Recommendation) -> None:
    nobody = ListAgent(lambda *_: ())
    found = recommend(nobody, shop, "user/cy", k=3)
    assert [(item.label, item.score) for item in found.items] == [("b", 2.0), ("a", 1.0), ("c", 1.0)]
    assert not any(item.explained for item in found.items)
    assert found.notes[0] == "cy has nothing that a walk could begin with."
    assert "finds nothing to recommend" in found.notes[1]
    assert found.layout is None
    assert found.metapaths == ()


def test_sentences_say_what_was_walked(shop: Recommendation, guide: Guide) -> None:
    found = recommend(guide, shop, "ada", k=2, paths=2)
    assert [[reason.sentence for reason in item.reasons] for item in found.items] == [
        [
            "ada buys “a”; it is made by m, and so is “d”.",
            "ada buys “b”, and bob, who buys it too, also buys “d”.",
        ],
        ["ada buys “b”, and bob, who buys it too, also buys “c”."],
    ]
    told = found.to_json()
    (best, second), (only,) = (item["paths"] for item in told["items"])
    assert best["metapath"] == "buys made_by ^made_by"
    assert best["probability"] == pytest.approx(0.3)
    assert [hop["entity"] for hop in best["hops"]] == ["item/a", "maker/m", "item/d"]
    assert best["text"].startswith("ada --buys--> a")
    assert second["metapath"] == only["metapath"] == "buys ^buys buys"
    assert json.loads(json.dumps(told)) == told


def test_shares_are_of_the_weight_of_the_list(shop: Recommendation, guide: Guide) -> None:
    made, bought = recommend(guide, shop, "ada", k=2).metapaths
    assert (made.share, bought.share) == (pytest.approx(0.6), pytest.approx(0.4))
    assert (made.metapath, made.walks, made.items, made.leads) == (("buys", "made_by", "^made_by"), 1, 1, (1,))
    # Bob has c; that he would have d is what the guide made up, and no walk of the graph.
    assert (bought.walks, bought.items, bought.leads) == (1, 2, (2,))
    assert [one.words for one in (made, bought)] == ["made by the same maker", "other users of the same items"]


def test_the_layout_is_the_tree_of_prefixes(shop: Recommendation, guide: Guide) -> None:
    root = recommend(guide, shop, "ada", k=2).layout
    assert root is not None
    assert (root.kind, root.share, root.metapath) == ("ada", pytest.approx(1.0), None)
    (buys,) = root.children
    assert (buys.step, buys.kind, len(buys.children)) == ("buys", "items", 2)
    assert [(child.kind, pytest.approx(child.share)) for child in buys.children] == [("makers", 0.6), ("users", 0.4)]
    assert [child.children[0].kind for child in buys.children] == ["items", "items"]


def test_more_than_there_is_gives_all_and_says_so(shop: Recommendation, guide: Guide) -> None:
    found = recommend(guide, shop, "ada", k=50)
    assert sorted(item.label for item in found.items) == ["c", "d", "e", "f"]
    assert found.notes[0] == "ada does not have 4 items of 6: all are listed, 50 were asked for."


def test_the_agents_own_come_before_those_that_fill_up(shop: Recommendation) -> None:
    agent = Guide(shop, ("item/b user/bob item/c", "buys ^buys buys", 0.1), others=["item/f"])
    found = recommend(agent, shop, "ada", k=3)
    assert listed(found) == [("c", True, "guide"), ("f", False, "guide"), (found.items[2].label, False, "popularity")]
    assert found.notes[0] == "guide recommends 1 without a walk to them."


def test_an_agent_that_does_not_walk_gives_no_reasons(shop: Recommendation) -> None:
    d, b = shop.entity("item/d"), shop.entity("item/b")
    found = recommend(ListAgent(lambda *_: [(b, 2.0), (d, 1.0)]), shop, "ada", k=1)
    assert listed(found) == [("d", False, "list")]
    assert found.notes == ("list does not walk: what it recommends has no reason.",)
    assert "(unexplained: by list)" in str(found)


class ByName:
    """A scorer that likes items by their ids, the last the most; it knows no new users."""

    name = "by-name"

    def __init__(self, facts: str | None = None) -> None:
        self.facts = facts

    def score(self, sources: Ids, relation: int, targets: Ids) -> Any:
        raise NotImplementedError

    def top_k(self, sources: Ids, relation: int, k: int, *, entity_type: int | None = None) -> Any:
        if sources.max() >= 9:
            raise IndexError("no such user")
        return np.arange(3 + k - 1, 2, -1, dtype=np.int32)[None], np.linspace(1, 0, k, dtype=np.float32)[None]


class ByHistory(ByName):
    """One that knows users by their items."""

    def item_scores(self, offsets: Any, items: Ids) -> Any:
        assert offsets.tolist() == [0, len(items)]
        return np.arange(6, dtype=np.float32)[None]


def test_a_scorer_fills_up(shop: Recommendation) -> None:
    nobody = ListAgent(lambda *_: ())
    found = recommend(nobody, shop, "ada", k=3, fill=ByName())
    assert shop.items.first == 3
    free = [entity for entity in range(8, 2, -1) if shop.label(entity) not in ("a", "b")]
    assert [item.entity for item in found.items] == [shop.entities[entity] for entity in free[:3]]
    assert {item.by for item in found.items} == {"by-name"}


def test_a_scorer_of_other_facts_is_refused(shop: Recommendation, guide: Guide) -> None:
    with pytest.raises(ValueError, match="by-name was fitted on facts of"):
        recommend(guide, shop, "ada", fill=ByName("0" * 64))


def test_new_users_are_filled_up_by_who_knows_them(shop: Recommendation) -> None:
    nobody = ListAgent(lambda *_: ())
    with pytest.raises(ValueError, match="by-name knows only users that it was fitted on"):
        Recommender(nobody, shop, fill=ByName()).to_new(["a"], k=3)
    found = Recommender(nobody, shop, fill=ByHistory()).to_new(["a"], k=2)
    assert [shop.entity(item.entity) for item in found.items] == [8, 7]


def test_a_new_user_walks_from_its_items(shop: Recommendation) -> None:
    agent = Guide(shop, ("item/a maker/m item/d", "buys made_by ^made_by", 0.3))
    found = Recommender(agent, shop).to_new(["item/a", "f"], k=2)
    assert (found.user, found.label, found.has) == ("", "The new user", ("a", "f"))
    assert found.items[0].reasons[0].sentence == "The new user buys “a”; it is made by m, and so is “d”."
    assert found.metapaths[0].walks == 1
    assert found.notes[0] == "Nothing is known of f: no walk leads on from there."
    assert Recommender(agent, shop).to_new(["a"], name="Zoe", k=1).label == "Zoe"
    assert found.to_json()["user"] is None


class Known:
    """An agent that has a row for every user it was trained with."""

    name = "table"

    def answer(self, queries: Ids, graph: Any) -> Ranked:
        np.zeros(9)[queries[:, 0]]
        return Ranked(np.zeros(2, np.int64), np.zeros(0, np.int32), np.zeros(0))

    def save(self, folder: Path) -> None:
        raise NotImplementedError


def test_who_cannot_fold_in_says_so(shop: Recommendation) -> None:
    with pytest.raises(ValueError, match="table knows only users that it was trained with"):
        Recommender(Known(), shop).to_new(["a"])


@pytest.mark.parametrize(
    ("items", "error", "message"),
    [
        ([], ValueError, "nothing is known of this new user: give at least one item"),
        (["zz"], KeyError, "Shop has no item 'zz'"),
        (["maker/m"], KeyError, "'maker/m' is no item"),
        ([0], IndexError, "0 is no item; their ids are 3 to 8"),
    ],
)
def test_what_no_new_user_can_have(
    shop: Recommendation, guide: Guide, items: list[Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Recommender(guide, shop).to_new(items)


def test_users_that_are_none(shop: Recommendation, guide: Guide) -> None:
    with pytest.raises(KeyError, match="did you mean ada"):
        recommend(guide, shop, "adda")
    with pytest.raises(KeyError, match="'item/a' is no user"):
        recommend(guide, shop, "item/a")
    with pytest.raises(IndexError, match="their ids are 0 to 2"):
        recommend(guide, shop, 3)
    assert recommend(guide, shop, 0).label == recommend(guide, shop, "user/ada").label == "ada"


@pytest.mark.parametrize("wrong", [{"k": 0}, {"paths": 0}])
def test_sizes_below_one_are_refused(shop: Recommendation, guide: Guide, wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be 1 or more"):
        recommend(guide, shop, "ada", **wrong)


def test_shares_and_places_for_people() -> None:
    shares = (0.0, 0.004, 0.006, 0.614, 0.996, 1.0)
    assert [percent(share) for share in shares] == ["0 %", "< 1 %", "1 %", "61 %", "> 99 %", "100 %"]
    assert [numbers(places) for places in ((3,), (1, 2, 3, 7), (2, 4))] == ["no. 3", "no. 1-3, 7", "no. 2, 4"]


def test_the_text_begins_with_the_whole(shop: Recommendation, guide: Guide) -> None:
    lines = str(recommend(guide, shop, "ada", k=4)).split("\n")
    assert lines[:6] == [
        "ada buys 2 items. 4 items recommended, 2 of them with a reason.",
        "",
        "What speaks for them",
        "    60 %  made by the same maker (the best reason for no. 1)",
        "    40 %  other users of the same items (the best reason for no. 2)",
        "",
    ]
    assert lines[6:8] == ["  1. d", "     ada buys “a”; it is made by m, and so is “d”."]
    assert "(unexplained: by popularity)" in lines[-3]
