"""KGCN, KGNN-LS and MI-KGNN against a recursion over the receptive field, one node at a time."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.scorers import RecommenderScorer
from kgwalk.scorers.recommenders import Kgcn, KgnnLs, MiKgnn, Receptive, ReceptiveConfig
from kgwalk.scorers.recommenders.receptive import LabelSmoothConfig, MultiInteractionConfig
from tests.scorers.recommenders.market import (
    check_comes_back,
    check_gradients_flow,
    check_refused,
    check_scores_agree,
    make_market,
    shaken,
)
from tests.scorers.recommenders.tiny import (
    Array,
    all_edges,
    arrays,
    cross_entropy,
    entity,
    make_labelled,
    make_tiny,
    softmax,
)

PAIRS = [(0, 0), (3, 8), (6, 4), (3, 1)]
DUAL = [
    {"attention": "dual", "theta": theta, "soft_features": soft}
    for theta, soft in ((0.9, True), (-0.35, True), (-0.35, False), (1.0, False))
]
ATTENTIONS: list[dict[str, Any]] = [{"attention": "relation"}, {"attention": "none"}, *DUAL]


class Node(NamedTuple):
    """An entity in a receptive field, and (row of its relation, node) of its neighbours."""

    entity: int
    near: list[tuple[int, Any]]


def field_of(model: Receptive, item: int) -> Node:
    """The field of an item, from the model's buffers."""
    c = model.config
    entities, rows = model.field_entities.tolist(), model.field_relations.tolist()

    def tree(node: int, left: int) -> Node:
        if left == 0:
            return Node(node, [])
        return Node(node, [(rows[node][j], tree(entities[node][j], left - 1)) for j in range(c.neighbours)])

    def chain(place: int) -> Node:
        on = place + c.neighbours
        further = [(rows[item][on], chain(on))] if on < c.neighbours * c.depth else []
        return Node(entities[item][place], further)

    if c.field == "tree":
        return tree(item, c.depth)
    return Node(item, [(rows[item][j], chain(j)) for j in range(c.neighbours)])


class Oracle:
    """Section 3.2 and 3.3 of the research notes, number by number."""

    def __init__(self, model: Receptive) -> None:
        self.model, self.c, self.held = model, model.config, arrays(model)

    def score(self, user: int, item: int) -> float:
        self.user = self.held["users"][user]
        root = field_of(self.model, item)
        if self.c.passes == "once":
            return float(self.user @ self.inwards(root, self.c.depth))
        return float(self.user @ self.after(root, self.c.depth))

    def after(self, node: Node, passes: int) -> Array:
        """A node's vector after so many passes over the whole field."""
        if passes == 0:
            return np.asarray(self.held["entities"][node.entity])
        near = [(row, self.after(one, passes - 1)) for row, one in node.near]
        return self.combined(passes - 1, self.after(node, passes - 1), near)

    def inwards(self, node: Node, height: int) -> Array:
        """A node's vector, of the centre's first one and what came from outside."""
        own = np.asarray(self.held["entities"][node.entity])
        if height == 0:
            return own
        return self.combined(height - 1, own, [(row, self.inwards(one, height - 1)) for row, one in node.near])

    def mean(self, products: Array) -> float:
        return float(products.mean() if self.c.means == "code" else products.sum())

    def weights(self, centre: Array, near: list[tuple[int, Array]]) -> Array:
        relations = self.held["relations"]
        if self.c.attention == "none":
            return np.ones(len(near))
        if self.c.attention == "relation":
            return softmax([self.mean(self.user * relations[row]) for row, _ in near])
        features = [relations[row] * vector for row, vector in near]
        if self.c.soft_features:
            features = [softmax(feature.tolist()) for feature in features]
        by_user = softmax([self.mean(self.user * feature) for feature in features])
        by_centre = softmax([self.mean(centre * feature) for feature in features])
        return np.asarray(self.c.theta * by_user + (1 - self.c.theta) * by_centre)

    def combined(self, layer: int, centre: Array, near: list[tuple[int, Array]]) -> Array:
        weights = self.weights(centre, near)
        around = np.zeros(self.c.dim)
        for weight, (_, vector) in zip(weights, near, strict=True):
            around = around + weight * vector
        if self.c.means == "code":
            around = around / len(near)
        weight, bias = (self.held[f"aggregators.{layer}.{key}"] for key in ("weight", "bias"))
        if self.c.aggregator == "sum":
            mixed = weight @ (centre + around) + bias
        elif self.c.aggregator == "concat":
            mixed = weight @ np.concatenate([centre, around]) + bias
        elif self.c.aggregator == "neighbor":
            mixed = weight @ around + bias
        else:
            other = self.held[f"products.{layer}.weight"]
            mixed = weight @ (centre + around) + other @ (centre * around) + bias
        return np.asarray(np.tanh(mixed) if layer == self.c.depth - 1 else np.maximum(mixed, 0))


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


def label_oracle(model: Receptive, known: dict[tuple[int, int], float], user: int, item: int) -> float:
    oracle = Oracle(model)
    oracle.user = oracle.held["users"][user]

    def told(node: Node) -> float | None:
        return None if node.entity == item else known.get((user, node.entity))

    def label(node: Node, rounds: int) -> float:
        own = told(node)
        if rounds == 0 or own is not None:
            return 0.5 if own is None else own
        near = [(row, np.zeros(model.config.dim)) for row, _ in node.near]
        weights = oracle.weights(np.zeros(model.config.dim), near)
        passed = sum(w * label(one, rounds - 1) for w, (_, one) in zip(weights, node.near, strict=True))
        return float(passed / len(near) if model.config.means == "code" else passed)

    return label(field_of(model, item), model.config.depth)


