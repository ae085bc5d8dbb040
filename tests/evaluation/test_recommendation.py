"""Evaluation of lists of items: who is asked, what counts, and what is said of the lists."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from kgwalk.data import Recommendation, bookshop, labelled
from kgwalk.evaluation import TOPK_100_USERS, TOPK_ALL, RecommendationProtocol, evaluate_recommendations
from kgwalk.protocols import Ids
from tests.evaluation.shop import TellingAgent, make_shop

SHOP = make_shop()


class Everyone:
    """A scorer whose best items are the last ones."""

    def score(self, sources: Ids, relation: int, targets: Ids) -> np.ndarray:
        raise NotImplementedError

    def top_k(self, sources: Ids, relation: int, k: int, *, entity_type: int | None = None) -> tuple[Ids, np.ndarray]:
        assert relation == SHOP.interact
        assert entity_type is not None
        assert SHOP.types[entity_type] == SHOP.items
        best = np.arange(SHOP.items.last - 1, SHOP.items.last - 1 - k, -1, dtype=np.int32)
        scores = np.linspace(1, 0, k, dtype=np.float32)
        return np.tile(best, (len(sources), 1)), np.tile(scores, (len(sources), 1))


def test_every_user_counts_and_known_items_do_not() -> None:
    # User 1 knows a and b by train and c by valid; brand/x is no item; user 3 gets no list.
    agent = TellingAgent(
        SHOP,
        {
            "user/1": [("item/a", 9.0), ("item/c", 8.0), ("brand/x", 7.0), ("item/e", 6.0), ("item/d", 5.0)],
            "user/2": [("item/d", 3.0), ("item/b", 2.0)],
        },
    )
    report = evaluate_recommendations(agent, SHOP, protocol=RecommendationProtocol(cutoffs=(2, 1)))
    half = 1 / math.log2(3)
    assert [SHOP.entities[int(user)] for user in report.users] == ["user/1", "user/2", "user/3"]
    assert report.lists.by_user["ndcg@2"] == pytest.approx([1, half, 0])
    assert report.lists.by_user["hr@1"].tolist() == [1, 0, 0]
    assert report.metrics["recall@1"] == pytest.approx((1 / 2) / 3)
    assert all(target == -1 and relation == SHOP.interact for _, relation, target in agent.asked)
    assert "filled" not in report.metrics


def test_on_valid_only_train_is_known() -> None:
    agent = TellingAgent(SHOP, {"user/1": [("item/a", 2.0), ("item/c", 1.0)]})
    report = evaluate_recommendations(agent, SHOP, "valid")
    assert report.metrics["ndcg@10"] == 1
    assert len(report.users) == 1


def test_only_items_with_a_path_count_and_the_rest_is_a_second_row() -> None:
    agent = TellingAgent(
        SHOP,
        {"user/1": [("item/d", 2.0), ("item/e", 1.0)], "user/3": [("item/a", 1.0)]},
        paths=[("user/1", "item/d"), ("user/3", "item/b"), ("user/2", "item/a")],
    )
    report = evaluate_recommendations(agent, SHOP)
    assert report.lists.by_user["recall@10"].tolist() == [0.5, 0, 0]
    assert report.lists.by_user["explained@10"].tolist() == [0.1, 0, 0]
    assert report.metrics["filled"]["recall@10"] == pytest.approx(2 / 3)
    assert report.lists.lengths.tolist() == [1, 0, 0]


def test_a_scorer_fills_up_what_is_short() -> None:
    agent = TellingAgent(SHOP, {"user/2": [("item/d", -50.0)]}, paths=[("user/2", "item/d")])
    report = evaluate_recommendations(agent, SHOP, protocol=RecommendationProtocol(cutoffs=(3,)), fill=Everyone())
    assert report.filled is not None
    # User 2 has d, then the scorer's best that it neither knows nor has: its order is e, d, c, b, a.
    order = [SHOP.entities[i] for i in range(SHOP.items.last - 1, SHOP.items.first - 1, -1)]
    added = [item for item in order if item not in ("item/a", "item/c", "item/d")]
    place = 2 + added.index("item/b")
    assert report.filled.by_user["ndcg@3"][1] == pytest.approx(1 / math.log2(place + 1))
    assert report.metrics["filled"]["coverage@3"] > report.metrics["coverage@3"] == 1 / 5


def test_cold_items_coverage_and_diversity() -> None:
    agent = TellingAgent(SHOP, {"user/1": [("item/e", 2.0), ("item/d", 1.0)], "user/2": [("item/d", 1.0)]})
    metrics = evaluate_recommendations(agent, SHOP).metrics
    assert metrics["cold_recall@20"] == 1  # user 1 alone has an item that train has not, and gets it
    assert metrics["coverage@10"] == 2 / 5
    assert metrics["diversity@10"] == 0  # d and e are both of genre g, and of nothing else
    agent = TellingAgent(SHOP, {"user/3": [("item/a", 2.0), ("item/b", 1.0), ("item/c", 0.0)]})
    # a has {x, g}, b has {x}, c has {y}: the similarities are 1/2, 0 and 0.
    assert evaluate_recommendations(agent, SHOP).metrics["diversity@10"] == pytest.approx(1 - 1 / 6)


def test_a_dense_agent_is_measured_without_lists() -> None:
    class Dense(TellingAgent):
        def scores(self, queries: Ids, graph: object) -> np.ndarray:
            return np.tile(-np.arange(SHOP.graph.num_entities, dtype=np.float32), (len(queries), 1))

    dense = evaluate_recommendations(Dense(SHOP, {}), SHOP)
    every = [(SHOP.entities[i], -float(i)) for i in range(SHOP.graph.num_entities)]
    told = evaluate_recommendations(TellingAgent(SHOP, {f"user/{u}": every for u in (1, 2, 3)}), SHOP)
    assert dense.metrics == told.metrics
    assert dense.metrics["recall@10"] == 1


def test_batches_change_nothing_and_json_holds_every_user(tmp_path: Path) -> None:
    agent = TellingAgent(SHOP, {"user/1": [("item/d", 1.0)], "user/3": [("item/a", 1.0)]})
    report = evaluate_recommendations(agent, SHOP)
    single = evaluate_recommendations(agent, SHOP, protocol=RecommendationProtocol(batch_size=1))
    assert single.metrics == report.metrics
    report.save(tmp_path / "report.json")
    saved = json.loads((tmp_path / "report.json").read_text())
    assert saved["metrics"] == report.metrics
    assert saved["by_user"]["ndcg@10"] == pytest.approx(report.lists.by_user["ndcg@10"], abs=1e-6)
    assert saved["counts"] == {"users": 3, "without_list": 1, "short_lists": 3, "users_with_cold_items": 1}


def test_refuses_what_cannot_be_measured() -> None:
    agent = TellingAgent(SHOP, {"user/1": [("item/d", math.nan)]})
    with pytest.raises(ValueError, match="NaN"):
        evaluate_recommendations(agent, SHOP)
    with pytest.raises(KeyError, match="no split"):
        evaluate_recommendations(agent, SHOP, "test2")
    with pytest.raises(ValueError, match="cutoffs"):
        RecommendationProtocol(cutoffs=())


def test_the_table_has_every_figure_on_a_screen_of_80_columns() -> None:
    agent = TellingAgent(SHOP, {"user/1": [("item/d", 2.0)]}, paths=[("user/1", "item/d")])
    report = evaluate_recommendations(agent, SHOP, fill=Everyone())
    screen = io.StringIO()
    Console(width=80, file=screen).print(report.table())
    assert "…" not in screen.getvalue()
    assert report.filled is not None
    for part in (report.lists, report.filled):
        for name in ("ndcg@10", "recall@10", "hr@10", "coverage@10"):
            assert f"{part.metrics[name]:.4f}" in screen.getvalue()


def ranking(shop: Recommendation) -> TellingAgent:
    """Gives everyone all items, a first."""
    items = [(shop.entities[i], -float(i)) for i in range(shop.items.first, shop.items.last)]
    return TellingAgent(shop, {shop.entities[u]: items for u in range(shop.users.first, shop.users.last)})


def listed(shop: Recommendation, protocol: RecommendationProtocol, split: str = "test") -> dict[str, str]:
    """The letters of the items that remain of every user's list, read off the hit ratio with each as the one target."""
    found: dict[str, str] = {}
    for item in "abcde":
        rows = [[user, shop.interact, shop.entity(f"item/{item}")] for user in range(shop.users.first, shop.users.last)]
        asked = replace(shop, splits={**shop.splits, f"{split}_{item}": np.array(rows, np.int32)})
        report = evaluate_recommendations(ranking(shop), asked, f"{split}_{item}", protocol, progress=False)
        for user, hit in zip(report.users.tolist(), report.lists.by_user["recall@10"].tolist(), strict=True):
            found[shop.entities[user]] = found.get(shop.entities[user], "") + item * int(hit)
    return found


