"""Torch operations on ragged candidates: edge logits, log-softmax, sums, entropy and sampling, with their gradients.

Values lie end to end, (C,), and row ``s`` of S holds ``offsets[s]:offsets[s + 1]``; rows may be empty. ``offsets`` is
(S + 1,) int64, a numpy array or a tensor. Float32 tensors on the CPU go through C++ kernels that copy no gathered rows,
use ``set_num_threads`` threads, and give the same bits whatever that number; all others go through the plain torch
functions of :mod:`kgwalk.ragged_reference`, which define what the kernels compute. First derivatives only.

Every function raises ValueError for wrong shapes, dtypes and offsets, IndexError for ids out of range.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch.autograd.function import once_differentiable

from . import _core
from . import ragged_reference as reference
from .protocols import Candidates, Ids, Offsets

OffsetsLike: TypeAlias = Offsets | torch.Tensor
IntegersLike: TypeAlias = NDArray[Any] | torch.Tensor


def segment_sum(values: torch.Tensor, offsets: OffsetsLike) -> torch.Tensor:
    """Sum of each row of ``values`` (C,), as (S,); 0 for an empty row."""
    return _apply(_SegmentSum, reference.segment_sum, values, offsets)


def log_sum_exp(values: torch.Tensor, offsets: OffsetsLike) -> torch.Tensor:
    """Log of the sum of exponentials of each row of ``values`` (C,), as (S,); -inf for an empty row."""
    return _apply(_LogSumExp, reference.log_sum_exp, values, offsets)


def log_softmax(logits: torch.Tensor, offsets: OffsetsLike) -> torch.Tensor:
    """Log-probabilities of each row of ``logits`` (C,), as (C,): the logits less their row's ``log_sum_exp``."""
    return _apply(_LogSoftmax, reference.log_softmax, logits, offsets)


def entropy(log_probs: torch.Tensor, offsets: OffsetsLike) -> torch.Tensor:
    """``-sum p log p`` of each row of ``log_probs`` (C,) in nats, as (S,); candidates of probability 0 add nothing."""
    return _apply(_Entropy, reference.entropy, log_probs, offsets)


def edge_logits(
    relation_scores: torch.Tensor,
    entity_query: torch.Tensor | None,
    entity_table: torch.Tensor | None,
    candidates: Candidates,
    *,
    accumulate: bool = False,
) -> torch.Tensor:
    """Score every candidate (r, e) of row s: ``relation_scores[s, r] + <entity_query[s], entity_table[e]>``.

    Args:
        relation_scores: (S, V), a score for each relation, in one matrix product for all rows.
        entity_query: (S, d), or None to score relations alone.
        entity_table: (n, d), or None.
        candidates: C of them in S rows, relations in [0, V), entities in [0, n).
        accumulate: see ``lookup``; for ``entity_table``.

    Returns:
        (C,) logits. Their gradients for all three tensors are dense.
    """
    tensors = [t for t in (relation_scores, entity_query, entity_table) if t is not None]
    if len(tensors) == 2:
        raise ValueError("entity_query and entity_table: expected both or neither")
    offsets = _offsets(candidates.offsets)
    relations = _ids(candidates.relations, "relations")
    entities = _ids(candidates.entities, "entities")
    if entity_table is not None:
        _check_accumulates(entity_table, accumulate)
    if _compiled(*tensors):
        edge: torch.Tensor = _EdgeLogits.apply(  # type: ignore[no-untyped-call]
            relation_scores, entity_query, entity_table, offsets, relations, entities, accumulate
        )
        return edge
    _check_matrix(relation_scores, "relation_scores", len(offsets) - 1)
    _check_offsets(offsets, len(relations))
    _check_ids(relations, "relations", relation_scores.shape[1])
    if entity_query is not None and entity_table is not None:
        _check_matrix(entity_query, "entity_query", len(offsets) - 1)
        _check_matrix(entity_table, "entity_table", columns=entity_query.shape[1])
        if len(entities) != len(relations):
            raise ValueError(f"entities: expected shape {relations.shape}, got {entities.shape}")
        _check_ids(entities, "entities", len(entity_table))
    return reference.edge_logits(relation_scores, entity_query, entity_table, Candidates(offsets, relations, entities))


def lookup(table: torch.Tensor, ids: torch.Tensor, *, accumulate: bool = False) -> torch.Tensor:
    """Rows ``ids`` of ``table`` (n, d), as (len(ids), d).

    Args:
        table: (n, d).
        ids: (k,) int64 or int32, in [0, n).
        accumulate: add the gradient straight into ``table.grad``, ``table`` being a leaf, instead of handing autograd a
            dense (n, d) tensor for every use to add up: for a table of millions of numbers that is looked up many times
            in a step, this is most of the step. Only ``backward()`` sees such gradients, ``torch.autograd.grad`` does
            not.
    """
    _check_matrix(table, "table")
    _check_accumulates(table, accumulate)
    if ids.ndim != 1 or ids.dtype not in (torch.int64, torch.int32):
        raise ValueError(f"ids: expected one dimension of int64 or int32, got {ids.dtype} {tuple(ids.shape)}")
    if _compiled(table):
        rows: torch.Tensor = _Lookup.apply(table, ids, accumulate)  # type: ignore[no-untyped-call]
        return rows
    return table.index_select(0, ids)


