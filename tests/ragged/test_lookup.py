"""Rows of a table, and gradients that go straight into the table's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kgwalk import _core, ragged
from kgwalk.protocols import Candidates

IDS = torch.tensor([3, 0, 3, 3, 5])


def draw(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("ids", [IDS, IDS.int(), IDS[:0]], ids=["int64", "int32", "none"])
def test_rows_and_gradient(ids: torch.Tensor, dtype: torch.dtype) -> None:
    table = draw(6, 9, dtype=dtype).requires_grad_()
    rows = ragged.lookup(table, ids)
    assert torch.equal(rows, table[ids.long()])
    weights = draw(len(ids), 9, dtype=dtype)
    (grad,) = torch.autograd.grad(rows, table, weights)
    torch.testing.assert_close(grad, torch.zeros_like(table).index_add(0, ids.long(), weights))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_accumulated_gradients_are_those_of_autograd(dtype: torch.dtype) -> None:
    """Two lookups and logits of one table in one loss, twice without clearing, as when gradients are added up."""
    grads = []
    candidates = Candidates(np.array([0, 2, 3]), np.zeros(3, np.int32), np.array([5, 3, 3], np.int32))
    for accumulate in (True, False):
        table = draw(6, 9, dtype=dtype).requires_grad_()
        for _ in range(2):
            seen = ragged.lookup(table, IDS, accumulate=accumulate)
            query = ragged.lookup(table, IDS[:2], accumulate=accumulate)
            scores = torch.zeros(2, 1, dtype=dtype)
            logits = ragged.edge_logits(scores, query, table, candidates, accumulate=accumulate)
            (seen.square().sum() + logits.square().sum() + table.sum()).backward()
        assert table.grad is not None
        grads.append(table.grad)
    torch.testing.assert_close(*grads)


def test_same_bits_for_any_number_of_threads() -> None:
    ids = torch.randint(0, 500, (20_000,), generator=torch.Generator().manual_seed(0))
    grads = []
    for threads in (1, 2):
        _core.set_num_threads(threads)
        try:
            table = draw(500, 8).requires_grad_()
            ragged.lookup(table, ids, accumulate=True).backward(draw(20_000, 8))
        finally:
            _core.set_num_threads(1)
        grads.append(table.grad)
    assert torch.equal(*grads)


def test_frozen_tables_get_no_gradient() -> None:
    table, scale = draw(6, 9), torch.ones(1, requires_grad=True)
    (ragged.lookup(table, IDS, accumulate=True) * scale).sum().backward()
    assert table.grad is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bad", [-1, 6, 2**40])
def test_ids_out_of_range(bad: int, dtype: torch.dtype) -> None:
    with pytest.raises(IndexError):
        ragged.lookup(draw(6, 9, dtype=dtype), torch.tensor([0, bad]))


@pytest.mark.parametrize("ids", [torch.tensor([0.0]), torch.tensor([[0]]), torch.tensor(0)])
def test_bad_ids(ids: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="ids"):
        ragged.lookup(draw(6, 9), ids)


def test_bad_tables() -> None:
    with pytest.raises(ValueError, match="leaf"):
        ragged.lookup(draw(6, 9).requires_grad_() * 2, IDS, accumulate=True)
    with pytest.raises(ValueError, match="table"):
        ragged.lookup(draw(6), IDS)
