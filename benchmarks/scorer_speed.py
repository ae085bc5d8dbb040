"""Speed of embedding scores: uniformly random facts, in millions a second.

    python -m benchmarks.scorer_speed [--threads 1 2] [--save]

Tables of random numbers of WN18RR's size, 65 MB at 400 numbers a row, so that most rows come from memory. A fact takes
two rows of the entity table, 3,200 bytes; what that could be at best is measured too, as single rows read at random
and held against one vector. Plain torch gathers, multiplies and adds in blocks that stay in the cache.
Each figure is the fastest of many short runs: what the scores cost while nothing else uses the machine.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.common import fastest, print_table, save_result
from kgwalk import _core
from kgwalk.protocols import Ids

ENTITIES, RELATIONS = 40_943, 22
#: Facts that plain torch scores at once; from 1,024 to 4,096 it is fastest.
BLOCK = 2_048

Floats = NDArray[np.float32]
Torch = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def _times(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Complex product of rows that hold real parts first."""
    (a, b), (c, d) = left.chunk(2, -1), right.chunk(2, -1)
    return torch.cat([a * c - b * d, a * d + b * c], -1)


#: Scores of facts by their rows in plain torch, by the kernel's name.
KINDS: dict[str, Torch] = {
    "distmult": lambda h, r, t: (h * r).mul_(t).sum(1),
    "complex": lambda h, r, t: _times(h, r).mul_(t).sum(1),
    "transe-l1": lambda h, r, t: (h + r).sub_(t).abs_().sum(1),
    "transe-l2": lambda h, r, t: torch.linalg.vector_norm((h + r).sub_(t), dim=1),
    "rotate": lambda h, r, t: torch.linalg.vector_norm(_times(h, r).sub_(t), dim=1),
    "rotate-modulus": lambda h, r, t: torch.hypot(*_times(h, r).sub_(t).chunk(2, -1)).sum(1),
}


class Setting(NamedTuple):
    """Tables and facts, drawn once."""

    entities: Floats
    relations: Floats
    facts: Ids

    @classmethod
    def draw(cls, count: int, dim: int, seed: int) -> Setting:
        """``count`` facts of uniformly random ids."""
        rng = np.random.default_rng(seed)
        tables = [rng.standard_normal((rows, dim), dtype=np.float32) for rows in (ENTITIES, RELATIONS)]
        limits = (ENTITIES, RELATIONS, ENTITIES)
        return cls(*tables, np.stack([rng.integers(0, limit, count, dtype=np.int32) for limit in limits], axis=1))


def measure_kernel(kind: str, setting: Setting) -> float:
    """Facts a second by the fused kernel."""
    heads, relations, tails = (np.ascontiguousarray(column) for column in setting.facts.T)
    seconds = fastest(lambda: _core.triple_scores(kind, setting.entities, setting.relations, heads, relations, tails))
    return len(heads) / seconds


def measure_torch(kind: str, setting: Setting) -> float:
    """Facts a second by plain torch."""
    entities, relations = torch.from_numpy(setting.entities), torch.from_numpy(setting.relations)
    columns = torch.from_numpy(setting.facts).T.long().contiguous()
    out = torch.empty(columns.shape[1])

    def run() -> None:
        for begin in range(0, len(out), BLOCK):
            h, r, t = columns[:, begin : begin + BLOCK]
            rows = entities.index_select(0, h), relations.index_select(0, r), entities.index_select(0, t)
            out[begin : begin + BLOCK] = KINDS[kind](*rows)

    return len(out) / fastest(run)


def measure_rows(setting: Setting) -> float:
    """Rows a second that can be read at random, each for one dot product."""
    tails = np.ascontiguousarray(setting.facts[:, 2])
    only = np.zeros(len(tails), np.int64)
    seconds = fastest(lambda: _core.pair_scores("dot", setting.entities[:1], only, setting.entities, tails))
    return len(tails) / seconds


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and save where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="threads of the kernels and of torch")
    parser.add_argument("--dim", type=int, default=400, help="numbers in a row")
    parser.add_argument("--facts", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/scorer_speed/<name>.json")
    given = parser.parse_args(arguments)
    setting = Setting.draw(given.facts, given.dim, given.seed)
    for threads in given.threads:
        _core.set_num_threads(threads)
        torch.set_num_threads(threads)
        bound = measure_rows(setting) / 2
        figures = {
            kind: {"kernel": measure_kernel(kind, setting), "torch": measure_torch(kind, setting)} for kind in KINDS
        }
        print_table(
            f"million random facts a second, {given.dim} numbers a row, {threads} thread(s); "
            f"two random rows are read {bound / 1e6:.1f} million times a second, {bound * 8e-9 * given.dim:.0f} GB/s",
            ["score", "kernel", "share of reading", "plain torch", "times torch"],
            [
                [kind, f["kernel"] / 1e6, f["kernel"] / bound, f["torch"] / 1e6, f["kernel"] / f["torch"]]
                for kind, f in figures.items()
            ],
        )
        if given.save:
            metrics = {"facts_per_second": figures, "reading_bound_per_second": bound, "threads": threads}
            protocol = {"dim": given.dim, "facts": given.facts, "entities": ENTITIES, "relations": RELATIONS}
            save_result("scorer_speed", f"random-facts-threads{threads}", metrics, seed=given.seed, protocol=protocol)


if __name__ == "__main__":
    main()
