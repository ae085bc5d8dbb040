"""How a query's vector is held against a target's: dot products and distances, of all pairs or row by row."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

Measure = Literal["dot", "l1", "l2", "modulus"]

#: Numbers of a block of differences; distances without a matrix product behind them are made block by block.
_BLOCK = 1 << 24
#: Squared distances below this are taken for this: the root of 0 has no gradient.
_LEAST = 1e-12


class _RoundedProduct(torch.autograd.Function):
    """``queries @ targets.T`` with factors rounded to bfloat16, forwards and backwards.

    Several times faster where the processor has bfloat16 arithmetic. The sums are kept in float32 inside, results are
    rounded: about 3 significant digits, for training only.
    """

    @staticmethod
    def forward(ctx: Any, queries: Tensor, targets: Tensor) -> Tensor:
        queries, targets = queries.bfloat16(), targets.bfloat16()
        ctx.save_for_backward(queries, targets)
        return (queries @ targets.T).float()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        queries, targets = ctx.saved_tensors
        gradient = gradients[0].bfloat16()
        return (gradient @ targets).float(), (gradient.T @ queries).float()


def all_pairs(measure: Measure, queries: Tensor, targets: Tensor, *, rounded: bool = False) -> Tensor:
    """Similarity of every query (n, d) with every target (m, d), (n, m) float32: dot products, or distances negated.

    ``dot`` and ``l2`` are one matrix product. ``modulus`` is the sum of the moduli of complex differences, vectors
    holding real parts first, then imaginary ones.

    Args:
        measure: which.
        queries: (n, d) float32.
        targets: (m, d) float32.
        rounded: make the matrix product in bfloat16.
    """
    if measure in ("l1", "modulus"):
        rows = max(1, _BLOCK // max(1, targets.numel()))
        parts = [row_by_row(measure, block[:, None], targets[None]) for block in torch.split(queries, rows)]
        return torch.cat(parts) if parts else queries.new_zeros(0, len(targets))
    products: Tensor = _rounded_product(queries, targets) if rounded else queries @ targets.T
    if measure == "dot":
        return products
    squares = (queries * queries).sum(1, keepdim=True), (targets * targets).sum(1)
    # In place: a block of scores is large, and a fresh one costs more than the arithmetic on it.
    squared = products.mul_(-2).add_(squares[0]).add_(squares[1]).clamp_min_(_LEAST)
    return -squared.sqrt() if squared.requires_grad else squared.sqrt_().neg_()


def row_by_row(measure: Measure, queries: Tensor, targets: Tensor) -> Tensor:
    """Similarity of queries (..., d) with targets (..., d) that broadcast against them, (...)."""
    if measure == "dot":
        return (queries * targets).sum(-1)
    difference = queries - targets
    if measure == "l1":
        return -difference.abs().sum(-1)
    if measure == "l2":
        return -(difference * difference).sum(-1).clamp_min(_LEAST).sqrt()
    real, imaginary = difference.chunk(2, -1)
    return -(real * real + imaginary * imaginary).clamp_min(_LEAST).sqrt().sum(-1)


def _rounded_product(queries: Tensor, targets: Tensor) -> Any:
    return _RoundedProduct.apply(queries, targets)  # type: ignore[no-untyped-call]


def has_bfloat16() -> bool:
    """Whether this processor has arithmetic for matrices of bfloat16; without it they are slower than float32."""
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(key, False) for key in ("avx512_bf16", "amx_bf16"))
