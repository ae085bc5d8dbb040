"""What recommenders learn from: batches are passes over all pairs, negatives are what they are said to be."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from kgwalk.agents.recommenders import RECOMMENDER_AGENTS, RecommenderTraining
from kgwalk.agents.recommenders.learner import Learner
from kgwalk.agents.recommenders.pairs import Positives, labelled_valid
from kgwalk.data import LabelledRecommendation
from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.scorers import RECOMMENDERS, RecommenderScorer
from kgwalk.scorers.recommenders import SvdConfig
from tests.evaluation.shop import make_shop
from tests.scorers.recommenders.market import make_market
from tests.scorers.recommenders.tiny import make_labelled


def config_of(**settings: Any) -> RecommenderTraining:
    return RecommenderTraining(model=SvdConfig(dim=4), **{"batch_size": 16, "learning_rate": 0.02, **settings})


@pytest.fixture(scope="module")
def market() -> Recommendation:
    return make_market()


@pytest.fixture(scope="module")
def clicks() -> LabelledRecommendation:
    return make_labelled()


def keys(pairs: Any) -> list[tuple[int, int]]:
    return [(int(user), int(item)) for user, item in pairs]


def test_fixed_negatives_are_those_of_the_set(clicks: LabelledRecommendation) -> None:
    positives = Positives(clicks, True, 0)
    shift = np.array([clicks.users.first, clicks.items.first])
    for epoch in (0, 1, 7):
        pairs, labels = positives.labelled(epoch)
        assert keys(pairs[labels == 0]) == keys(clicks.negatives["train"] - shift)
        assert keys(pairs[labels == 1]) == sorted(keys(clicks.splits["train"][:, [0, 2]] - shift))
    valid = labelled_valid(clicks, positives, 0)
    assert keys(valid.pairs[~valid.labels]) == keys(clicks.negatives["valid"])


def test_fixed_negatives_of_other_sets_are_drawn_once(market: Recommendation) -> None:
    one, other = (Positives(market, True, seed) for seed in (0, 1))
    first = one.labelled(0)[0]
    np.testing.assert_array_equal(one.labelled(5)[0], first)
    assert keys(other.labelled(0)[0]) != keys(first)
    known = set(keys(one.rows))
    assert len(one.negatives) == len(one.rows)
    assert not known & set(keys(one.negatives))


@pytest.mark.parametrize("kind", ["market", "clicks"])
def test_fresh_negatives_differ_by_epoch(kind: str, request: pytest.FixtureRequest) -> None:
    dataset = request.getfixturevalue(kind)
    positives, again = Positives(dataset, False, 3), Positives(dataset, False, 3)
    known, seen = set(keys(positives.rows)), []
    for epoch in range(4):
        pairs, labels = positives.labelled(epoch)
        np.testing.assert_array_equal(again.labelled(epoch)[0], pairs)
        assert keys(pairs[labels == 1]) == keys(positives.rows)
        others = keys(pairs[labels == 0])
        assert not known & set(others)
        assert [user for user, _ in others] == [user for user, _ in keys(positives.rows)]
        seen.append(others)
        opposed = positives.opposed(epoch)
        assert not known & set(zip(positives.rows[:, 0].tolist(), opposed.tolist(), strict=True))
    assert all(seen[one] != seen[other] for one in range(4) for other in range(one))


def test_opposed_are_of_the_users_own(clicks: LabelledRecommendation) -> None:
    positives = Positives(clicks, True, 0)
    own: dict[int, set[int]] = {}
    for user, item in keys(positives.negatives):
        own.setdefault(user, set()).add(item)
    drawn: dict[int, set[int]] = {}
    for epoch in range(60):
        opposed = positives.opposed(epoch).tolist()
        for (user, _), item in zip(keys(positives.rows), opposed, strict=True):
            assert item in own.get(user, {item})
            assert (user, item) not in set(keys(positives.rows))
            drawn.setdefault(user, set()).add(item)
    assert all(drawn[user] == own[user] for user in drawn if user in own)  # all of them, in the long run
    assert positives.opposed(0).tolist() != positives.opposed(1).tolist()


def test_users_without_negatives_of_their_own_are_drawn_some(clicks: LabelledRecommendation) -> None:
    kept = clicks.negatives["train"]
    positives = Positives(dataclasses.replace(clicks, negatives={"train": kept[kept[:, 0] > 3]}), True, 0)
    known = set(keys(positives.rows))
    for epoch in range(10):
        pairs = zip(positives.rows[:, 0].tolist(), positives.opposed(epoch).tolist(), strict=True)
        assert not known & set(pairs)


def everything(dataset: Recommendation, left_out: int) -> Recommendation:
    """User 0 has all items in train, but the last few."""
    train = dataset.splits["train"]
    items = np.arange(dataset.items.first, dataset.items.last - left_out, dtype=np.int32)
    rows = np.stack([np.zeros_like(items), np.full_like(items, dataset.interact), items], 1)
    return dataclasses.replace(
        dataset, splits={**dataset.splits, "train": np.concatenate([train[train[:, 0] > 0], rows])}
    )


@pytest.mark.parametrize("left_out", [0, 1])
def test_a_user_who_has_all_items(left_out: int, market: Recommendation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kgwalk.agents.recommenders.pairs._DRAWS", 2)  # chance alone would not find it
    greedy = everything(market, left_out)
    for fixed in (True, False):
        positives = Positives(greedy, fixed, 0)
        known = set(keys(positives.rows))
        for epoch in range(5):
            pairs, labels = positives.labelled(epoch)
            others = set(keys(pairs[labels == 0]))
            others |= set(zip(positives.rows[:, 0].tolist(), positives.opposed(epoch).tolist(), strict=True))
            assert all(0 <= item < len(market.items) for _, item in others)
            assert {user for user, item in others & known} == (set() if left_out else {0})
            if left_out:
                assert {item for user, item in others if user == 0} == {len(market.items) - 1}


@pytest.mark.parametrize("objective", ["clicks", "pairs", "softmax"])
def test_a_user_who_has_all_items_is_trained_with(objective: Any, market: Recommendation) -> None:
    greedy = everything(market, 0)
    model = RECOMMENDERS["svd"].of(greedy, config_of().model, 0)
    scorer = RecommenderScorer.of(model, objective, greedy)
    config = config_of(objective=objective)
    learner = Learner(scorer, greedy, config, 0, lambda scorer: RECOMMENDER_AGENTS["svd"](scorer, 10))
    for step in range(2 * learner.steps_in_epoch):
        assert torch.isfinite(learner.loss(step)[0])


def test_an_epoch_is_a_pass_over_all_pairs(clicks: LabelledRecommendation) -> None:
    for objective in ("clicks", "pairs", "softmax"):
        config = config_of(objective=objective, batch_size=7)
        model = RECOMMENDERS["svd"].of(clicks, config.model, 0)
        scorer = RecommenderScorer.of(model, objective, clicks)
        learner = Learner(scorer, clicks, config, 0, lambda scorer: None)
        rows = len(clicks.splits["train"])
        total = rows + len(clicks.negatives["train"]) if objective == "clicks" else rows
        assert learner.steps_in_epoch == total // 7
        orders = []
        for epoch in range(2):
            learner.loss(epoch * learner.steps_in_epoch)
            assert {len(values) for values in learner._rows.values()} == {total}
            pairs = keys(torch.stack([learner._rows["users"], learner._rows["items"]], 1))
            orders.append(pairs)
            if objective == "clicks":
                right = [
                    pair for pair, label in zip(pairs, learner._rows["labels"].tolist(), strict=True) if label == 1
                ]
            else:
                right = pairs
            assert sorted(right) == keys(learner.positives.rows)
        assert orders[0] != orders[1]
        assert sorted(orders[0]) == sorted(orders[1])


def test_known_items_of_a_batch(clicks: LabelledRecommendation) -> None:
    config = config_of(objective="softmax")
    scorer = RecommenderScorer.of(RECOMMENDERS["svd"].of(clicks, config.model, 0), "softmax", clicks)
    learner = Learner(scorer, clicks, config, 0, lambda scorer: None)
    users = torch.tensor([4, 0, 4, 6, 1])
    rows, items = learner._known(users)
    rows_of: dict[int, list[int]] = {}
    for user, item in keys(learner.positives.rows):
        rows_of.setdefault(user, []).append(item)
    expected = [(row, item) for row, user in enumerate(users.tolist()) for item in rows_of.get(user, [])]
    assert list(zip(rows.tolist(), items.tolist(), strict=True)) == expected


def test_drawn_negatives_of_valid_are_known_nowhere() -> None:
    shop = make_shop()
    positives = Positives(shop, True, 0)
    own = {(u, i) for split in ("train", "valid") for u, _, i in shop.splits[split].tolist()}
    for seed in range(20):
        valid = labelled_valid(shop, positives, seed)
        assert keys(valid.pairs[valid.labels]) == keys(shop.splits["valid"][:, [0, 2]])
        assert not own & set(keys(valid.pairs[~valid.labels]))
