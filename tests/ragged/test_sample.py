"""Drawing candidates: right frequencies, the same draws on every path and thread count."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats

from kgwalk import _core, ragged
from kgwalk import ragged_reference as reference


def log_probs_of(offsets: NDArray[np.int64]) -> torch.Tensor:
    logits = 2 * torch.randn(int(offsets[-1]), generator=torch.Generator().manual_seed(0))
    return ragged.log_softmax(logits, offsets)


def walkers(offsets: NDArray[np.int64], number: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows, none of them empty, and streams."""
    filled = np.flatnonzero(np.diff(offsets))
    rows = np.random.default_rng(0).choice(filled, number) if len(filled) else np.empty(0, np.int64)
    return rows, np.arange(len(rows), dtype=np.int64)


def test_matches_reference(offsets: NDArray[np.int64]) -> None:
    log_probs = log_probs_of(offsets)
    rows, streams = walkers(offsets, 5_000)
    drawn = ragged.sample(log_probs, offsets, rows, 7, streams, 2)
    assert drawn.dtype == torch.int64
    assert drawn.shape == rows.shape
    assert bool(((offsets[rows] <= drawn.numpy()) & (drawn.numpy() < offsets[rows + 1])).all())
    there = [torch.from_numpy(a) for a in (offsets, rows, streams)]
    expected = reference.sample(log_probs.double(), there[0], there[1], 7, there[2], 2)
    # The two round their running sums differently: hardly ever does a draw fall in between.
    assert int((drawn != expected).sum()) <= len(rows) // 1_000


def test_same_draws_for_any_number_of_threads(offsets: NDArray[np.int64]) -> None:
    rows, streams = walkers(offsets, 5_000)
    alone = ragged.sample(log_probs_of(offsets), offsets, rows, 7, streams, 2)
    _core.set_num_threads(2)
    try:
        together = ragged.sample(log_probs_of(offsets), offsets, rows, 7, streams, 2)
    finally:
        _core.set_num_threads(1)
    assert torch.equal(alone, together)


@pytest.mark.parametrize("scale", [1.0, 1e-3, 50.0])
def test_frequencies(scale: float) -> None:
    """Chi-square against the probabilities, which need not add up to one."""
    probs = torch.tensor([0.05, 0.2, 0.0, 0.4, 0.05, 0.3, 1.0], dtype=torch.float64)
    offsets = np.array([0, 6, 7])
    rows, streams = np.zeros(20_000, np.int64), np.arange(20_000)
    drawn = ragged.sample((probs * scale).log().float(), offsets, rows, 3, streams, 0)
    counts = drawn.bincount(minlength=7).numpy()
    assert counts[2] == counts[6] == 0
    kept = [0, 1, 3, 4, 5]
    assert stats.chisquare(counts[kept], 20_000 * probs[kept].numpy()).pvalue > 1e-3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_certain_moves_are_always_drawn(dtype: torch.dtype) -> None:
    """Rows of which one candidate has all the probability, first, last or in between."""
    certain = torch.tensor([0, 9, 13])
    log_probs = torch.full((18,), -torch.inf, dtype=dtype)
    log_probs[certain] = torch.tensor([0.0, -300.0, 40.0], dtype=dtype)
    rows = np.repeat(np.arange(3), 2_000)
    drawn = ragged.sample(log_probs, np.array([0, 5, 10, 18]), rows, 1, np.arange(6_000), 0)
    assert torch.equal(drawn, certain.repeat_interleave(2_000))


def test_a_draw_depends_on_its_own_row_and_stream_alone() -> None:
    offsets = np.array([0, 4, 9, 30])
    log_probs = log_probs_of(offsets)
    rows, streams = walkers(offsets, 300)
    drawn = ragged.sample(log_probs, offsets, rows, 7, streams, 2)
    order = np.random.default_rng(1).permutation(300)[:100]
    assert torch.equal(ragged.sample(log_probs, offsets, rows[order], 7, streams[order], 2), drawn[order])

    own = rows == 1
    alone = ragged.sample(log_probs[4:9], np.array([0, 5]), np.zeros(own.sum(), np.int64), 7, streams[own], 2)
    assert torch.equal(alone + 4, drawn[own])

    for seed, counter in ((8, 2), (7, 3)):
        assert not torch.equal(ragged.sample(log_probs, offsets, rows, seed, streams, counter), drawn)


def test_streams_of_either_sign() -> None:
    offsets, rows = np.array([0, 50]), np.zeros(4, np.int64)
    signed = np.array([-1, 0, 1, -(2**63)])
    draws = [
        ragged.sample(log_probs_of(offsets), offsets, rows, 2**64 - 1, streams, 2**64 - 1)
        for streams in (signed, signed.view(np.uint64), torch.from_numpy(signed))
    ]
    assert torch.equal(draws[0], draws[1])
    assert torch.equal(draws[0], draws[2])


def test_uniforms_of_the_reference_are_the_generator_of_the_core() -> None:
    """A row of 2^16 equal candidates shows the leading 16 bits of every draw."""
    offsets, streams = np.array([0, 2**16]), np.arange(500)
    log_probs = torch.zeros(2**16)
    drawn = ragged.sample(log_probs, offsets, np.zeros(500, np.int64), 123456789123, streams, 5)
    uniforms = reference.uniforms(123456789123, streams.view(np.uint64), 5)
    assert np.array_equal(drawn.numpy(), np.floor(uniforms * 2**16))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("values", [[-np.inf, -np.inf], [np.nan, 0.0], [np.inf, 0.0], []])
def test_rows_in_which_nothing_can_be_drawn(values: list[float], dtype: torch.dtype) -> None:
    log_probs = torch.tensor([*values, 0.0], dtype=dtype)
    offsets = np.array([0, len(values), len(values) + 1])
    with pytest.raises(ValueError, match="no finite probability"):
        ragged.sample(log_probs, offsets, np.array([1, 0]), 0, np.array([0, 1]), 0)
    assert ragged.sample(log_probs, offsets, np.array([1]), 0, np.array([0]), 0).tolist() == [len(values)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("row", [-1, 1, 2**40])
def test_rows_out_of_range(row: int, dtype: torch.dtype) -> None:
    with pytest.raises(IndexError, match="rows"):
        ragged.sample(torch.zeros(2, dtype=dtype), np.array([0, 2]), np.array([0, row]), 0, np.array([0, 1]), 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("rows", "streams", "seed", "counter"),
    [
        (np.zeros(2, np.int32), np.zeros(2, np.int64), 0, 0),
        (np.zeros(2, np.int64), np.zeros(2, np.float64), 0, 0),
        (np.zeros(2, np.int64), np.zeros(3, np.int64), 0, 0),
        (np.zeros((1, 2), np.int64), np.zeros(2, np.int64), 0, 0),
        (np.zeros(2, np.int64), np.zeros(2, np.int64), -1, 0),
        (np.zeros(2, np.int64), np.zeros(2, np.int64), 0, 2**64),
    ],
)
def test_bad_arguments(
    rows: NDArray[np.int64], streams: NDArray[np.int64], seed: int, counter: int, dtype: torch.dtype
) -> None:
    with pytest.raises(ValueError, match="expected"):
        ragged.sample(torch.zeros(2, dtype=dtype), np.array([0, 2]), rows, seed, streams, counter)
