"""The fast dense layers compute what torch's own do."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from kgwalk.agents.policies.layers import ENOUGH_ROWS, Linear, LSTMCell

ROWS = [0, 1, ENOUGH_ROWS - 1, ENOUGH_ROWS, ENOUGH_ROWS + 3]


def gradients(outputs: tuple[Tensor, ...], leaves: list[Tensor]) -> tuple[Tensor, ...]:
    weights = [torch.randn(o.shape, generator=torch.Generator().manual_seed(1), dtype=o.dtype) for o in outputs]
    return torch.autograd.grad(outputs, leaves, weights)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rows", ROWS)
def test_linear(rows: int, bias: bool, dtype: torch.dtype) -> None:
    fast, plain = Linear(33, 20, bias=bias, dtype=dtype), nn.Linear(33, 20, bias=bias, dtype=dtype)
    plain.load_state_dict(fast.state_dict())
    x = torch.randn(rows, 33, dtype=dtype, requires_grad=True)
    got, expected = fast(x), plain(x)
    torch.testing.assert_close(got, expected)
    pairs = zip(
        gradients((got,), [x, *fast.parameters()]), gradients((expected,), [x, *plain.parameters()]), strict=True
    )
    for ours, theirs in pairs:
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("rows", ROWS[1:])
def test_lstm_cell(rows: int, dtype: torch.dtype) -> None:
    fast, plain = LSTMCell(33, 20, dtype=dtype), nn.LSTMCell(33, 20, dtype=dtype)
    plain.load_state_dict(fast.state_dict())
    x, hidden, cell = (torch.randn(rows, n, dtype=dtype, requires_grad=True) for n in (33, 20, 20))
    got, expected = fast(x, (hidden, cell)), plain(x, (hidden, cell))
    leaves = [x, hidden, cell]
    for ours, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(ours, theirs)
    pairs = zip(
        gradients(got, [*leaves, *fast.parameters()]), gradients(expected, [*leaves, *plain.parameters()]), strict=True
    )
    for ours, theirs in pairs:
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-4)


def test_lstm_cell_starts_from_zeros() -> None:
    cell = LSTMCell(3, 2)
    x, zeros = torch.randn(ENOUGH_ROWS, 3), torch.zeros(ENOUGH_ROWS, 2)
    for ours, given in zip(cell(x), cell(x, (zeros, zeros)), strict=True):
        torch.testing.assert_close(ours, given)


def test_a_network_without_gradients() -> None:
    network = nn.Sequential(Linear(5, 4), nn.ReLU(), Linear(4, 3))
    x = torch.randn(ENOUGH_ROWS, 5)
    with torch.no_grad():
        assert not network(x).requires_grad
        torch.testing.assert_close(network(x), torch.cat([network(x[:9]), network(x[9:])]))
