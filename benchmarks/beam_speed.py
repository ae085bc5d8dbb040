"""Queries a second of beam search and of propagation: ``python -m benchmarks.beam_speed --save``.

Three policies: the search alone, under tables in numpy that cost next to nothing; a small PathPolicy with a beam; and a
relation-only PathPolicy whose whole distribution is propagated, no beam needed. The weights are random unless
``--agent`` names a folder with a trained walker; what a beam costs depends on them only through the nodes it visits.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.common import print_table, save_result
from kgwalk._core import ActionSets, Expand, set_num_threads
from kgwalk.agents.policies.path import PathPolicy, PathPolicyConfig
from kgwalk.agents.walker import WalkerAgent
from kgwalk.data import Dataset, load
from kgwalk.protocols import Candidates, Ids, Moves
from kgwalk.search import ANY, chain, propagate, rank, search


class TablePolicy:
    """The cheapest policy there is: a number per query relation and relation, and one per entity."""

    def __init__(self, num_entities: int, num_relations: int, seed: int) -> None:
        draw = np.random.default_rng(seed)
        self.relation = draw.standard_normal((2 * num_relations, 2 * num_relations + 1), np.float32)
        self.entity = draw.standard_normal(num_entities, np.float32)

    def begin(self, queries: Ids) -> Ids:
        """The query's relation is all the state."""
        return queries[:, 1]

    def select(self, state: Ids, rows: NDArray[np.int64]) -> Ids:
        """See ``kgwalk.protocols.Policy``."""
        return state[rows]

    def logits(self, state: Ids, candidates: Candidates) -> Any:
        """See ``kgwalk.protocols.Policy``."""
        asked = np.repeat(state, np.diff(candidates.offsets))
        return self.relation[asked, candidates.relations] + self.entity[candidates.entities]

    def log_norm(self, state: Ids, logits: Any, candidates: Candidates) -> Any:
        """See ``kgwalk.protocols.Policy``; standard normal logits need no shift."""
        return np.log(np.add.reduceat(np.exp(logits), candidates.offsets[:-1]))

    def advance(self, state: Ids, moves: Moves) -> Ids:
        """See ``kgwalk.protocols.Policy``."""
        return state


def runs(dataset: Dataset, options: argparse.Namespace) -> dict[str, Callable[[], object]]:
    """What is timed, by name."""
    graph, queries = dataset.graph_for(options.split), dataset.queries(options.split)
    sizes = graph.num_entities, graph.num_relations
    torch.manual_seed(options.seed)
    if options.agent is None:
        agent = None
        policy, cap, hops = PathPolicy(*sizes, PathPolicyConfig()), options.max_out_degree, options.hops
    else:
        agent = WalkerAgent.load(options.agent, dataset.fingerprint)
        policy, cap, hops = agent.policy, agent.max_out_degree, agent.hops
    actions = ActionSets(Expand(graph, max_out_degree=cap))
    layout = chain(ANY, options.beam, hops)
    table = TablePolicy(*sizes, options.seed)
    relation_only = PathPolicy(*sizes, PathPolicyConfig(entity_dim=0)).eval()
    policy.eval()

    def beam(by: Any) -> object:
        return rank(search(actions, by, layout, queries), len(queries))

    def spread() -> object:
        return propagate(actions, relation_only, queries, hops, prefixes=options.prefixes)

    return {
        "table": lambda: beam(table),
        "path-policy" if agent is None else "trained": lambda: beam(policy),
        "propagate": spread,
    }


def main() -> None:
    """Time every run on every number of threads."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.beam_speed", description=__doc__)
    parser.add_argument("--dataset", default="WN18RR")
    parser.add_argument("--split", default="test")
    parser.add_argument("--beam", type=int, default=128)
    parser.add_argument("--hops", type=int, default=3)
    parser.add_argument("--max-out-degree", type=int, default=0)
    parser.add_argument("--prefixes", type=int, help="relation prefixes that propagation keeps; all unless given")
    parser.add_argument("--agent", type=Path, help="folder of a trained walker")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=3, help="the best of so many counts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    dataset = load(options.dataset)
    num_queries = len(dataset.queries(options.split))
    rows = []
    for threads in options.threads:
        set_num_threads(threads)
        torch.set_num_threads(threads)
        for name, run in runs(dataset, options).items():
            seconds = min(_seconds(run) for _ in range(options.repeats))
            rows.append((name, threads, seconds, num_queries / seconds))
            if options.save:
                settings = {k: str(v) if isinstance(v, Path) else v for k, v in vars(options).items()}
                save_result(
                    "beam_speed",
                    f"{dataset.name.lower()}-{name}-threads{threads}",
                    {"queries_per_second": num_queries / seconds, "queries": num_queries, "threads": threads},
                    seed=options.seed,
                    dataset=dataset.name.lower(),
                    protocol={k: settings[k] for k in ("split", "beam", "hops", "max_out_degree", "prefixes")},
                    seconds=seconds,
                )
    title = f"{dataset.name} {options.split}, {num_queries} queries, {options.hops} hops, beam {options.beam}"
    print_table(title, ["policy", "threads", "seconds", "queries/s"], rows)


def _seconds(run: Callable[[], object]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