def test_what_is_excluded_on_a_tiny_shop() -> None:
    # Of train user 1 has a and b, 2 has a and c, 3 has d; of valid 1 has c.
    def negatives(text: str) -> np.ndarray:
        return np.array([[SHOP.entity(f"user/{row[0]}"), SHOP.entity(f"item/{row[1]}")] for row in text.split()])

    drawn = {"train": negatives("1e 2d 2b"), "valid": negatives("3b"), "test": negatives("3c")}
    shop = replace(labelled(SHOP), splits=SHOP.splits, negatives=drawn)
    assert listed(shop, RecommendationProtocol()) == {"user/1": "de", "user/2": "bde", "user/3": "abce"}
    train = {"user/1": "cde", "user/2": "bde", "user/3": "abce"}
    assert listed(shop, RecommendationProtocol(), "valid") == train
    assert listed(shop, TOPK_ALL) == listed(SHOP, TOPK_ALL) == listed(shop, TOPK_ALL, "valid") == train
    assert listed(shop, TOPK_100_USERS) == {"user/1": "cd", "user/2": "e", "user/3": "abce"}
    with pytest.raises(ValueError, match="Shop has no sampled negatives"):
        evaluate_recommendations(ranking(SHOP), SHOP, protocol=TOPK_100_USERS)


