"""Dense layers that are as fast as the CPU allows.

Torch multiplies float32 matrices on the CPU with MKL, which gives AMD processors half of what they can do; its other
library, oneDNN, is reached by tensors in its own layout. From a few hundred rows on the way there and back is cheap.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

ENOUGH_ROWS = 512  # fewer are not worth the change of layout


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """``x @ weight.T + bias`` for ``x`` (n, in_features); equal to torch's own up to rounding."""
    if len(x) < ENOUGH_ROWS or not _mkldnn(x):
        return functional.linear(x, weight, bias)
    return functional.linear(x.to_mkldnn(), weight, bias).to_dense()


class Linear(nn.Linear):
    """``nn.Linear`` by way of ``linear``."""

    def forward(self, input: Tensor) -> Tensor:
        """(n, in_features) to (n, out_features)."""
        return linear(input, self.weight, self.bias)


class LSTMCell(nn.LSTMCell):
    """``nn.LSTMCell`` by way of ``linear``."""

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """Next hidden and cell state, both (n, hidden_size), after ``input`` (n, input_size)."""
        if hx is None or len(input) < ENOUGH_ROWS or not _mkldnn(input):
            hidden, cell = super().forward(input, hx)
            return hidden, cell
        hidden, cell = hx
        gates = linear(input, self.weight_ih, self.bias_ih) + linear(hidden, self.weight_hh, self.bias_hh)
        let_in, keep, new, out = gates.chunk(4, dim=1)
        cell = torch.sigmoid(keep) * cell + torch.sigmoid(let_in) * torch.tanh(new)
        return torch.sigmoid(out) * torch.tanh(cell), cell


def _mkldnn(x: Tensor) -> bool:
    if x.device.type != "cpu" or x.dtype != torch.float32:
        return False
    return bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]
