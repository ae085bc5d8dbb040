"""PER against loops over items, attributes and metapaths."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from kgwalk._core import Graph
from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.scorers.recommenders import Per, PerConfig
from kgwalk.scorers.recommenders.metapath_features import attribute_matrix, chosen_metapaths
from tests.scorers.recommenders.market import (
    check_comes_back,
    check_gradients_flow,
    check_refused,
    check_scores_agree,
    make_market,
)

#: Of full rank: the factors are then the matrix itself.
FULL = 6


@pytest.fixture(scope="module")
def market() -> Recommendation:
    return make_market()


@pytest.fixture(scope="module")
def train(market: Recommendation) -> set[tuple[int, int]]:
    return {(user, item - market.items.first) for user, _, item in market.splits["train"].tolist()}


def neighbours(market: Recommendation, item: int, relation: int) -> set[int]:
    return set(market.graph.slice(item + market.items.first, relation)[:, 1].tolist())


def path_sim(market: Recommendation, relation: int, one: int, other: int) -> float:
    """Twice the walks from one item to the other, over the walks from each to itself."""
    own = [neighbours(market, item, relation) for item in (one, other)]
    there = sum(1 for a in own[0] for b in own[1] if a == b)
    round_trips = sum(1 for part in own for a in part for b in part if a == b)
    return 2 * there / round_trips if round_trips and there else 0.0


@pytest.mark.parametrize("own", [True, False])
def test_matrices_spread_interactions_by_path_sim(
    market: Recommendation, train: set[tuple[int, int]], own: bool
) -> None:
    config = PerConfig(dim=FULL, own=own)
    model = Per.of(market, config, 0)
    assert isinstance(model, Per)
    users, items = len(market.users), len(market.items)
    for row, (_, relation, _) in enumerate(chosen_metapaths(market, config)):
        spread = np.zeros((users, items))
        for user, item in train:
            for other in range(items):
                if own or other != item:
                    spread[user, other] += path_sim(market, relation, item, other)
        left, values, right = np.linalg.svd(spread)
        spread = (left[:, :FULL] * values[:FULL]) @ right[:FULL]
        spread /= np.mean([spread[pair] for pair in train])
        got = (model.user_factors[row] @ model.item_factors[row].T).numpy()
        np.testing.assert_allclose(got, spread, atol=1e-4)


def test_metapaths_that_lead_to_most_pairs_are_chosen(market: Recommendation, train: set[tuple[int, int]]) -> None:
    everything = chosen_metapaths(market, PerConfig())
    assert all(len(path) == 3 and path[0] == market.interact and path[1] != path[2] for path in everything)
    assert market.graph.inverse(market.interact) not in {path[1] for path in everything}
    led = [
        sum(
            any(
                owner == user
                and other != item
                and neighbours(market, other, path[1]) & neighbours(market, item, path[1])
                for owner, other in train
            )
            for user, item in train
        )
        for path in everything
    ]
    assert led == sorted(led, reverse=True)
    assert led[0] > 0
    assert chosen_metapaths(market, PerConfig(limit=1)) == everything[:1]


def test_metapaths_may_be_named(market: Recommendation) -> None:
    config = PerConfig(metapaths=("buys ^buys buys", "buys made_by ^made_by"))
    paths = chosen_metapaths(market, config)
    assert [market.metapath_name(path) for path in paths] == list(config.metapaths)
    co_bought = attribute_matrix(market, paths[0][1]).toarray()
    for item in range(len(market.items)):
        assert set(np.flatnonzero(co_bought[item]).tolist()) == neighbours(market, item, paths[0][1])
    with pytest.raises(ValueError, match="interact r"):
        chosen_metapaths(market, PerConfig(metapaths=("buys goes_with",)))


def test_scores_are_weighted_sums(market: Recommendation) -> None:
    model = Per.of(market, PerConfig(dim=2), 0)
    assert isinstance(model, Per)
    with torch.no_grad():
        model.theta.copy_(torch.arange(1.0, len(model.theta) + 1)[:, None])
        model.bias.fill_(0.5)
    table = model.all_scores(torch.arange(len(market.users)))
    for user, item in np.ndindex(*table.shape):
        terms = [
            theta * float(model.user_factors[row, user] @ model.item_factors[row, item])
            for row, theta in enumerate(model.theta[:, 0].tolist())
        ]
        assert table[user, item].item() == pytest.approx(0.5 + sum(terms), abs=1e-5)
    assert model.penalty(torch.tensor([0]), torch.tensor([0])).item() == pytest.approx(
        sum(k * k for k in range(1, len(model.theta) + 1)) / 2
    )


def test_tables_gradients_and_files(market: Recommendation, tmp_path: Path) -> None:
    model = Per.of(market, PerConfig(dim=20, metapaths=("buys of ^of", "buys made_by ^made_by")), 0)
    again = Per.of(market, model.config, 0)
    assert isinstance(model, Per)
    assert isinstance(again, Per)
    assert torch.equal(model.user_factors, again.user_factors)
    check_scores_agree(model)
    check_gradients_flow(model, unpaired=("bias",))
    check_comes_back(model, market, tmp_path)
    broken = model.item_factors.clone()
    broken[0, 0, 0] = float("nan")
    check_refused(model, market, tmp_path, "finite", item_factors=broken)


def test_a_set_without_attributes_is_refused(market: Recommendation) -> None:
    graph = market.graph
    bare = Graph.from_triples(market.splits["train"], graph.num_entities, graph.num_relations, list(graph.type_offsets))
    with pytest.raises(ValueError, match="per needs one"):
        Per.of(dataclasses.replace(market, graph=bare), PerConfig(), 0)


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"own": 1}, {"metapaths": "buys"}, {"metapaths": (3,)}])
def test_configurations_that_cannot_be_built(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PerConfig(**wrong)  # type: ignore[arg-type]
