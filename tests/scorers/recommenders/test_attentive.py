"""KGAT against loops over the edges of each node and dense matrices."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kgwalk.agents.recommenders import RECOMMENDER_AGENTS, RecommenderTraining
from kgwalk.agents.training import Trainer
from kgwalk.data import LabelledRecommendation
from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.scorers import RecommenderScorer
from kgwalk.scorers.recommenders import Kgat, KgatConfig
from kgwalk.scorers.recommenders.attentive import _Propagate
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
    Array,
    all_edges,
    arrays,
    cross_entropy,
    make_labelled,
    make_tiny,
    sigmoid,
    softmax,
)

CONFIG = KgatConfig(dim=4, layers=(3, 2), dropout=0.2, l2=0.01)


@pytest.fixture(scope="module")
def market() -> Recommendation:
    return make_market()


def made(dataset: Recommendation, **options: Any) -> Kgat:
    model = shaken(Kgat.of(dataset, dataclasses.replace(CONFIG, **options), 0))
    assert isinstance(model, Kgat)
    model.begin_epoch(0, 0)
    model.eval()
    return model


def attention_oracle(model: Kgat, dataset: Recommendation) -> dict[tuple[int, int, int], float]:
    """Equations 4 and 5, node by node; of a model that does not attend one over the degree."""
    held, dim = arrays(model), model.config.dim
    edges = sorted(all_edges(dataset, users=True))
    found: dict[tuple[int, int, int], float] = {}
    for head in range(len(held["nodes"])):
        own = [edge for edge in edges if edge[0] == head]
        logits = []
        for _, relation, tail in own:
            matrix = held["projections"][relation].reshape(dim, dim)
            moved = np.tanh(matrix @ held["nodes"][head] + held["relations"][relation])
            logits.append(float((matrix @ held["nodes"][tail]) @ moved) if model.config.attend else 0.0)
        if own:
            found |= dict(zip(own, softmax(logits).tolist(), strict=True))
    return found


def weights_of(model: Kgat) -> dict[tuple[int, int, int], float]:
    offsets, relations, tails = (getattr(model, key).tolist() for key in ("offsets", "edge_relations", "edge_tails"))
    heads = [head for head in range(len(offsets) - 1) for _ in range(offsets[head], offsets[head + 1])]
    return dict(zip(zip(heads, relations, tails, strict=True), model.weights.tolist(), strict=True))


def final_oracle(model: Kgat, dataset: Recommendation) -> Array:
    """Equations 3, 7, 8, 9 by a dense matrix."""
    held = arrays(model)
    vectors = held["nodes"]
    dense = np.zeros((len(vectors), len(vectors)))
    for (head, _, tail), weight in attention_oracle(model, dataset).items():
        dense[head, tail] += weight
    final = [vectors]

    def leaky(values: Array) -> Array:
        return np.where(values > 0, values, 0.01 * values)

    for layer in range(len(model.config.layers)):
        near = dense @ vectors
        own = [held[f"{part}.{layer}.{key}"] for part in ("sums", "products") for key in ("weight", "bias")]
        vectors = leaky((vectors + near) @ own[0].T + own[1]) + leaky((vectors * near) @ own[2].T + own[3])
        final.append(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    return np.concatenate(final, 1)


@pytest.mark.parametrize("attend", [True, False])
def test_attention_node_by_node(market: Recommendation, attend: bool) -> None:
    for dataset in (market, make_tiny()):
        model = made(dataset, attend=attend)
        assert weights_of(model) == pytest.approx(attention_oracle(model, dataset), abs=1e-5)


def test_large_logits_do_not_overflow(market: Recommendation) -> None:
    model = made(market)
    with torch.no_grad():
        model.nodes.mul_(1e4)
    model.begin_epoch(1, 0)
    assert weights_of(model) == pytest.approx(attention_oracle(model, market), abs=1e-3)


@pytest.mark.parametrize("options", [{}, {"attend": False}, {"layers": ()}, {"layers": (5,)}], ids=str)
def test_propagation_is_dense_products(market: Recommendation, options: dict[str, Any]) -> None:
    for dataset in (market, make_tiny()):
        model = made(dataset, **options)
        expected = final_oracle(model, dataset)
        users, items = every_pair(model)
        with torch.inference_mode():
            np.testing.assert_allclose(model.final().numpy(), expected, rtol=1e-3, atol=1e-5)
            got = model.pair_scores(users, items)
        first = dataset.users.last
        scores = [float(expected[u] @ expected[i + first]) for u, i in zip(users.tolist(), items.tolist(), strict=True)]
        np.testing.assert_allclose(got.numpy(), scores, rtol=1e-3, atol=1e-4)
        check_scores_agree(model)


def test_gradient_of_the_sparse_product(market: Recommendation) -> None:
    """The transpose that is handed back by hand against torch's own of a dense matrix."""
    model = made(market).double()
    there, back = model._made_matrices()
    dense = torch.zeros(len(model.nodes), len(model.nodes), dtype=torch.float64)
    for (head, _, tail), weight in weights_of(model).items():
        dense[head, tail] += weight
    assert (dense != dense.T).any()
    outward = torch.randn(len(dense), 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    gradients = []
    for multiply in (lambda x: _Propagate.apply(x, there, back), lambda x: dense @ x):  # type: ignore[no-untyped-call]
        vectors = model.nodes.detach().clone().requires_grad_()
        (multiply(vectors).tanh() * outward).sum().backward()
        gradients.append(vectors.grad)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-9, atol=1e-12)


