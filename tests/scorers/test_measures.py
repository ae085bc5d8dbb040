"""Dot products and distances of all pairs and by row, with their gradients."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("torch", reason="embeddings need torch: pip install 'kgwalk[agents]'")

import torch
from torch import Tensor

from kgwalk.scorers import measures
from kgwalk.scorers.measures import Measure, all_pairs, has_bfloat16, row_by_row

MEASURES: tuple[Measure, ...] = ("dot", "l1", "l2", "modulus")


def plain(measure: Measure, query: list[float], target: list[float]) -> float:
    if measure == "dot":
        return sum(a * b for a, b in zip(query, target, strict=True))
    apart = [a - b for a, b in zip(query, target, strict=True)]
    half = len(apart) // 2
    return -{
        "l1": sum(map(abs, apart)),
        "l2": math.hypot(*apart),
        "modulus": sum(abs(complex(a, b)) for a, b in zip(apart[:half], apart[half:], strict=True)),
    }[measure]


def drawn(*shape: int) -> Tensor:
    values = np.random.default_rng(len(shape) + shape[0]).normal(size=shape)
    return torch.tensor(values, dtype=torch.float32, requires_grad=True)


@pytest.mark.parametrize("measure", MEASURES)
def test_all_pairs(measure: Measure) -> None:
    queries, targets = drawn(7, 6), drawn(5, 6)
    expected = [[plain(measure, q, t) for t in targets.tolist()] for q in queries.tolist()]
    np.testing.assert_allclose(all_pairs(measure, queries, targets).detach(), expected, rtol=1e-4, atol=1e-5)
    by_row = row_by_row(measure, queries[:5], targets)
    np.testing.assert_allclose(by_row.detach(), np.diagonal(expected[:5]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("measure", MEASURES)
def test_blocks_change_nothing(measure: Measure, monkeypatch: pytest.MonkeyPatch) -> None:
    queries, targets = drawn(7, 6), drawn(5, 6)
    whole = all_pairs(measure, queries, targets)
    monkeypatch.setattr(measures, "_BLOCK", 2 * targets.numel() + 1)
    torch.testing.assert_close(all_pairs(measure, queries, targets), whole, rtol=0, atol=0)
    monkeypatch.setattr(measures, "_BLOCK", 1)
    torch.testing.assert_close(all_pairs(measure, queries, targets), whole, rtol=0, atol=0)
    assert all_pairs(measure, queries[:0], targets).shape == (0, 5)
    assert all_pairs(measure, queries, targets[:0]).shape == (7, 0)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("pairs", [True, False])
def test_gradients_are_slopes(measure: Measure, pairs: bool) -> None:
    """Against small steps of the plain formula, in double precision."""
    queries, targets = drawn(4, 6), drawn(4, 6)
    weight = torch.arange(1.0, 17.0).reshape(4, 4) if pairs else torch.diag(torch.arange(1.0, 5.0))
    scores = all_pairs(measure, queries, targets) if pairs else torch.diag(row_by_row(measure, queries, targets))
    gradients = torch.autograd.grad((weight * scores).sum(), (queries, targets))

    def total(q: list[list[float]], t: list[list[float]]) -> float:
        return sum(weight[i, j].item() * plain(measure, q[i], t[j]) for i in range(4) for j in range(4))

    for which, gradient in enumerate(gradients):
        for place in np.ndindex(4, 6):
            values = [queries.double().tolist(), targets.double().tolist()]
            ends = []
            for step in (1e-6, -2e-6):
                values[which][place[0]][place[1]] += step
                ends.append(total(values[0], values[1]))
            assert gradient[place].item() == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("make", [all_pairs, row_by_row], ids=["pairs", "rows"])
def test_no_distance_has_a_finite_gradient(measure: Measure, make: Callable[..., Tensor]) -> None:
    same = drawn(3, 4)
    targets = same.detach().clone().requires_grad_()
    scores = make(measure, same, targets)
    scores.sum().backward()
    assert torch.isfinite(scores).all()
    assert same.grad is not None
    assert targets.grad is not None
    assert torch.isfinite(same.grad).all()
    assert torch.isfinite(targets.grad).all()
    if measure != "dot":
        nearest = torch.diag(scores) if scores.ndim == 2 else scores
        np.testing.assert_allclose(nearest.detach(), 0, atol=2e-3)


@pytest.mark.parametrize("measure", ["dot", "l2"])
def test_rounded_products_keep_two_digits_and_their_gradients(measure: Measure) -> None:
    queries, targets = drawn(40, 64), drawn(50, 64)
    exact, rounded = (all_pairs(measure, queries, targets, rounded=flag) for flag in (False, True))
    assert rounded.dtype == torch.float32
    assert not torch.equal(exact, rounded)
    off = (exact - rounded).detach()
    assert off.abs().max() < 0.05 * exact.detach().square().mean().sqrt()
    weight = drawn(40, 50).detach()
    for one, other in zip(
        torch.autograd.grad((weight * exact).sum(), (queries, targets)),
        torch.autograd.grad((weight * rounded).sum(), (queries, targets)),
        strict=True,
    ):
        assert other.dtype == torch.float32
        assert (one - other).norm() < 0.02 * one.norm()


def test_bfloat16_is_asked_of_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    for told, expected in (({}, False), ({"avx512_bf16": True}, True), ({"amx_bf16": True, "avx2": True}, True)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda told=told: told, raising=False)
        assert has_bfloat16() is expected
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert has_bfloat16() is False
