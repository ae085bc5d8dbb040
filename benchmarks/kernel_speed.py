"""Speed of the ragged policy kernels, in nanoseconds per candidate, beside plain torch on the same tensors.

    python -m benchmarks.kernel_speed [--threads 1] [--instruction-set avx2] [--save]

Candidates lead to random entities of a table of WN18RR's size, so that at 200 dimensions most rows come from memory.
Each figure is the fastest of many short runs: what the kernel costs while nothing else uses the machine.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from benchmarks.common import fastest, print_table, save_result
from kgwalk import _core, ragged
from kgwalk import ragged_reference as reference
from kgwalk.protocols import Candidates

ENTITIES, RELATIONS = 40_943, 23


def draw_candidates(states: int, seed: int) -> Candidates:
    """Rows of 0 to 39 moves, 20 on average."""
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(0, 40, states))])
    size = int(offsets[-1])
    relations = rng.integers(0, RELATIONS, size, dtype=np.int32)
    return Candidates(offsets, relations, rng.integers(0, ENTITIES, size, dtype=np.int32))


def both_ways(function: Callable[[], torch.Tensor], leaves: list[torch.Tensor]) -> tuple[float, float]:
    """Seconds forward and backward, gradients of all leaves included."""
    with torch.no_grad():
        forward = fastest(function)
    out = function()
    grad = torch.ones_like(out)
    return forward, fastest(lambda: torch.autograd.grad(out, leaves, grad, retain_graph=True))


def measure_edge_logits(states: int, dim: int, seed: int) -> dict[str, float]:
    """Nanoseconds per candidate at one width."""
    candidates = draw_candidates(states, seed)
    generator = torch.Generator().manual_seed(seed)
    shapes = ((states, RELATIONS), (states, dim), (ENTITIES, dim))
    scores, query, table = (torch.randn(*shape, generator=generator, requires_grad=True) for shape in shapes)
    leaves = [scores, query, table]
    forward, backward = both_ways(lambda: ragged.edge_logits(scores, query, table, candidates), leaves)
    twin_forward, twin_backward = both_ways(lambda: reference.edge_logits(scores, query, table, candidates), leaves)
    zeros = fastest(lambda: torch.zeros(ENTITIES, dim))
    return _per_candidate(
        len(candidates.relations),
        forward=forward,
        backward=backward,
        backward_zero_fill=zeros,
        torch_forward=twin_forward,
        torch_backward=twin_backward,
    )


def measure_segments(states: int, seed: int) -> dict[str, dict[str, float]]:
    """Nanoseconds per candidate of the functions of one value per candidate, by name."""
    offsets = draw_candidates(states, seed).offsets
    there, size = torch.from_numpy(offsets), int(offsets[-1])
    logits = torch.randn(size, generator=torch.Generator().manual_seed(seed))
    found = {}
    for name in ("log_softmax", "log_sum_exp", "segment_sum", "entropy"):
        values = (reference.log_softmax(logits, there) if name == "entropy" else logits).requires_grad_()
        compiled, plain = getattr(ragged, name), getattr(reference, name)
        forward, backward = both_ways(functools.partial(compiled, values, offsets), [values])
        twin_forward, twin_backward = both_ways(functools.partial(plain, values, there), [values])
        found[name] = _per_candidate(
            size, forward=forward, backward=backward, torch_forward=twin_forward, torch_backward=twin_backward
        )
    return found


def measure_sample(states: int, seed: int) -> dict[str, float]:
    """Nanoseconds per walker, four walkers to a row of about 20 candidates."""
    offsets = draw_candidates(states, seed).offsets
    filled = np.flatnonzero(np.diff(offsets))
    rows, streams = np.repeat(filled, 4), np.arange(4 * len(filled))
    log_probs = ragged.log_softmax(torch.randn(int(offsets[-1])), offsets)
    there = [torch.from_numpy(a) for a in (offsets, rows, streams)]
    return _per_candidate(
        len(rows),
        forward=fastest(lambda: ragged.sample(log_probs, offsets, rows, seed, streams, 0)),
        torch_forward=fastest(lambda: reference.sample(log_probs, there[0], there[1], seed, there[2], 0)),
    )


def _per_candidate(size: int, **seconds: float) -> dict[str, float]:
    return {f"{name}_ns": 1e9 * value / size for name, value in seconds.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and save where asked to."""
    sets = _core.instruction_sets()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, help="threads of the kernels and of torch")
    parser.add_argument("--states", type=int, default=1_000, help="rows of about 20 candidates")
    parser.add_argument("--instruction-set", choices=sets, default=sets[-1])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/kernels/<name>.json")
    given = parser.parse_args(arguments)
    _core.set_num_threads(given.threads)
    torch.set_num_threads(given.threads)
    _core.use_instruction_set(given.instruction_set)

    metrics: dict[str, Any] = {
        f"edge_logits-{dim}": measure_edge_logits(given.states, dim, given.seed) for dim in (32, 64, 200)
    }
    metrics |= measure_segments(given.states, given.seed)
    metrics["sample"] = measure_sample(given.states, given.seed)
    columns = ["forward_ns", "backward_ns", "backward_zero_fill_ns", "torch_forward_ns", "torch_backward_ns"]
    print_table(
        f"ns per candidate (sample: per walker), {given.instruction_set}, {given.threads} thread(s)",
        ["kernel", *(c.removesuffix("_ns").replace("_", " ") for c in columns)],
        [[name, *(figures.get(column) for column in columns)] for name, figures in metrics.items()],
    )
    if given.save:
        metrics |= {"instruction_set": given.instruction_set, "threads": given.threads, "states": given.states}
        save_result("kernels", f"ragged-{given.instruction_set}-{given.threads}t", metrics, seed=given.seed)


if __name__ == "__main__":
    main()
