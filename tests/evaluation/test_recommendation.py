"""Evaluation of lists of items: who is asked, what counts, and what is said of the lists."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from kgwalk.evaluation import RecommendationProtocol, evaluate_recommendations
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
