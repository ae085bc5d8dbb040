"""RippleNet against loops over the facts of each ripple set."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.graph import Expand
from kgwalk.scorers.recommenders import RippleConfig, RippleNet, ripple
from kgwalk.scorers.recommenders.base import knowledge_of
from tests.scorers.recommenders.market import (
    check_comes_back,
    check_gradients_flow,
    check_refused,
    check_scores_agree,
    every_pair,
    make_market,
    shaken,
)
from tests.scorers.recommenders.tiny import (
    all_edges,
    arrays,
    cross_entropy,
    entity,
    make_tiny,
    sigmoid,
    softmax,
)

CONFIG = RippleConfig(dim=3, hops=3, memory=4, fact_weight=0.3, l2=0.01)
NONE = torch.empty(0, dtype=torch.int64)


@pytest.fixture(scope="module")
def market() -> Recommendation:
    return make_market()


def made(dataset: Recommendation, **options: Any) -> RippleNet:
    model = shaken(RippleNet.of(dataset, dataclasses.replace(CONFIG, **options), 0))
    assert isinstance(model, RippleNet)
    with torch.no_grad():
        model.transform.mul_(0.5)
    return model


def sets(model: RippleNet, user: int) -> list[list[tuple[int, int, int]]]:
    """The user's ripple sets, hop by hop: head, row, tail."""
    parts = [getattr(model, key)[user].tolist() for key in ("heads", "rows", "tails")]
    facts = list(zip(*parts, strict=True))
    size = model.config.memory
    return [facts[hop * size : (hop + 1) * size] for hop in range(model.config.hops)]


def score_oracle(model: RippleNet, user: int, item: int) -> float:
    held, dim = arrays(model), model.config.dim
    vector, heard = held["entities"][item], np.zeros(dim)
    for facts in sets(model, user):
        logits = []
        for head, row, _ in facts:
            logits.append(float(vector @ held["relations"][row].reshape(dim, dim) @ held["entities"][head]))
        answer = np.zeros(dim)
        for likely, (_, _, tail) in zip(softmax(logits), facts, strict=True):
            answer += likely * held["entities"][tail]
        heard += answer
        if model.config.update == "plus-transform":
            vector = (vector + answer) @ held["transform"]
        elif model.config.update == "plus":
            vector = vector + answer
    return float(heard @ vector)


def test_many_relations_give_the_same_scores(market: Recommendation, monkeypatch: pytest.MonkeyPatch) -> None:
    model = made(market)
    assert len(model.relations) <= ripple._FEW * model.config.memory
    expected = model.pair_scores(*every_pair(model))
    monkeypatch.setattr(ripple, "_FEW", 0)
    torch.testing.assert_close(model.pair_scores(*every_pair(model)), expected)
    check_gradients_flow(model)


@pytest.mark.parametrize("hops", [1, 3])
@pytest.mark.parametrize("update", ["plus-transform", "plus", "none"])
def test_scores_fact_by_fact(market: Recommendation, update: Any, hops: int) -> None:
    for dataset in (market, make_tiny()):
        model = made(dataset, update=update, hops=hops)
        users, items = every_pair(model)
        with torch.inference_mode():
            got = model.pair_scores(users, items).tolist()
            table = model.all_scores(torch.arange(model.sizes["users"]))
        expected = [score_oracle(model, u, i) for u, i in zip(users.tolist(), items.tolist(), strict=True)]
        assert got == pytest.approx(expected, rel=1e-3, abs=1e-4)
        assert table.reshape(-1).tolist() == pytest.approx(expected, rel=1e-3, abs=1e-4)
        if dataset is market:
            check_scores_agree(model)


def test_sets_spread_hop_by_hop(market: Recommendation) -> None:
    model = made(market)
    edges, first = all_edges(market, users=False), market.users.last
    for user in range(model.sizes["users"]):
        before = {i - first for u, _, i in market.splits["train"].tolist() if u == user}
        last: list[tuple[int, int, int]] = []
        for facts in sets(model, user):
            away = {edge for edge in edges if edge[0] - first in before and edge[1] < market.graph.num_relations}
            if not away:
                assert facts == last
            else:
                assert {(head + first, row, tail + first) for head, row, tail in facts} <= away
            before, last = {tail for _, _, tail in facts}, facts


def test_facts_that_lead_to_users_are_not_followed() -> None:
    """Users have no vector: item a, made for user 1, would else lead to the first entity in the place of that user."""
    tiny = make_tiny()
    model = made(tiny, memory=64)
    made_for = tiny.relation("for")
    assert (model.rows != made_for).all()
    assert (model.rows == tiny.relation("of")).any()


def test_users_whose_items_are_unknown_and_users_without_items() -> None:
    tiny = make_tiny()
    model = made(tiny)
    item = entity(tiny, "item/c") - tiny.users.last
    stay = tiny.graph.num_relations
    one, other = entity(tiny, "user/3"), entity(tiny, "user/4")
    assert sets(model, one) == [[(item, stay, item)] * 4] * 3
    assert sets(model, other) == [[(0, stay, 0)] * 4] * 3
    assert torch.isfinite(model.all_scores(torch.tensor([one, other]))).all()


