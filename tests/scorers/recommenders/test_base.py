from __future__ import annotations

import pytest
import torch

from kgwalk.scorers.recommenders.base import half_squares


def test_half_squares_is_half_the_sum_of_all_squares_and_so_is_its_gradient() -> None:
    generator = torch.Generator().manual_seed(3)
    shapes = [(7, 4), (5,), (3, 2, 2), (0, 4)]
    tables = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    tables.append(tables[0].clone().T)  # not contiguous
    for table in tables:
        table.requires_grad_()
    expected = sum((table**2).sum() for table in tables) / 2
    torch.testing.assert_close(half_squares(*tables), expected)
    assert torch.autograd.gradcheck(half_squares, tables)


def test_half_squares_leaves_what_needs_no_gradient_alone() -> None:
    learnt, given = torch.ones(3, requires_grad=True), torch.ones(2)
    (3 * half_squares(learnt, given)).backward()
    assert learnt.grad is not None
    assert learnt.grad.tolist() == [3, 3, 3]
    assert given.grad is None


def test_half_squares_of_a_large_table_are_as_exact_as_a_small_ones() -> None:
    table = torch.randn(3_000_000, generator=torch.Generator().manual_seed(0))
    assert half_squares(table).item() == pytest.approx(float((table.double() ** 2).sum()) / 2, rel=1e-6)