def test_gradients_of_scores_by_finite_differences(market: Recommendation) -> None:
    model = made(market, fact_weight=0.0, dropout=0.0).double().train()
    users, positives, negatives = torch.tensor([0, 3]), torch.tensor([1, 8]), torch.tensor([2, 0])
    model.pair_loss(users, positives, negatives).backward()  # type: ignore[no-untyped-call]
    assert model.relations.grad is None  # attention has no gradient of its own
    for parameter in (model.nodes, model.sums[0].weight, model.products[1].bias):
        for place in (0, parameter.numel() // 2, parameter.numel() - 1):
            values = []
            for step in (1e-6, -2e-6):
                with torch.no_grad():
                    parameter.view(-1)[place] += step
                    values.append(model.pair_loss(users, positives, negatives).item())
            with torch.no_grad():
                parameter.view(-1)[place] += 1e-6
            assert parameter.grad is not None
            slope = (values[0] - values[1]) / 2e-6
            assert parameter.grad.view(-1)[place].item() == pytest.approx(slope, rel=1e-3, abs=1e-6)


def test_loss_of_facts_edge_by_edge(market: Recommendation) -> None:
    model = made(market, fact_batch=20, fact_weight=0.5)
    held, edges = arrays(model), list(weights_of(model))
    torch.manual_seed(3)
    loss = model._facts_loss().item()
    torch.manual_seed(3)
    drawn, others = torch.randint(len(edges), (20,)).tolist(), torch.randint(len(model.nodes), (20,)).tolist()
    total = 0.0
    for place, other in zip(drawn, others, strict=True):
        head, relation, tail = edges[place]
        matrix = held["projections"][relation].reshape(4, 4)
        moved = matrix @ held["nodes"][head] + held["relations"][relation]
        near, far = (float(((moved - matrix @ held["nodes"][end]) ** 2).sum()) for end in (tail, other))
        total += float(np.logaddexp(0, near - far))
    assert loss == pytest.approx(0.5 * total / 20, rel=1e-4)


def test_loss_of_facts_descends(market: Recommendation) -> None:
    model = Kgat.of(market, dataclasses.replace(CONFIG, dim=8, fact_batch=500), 0)
    assert isinstance(model, Kgat)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    losses = []
    for step in range(60):
        torch.manual_seed(step)
        optimizer.zero_grad()
        loss = model._facts_loss()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    assert np.isfinite(losses).all()
    assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:10])