def sample(
    log_probs: torch.Tensor,
    offsets: OffsetsLike,
    rows: IntegersLike,
    seed: int,
    streams: IntegersLike,
    counter: int,
) -> torch.Tensor:
    """Draw one candidate for each walker, with probability proportional to ``exp(log_probs)`` over its row.

    Walker k's draw depends on its row, ``seed``, ``streams[k]`` and ``counter`` alone: not on the other walkers, nor on
    the number of threads. Not differentiable.

    Args:
        log_probs: (C,), normalised or not.
        offsets: (S + 1,).
        rows: (K,) int64, the row each walker draws from; many may share one.
        seed: in [0, 2**64).
        streams: (K,) int64 or uint64, a number of each walker's own.
        counter: in [0, 2**64); another one, such as the hop, gives new draws.

    Returns:
        (K,) int64: index in [0, C) of the candidate drawn.

    Raises:
        ValueError: A walker's row is empty, or has no candidate of finite, positive probability.
    """
    ends = _offsets(offsets)
    wanted = _integers(rows, "rows", (np.int64,))
    keys = _integers(streams, "streams", (np.int64, np.uint64)).view(np.uint64)
    for name, number in (("seed", seed), ("counter", counter)):
        if not 0 <= number < 2**64:
            raise ValueError(f"{name}: expected a number in [0, 2**64), got {number}")
    if _compiled(log_probs):
        return torch.from_numpy(_core.ragged_sample(_array(log_probs), ends, wanted, seed, keys, counter))
    _check_offsets(ends, _length(log_probs))
    _check_ids(wanted, "rows", len(ends) - 1)
    if keys.shape != wanted.shape:
        raise ValueError(f"streams: expected shape {wanted.shape}, got {keys.shape}")
    device = log_probs.device
    rows_there, ends_there = torch.from_numpy(wanted).to(device), torch.from_numpy(ends).to(device)
    return reference.sample(log_probs, ends_there, rows_there, seed, torch.from_numpy(keys.view(np.int64)), counter)


# --- what comes in ---


def _compiled(*tensors: torch.Tensor) -> bool:
    return all(t.dtype == torch.float32 and t.device.type == "cpu" for t in tensors)


def _array(tensor: torch.Tensor) -> NDArray[np.float32]:
    """The tensor's memory as an array, or a contiguous copy's."""
    array: NDArray[np.float32] = tensor.detach().contiguous().numpy()
    return array


def _integers(values: IntegersLike, name: str, dtypes: tuple[type, ...]) -> NDArray[Any]:
    array = values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else values
    if array.ndim != 1 or array.dtype not in dtypes:
        expected = " or ".join(np.dtype(d).name for d in dtypes)
        raise ValueError(f"{name}: expected one dimension of {expected}, got {array.dtype} {array.shape}")
    return np.ascontiguousarray(array)


def _offsets(offsets: OffsetsLike) -> Offsets:
    return _integers(offsets, "offsets", (np.int64,))


def _ids(ids: IntegersLike, name: str) -> Ids:
    return _integers(ids, name, (np.int32,))


def _length(values: torch.Tensor) -> int:
    if values.ndim != 1 or not values.is_floating_point():
        raise ValueError(f"values: expected one dimension of floats, got {values.dtype} {tuple(values.shape)}")
    return len(values)


def _check_matrix(matrix: torch.Tensor, name: str, rows: int = -1, columns: int = -1) -> None:
    shape = tuple(matrix.shape)
    if len(shape) != 2 or rows not in (-1, shape[0]) or columns not in (-1, shape[1]):
        raise ValueError(f"{name}: expected shape ({rows}, {columns}), -1 being any, got {shape}")


def _check_accumulates(table: torch.Tensor, accumulate: bool) -> None:
    if accumulate and not table.is_leaf:
        raise ValueError("accumulate: expected a table that is a leaf, since only those have a gradient of their own")


def _check_offsets(offsets: Offsets, size: int) -> None:
    if len(offsets) == 0 or offsets[0] != 0 or offsets[-1] != size or bool((np.diff(offsets) < 0).any()):
        raise ValueError(f"offsets: expected to rise from 0 to {size}, the number of values")


def _check_ids(ids: NDArray[Any], name: str, limit: int) -> None:
    bad = (ids < 0) | (ids >= limit)
    if bad.any():
        raise IndexError(f"{name}: {ids[bad][0]} is not in [0, {limit})")