def test_users_are_drawn_by_their_seed_among_those_in_train() -> None:
    data = labelled(bookshop())
    assert evaluate_recommendations(ranking(data), data, protocol=TOPK_ALL).users.tolist() == sorted(
        set(data.splits["test"][:, 0].tolist())
    )
    drawn = [replace(TOPK_100_USERS, user_seed=seed) for seed in (0, 0, 1)]
    reports = [evaluate_recommendations(ranking(data), data, protocol=protocol) for protocol in drawn]
    assert [len(report.users) for report in reports] == [100] * 3
    assert reports[0].metrics == reports[1].metrics
    assert reports[0].users.tolist() == reports[1].users.tolist() != reports[2].users.tolist()
    assert (np.diff(reports[0].users) > 0).all()
    # Each one's figures are those of all users.
    whole = evaluate_recommendations(ranking(data), data, protocol=replace(TOPK_100_USERS, users=0))
    place = np.searchsorted(whole.users, reports[2].users)
    for name in ("recall@10", "ndcg@100", "precision@2"):
        np.testing.assert_array_equal(reports[2].lists.by_user[name], whole.lists.by_user[name][place])


def test_who_is_not_in_train_is_not_drawn() -> None:
    one, two = SHOP.entity("user/1"), SHOP.entity("user/2")
    rows = SHOP.splits["train"]
    shop = replace(labelled(SHOP), splits={**SHOP.splits, "train": rows[rows[:, 0] == one]})
    shop = replace(shop, negatives={**shop.negatives, "train": np.array([[two, SHOP.entity("item/d")]], np.int32)})
    agent = ranking(shop)
    for excluded, users in (("train", [one]), ("known", [one]), ("train-rows", [one, two])):
        protocol = RecommendationProtocol(excluded=excluded, users=5)
        assert evaluate_recommendations(agent, shop, protocol=protocol).users.tolist() == users
    assert len(evaluate_recommendations(agent, shop, protocol=TOPK_ALL).users) == 3
    shop = replace(shop, splits={**shop.splits, "train": rows[:0]})
    with pytest.raises(ValueError, match="no users of test in train"):
        evaluate_recommendations(agent, shop, protocol=RecommendationProtocol(users=5))


def test_protocols_say_who_and_what_is_measured() -> None:
    assert RecommendationProtocol().to_json() == {
        "cutoffs": [10],
        "cold_cutoff": 20,
        "candidates": "items that the user interacts with neither in train nor, on test, in valid",
        "users": "all of the split",
        "lists": "short ones stay short, without a list all is 0; of agents with paths, items with a path count",
        "ties": "expected over their orders",
    }
    every, hundred = TOPK_ALL.to_json(), TOPK_100_USERS.to_json()
    assert (every["name"], every["excluded"], every["users"]) == ("topk-all", "train", "all of the split")
    assert every["candidates"].startswith("items that the user does not interact with in train; those of valid stay in")
    assert (hundred["name"], hundred["excluded"], hundred["cutoffs"][0]) == ("topk-100users", "train-rows", 10)
    assert hundred["users"].startswith("100 drawn by seed 0 among those of the split with a row in train")
    assert "sampled negative" in hundred["candidates"]
    for changed in ({"users": -1}, {"user_seed": -1}, {"excluded": "valid"}):
        with pytest.raises(ValueError, match=next(iter(changed))):
            RecommendationProtocol(**changed)