def test_losses_are_sums_of_their_parts(market: Recommendation) -> None:
    model = made(market, dropout=0.0)
    held, first = arrays(model), market.users.last
    users, items, others = torch.tensor([1, 1, 4]), torch.tensor([2, 8, 2]), torch.tensor([0, 3, 7])

    def penalty(*rows: tuple[int, int]) -> float:
        return sum(
            float((held["nodes"][u] ** 2).sum() + (held["nodes"][i + first] ** 2).sum()) / 2 / len(rows)
            for u, i in rows
        )

    pairs = list(zip(users.tolist(), items.tolist(), strict=True))
    against = list(zip(users.tolist(), others.tolist(), strict=True))
    assert model.penalty(users, items).item() == pytest.approx(penalty(*pairs), rel=1e-5)
    right, wrong = model.pair_scores(users, items).tolist(), model.pair_scores(users, others).tolist()
    for got, plain, rows in (
        (
            lambda: model.click_loss(users, items, torch.tensor([1.0, 0.0, 1.0])),
            np.mean([cross_entropy(score, label) for score, label in zip(right, (1, 0, 1), strict=True)]),
            pairs,
        ),
        (
            lambda: model.pair_loss(users, items, others),
            np.mean([-np.log(sigmoid(a - b)) for a, b in zip(right, wrong, strict=True)]),
            pairs + against,
        ),
    ):
        torch.manual_seed(0)
        facts = model._facts_loss().item()
        torch.manual_seed(0)
        assert got().item() == pytest.approx(plain + facts + 0.01 * penalty(*rows), rel=1e-4)


def test_gradients_and_files(market: Recommendation, tmp_path: Path) -> None:
    model = made(market)
    check_gradients_flow(model)
    model.eval()
    check_comes_back(model, market, tmp_path)
    without = made(market, fact_weight=0.0)
    without.pair_loss(torch.tensor([0]), torch.tensor([1]), torch.tensor([2])).backward()  # type: ignore[no-untyped-call]
    assert without.projections.grad is None


def test_what_was_propagated_is_forgotten_in_training(market: Recommendation) -> None:
    model = made(market, dropout=0.0)
    scorer = RecommenderScorer.of(model, "pairs", market)
    users = np.arange(3, dtype=np.int32)
    before = scorer.item_table(users)
    assert model._final is not None
    np.testing.assert_array_equal(scorer.item_table(users), before)
    model.train()
    assert model._final is None
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        model.pair_loss(torch.tensor([0]), torch.tensor([1]), torch.tensor([2])).backward()
        assert model._final is None
        optimizer.step()
    model.eval()
    after = scorer.item_table(users)
    assert np.abs(after - before).max() > 0.01
    model.begin_epoch(1, 0)  # attention anew: propagated anew too
    np.testing.assert_allclose(
        scorer.item_table(users), _table(final_oracle(model, market), market)[:3], rtol=1e-3, atol=1e-4
    )


def _table(final: Array, dataset: Recommendation) -> Array:
    return np.asarray(final[: dataset.users.last] @ final[dataset.items.first : dataset.items.last].T)


def test_attention_shows_the_edges_of_an_item(market: Recommendation) -> None:
    model = made(market)
    scorer = RecommenderScorer.of(model, "pairs", market)
    expected = attention_oracle(model, market)
    for item in range(market.items.first, market.items.last):
        found = scorer.attention(2, item)
        assert {(edge.head, edge.relation, edge.entity) for edge in found} == {e for e in expected if e[0] == item}
        assert sum(edge.weight for edge in found) == pytest.approx(1, abs=1e-5)
        weights = [edge.weight for edge in found]
        assert weights == sorted(weights, reverse=True)
        for edge in found:
            assert edge.weight == pytest.approx(expected[edge.head, edge.relation, edge.entity], abs=1e-5)


TRAINING = RecommenderTraining(
    model=dataclasses.replace(CONFIG, spread=0.3),
    objective="pairs",
    batch_size=8,
    learning_rate=0.02,
    epochs=4,
    patience=9,
)


@pytest.fixture(scope="module")
def clicks() -> LabelledRecommendation:
    return make_labelled()