def _apply(
    function: type[torch.autograd.Function],
    twin: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    values: torch.Tensor,
    offsets: OffsetsLike,
) -> torch.Tensor:
    ends = _offsets(offsets)
    if _compiled(values):
        out: torch.Tensor = function.apply(values, ends)  # type: ignore[no-untyped-call]
        return out
    _check_offsets(ends, _length(values))
    return twin(values, torch.from_numpy(ends).to(values.device))


# --- the compiled kernels with their gradients ---


class _SegmentSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, offsets: Offsets) -> torch.Tensor:
        ctx.offsets, ctx.size = offsets, values.shape[0]
        return torch.from_numpy(_core.ragged_segment_sum(_array(values), offsets))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        return torch.from_numpy(_core.ragged_repeat(_array(grad), ctx.offsets, ctx.size)), None


class _LogSumExp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, offsets: Offsets) -> torch.Tensor:
        result = torch.from_numpy(_core.ragged_log_sum_exp(_array(values), offsets))
        ctx.save_for_backward(values, result)
        ctx.offsets = offsets
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        values, result = ctx.saved_tensors
        out = _core.ragged_log_sum_exp_backward(_array(values), _array(result), _array(grad), ctx.offsets)
        return torch.from_numpy(out), None


class _LogSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor, offsets: Offsets) -> torch.Tensor:
        log_probs = torch.from_numpy(_core.ragged_log_softmax(_array(logits), offsets))
        ctx.save_for_backward(log_probs)
        ctx.offsets = offsets
        return log_probs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        (log_probs,) = ctx.saved_tensors
        return torch.from_numpy(_core.ragged_log_softmax_backward(_array(log_probs), _array(grad), ctx.offsets)), None


class _Entropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, log_probs: torch.Tensor, offsets: Offsets) -> torch.Tensor:
        ctx.save_for_backward(log_probs)
        ctx.offsets = offsets
        return torch.from_numpy(_core.ragged_entropy(_array(log_probs), offsets))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        (log_probs,) = ctx.saved_tensors
        return torch.from_numpy(_core.ragged_entropy_backward(_array(log_probs), _array(grad), ctx.offsets)), None


class _EdgeLogits(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        relation_scores: torch.Tensor,
        entity_query: torch.Tensor | None,
        entity_table: torch.Tensor | None,
        offsets: Offsets,
        relations: Ids,
        entities: Ids,
        accumulate: bool,
    ) -> torch.Tensor:
        ctx.save_for_backward(entity_query, entity_table)
        ctx.accumulate = accumulate
        ctx.shape, ctx.candidates = relation_scores.shape, (offsets, relations, entities)
        query = None if entity_query is None else _array(entity_query)
        table = None if entity_table is None else _array(entity_table)
        logits = _core.ragged_edge_logits(_array(relation_scores), query, table, offsets, relations, entities)
        return torch.from_numpy(logits)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        entity_query, entity_table = ctx.saved_tensors
        offsets, relations, entities = ctx.candidates
        from_logits = _array(grad)
        relation_grad = query_grad = table_grad = None
        if ctx.needs_input_grad[0]:
            relation_grad = torch.zeros(ctx.shape)
            _core.ragged_relation_scores_backward(from_logits, offsets, relations, relation_grad.numpy())
        if ctx.needs_input_grad[1]:
            query_grad = torch.zeros(entity_query.shape)
            table = _array(entity_table)
            _core.ragged_entity_query_backward(from_logits, offsets, entities, table, query_grad.numpy())
        if ctx.needs_input_grad[2]:
            table_grad = _gradient_of(entity_table, ctx.accumulate)
            query = _array(entity_query)
            _core.ragged_entity_table_backward(from_logits, offsets, entities, query, table_grad.numpy())
        return relation_grad, query_grad, None if ctx.accumulate else table_grad, None, None, None, None


class _Lookup(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: torch.Tensor, ids: torch.Tensor, accumulate: bool) -> torch.Tensor:
        ctx.save_for_backward(table, ids)
        ctx.accumulate = accumulate
        return table.index_select(0, ids)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, None, None]:
        # A looked-up row is the entity query of a row with one candidate of weight 1.
        table, ids = ctx.saved_tensors
        table_grad = _gradient_of(table, ctx.accumulate)
        ones = np.ones(len(ids), np.float32)
        offsets = np.arange(len(ids) + 1)
        entities = ids.numpy().astype(np.int32)
        _core.ragged_entity_table_backward(ones, offsets, entities, _array(grad), table_grad.numpy())
        return None if ctx.accumulate else table_grad, None, None


def _gradient_of(table: torch.Tensor, accumulate: bool) -> torch.Tensor:
    """What a table's gradient is added to: its own ``grad``, or zeros for autograd to add up."""
    if not accumulate:
        return torch.zeros(table.shape)
    if table.grad is None:
        table.grad = torch.zeros(table.shape)
    return table.grad
