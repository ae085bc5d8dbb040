"""What the kernels may not depend on: the CPU's instruction set; and what they may not hold: the interpreter."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from kgwalk import _core, ragged
from kgwalk.protocols import Candidates

SETS = _core.instruction_sets()


@pytest.fixture
def use_set() -> Iterator[None]:
    yield
    _core.use_instruction_set(SETS[-1])


def run(dim: int) -> list[torch.Tensor]:
    """Everything that is computed by loops of one instruction set."""
    rng = np.random.default_rng(dim)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(0, 30, 40))])
    size = int(offsets[-1])
    ids = (rng.integers(0, limit, size, dtype=np.int32) for limit in (5, 60))
    generator = torch.Generator().manual_seed(dim)
    leaves = [torch.randn(*s, generator=generator, requires_grad=True) for s in ((40, 5), (40, dim), (60, dim))]
    logits = ragged.edge_logits(*leaves, Candidates(offsets, *ids))
    log_probs = ragged.log_softmax(logits * 20, offsets)
    entropy = ragged.entropy(log_probs, offsets)
    norm = ragged.log_sum_exp(logits, offsets)
    total = entropy.sum() + norm.masked_fill(norm == -torch.inf, 0).sum()
    return [logits, log_probs, entropy, norm, *torch.autograd.grad(total, leaves)]


@pytest.mark.parametrize("dim", [1, 3, 4, 15, 32, 47, 64, 200])
@pytest.mark.parametrize("name", SETS[1:])
@pytest.mark.usefixtures("use_set")
def test_same_bits_for_every_instruction_set(name: str, dim: int) -> None:
    results = []
    for chosen in (SETS[0], name):
        _core.use_instruction_set(chosen)
        results.append(run(dim))
    for plain, fast in zip(*results, strict=True):
        assert torch.equal(plain, fast)


def test_unknown_instruction_set() -> None:
    with pytest.raises(ValueError, match="mmx"):
        _core.use_instruction_set("mmx")


def test_other_threads_run_meanwhile() -> None:
    """A call of about 100 ms: another thread counts on while it lasts."""
    states, dim = 4_000, 4_096
    offsets = np.arange(0, 25 * states + 1, 25)
    ids = np.zeros(25 * states, np.int32)
    scores, query, table = (
        torch.zeros(states, 1).numpy(),
        np.zeros((states, dim), np.float32),
        np.zeros((1, dim), np.float32),
    )
    seen: list[int] = []
    stop = threading.Event()

    def count() -> None:
        ticks = 0
        while not stop.wait(1e-4):
            ticks += 1
            seen[:] = [ticks]

    counter = threading.Thread(target=count)
    counter.start()
    try:
        before = sum(seen)
        _core.ragged_edge_logits(scores, query, table, offsets, ids, ids)
        after = sum(seen)
    finally:
        stop.set()
        counter.join()
    assert after > before + 2