def trainer_of(dataset: Recommendation, folder: Path, **options: Any) -> tuple[Trainer, Kgat]:
    model = dataclasses.replace(CONFIG, spread=0.3, **options)
    trainer = RECOMMENDER_AGENTS["kgat"].trainer(dataset, dataclasses.replace(TRAINING, model=model), folder)
    assert isinstance(trainer.model, Kgat)
    return trainer, trainer.model


@pytest.mark.parametrize("attend", [True, False])
def test_attention_changes_in_training(clicks: LabelledRecommendation, tmp_path: Path, attend: bool) -> None:
    trainer, model = trainer_of(clicks, tmp_path, attend=attend)
    before = model.weights.clone()
    seen = []
    begin = model.begin_epoch

    def begun(epoch: int, seed: int) -> None:
        begin(epoch, seed)
        seen.append((epoch, model.weights.clone()))

    model.begin_epoch = begun  # type: ignore[method-assign]
    trainer.run(resume=False)
    assert [epoch for epoch, _ in seen] == [0, 1, 2, 3]
    assert torch.equal(seen[0][1], before)
    if attend:
        assert (seen[1][1] - before).abs().max() > 1e-3
        assert (model.weights - before).abs().max() > (seen[1][1] - before).abs().max()
    else:
        assert torch.equal(model.weights, before)
        degrees = np.diff(clicks.graph.offsets)
        torch.testing.assert_close(before, torch.from_numpy(1 / np.repeat(degrees, degrees)).float())


def test_a_resumed_run_has_the_same_attention(clicks: LabelledRecommendation, tmp_path: Path) -> None:
    whole, model = trainer_of(clicks, tmp_path / "whole")
    whole.run(resume=False)
    broken, _ = trainer_of(clicks, tmp_path / "broken")
    make_step = broken.make_step

    def killed(step: int) -> Any:
        if step == 2 * broken.validate_every + 1:
            raise KeyboardInterrupt
        return make_step(step)

    broken.make_step = killed
    with pytest.raises(KeyboardInterrupt):
        broken.run(resume=False)
    resumed, again = trainer_of(clicks, tmp_path / "broken")
    resumed.run(resume=True)
    for key, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[key]), key


def test_hostile_files_are_refused(market: Recommendation, tmp_path: Path) -> None:
    model = made(market)
    edges, last = model.sizes["edges"], 2**63 - 1
    for key, bound in (("edge_relations", len(model.relations)), ("edge_tails", len(model.nodes))):
        for wrong in (-1, bound):
            broken = model.state_dict()[key].clone()
            broken[3] = wrong
            check_refused(model, market, tmp_path, f"hostile.*{key} holds numbers outside", **{key: broken})
    for change in ({0: 1}, {0: -1}, {-1: edges - 1}, {-1: edges + 1}, {3: -5}, {3: last}, {2: 9, 3: 8}):
        offsets = model.offsets.clone()
        for place, value in change.items():
            offsets[place] = value
        check_refused(model, market, tmp_path, "hostile.*offsets do not rise", offsets=offsets)
    offsets = model.offsets.clone()
    offsets[1:-1] = edges
    offsets[1:4] = torch.tensor([last, -last - 1, -1])  # each step wraps around to one upwards
    assert (offsets.diff() >= 0).all()
    check_refused(model, market, tmp_path, "hostile.*offsets do not rise", offsets=offsets)


@pytest.mark.parametrize(
    "wrong",
    [
        {"dim": 0},
        {"layers": (0,)},
        {"layers": [16, 8.0]},
        {"layers": (4,) * 9},
        {"layers": "64"},
        {"dropout": 1.0},
        {"dropout": float("nan")},
        {"fact_weight": -1},
        {"fact_batch": 0},
        {"attend": 1},
        {"spread": float("inf")},
    ],
    ids=str,
)
def test_configurations_that_cannot_be_built(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        KgatConfig(**wrong)


def test_layers_from_json_are_a_tuple() -> None:
    assert KgatConfig(layers=[8, 4]) == KgatConfig(layers=(8, 4))  # type: ignore[arg-type]
