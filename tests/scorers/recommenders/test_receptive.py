"""KGCN, KGNN-LS and MI-KGNN against a recursion over the receptive field, one node at a time."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch

from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.scorers import RecommenderScorer
from kgwalk.scorers.recommenders import Kgcn, KgnnLs, MiKgnn, Receptive, ReceptiveConfig
from kgwalk.scorers.recommenders.receptive_config import LabelSmoothConfig, MultiInteractionConfig
from tests.scorers.recommenders.market import (
    check_comes_back,
    check_gradients_flow,
    check_refused,
    check_scores_agree,
    make_market,
    shaken,
)
from tests.scorers.recommenders.receptive_oracle import Node, Oracle, field_of
from tests.scorers.recommenders.tiny import all_edges, arrays, cross_entropy, entity, make_tiny

PAIRS = [(0, 0), (3, 8), (6, 4), (3, 1)]
DUAL = [
    {"attention": "dual", "theta": theta, "soft_features": soft}
    for theta, soft in ((0.9, True), (-0.35, True), (-0.35, False), (1.0, False))
]
ATTENTIONS: list[dict[str, Any]] = [{"attention": "relation"}, {"attention": "none"}, *DUAL]


@pytest.fixture(scope="module")
def market() -> Recommendation:
    return make_market()


def made(dataset: Recommendation, **options: Any) -> Receptive:
    options = {"dim": 3, "neighbours": 2, **options}
    model = shaken(Kgcn.of(dataset, ReceptiveConfig(**options), 0))
    assert isinstance(model, Receptive)
    return model


@pytest.mark.parametrize("aggregator", ["sum", "concat", "neighbor", "bi-interaction"])
@pytest.mark.parametrize("attention", ATTENTIONS, ids=str)
def test_scores_are_those_of_the_recursion(market: Recommendation, aggregator: str, attention: dict[str, Any]) -> None:
    users, items = torch.tensor(PAIRS).T
    for depth, means, field, passes in product((1, 2, 3), ("code", "paper"), ("tree", "chain"), ("full", "once")):
        options = {"depth": depth, "means": means, "field": field, "passes": passes, "inverses": depth == 2}
        model = made(market, aggregator=aggregator, **attention, **options)
        oracle = Oracle(model)
        with torch.inference_mode():
            got = model.pair_scores(users, items).tolist()
            check_scores_agree(model)
        assert got == pytest.approx([oracle.score(*pair) for pair in PAIRS], rel=1e-4, abs=1e-5), options


@pytest.mark.parametrize(("field", "inverses"), [("tree", False), ("tree", True), ("chain", False)])
def test_the_field_holds_edges_of_what_is_known(market: Recommendation, field: str, inverses: bool) -> None:
    for dataset in (market, make_tiny()):
        model = made(dataset, depth=3, neighbours=3, field=field, inverses=inverses)
        edges, first, count = all_edges(dataset, users=False), dataset.users.last, dataset.graph.num_relations
        stay = len(model.relations) - 1

        def check(
            head: int, row: int, tail: int, edges: Any = edges, stay: int = stay, shift: Any = (first, count)
        ) -> None:
            away = {edge for edge in edges if edge[0] == head + shift[0]}
            if row == stay:
                assert head == tail
                return
            rows = (row,) if inverses else (row, row + shift[1])
            assert any((head + shift[0], one, tail + shift[0]) in away for one in rows)

        def walk(
            node: Node, before: int, check: Any = check, edges: Any = edges, stay: int = stay, first: int = first
        ) -> None:
            tails = {edge[2] - first for edge in edges if edge[0] == node.entity + first}
            for row, one in node.near:
                check(node.entity, row, one.entity)
                if field == "tree":
                    assert (row == stay) == (not tails)
                elif before >= 0:
                    assert one.entity != before or row == stay
                    assert (row == stay) == (not tails - {before})
                walk(one, node.entity)

        for item in range(model.sizes["items"]):
            walk(field_of(model, item), -1)


def test_an_item_of_which_nothing_is_known() -> None:
    tiny = make_tiny()
    for field in ("tree", "chain"):
        model = made(tiny, depth=2, field=field)
        item = entity(tiny, "item/c")
        number = item - tiny.users.last
        oracle = Oracle(model)
        score = model.pair_scores(torch.tensor([2]), torch.tensor([number])).item()
        assert score == pytest.approx(oracle.score(2, number), rel=1e-5)
        own = RecommenderScorer.of(model, "clicks", tiny).attention(2, item)
        assert [(edge.head, edge.relation, edge.entity, edge.hop) for edge in own] == [
            (item, tiny.graph.stay, item, hop) for hop in (1, 2)
        ]
        assert [edge.weight for edge in own] == pytest.approx([1, 1])


@pytest.mark.parametrize("options", [{"attention": "relation"}, {"attention": "none"}, DUAL[0], DUAL[1]], ids=str)
@pytest.mark.parametrize(("field", "inverses"), [("tree", False), ("tree", True), ("chain", True)])
def test_attention_is_of_edges(market: Recommendation, options: dict[str, Any], field: str, inverses: bool) -> None:
    model = made(market, depth=2, neighbours=3, field=field, inverses=inverses, **options)
    scorer = RecommenderScorer.of(model, "clicks", market)
    edges, count = all_edges(market, users=False), market.graph.num_relations
    oracle = Oracle(model)
    for user, item in PAIRS:
        node = item + market.items.first
        found = scorer.attention(user, node)
        key = [(edge.hop, -edge.weight, edge.entity, edge.relation) for edge in found]
        assert key == sorted(key)
        assert len({(edge.hop, edge.head, edge.relation, edge.entity) for edge in found}) == len(found)
        for hop in (1, 2):
            assert sum(edge.weight for edge in found if edge.hop == hop) == pytest.approx(1, abs=1e-5)
        reached = {node}
        for hop in (1, 2):
            assert {edge.head for edge in found if edge.hop == hop} <= reached
            reached = {edge.entity for edge in found if edge.hop == hop}
        for edge in found:
            if edge.relation == market.graph.stay:
                assert edge.head == edge.entity
                continue
            rows = [edge.relation] if inverses else [edge.relation, edge.relation + count]
            assert any((edge.head, row, edge.entity) in edges for row in rows)
            assert edge.relation < count * (2 if inverses else 1)
        # The item's own neighbours by the oracle; what is drawn twice counts twice.
        oracle.user = oracle.held["users"][user]
        root = field_of(model, item)
        near = [(row, oracle.held["entities"][one.entity]) for row, one in root.near]
        weights = oracle.weights(oracle.held["entities"][item], near)
        expected: dict[tuple[int, int], float] = {}
        for weight, (row, one) in zip(weights / weights.sum(), root.near, strict=True):
            place = (market.graph.stay if row == len(model.relations) - 1 else row, one.entity + market.items.first)
            expected[place] = expected.get(place, 0) + weight
        got = {(edge.relation, edge.entity): edge.weight for edge in found if edge.hop == 1}
        assert got == pytest.approx(expected, abs=1e-5)


def test_penalties(market: Recommendation) -> None:
    none = torch.tensor([0])
    for aggregator in ("sum", "concat", "bi-interaction"):
        model = made(market, depth=2, aggregator=aggregator)
        expected = 0.0
        for key, values in arrays(model).items():
            if key.split(".")[0] in ("users", "entities", "relations") or key.endswith("weight"):
                expected += sum(float(value) ** 2 for value in values.reshape(-1)) / 2
        assert model.penalty(none, none).item() == pytest.approx(expected, rel=1e-5)
    model = made(market, depth=2, aggregator="bi-interaction", penalized="weights", l2=0.1)
    held = arrays(model)
    both = [held[f"aggregators.{layer}.weight"] + held[f"products.{layer}.weight"] for layer in (0, 1)]
    assert model.penalty(none, none).item() == pytest.approx(sum((one**2).sum() for one in both), rel=1e-5)
    loss = model.click_loss(none, none, torch.ones(1)).item()
    score = model.pair_scores(none, none).item()
    assert loss == pytest.approx(cross_entropy(score, 1) + 0.1 * sum((one**2).sum() for one in both), rel=1e-4)


@pytest.mark.parametrize("field", ["tree", "chain"])
def test_gradients_and_files(market: Recommendation, tmp_path: Path, field: Any) -> None:
    own: dict[str, Any] = {"dim": 3, "neighbours": 2, "depth": 2, "field": field}
    for kind, config in (
        (Kgcn, ReceptiveConfig(**own)),
        (KgnnLs, LabelSmoothConfig(**{**own, "field": "tree"})),
        (MiKgnn, MultiInteractionConfig(**own)),
    ):
        model = shaken(kind.of(market, config, 0))
        check_gradients_flow(model)
        check_comes_back(model, market, tmp_path)
        assert isinstance(model, Receptive)
        for key, bound in (("field_entities", model.sizes["entities"]), ("field_relations", len(model.relations))):
            for wrong in (-1, bound):
                broken = model.state_dict()[key].clone()
                broken[-1, -1] = wrong
                check_refused(model, market, tmp_path, f"hostile.*{key} holds numbers outside", **{key: broken})


def test_spread_and_seeds(market: Recommendation) -> None:
    one, same, other = (Kgcn.of(market, ReceptiveConfig(dim=64, spread=0.5), seed) for seed in (1, 1, 2))
    assert all(torch.equal(value, same.state_dict()[key]) for key, value in one.state_dict().items())
    assert not torch.equal(one.state_dict()["entities"], other.state_dict()["entities"])
    assert not torch.equal(one.state_dict()["field_entities"], other.state_dict()["field_entities"])
    assert one.state_dict()["entities"].std().item() == pytest.approx(0.5, rel=0.1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"dim": 0},
        {"l2": float("nan")},
        {"neighbours": 0},
        {"neighbours": True},
        {"depth": 9},
        {"depth": 1.0},
        {"aggregator": "mean"},
        {"attention": "user"},
        {"means": None},
        {"field": "graph"},
        {"passes": "twice"},
        {"penalized": "all"},
        {"theta": 1.5},
        {"theta": float("nan")},
        {"spread": -1},
        {"inverses": "no"},
        {"soft_features": 1},
        {"label_smoothness": -1},
        {"penalized": "weights", "aggregator": "sum"},
        {"label_smoothness": 1, "attention": "dual"},
        {"label_smoothness": 1, "field": "chain"},
        {"label_smoothness": 1, "passes": "once"},
    ],
    ids=str,
)
def test_configurations_that_cannot_be_built(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ReceptiveConfig(**wrong)
