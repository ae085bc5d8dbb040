"""Contrast against a loop over facts."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

pytest.importorskip("torch", reason="embeddings need torch: pip install 'kgwalk[agents]'")

import torch
from torch import Tensor

from kgwalk.scorers import Contrast, EmbeddingModel
from kgwalk.scorers.losses import Loss
from tests.scorers.plain_models import CASES as ALL_CASES
from tests.scorers.plain_models import ENTITIES, RELATIONS, as_complex, make, plain_score

#: Those with a bias for each relation have a loss of their own.
CASES = [case for case in ALL_CASES if not make(case).biased_by_relation]
LOSSES: tuple[Loss, ...] = ("softmax", "binary", "self-adversarial")
Answers = tuple[Tensor, Tensor] | None


def facts_for(model: EmbeddingModel, count: int = 6) -> Tensor:
    """Facts, some with one source and relation; of one relation if the model asks for that."""
    rng = np.random.default_rng(4)
    facts = rng.integers(0, (ENTITIES, 2 * RELATIONS, ENTITIES), (count, 3))
    facts[1, :2] = facts[0, :2]
    if model.projects:
        facts[:, 1] = 4
    return torch.from_numpy(facts)


def drawn_by(contrast: Contrast, seed: int) -> list[int]:
    """What a loss that begins with this seed is told from."""
    if contrast.negatives == ENTITIES:
        return list(range(ENTITIES))
    torch.manual_seed(seed)
    entities: list[int] = contrast._draw().tolist()
    return entities


def softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def plain_loss(
    model: EmbeddingModel,
    facts: Tensor,
    loss: Loss,
    negatives: list[int],
    answers: Answers = None,
    margin: float = 0.0,
    scale: float = 1.0,
    weighed_by: EmbeddingModel | None = None,
) -> float:
    """One fact after the other; scores are those of plain Python.

    The self-adversarial loss weighs negatives by the scores of ``weighed_by``, of the model itself by default.
    """
    others: dict[int, set[int]] = {}
    for row, entity in zip(*(part.tolist() for part in answers), strict=True) if answers else ():
        others.setdefault(row, set()).add(entity)
    total = 0.0
    for row, (source, relation, target) in enumerate(facts.tolist()):
        right = scale * plain_score(model, source, relation, target)
        told_from = [e for e in negatives if e != target and e not in others.get(row, ())]
        wrong = [scale * plain_score(model, source, relation, e) for e in told_from]
        if loss == "softmax":
            rest = sum(math.exp(score) for score in wrong) * ENTITIES / len(negatives)
            total += -math.log(math.exp(right) / (math.exp(right) + rest))
            continue
        right, wrong = right + margin, [score + margin for score in wrong]
        if loss == "binary":
            weights = [1 / len(negatives)] * len(wrong)
        else:
            given = [scale * plain_score(weighed_by or model, source, relation, e) for e in told_from]
            weights = [math.exp(score) / sum(map(math.exp, given)) for score in given]
        total += (softplus(-right) + sum(w * softplus(s) for w, s in zip(weights, wrong, strict=True))) / 2
    return total / len(facts)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("negatives", [0, 5])
@pytest.mark.parametrize("hidden", [False, True], ids=["shown", "hidden"])
def test_losses(case: str, loss: Loss, negatives: int, hidden: bool) -> None:
    model = make(case)
    facts = facts_for(model)
    answers = (torch.tensor([0, 0, 2, 5]), torch.tensor([3, 8, 1, 12])) if hidden else None
    contrast = Contrast(model, loss, negatives, margin=1.5, scale=0.75)
    expected = plain_loss(model, facts, loss, drawn_by(contrast, 9), answers, 1.5, 0.75)
    for _ in range(2):  # nothing is left over from the first
        torch.manual_seed(9)
        assert contrast(facts, 0.0, answers).item() == pytest.approx(expected, rel=2e-4)


def test_negatives_are_distinct_and_every_set_is_as_likely() -> None:
    contrast = Contrast(make("distmult"), "softmax", 2)
    torch.manual_seed(0)
    counts = dict.fromkeys(itertools.combinations(range(ENTITIES), 2), 0)
    draws = 78 * 60
    for _ in range(draws):
        counts[tuple(sorted(contrast._draw().tolist()))] += 1
    chi_square = sum((count - 60) ** 2 / 60 for count in counts.values())
    assert chi_square < 130  # 77 degrees of freedom: 99.99 %


def test_the_sampled_sum_is_right_on_average() -> None:
    """The correction makes the partition sum unbiased: exp(loss) - 1 is the others' sum over the target's term."""
    model = make("distmult")
    with torch.no_grad():
        model.entities *= 0.5
    fact = torch.tensor([(1, 2, 4)])
    whole = Contrast(model, "softmax", 0)(fact, 0.0).exp().item() - 1
    contrast = Contrast(model, "softmax", 4)
    torch.manual_seed(1)
    sums = np.array([contrast(fact, 0.0).exp().item() - 1 for _ in range(3000)])
    error = sums.std() / len(sums) ** 0.5
    assert error < 0.03 * whole
    assert abs(sums.mean() - whole) < 4 * error


@pytest.mark.parametrize("case", ["complex", "conve", "transe-l2", "rotate-modulus", "transr"])
@pytest.mark.parametrize("loss", LOSSES)
def test_sparse_gradients_are_the_dense_ones(case: str, loss: Loss) -> None:
    model = make(case)
    facts = facts_for(model)

    def gradients() -> dict[str, Tensor]:
        model.zero_grad(set_to_none=True)
        torch.manual_seed(9)
        contrast(facts, 0.0).backward()  # type: ignore[no-untyped-call]
        return {key: value.grad for key, value in model.named_parameters() if value.grad is not None}

    contrast = Contrast(model, loss, 5, margin=0.5)
    sparse = gradients()
    assert sparse["entities"].is_sparse
    touched = set(sparse["entities"].coalesce().indices()[0].tolist())
    assert touched <= {*facts[:, 0].tolist(), *facts[:, 2].tolist(), *drawn_by(contrast, 9)}
    model.vectors = lambda entities: model.entities[entities]  # type: ignore[method-assign]
    dense = gradients()
    assert sparse.keys() == dense.keys()
    for key, value in sparse.items():
        torch.testing.assert_close(value.to_dense(), dense[key].to_dense(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_are_slopes(loss: Loss) -> None:
    """Of the plain loss; the weights of the self-adversarial loss are taken as given, not descended."""
    model, before = make("complex"), make("complex")
    facts = facts_for(model)
    Contrast(model, loss, margin=0.5)(facts, 0.0).backward()  # type: ignore[no-untyped-call]
    assert model.relations.grad is not None
    place = (int(facts[0, 1]), 2)
    slope = model.relations.grad[place].item()
    ends = []
    for step in (1e-2, -2e-2):
        with torch.no_grad():
            model.relations[place] += step
        ends.append(plain_loss(model, facts, loss, list(range(ENTITIES)), margin=0.5, weighed_by=before))
    assert slope == pytest.approx((ends[0] - ends[1]) / 2e-2, rel=1e-2, abs=1e-4)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("negatives", [0, 1, 5])
def test_a_fact_with_nothing_to_be_told_from_breaks_nothing(loss: Loss, negatives: int) -> None:
    """All that was drawn are answers: no more is learnt from them than that the fact is true."""
    model = make("distmult")
    facts = torch.tensor([(0, 1, 2), (3, 1, 4)])
    everyone = torch.arange(ENTITIES)
    contrast = Contrast(model, loss, negatives)
    torch.manual_seed(9)
    value = contrast(facts, 0.0, (torch.zeros(ENTITIES, dtype=torch.int64), everyone))
    value.backward()  # type: ignore[no-untyped-call]
    assert math.isfinite(value.item())
    assert model.entities.grad is not None
    assert torch.isfinite(model.entities.grad.to_dense()).all()
    assert model.relations.grad is not None
    assert torch.isfinite(model.relations.grad).all()


@pytest.mark.parametrize("case", ["distmult", "complex", "rotate-l2"])
def test_n3(case: str) -> None:
    """Of DistMult's numbers, of the moduli of complex ones; RotatE's relations have modulus 1 and are left out."""
    model = make(case)
    facts = facts_for(model)
    contrast = Contrast(model, "softmax", 0)
    expected = 0.0
    for source, relation, target in facts.tolist():
        rows = [model.entities[source].tolist(), model.entities[target].tolist()]
        if case != "rotate-l2":
            rows.append(model.relations[relation].tolist())
        for numbers in rows:
            moduli = map(abs, numbers if case == "distmult" else as_complex(numbers))
            expected += sum(modulus**3 for modulus in moduli) / len(facts)
    difference = contrast(facts, 0.25).item() - contrast(facts, 0.0).item()
    assert difference == pytest.approx(0.25 * expected, rel=1e-4)


@pytest.mark.parametrize("case", ["conve", "transe-l1", "transr"])
def test_n3_is_refused_where_it_does_not_belong(case: str) -> None:
    model = make(case)
    with pytest.raises(ValueError, match=f"{model.name} has no N3 penalty"):
        Contrast(model, "softmax", 0)(facts_for(model), 0.1)


@pytest.mark.parametrize("case", ["complex", "conve"])
def test_rounding_changes_little(case: str) -> None:
    model = make(case)
    facts = facts_for(model)
    exact, rounded = (Contrast(model, "softmax", 0, rounded=flag)(facts, 0.0).item() for flag in (False, True))
    assert rounded == pytest.approx(exact, rel=0.03)
    assert rounded != exact
