"""PyKEEN's losses and regularizers are the oracle of ours."""

from __future__ import annotations

import pytest
import torch
from pykeen import losses
from pykeen.regularizers import LpRegularizer, PowerSumRegularizer
from torch import Tensor

from kgwalk.scorers import MODELS, Contrast, EmbeddingModel

ENTITIES, FACTS = 11, 7


@pytest.fixture(params=range(3))
def model(request: pytest.FixtureRequest) -> EmbeddingModel:
    torch.manual_seed(request.param)
    model = MODELS["complex"](ENTITIES, 2, MODELS["complex"].Config(dim=8))
    with torch.no_grad():
        model.entities.normal_()
        model.relations.normal_()
    return model


@pytest.fixture
def facts(model: EmbeddingModel) -> Tensor:
    columns = torch.randint(ENTITIES, (FACTS,)), torch.randint(4, (FACTS,)), torch.randint(ENTITIES, (FACTS,))
    return torch.stack(columns, 1)


def told(model: EmbeddingModel, facts: Tensor) -> tuple[Tensor, Tensor]:
    """Scores of all entities, and 1 for each fact's target, (FACTS, ENTITIES) each."""
    labels = torch.nn.functional.one_hot(facts[:, 2], ENTITIES).float()
    return model.all_scores(facts[:, 0], facts[:, 1]), labels


def gradients(loss: Tensor, model: EmbeddingModel) -> list[Tensor]:
    return list(torch.autograd.grad(loss, [model.entities, model.relations]))


def test_softmax_against_everyone_is_pykeens_cross_entropy(model: EmbeddingModel, facts: Tensor) -> None:
    ours = Contrast(model, "softmax", 0)(facts, 0.0)
    theirs = losses.CrossEntropyLoss().process_lcwa_scores(*told(model, facts))
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(gradients(ours, model), gradients(theirs, model))


@pytest.mark.parametrize("margin", [0.0, 2.5])
def test_self_adversarial_is_pykeens_nssa(model: EmbeddingModel, facts: Tensor, margin: float) -> None:
    ours = Contrast(model, "self-adversarial", 0, margin=margin)(facts, 0.0)
    loss = losses.NSSALoss(margin=margin, adversarial_temperature=1.0)
    theirs = loss.process_lcwa_scores(*told(model, facts))
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(gradients(ours, model), gradients(theirs, model))


def test_self_adversarial_with_drawn_negatives_is_pykeens_nssa(model: EmbeddingModel, facts: Tensor) -> None:
    torch.manual_seed(5)
    ours = Contrast(model, "self-adversarial", 4, margin=1.0)(facts, 0.0)
    torch.manual_seed(5)
    drawn = torch.randperm(ENTITIES)[:4]  # the same draw
    scores, _ = told(model, facts)
    right = scores.gather(1, facts[:, 2:])
    is_negative = drawn[None] != facts[:, 2:]
    assert not is_negative.all(), "no target was drawn: the mask is not tested"
    theirs = losses.NSSALoss(margin=1.0).process_slcwa_scores(
        right, scores[:, drawn][is_negative], batch_filter=is_negative
    )
    torch.testing.assert_close(ours, theirs)


def test_binary_is_pykeens_bce_with_balanced_weights(model: EmbeddingModel, facts: Tensor) -> None:
    """Targets count half, negatives the other half; PyKEEN sums where ours is the mean over facts."""
    ours = Contrast(model, "binary", 0, margin=0.5)(facts, 0.0)
    scores, labels = told(model, facts)
    weights = torch.where(labels > 0, 0.5, 0.5 / ENTITIES)
    theirs = losses.BCEWithLogitsLoss(reduction="sum")(scores + 0.5, labels, weights) / FACTS
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(gradients(ours, model), gradients(theirs, model))


@pytest.mark.parametrize("name", ["distmult", "complex"])
def test_n3_is_pykeens_power_sum(name: str) -> None:
    """With factor 1: the sum over source, relation and target of PyKEEN's mean over rows. Of a single row it is the
    cube of ``LpRegularizer(p=3)``, which takes the root."""
    torch.manual_seed(0)
    model = MODELS[name](ENTITIES, 2, MODELS[name].Config(dim=8))
    vectors = [torch.randn(FACTS, 8) for _ in range(3)]
    theirs = [torch.complex(*rows.chunk(2, 1)) if name == "complex" else rows for rows in vectors]
    sums = torch.stack([PowerSumRegularizer(p=3.0)(rows) for rows in theirs])
    torch.testing.assert_close(model.penalty(*vectors), sums.sum())
    roots = torch.stack([LpRegularizer(p=3.0)(rows[:1]) for rows in theirs])
    torch.testing.assert_close(model.penalty(*(rows[:1] for rows in vectors)), (roots**3).sum())
