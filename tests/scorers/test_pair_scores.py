"""Pair and triple kernels against numpy in double precision, whatever the shape, thread count and CPU."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from kgwalk import _core

Rows = NDArray[np.float64]
SETS = _core.instruction_sets()


def cut(rows: Rows) -> Any:
    """Rows of reals as complex numbers: real parts first."""
    half = rows.shape[1] // 2
    return rows[:, :half] + 1j * rows[:, half:]


MEASURES: dict[str, Callable[[Rows, Rows], Rows]] = {
    "dot": lambda q, t: (q * t).sum(1),
    "l1": lambda q, t: np.abs(q - t).sum(1),
    "l2": lambda q, t: np.sqrt(((q - t) ** 2).sum(1)),
    "modulus": lambda q, t: np.abs(cut(q) - cut(t)).sum(1),
}
KINDS: dict[str, Callable[[Rows, Rows, Rows], Rows]] = {
    "distmult": lambda h, r, t: (h * r * t).sum(1),
    "complex": lambda h, r, t: (cut(h) * cut(r) * cut(t).conj()).sum(1).real,
    "transe-l1": lambda h, r, t: np.abs(h + r - t).sum(1),
    "transe-l2": lambda h, r, t: np.sqrt(((h + r - t) ** 2).sum(1)),
    "rotate": lambda h, r, t: np.sqrt((np.abs(cut(h) * cut(r) - cut(t)) ** 2).sum(1)),
    "rotate-modulus": lambda h, r, t: np.abs(cut(h) * cut(r) - cut(t)).sum(1),
}
COMPLEX = {"modulus", "complex", "rotate", "rotate-modulus"}


@pytest.fixture
def machine() -> Iterator[None]:
    yield
    _core.use_instruction_set(SETS[-1])
    _core.set_num_threads(1)


def tables(seed: int, dim: int, *lengths: int) -> list[NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((length, dim), dtype=np.float32) for length in lengths]


seeds = st.integers(0, 2**32 - 1)
halves = st.integers(0, 90)
counts = st.integers(0, 40)


@pytest.mark.parametrize("measure", MEASURES)
@given(seed=seeds, half=halves, n=counts)
def test_pairs_equal_numpy(measure: Any, seed: int, half: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    queries, table = tables(seed, half * 2 if measure in COMPLEX else half, 3, 8)
    rows, targets = rng.integers(0, 3, n), rng.integers(0, 8, n, dtype=np.int32)
    got = _core.pair_scores(measure, queries, rows, table, targets)
    want = MEASURES[measure](queries[rows].astype(float), table[targets].astype(float))
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@given(seed=seeds, half=halves, n=counts)
def test_triples_equal_numpy(kind: Any, seed: int, half: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    entities, relations = tables(seed, half * 2 if kind in COMPLEX else half, 8, 3)
    heads, tails = (rng.integers(0, 8, n, dtype=np.int32) for _ in range(2))
    rels = rng.integers(0, 3, n, dtype=np.int32)
    got = _core.triple_scores(kind, entities, relations, heads, rels, tails)
    want = KINDS[kind](
        *(table[ids].astype(float) for table, ids in ((entities, heads), (relations, rels), (entities, tails)))
    )
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-4)


@pytest.mark.usefixtures("machine")
def test_same_bits_for_every_instruction_set_and_thread_count() -> None:
    n, dim = 5_000, 86
    rng = np.random.default_rng(0)
    entities, relations = tables(0, dim, 50, 7)
    heads, tails = (rng.integers(0, 50, n, dtype=np.int32) for _ in range(2))
    rels = rng.integers(0, 7, n, dtype=np.int32)

    def everything() -> list[bytes]:
        pairs = [_core.pair_scores(m, relations, rels.astype(np.int64), entities, tails) for m in MEASURES]
        facts = [_core.triple_scores(k, entities, relations, heads, rels, tails) for k in KINDS]
        return [scores.tobytes() for scores in pairs + facts]

    results = []
    for name in SETS:
        for threads in (1, 2, 3):
            _core.use_instruction_set(name)
            _core.set_num_threads(threads)
            results.append(everything())
    assert all(result == results[0] for result in results)


def test_other_threads_run_meanwhile() -> None:
    """A call of about 100 ms: another thread counts on while it lasts."""
    table, rels = np.zeros((1, 4_096), np.float32), np.zeros(200_000, np.int64)
    ticks = 0
    stop = threading.Event()

    def count() -> None:
        nonlocal ticks
        while not stop.wait(1e-4):
            ticks += 1

    counter = threading.Thread(target=count)
    counter.start()
    try:
        before = ticks
        _core.pair_scores("dot", table, rels, table, rels.astype(np.int32))
        after = ticks
    finally:
        stop.set()
        counter.join()
    assert after > before + 2


TABLE = np.zeros((4, 6), np.float32)
IDS = np.array([0, 3], np.int32)
LONG_IDS = IDS.astype(np.int64)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            ("cosine", TABLE, LONG_IDS, TABLE, IDS),
            ValueError,
            "measure: expected one of dot, l1, l2, modulus; got cosine",
        ),
        (("dot", TABLE[:, :5], LONG_IDS, TABLE, IDS), ValueError, r"queries: expected shape \(n, 6\), got \(4, 5\)"),
        (("dot", TABLE[0], LONG_IDS, TABLE, IDS), ValueError, "queries: expected shape"),
        (("dot", TABLE, LONG_IDS, TABLE.astype(float), IDS), ValueError, "table: expected dtype float32, got float64"),
        (("dot", TABLE, IDS, TABLE, IDS), ValueError, "rows: expected dtype int64, got int32"),
        (("dot", TABLE, LONG_IDS, TABLE, IDS[:1]), ValueError, r"targets: expected shape \(2,\), got \(1,\)"),
        (
            ("modulus", TABLE[:, :5], LONG_IDS, TABLE[:, :5], IDS),
            ValueError,
            "table: expected an even number of columns",
        ),
        (("dot", TABLE[:3], LONG_IDS, TABLE, IDS), IndexError, r"rows: 3 at 1 is not in \[0, 3\)"),
        (("dot", TABLE, LONG_IDS, TABLE, IDS - 1), IndexError, r"targets: -1 at 0 is not in \[0, 4\)"),
    ],
)
def test_bad_pairs_are_refused(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        _core.pair_scores(*arguments)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("dot", TABLE, TABLE, IDS, IDS, IDS), ValueError, "kind: expected one of distmult, complex, .*; got dot"),
        (("distmult", TABLE, TABLE[:, :3], IDS, IDS, IDS), ValueError, r"relations: expected shape \(n, 6\)"),
        (("distmult", TABLE, TABLE, LONG_IDS, IDS, IDS), ValueError, "heads: expected dtype int32, got int64"),
        (("distmult", TABLE, TABLE, IDS, IDS[:1], IDS), ValueError, r"rels: expected shape \(2,\), got \(1,\)"),
        (("complex", TABLE[:, 1:], TABLE[:, 1:], IDS, IDS, IDS), ValueError, "entities: expected an even number"),
        (("distmult", TABLE[:3], TABLE, IDS, IDS, IDS), IndexError, r"heads: 3 at 1 is not in \[0, 3\)"),
        (("distmult", TABLE, TABLE[:3], IDS, IDS, IDS), IndexError, r"rels: 3 at 1 is not in \[0, 3\)"),
        (("distmult", TABLE, TABLE, IDS, IDS, IDS + 1), IndexError, r"tails: 4 at 1 is not in \[0, 4\)"),
    ],
)
def test_bad_triples_are_refused(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        _core.triple_scores(*arguments)


def test_rows_that_are_not_contiguous_score_alike() -> None:
    (table,) = tables(0, 6, 9)
    spread = np.repeat(table, 2, axis=1)[:, ::2]
    rows, targets = np.arange(9), np.arange(9, dtype=np.int32)[::-1]
    assert _core.pair_scores("l1", spread, rows, spread, targets).tolist() == (
        _core.pair_scores("l1", table, rows, table, targets.copy()).tolist()
    )
