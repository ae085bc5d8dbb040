"""The softmax over a target's own type: against one written out, and its estimate from a few."""

from __future__ import annotations

import math

import pytest
import torch

from kgwalk.scorers import Contrast, TypedSoftmax
from tests.scorers.plain_models import ENTITIES, make, plain_score

OFFSETS = [0, 3, 9, ENTITIES]
FACTS = torch.tensor([[0, 1, 4], [12, 1, 8], [5, 1, 3]])


def by_hand(model: object, facts: torch.Tensor, first: int, last: int) -> float:
    losses = []
    for source, relation, target in facts.tolist():
        scores = [plain_score(model, source, relation, t) for t in range(first, last)]  # type: ignore[arg-type]
        losses.append(math.log(sum(map(math.exp, scores))) - scores[target - first])
    return sum(losses) / len(losses)


def test_all_of_a_type_is_its_softmax() -> None:
    model = make("transe-dot")
    assert TypedSoftmax(model, OFFSETS, 6)(FACTS).item() == pytest.approx(by_hand(model, FACTS, 3, 9), rel=1e-5)


def test_a_type_of_one_entity_costs_nothing() -> None:
    model = make("transe-dot")
    facts = torch.tensor([[4, 1, 0]])
    assert TypedSoftmax(model, [0, 1, ENTITIES], 6)(facts).item() == 0


def test_the_sum_over_drawn_entities_is_an_unbiased_estimate() -> None:
    model = make("transe-dot")
    source, relation, target = FACTS[0].tolist()
    others = [plain_score(model, source, relation, t) for t in range(3, 9) if t != target]
    right = plain_score(model, source, relation, target)
    torch.manual_seed(0)
    loss = TypedSoftmax(model, OFFSETS, 5)
    # exp(loss) - 1 is the ratio of that sum to exp(right).
    drawn = [math.expm1(loss(FACTS[:1]).item()) for _ in range(3000)]
    # A draw of the target itself counts nothing, and 1 in 6 is one.
    wanted = sum(map(math.exp, others)) / math.exp(right)
    assert sum(drawn) / len(drawn) == pytest.approx(wanted, rel=0.05)


def test_gradients_touch_only_rows_of_the_batch_and_its_type() -> None:
    model = make("transe-dot")
    TypedSoftmax(model, OFFSETS, 100, penalty=0.1)(FACTS).backward()
    assert model.entities.grad is not None
    touched = model.entities.grad.coalesce().indices()[0].tolist()
    assert touched == [0, *range(3, 9), 12]


def test_dropout_is_for_training_and_the_penalty_for_lengths() -> None:
    model = make("transe-dot")
    plain, dropped = TypedSoftmax(model, OFFSETS, 6), TypedSoftmax(model, OFFSETS, 6, dropout=0.5)
    assert dropped(FACTS).item() == plain(FACTS).item()
    model.train()
    assert dropped(FACTS).item() != plain(FACTS).item()
    lengths = sum(model.entities[i].square().sum().item() for i in FACTS[:, [0, 2]].flatten().tolist()) / 3
    heavy = TypedSoftmax(model, OFFSETS, 6, penalty=0.5)
    assert heavy(FACTS).item() == pytest.approx(plain(FACTS).item() + 0.5 * lengths, rel=1e-5)


def test_refuses_mixed_types_and_other_models() -> None:
    with pytest.raises(ValueError, match="several types"):
        TypedSoftmax(make("transe-dot"), OFFSETS, 6)(torch.tensor([[0, 0, 1], [0, 0, 4]]))
    with pytest.raises(ValueError, match="several relations"):
        TypedSoftmax(make("transe-dot"), OFFSETS, 6)(torch.tensor([[0, 0, 4], [0, 1, 4]]))
    with pytest.raises(ValueError, match="TypedSoftmax"):
        Contrast(make("transe-dot"))
    with pytest.raises(ValueError, match="no dot product with a bias"):
        TypedSoftmax(make("distmult"), OFFSETS, 6)
    with pytest.raises(ValueError, match="at least 1"):
        TypedSoftmax(make("transe-dot"), OFFSETS, 0)