@pytest.mark.parametrize(("means", "depth"), [("code", 1), ("paper", 1), ("code", 3), ("paper", 2), ("paper", 3)])
def test_labels_are_propagated_as_a_loop_does(means: Any, depth: int) -> None:
    dataset = make_labelled()
    config = LabelSmoothConfig(dim=3, neighbours=3, depth=depth, means=means, label_smoothness=0.7, l2=0.01)
    model = shaken(KgnnLs.of(dataset, config, 0))
    assert isinstance(model, KgnnLs)
    model.learn_from(dataset, dataset.negatives["train"])
    first = dataset.users.last
    known = {(u, i - first): 0.0 for u, i in dataset.negatives["train"].tolist()}
    known |= {(u, i - first): 1.0 for u, _, i in dataset.splits["train"].tolist()}
    users, items = torch.tensor(list(np.ndindex(len(dataset.users), len(dataset.items)))).T
    expected = [label_oracle(model, known, u, i) for u, i in zip(users.tolist(), items.tolist(), strict=True)]
    assert model._propagated(users, items).tolist() == pytest.approx(expected, abs=1e-5)
    if depth > 1:  # labels of other items do arrive
        unknown = [label_oracle(model, {}, u, i) for u, i in zip(users.tolist(), items.tolist(), strict=True)]
        assert np.abs(np.array(unknown) - expected).max() > 0.02

    labels = (torch.arange(len(users)) % 2).float()
    loss = model.click_loss(users, items, labels).item()
    scores = model.pair_scores(users, items).tolist()
    plain = np.mean([cross_entropy(*row) for row in zip(scores, labels.tolist(), strict=True)])
    smooth = np.mean([cross_entropy(*row) for row in zip(expected, labels.tolist(), strict=True)])
    assert loss == pytest.approx(plain + 0.01 * model.penalty(users, items).item() + 0.7 * smooth, rel=1e-4)


def test_without_labels_all_are_a_half() -> None:
    dataset = make_labelled()
    config = LabelSmoothConfig(dim=3, neighbours=3, depth=2, means="paper")
    model = shaken(KgnnLs.of(dataset, config, 0))
    assert isinstance(model, KgnnLs)
    got = model._propagated(torch.tensor([0, 1]), torch.tensor([2, 3]))
    torch.testing.assert_close(got, torch.full((2,), 0.5))


def test_label_smoothness_moves_relations_alone(market: Recommendation) -> None:
    """Labels have no vectors: what they teach is the attention."""
    dataset = make_labelled()
    model = shaken(KgnnLs.of(dataset, LabelSmoothConfig(dim=3, neighbours=3, depth=2, means="paper"), 0))
    assert isinstance(model, KgnnLs)
    model.learn_from(dataset, dataset.negatives["train"])
    pairs = torch.from_numpy(dataset.splits["train"][:, [0, 2]].astype(np.int64)) - torch.tensor(
        [0, dataset.users.last]
    )
    model._propagated(*pairs.T).sum().backward()  # type: ignore[no-untyped-call]
    moved = {key for key, value in model.named_parameters() if value.grad is not None and value.grad.abs().sum() > 0}
    assert moved == {"users", "relations"}


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("depth", [1, 2])
def test_label_smoothness_needs_labelled_items_in_reach(
    caplog: pytest.LogCaptureFixture, depth: int, linked: bool
) -> None:
    """Items without items for neighbours see no label at depth 1: the model is KGCN then, and says so."""
    dataset = make_labelled(linked=linked)
    config = LabelSmoothConfig(dim=3, neighbours=4, depth=depth, means="paper")
    model = shaken(KgnnLs.of(dataset, config, 0))
    assert isinstance(model, KgnnLs)
    with caplog.at_level("WARNING"):
        model.learn_from(dataset, dataset.negatives["train"])

    first = dataset.users.last
    train = [*dataset.splits["train"][:, [0, 2]].tolist(), *dataset.negatives["train"].tolist()]
    pairs = {(user, item - first) for user, item in train}
    field = model.field_entities.tolist()
    reached = []
    for user, item in sorted(pairs):
        hops = [[item]]
        for _ in range(depth):
            hops.append([near for entity in hops[-1] for near in field[entity]])
        reached.append(any((user, near) in pairs - {(user, item)} for hop in hops[1:] for near in hop))
    assert model._labels_in_reach() == pytest.approx(np.mean(reached))
    assert any(reached) is (linked or depth > 1)
    assert ("label smoothness teaches next to nothing" in caplog.text) is not any(reached)

    users, items = torch.tensor(sorted(pairs)).T
    model._propagated(users, items).square().sum().backward()  # type: ignore[no-untyped-call]
    assert model.relations.grad is not None
    assert (float(model.relations.grad.abs().max()) > 1e-3) is any(reached)


def test_one_label_in_a_thousand_pairs_is_next_to_none(caplog: pytest.LogCaptureFixture) -> None:
    dataset = make_labelled(linked=True)
    model = KgnnLs.of(dataset, LabelSmoothConfig(dim=3, neighbours=4), 0)
    assert isinstance(model, KgnnLs)
    for share, told in ((0.0099, True), (0.01, False)):
        caplog.clear()
        model._labels_in_reach = lambda share=share: share  # type: ignore[method-assign, misc]
        with caplog.at_level("WARNING"):
            model.learn_from(dataset, dataset.negatives["train"])
        assert ("at depth 1 1.0 % of the training pairs of" in caplog.text) is told


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
