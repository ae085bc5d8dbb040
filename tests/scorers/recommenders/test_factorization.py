"""SVD and factorization machines against double loops."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch

from kgwalk.data.dataset import facts_of
from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.scorers.recommenders import Fm, FmConfig, FmTransE, FmTransEConfig, Recommender, Svd, SvdConfig
from kgwalk.scorers.recommenders.factorization import item_vectors
from tests.scorers.recommenders.market import (
    check_comes_back,
    check_gradients_flow,
    check_refused,
    check_scores_agree,
    every_pair,
    make_market,
    shaken,
)

CASES = {
    "svd": (Svd, SvdConfig(dim=3)),
    "fm": (Fm, FmConfig(dim=3)),
    "fm-attributes": (Fm, FmConfig(dim=3, attributes=True, linear=3)),
    "fm-transe": (FmTransE, FmTransEConfig(dim=3, transe_dim=4, transe_epochs=2)),
    "fm-transe-attributes": (
        FmTransE,
        FmTransEConfig(dim=3, transe_dim=4, transe_epochs=1, attributes=True, linear=0.5),
    ),
}


@pytest.fixture(scope="module")
def market() -> Recommendation:
    return make_market()


@pytest.fixture(params=CASES)
def model(request: pytest.FixtureRequest, market: Recommendation) -> Recommender:
    kind, config = CASES[request.param]
    return shaken(kind.of(market, config, 0))


def features(model: Recommender, market: Recommendation, user: int, item: int) -> list[tuple[float, float, np.ndarray]]:
    """Value, weight and vector of every feature of a row."""
    held = {key: value.double().numpy() for key, value in model.state_dict().items()}
    none = np.zeros(model.sizes["users"] + model.sizes["items"])
    rows = [(1.0, held.get("user_weights", none)[user], held["users"][user])]
    rows.append((1.0, held.get("item_weights", none)[item], held["items"][item]))
    if getattr(model.config, "attributes", False):
        first, node = market.users.last, item + market.items.first
        facts = [(h, t) for h, _, t in facts_of(market.graph).tolist() if h >= first]
        near = sorted({t for h, t in facts if h == node} | {h for h, t in facts if t == node})
        assert near
        rows += [(1 / len(near), held["attribute_weights"][e - first], held["attributes"][e - first]) for e in near]
    if isinstance(model, FmTransE):
        values = held["item_vectors"][item]
        rows += list(zip(values, held["place_weights"], held["places"], strict=True))
    return rows


def test_scores_are_sums_over_all_pairs_of_features(model: Recommender, market: Recommendation) -> None:
    users, items = every_pair(model)
    got = model.pair_scores(users, items).detach().numpy()
    for row, (user, item) in enumerate(zip(users.tolist(), items.tolist(), strict=True)):
        own = features(model, market, user, item)
        expected = sum(a[0] * b[0] * float(a[2] @ b[2]) for a, b in combinations(own, 2))
        if isinstance(model, Fm):
            expected += model.bias.item() + sum(value * weight for value, weight, _ in own)
        assert got[row] == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_tables_gradients_and_files(model: Recommender, market: Recommendation, tmp_path: Path) -> None:
    check_scores_agree(model)
    check_gradients_flow(model, unpaired=("bias", "user_weights"))
    check_comes_back(model, market, tmp_path)


def test_the_penalty_is_of_the_batch(model: Recommender, market: Recommendation) -> None:
    users, items = torch.tensor([1, 1, 4]), torch.tensor([2, 8, 2])
    expected, linear = 0.0, getattr(model.config, "linear", 0.0)
    for user, item in zip(users.tolist(), items.tolist(), strict=True):
        own = features(model, market, user, item)
        if isinstance(model, FmTransE):
            own = own[: -model.config.transe_dim]
        expected += sum(float(vector @ vector) + linear * weight**2 for _, weight, vector in own) / 2 / len(users)
    if isinstance(model, FmTransE):
        expected += (model.places.square().sum() + linear * model.place_weights.square().sum()).item() / 2
    assert model.penalty(users, items).item() == pytest.approx(expected, rel=1e-5)


def test_item_vectors_are_learnt_from_the_seed(market: Recommendation) -> None:
    state = torch.random.get_rng_state()
    once, twice, other = (item_vectors(market, 4, 20, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(once, twice)
    assert not torch.equal(once, other)
    torch.testing.assert_close(once.norm(dim=1), torch.ones(len(market.items)))
    assert not torch.equal(once, item_vectors(market, 4, 0, 1))


def test_vectors_of_items_are_no_parameters(market: Recommendation) -> None:
    model = FmTransE.of(market, FmTransEConfig(dim=3, transe_dim=4, transe_epochs=1), 0)
    assert "item_vectors" in dict(model.named_buffers())
    assert "item_vectors" not in dict(model.named_parameters())


def test_hostile_attributes_are_refused(market: Recommendation, tmp_path: Path) -> None:
    model = shaken(Fm.of(market, FmConfig(dim=3, attributes=True), 0))
    assert isinstance(model, Fm)
    entities, offsets = model.attribute_entities, model.attribute_offsets
    for wrong in (-1, model.sizes["entities"]):
        broken = entities.clone()
        broken[2] = wrong
        check_refused(model, market, tmp_path, "attribute_entities", attribute_entities=broken)
    for place, value in ((0, 1), (-1, 1 << 40), (3, -5), (3, 1 << 40)):
        broken = offsets.clone()
        broken[place] = value
        check_refused(model, market, tmp_path, "attribute_offsets", attribute_offsets=broken)


@pytest.mark.parametrize(
    "wrong",
    [
        {"dim": 0},
        {"l2": -1},
        {"spread": float("nan")},
        {"attributes": 1},
        {"linear": -1},
        {"transe_dim": 1},
        {"transe_epochs": -1},
    ],
)
def test_configurations_that_cannot_be_built(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        FmTransEConfig(**wrong)  # type: ignore[arg-type]
