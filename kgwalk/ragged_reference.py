"""The ragged policy kernels in plain torch: the oracle of their tests, and the path for other devices and dtypes.

Same functions, arguments and results as :mod:`kgwalk.ragged`, but nothing is checked. Every one is built of
differentiable torch operations that run on any device; what they cost is memory, since gathered rows are copied.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from .protocols import Candidates


def row_of(offsets: torch.Tensor) -> torch.Tensor:
    """Row of each of the ``offsets[-1]`` values, (C,) int64, for ``offsets`` (S + 1,)."""
    rows = torch.arange(len(offsets) - 1, device=offsets.device)
    return torch.repeat_interleave(rows, offsets.diff())


def segment_sum(values: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
    """Sum of each row, (S,); 0 for an empty one."""
    return values.new_zeros(len(offsets) - 1).index_add(0, row_of(offsets), values)


def _row_max(values: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
    """Largest value of each row, (S,), and 0 where that is not finite: what exponents are shifted by."""
    top = values.new_full((len(offsets) - 1,), -torch.inf).scatter_reduce(0, row_of(offsets), values, "amax")
    return torch.where(top.isfinite(), top, 0).detach()


def log_sum_exp(values: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
    """Log of the sum of exponentials of each row, (S,); -inf for an empty one."""
    top = _row_max(values, offsets)
    total = segment_sum(torch.exp(values - top[row_of(offsets)]), offsets)
    # A row that sums to zero is -inf whatever its values: it must not send 0 * inf backwards.
    return torch.where(total > 0, total, 1).log().add(top).masked_fill(total == 0, -torch.inf)


def log_softmax(logits: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
    """Logits less their row's log-sum-exp, (C,)."""
    return logits - log_sum_exp(logits, offsets)[row_of(offsets)]


def entropy(log_probs: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
    """``-sum p log p`` of each row in nats, (S,); moves of probability 0 add nothing."""
    finite = torch.where(log_probs == -torch.inf, 0, log_probs)
    return segment_sum(-log_probs.exp() * finite, offsets)


def edge_logits(
    relation_scores: torch.Tensor,
    entity_query: torch.Tensor | None,
    entity_table: torch.Tensor | None,
    candidates: Candidates,
) -> torch.Tensor:
    """``relation_scores[s, r] + <entity_query[s], entity_table[e]>`` of each candidate (r, e) of row s, (C,)."""
    device = relation_scores.device
    rows = row_of(torch.as_tensor(candidates.offsets, device=device))
    logits = relation_scores[rows, torch.as_tensor(candidates.relations, dtype=torch.int64, device=device)]
    if entity_query is None or entity_table is None:
        return logits
    entities = torch.as_tensor(candidates.entities, dtype=torch.int64, device=device)
    return logits + (entity_query[rows] * entity_table[entities]).sum(1)


def uniforms(seed: int, streams: NDArray[np.uint64], counter: int) -> NDArray[np.float64]:
    """First draw in [0, 1) of ``CounterRng(seed, stream, counter)`` for each stream, (K,): Philox4x32-10 in numpy."""
    low, shift = np.uint64(0xFFFFFFFF), np.uint64(32)
    words = np.empty((4, len(streams)), np.uint64)
    words[0], words[1] = counter & 0xFFFFFFFF, counter >> 32
    words[2], words[3] = streams & low, streams >> shift
    key = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        p0, p1 = words[0] * np.uint64(0xD2511F53), words[2] * np.uint64(0xCD9E8D57)
        words[0], words[2] = (p1 >> shift) ^ words[1] ^ np.uint64(key[0]), (p0 >> shift) ^ words[3] ^ np.uint64(key[1])
        words[1], words[3] = p1 & low, p0 & low
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    bits = (words[0] << shift) | words[1]
    return np.asarray((bits >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def sample(
    log_probs: torch.Tensor,
    offsets: torch.Tensor,
    rows: torch.Tensor,
    seed: int,
    streams: torch.Tensor,
    counter: int,
) -> torch.Tensor:
    """Candidate drawn by each walker from its row, (K,) int64: where the running sum passes a uniform share of it."""
    log_probs = log_probs.detach()
    row = row_of(offsets)
    mass = torch.exp((log_probs - _row_max(log_probs, offsets)[row]).double())
    total = segment_sum(mass, offsets)[rows]
    if not bool(((total > 0) & total.isfinite()).all()):
        raise ValueError("log_probs: a row to be sampled has no finite probability")
    draws = torch.from_numpy(uniforms(seed, streams.cpu().numpy().view(np.uint64), counter)).to(mass.device)
    running = mass.cumsum(0)
    before = torch.cat([running.new_zeros(1), running])[offsets[rows]]
    chosen = torch.searchsorted(running, before + draws * total, right=True)
    # Rounding may step over the end of the row or into its moves of probability 0.
    index = torch.arange(len(mass), device=mass.device)
    last = index.new_full((len(offsets) - 1,), -1).scatter_reduce(0, row, torch.where(mass > 0, index, -1), "amax")
    return torch.minimum(chosen, last[rows])