def test_a_new_user_needs_items_alone(market: Recommendation) -> None:
    model = made(market)
    expand = Expand(knowledge_of(market))
    train = market.splits["train"]
    own = [np.unique(train[train[:, 0] == user, 2]) for user in range(len(market.users))]
    offsets = np.cumsum([0, *map(len, own)], dtype=np.int64)
    everyone = model.sets_of(expand, offsets, np.concatenate(own).astype(np.int32), 0)
    for key, part in zip(("heads", "rows", "tails"), everyone, strict=True):
        assert part.dtype == torch.int32
        assert torch.equal(part, getattr(model, key))
    # The first user's items in the hands of a new one: the first row of another call, with the draws of the first row.
    new = model.sets_of(expand, offsets[:2], own[0].astype(np.int32), 0)
    with torch.inference_mode():
        torch.testing.assert_close(model.scores_of(*new), model.all_scores(torch.tensor([0])))
        other = model.sets_of(expand, offsets[:2], own[0].astype(np.int32), 1)
        assert not torch.equal(model.scores_of(*other), model.scores_of(*new))
        assert model.scores_of(*(part[:0] for part in new)).shape == (0, len(market.items))


def facts_oracle(model: RippleNet, users: list[int]) -> float:
    """Sum over hops of the mean of sigmoid(h R t), as in the published code: h from the left."""
    held, dim = arrays(model), model.config.dim
    total = 0.0
    for hop in range(model.config.hops):
        likely = []
        for user in users:
            for head, row, tail in sets(model, user)[hop]:
                matrix = held["relations"][row].reshape(dim, dim)
                likely.append(sigmoid(float(held["entities"][head] @ matrix @ held["entities"][tail])))
        total += float(np.mean(likely))
    return -model.config.fact_weight * total


def penalty_oracle(model: RippleNet, users: list[int]) -> float:
    held = arrays(model)
    total = float((held["transform"] ** 2).sum())
    for user in users:
        for facts in sets(model, user):
            for head, row, tail in facts:
                for vector in (held["entities"][head], held["relations"][row], held["entities"][tail]):
                    total += float((vector**2).sum())
    return total


def test_losses_are_sums_of_their_parts(market: Recommendation) -> None:
    model = made(market)
    users, items, others = torch.tensor([1, 1, 4]), torch.tensor([2, 8, 2]), torch.tensor([0, 3, 7])
    assert model._facts_loss(users).item() == pytest.approx(facts_oracle(model, [1, 1, 4]), rel=1e-4)
    assert model.penalty(users, items).item() == pytest.approx(penalty_oracle(model, [1, 1, 4]), rel=1e-4)
    right, wrong = model.pair_scores(users, items).tolist(), model.pair_scores(users, others).tolist()
    plain = np.mean([cross_entropy(score, label) for score, label in zip(right, (1, 0, 1), strict=True)])
    further = facts_oracle(model, [1, 1, 4]) + 0.01 * penalty_oracle(model, [1, 1, 4])
    got = model.click_loss(users, items, torch.tensor([1.0, 0.0, 1.0])).item()
    assert got == pytest.approx(plain + further, rel=1e-4)
    against = np.mean([-np.log(sigmoid(a - b)) for a, b in zip(right, wrong, strict=True)])
    twice = facts_oracle(model, [1, 1, 4]) + 0.01 * penalty_oracle(model, [1, 1, 4] * 2)
    assert model.pair_loss(users, items, others).item() == pytest.approx(against + twice, rel=1e-4)
    table = model.all_scores(users).tolist()
    chosen = np.mean([-np.log(softmax(row)[item]) for row, item in zip(table, items.tolist(), strict=True)])
    assert model.softmax_loss(users, items, (NONE, NONE)).item() == pytest.approx(chosen + further, rel=1e-4)


def test_known_items_are_no_negatives_of_the_softmax(market: Recommendation) -> None:
    model = made(market, fact_weight=0.0, l2=0.0)
    users, items = torch.tensor([1, 4]), torch.tensor([2, 8])
    known = (torch.tensor([0, 0, 1, 0]), torch.tensor([0, 5, 8, 2]))  # positives among them
    table = model.all_scores(users).tolist()
    left = [[i for i in range(len(market.items)) if i not in (0, 5)], list(range(len(market.items)))]
    expected = [-table[row][items[row]] + np.logaddexp.reduce([table[row][i] for i in left[row]]) for row in (0, 1)]
    assert model.softmax_loss(users, items, known).item() == pytest.approx(np.mean(expected), rel=1e-4)


def test_gradients_and_files(market: Recommendation, tmp_path: Path) -> None:
    model = made(market)
    check_gradients_flow(model)
    check_comes_back(model, market, tmp_path)
    for key, bound in model.bounds().items():
        for wrong in (-1, bound):
            broken = model.state_dict()[key].clone()
            broken[-1, 0] = wrong
            check_refused(model, market, tmp_path, f"hostile.*{key} holds numbers outside", **{key: broken})


def test_it_has_no_attention_to_show(market: Recommendation) -> None:
    with pytest.raises(ValueError, match="ripplenet has no attention to show"):
        made(market).attention(0, 0)


@pytest.mark.parametrize(
    "wrong", [{"hops": 0}, {"hops": 9}, {"memory": 0}, {"fact_weight": -0.1}, {"update": "replace"}], ids=str
)
def test_configurations_that_cannot_be_built(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RippleConfig(**wrong)
