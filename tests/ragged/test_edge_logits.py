"""Scores of candidates and their gradients: the compiled kernels against plain torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kgwalk import _core, ragged
from kgwalk import ragged_reference as reference
from kgwalk.protocols import Candidates

RELATIONS, ENTITIES = 7, 50


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def draw_candidates(offsets: NDArray[np.int64], entities: int = ENTITIES) -> Candidates:
    rng, size = np.random.default_rng(0), int(offsets[-1])
    relations = rng.integers(0, RELATIONS, size, dtype=np.int32)
    return Candidates(offsets, relations, rng.integers(0, entities, size, dtype=np.int32))


def run(candidates: Candidates, dim: int, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, ...]:
    """Logits and the three gradients."""
    states = len(candidates.offsets) - 1
    scores, query = draw(states, RELATIONS, dtype=dtype), draw(states, dim, seed=1, dtype=dtype)
    leaves = [t.requires_grad_() for t in (scores, query, draw(ENTITIES, dim, seed=2, dtype=dtype))]
    logits = ragged.edge_logits(*leaves, candidates)
    grad = draw(len(logits), seed=3, dtype=dtype)
    return (logits, *torch.autograd.grad(logits, leaves, grad))


def check_against_reference(candidates: Candidates, dim: int) -> None:
    states = len(candidates.offsets) - 1
    leaves32 = [draw(states, RELATIONS), draw(states, dim, seed=1), draw(ENTITIES, dim, seed=2)]
    leaves64 = [leaf.double().requires_grad_() for leaf in leaves32]
    exact = reference.edge_logits(*leaves64, candidates)
    grad = draw(len(exact), seed=3)
    expected = (exact, *torch.autograd.grad(exact, leaves64, grad.double()))
    for got, want in zip(run(candidates, dim), expected, strict=True):
        scale = max(1.0, float(want.detach().norm(torch.inf)) if want.numel() else 0.0)
        torch.testing.assert_close(got, want.float(), rtol=1e-5, atol=5e-6 * scale)


@pytest.mark.parametrize("dim", [7, 32])
def test_matches_reference(offsets: NDArray[np.int64], dim: int) -> None:
    check_against_reference(draw_candidates(offsets), dim)


@settings(max_examples=40)
@given(lengths=st.lists(st.integers(0, 12), max_size=12), dim=st.integers(1, 70) | st.just(200))
def test_matches_reference_on_drawn_rows(lengths: list[int], dim: int) -> None:
    check_against_reference(draw_candidates(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)), dim)


def test_reference_gradients() -> None:
    candidates = draw_candidates(np.array([0, 3, 3, 4, 9]), entities=5)
    leaves = [draw(*shape, dtype=torch.float64).requires_grad_() for shape in ((4, RELATIONS), (4, 3), (5, 3))]
    assert torch.autograd.gradcheck(lambda *t: reference.edge_logits(*t, candidates), leaves)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_relations_alone(dtype: torch.dtype) -> None:
    candidates = Candidates(np.array([0, 2, 3]), np.array([1, 1, 0], np.int32), np.array([9, 9, 9], np.int32))
    scores = torch.tensor([[1.0, 2], [3, 4]], dtype=dtype, requires_grad=True)
    logits = ragged.edge_logits(scores, None, None, candidates)
    assert logits.tolist() == [2, 2, 3]
    logits.sum().backward()
    assert scores.grad is not None
    assert scores.grad.tolist() == [[0, 2], [1, 0]]


def test_repeated_entities_add_up() -> None:
    """Three moves of two rows lead to entity 1: its gradient is the sum of their queries."""
    candidates = Candidates(np.array([0, 2, 3]), np.zeros(3, np.int32), np.full(3, 1, np.int32))
    query, table = torch.tensor([[1.0, 2.0], [10.0, 20.0]]), torch.zeros(3, 2, requires_grad=True)
    ragged.edge_logits(torch.zeros(2, 1), query, table, candidates).sum().backward()
    assert table.grad is not None
    assert table.grad.tolist() == [[0, 0], [12, 24], [0, 0]]


@pytest.mark.parametrize("dim", [37])
def test_same_bits_for_any_number_of_threads(offsets: NDArray[np.int64], dim: int) -> None:
    candidates = draw_candidates(offsets)
    alone = run(candidates, dim)
    _core.set_num_threads(2)
    try:
        together = run(candidates, dim)
    finally:
        _core.set_num_threads(1)
    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))


def test_strided_tensors_are_read_right() -> None:
    candidates = draw_candidates(np.array([0, 4, 6]))
    scores, query, table = draw(RELATIONS, 2), draw(5, 2), draw(5, ENTITIES)
    got = ragged.edge_logits(scores.T, query.T, table.T, candidates)
    torch.testing.assert_close(got, reference.edge_logits(scores.T, query.T, table.T, candidates))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("relation", "entity"), [(2, 0), (-1, 0), (0, 3), (0, -1), (2**31 - 1, 0), (0, -(2**31))])
def test_ids_out_of_range(relation: int, entity: int, dtype: torch.dtype) -> None:
    relations, entities = np.array([0, relation], np.int32), np.array([0, entity], np.int32)
    with pytest.raises(IndexError, match="relations" if relation else "entities"):
        ragged.edge_logits(
            torch.zeros(1, 2, dtype=dtype),
            torch.zeros(1, 4, dtype=dtype),
            torch.zeros(3, 4, dtype=dtype),
            Candidates(np.array([0, 2]), relations, entities),
        )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("scores", "query", "table"),
    [((2, 2), (1, 4), (3, 4)), ((1,), (1, 4), (3, 4)), ((1, 2), (2, 4), (3, 4)), ((1, 2), (1, 4), (3, 5))],
)
def test_bad_shapes(
    scores: tuple[int, ...], query: tuple[int, ...], table: tuple[int, ...], dtype: torch.dtype
) -> None:
    candidates = Candidates(np.array([0, 2]), np.zeros(2, np.int32), np.zeros(2, np.int32))
    with pytest.raises(ValueError, match="expected"):
        ragged.edge_logits(*(torch.zeros(shape, dtype=dtype) for shape in (scores, query, table)), candidates)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "candidates",
    [
        Candidates(np.array([0, 2]), np.zeros(2, np.int64), np.zeros(2, np.int32)),  # type: ignore[arg-type]
        Candidates(np.array([0, 2]), np.zeros(2, np.int32), np.zeros(2, np.float32)),  # type: ignore[arg-type]
        Candidates(np.array([0, 2]), np.zeros(2, np.int32), np.zeros(3, np.int32)),
        Candidates(np.array([0, 3]), np.zeros(2, np.int32), np.zeros(2, np.int32)),
        Candidates(np.array([0, 2]), np.zeros((1, 2), np.int32), np.zeros(2, np.int32)),
    ],
)
def test_bad_candidates(candidates: Candidates, dtype: torch.dtype) -> None:
    with pytest.raises(ValueError, match="expected"):
        ragged.edge_logits(
            torch.zeros(1, 2, dtype=dtype), torch.zeros(1, 4, dtype=dtype), torch.zeros(3, 4, dtype=dtype), candidates
        )


def test_query_without_table() -> None:
    candidates = draw_candidates(np.array([0, 2]))
    with pytest.raises(ValueError, match="both or neither"):
        ragged.edge_logits(draw(1, RELATIONS), draw(1, 3), None, candidates)
