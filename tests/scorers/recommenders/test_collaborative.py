"""CKE against loops over facts."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from kgwalk.data.dataset import facts_of
from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.scorers.recommenders import Cke, CkeConfig
from tests.scorers.recommenders.market import (
    check_comes_back,
    check_gradients_flow,
    check_scores_agree,
    every_pair,
    make_market,
    shaken,
)

NONE = np.empty((0, 2), np.int32)


@pytest.fixture(scope="module")
def market() -> Recommendation:
    return make_market()


@pytest.fixture
def cke(market: Recommendation) -> Cke:
    model = shaken(Cke.of(market, CkeConfig(dim=3, relation_dim=2, facts=200), 0))
    assert isinstance(model, Cke)
    return model


def unit(vector: Any) -> Any:
    return vector / np.linalg.norm(vector)


def test_an_item_is_two_vectors(cke: Cke) -> None:
    users, items = every_pair(cke)
    got = cke.pair_scores(users, items).detach().numpy()
    for row, (user, item) in enumerate(zip(users.tolist(), items.tolist(), strict=True)):
        expected = (cke.users[user] @ cke.items[item] + cke.users[user] @ cke.entities[item]).item()
        assert got[row] == pytest.approx(expected, abs=1e-5)


def test_loss_of_facts_fact_by_fact(cke: Cke, market: Recommendation) -> None:
    cke.learn_from(market, NONE)
    facts = cke._facts
    known = {(h, r, t) for h, r, t in facts_of(market.graph).tolist() if r != market.interact}
    first = market.users.last
    assert {(h + first, r, t + first) for h, r, t in facts.tolist()} == known
    others = torch.arange(len(facts)) % cke.sizes["entities"]
    held = {key: value.double().numpy() for key, value in cke.state_dict().items()}
    total = 0.0
    for (h, r, t), other in zip(facts.tolist(), others.tolist(), strict=True):
        matrix, entity = held["projections"][r], held["entities"]
        right, wrong = (
            np.sum((unit(entity[h] @ matrix) + unit(held["relations"][r]) - unit(entity[end] @ matrix)) ** 2)
            for end in (t, other)
        )
        total += math.log1p(math.exp(right - wrong))
    assert cke.facts_loss(facts, others).item() == pytest.approx(total / len(facts), rel=1e-5)


def test_every_objective_learns_facts_too(cke: Cke, market: Recommendation) -> None:
    users, items, labels = torch.tensor([0, 5]), torch.tensor([3, 8]), torch.tensor([1.0, 0.0])
    before = cke.click_loss(users, items, labels)
    plain = functional.binary_cross_entropy_with_logits(cke.pair_scores(users, items), labels)
    assert before.item() == pytest.approx((plain + cke.config.l2 * cke.penalty(users, items)).item())
    cke.learn_from(market, NONE)
    torch.manual_seed(3)
    after = cke.click_loss(users, items, labels)
    torch.manual_seed(3)
    facts = cke._facts[torch.randint(len(cke._facts), (200,))]
    others = torch.randint(cke.sizes["entities"], (200,))
    assert after.item() == pytest.approx((before + 0.1 * cke.facts_loss(facts, others)).item())
    check_gradients_flow(cke)


def test_the_penalty_is_of_the_batch(cke: Cke) -> None:
    users, items = torch.tensor([1, 1, 4]), torch.tensor([2, 8, 2])
    expected = 0.0
    for user, item in zip(users, items, strict=True):
        for row in (cke.users[user], cke.items[item], cke.entities[item]):
            expected += (row @ row).item() / 2 / 3
    assert cke.penalty(users, items).item() == pytest.approx(expected, rel=1e-5)


def test_tables_and_files(cke: Cke, market: Recommendation, tmp_path: Path) -> None:
    check_scores_agree(cke)
    check_comes_back(cke, market, tmp_path)


@pytest.mark.parametrize("wrong", [{"relation_dim": 0}, {"facts": 0}, {"kg_weight": -0.1}])
def test_configurations_that_cannot_be_built(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CkeConfig(**wrong)  # type: ignore[arg-type]
