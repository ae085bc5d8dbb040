"""FB15k-237's test on a Ray cluster of two nodes, one worker killed on the way, against one process: the same ranks?

The agent is a set of rules, mined first, on the cluster too. ``python -m benchmarks.ray_evaluation``, in the
environment that ``make test-ray`` makes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import print_table, save_result
from benchmarks.ray_cluster import Killer, two_nodes
from kgwalk import agents, data
from kgwalk.data import Dataset
from kgwalk.evaluation import Report, evaluate
from kgwalk.graph import set_num_threads
from kgwalk.integrations import ray
from kgwalk.rules import Mined, MiningConfig, mine

CONFIG = MiningConfig(max_length=2, constants=False)


def measure(dataset: Dataset, rounds: int, folder: Path) -> tuple[Report, dict[str, Any]]:
    """Mine and evaluate in one process and on two nodes; gives the former's report, times and what was equal."""
    kind = agents.get("rules")
    began = time.perf_counter()
    one = mine(dataset.graph, CONFIG, rounds=rounds)
    mining = time.perf_counter() - began
    agent = kind.of_rules(one.rules, dataset, kind.config_for(dataset.name))
    expected = evaluate(agent, dataset)
    with two_nodes(folder) as nodes:
        miners, rankers = Killer(), Killer()
        other = ray.mine(dataset, CONFIG, rounds=rounds, shards=6, progress=miners)
        runner = ray.cluster_runner(agent, agents.load, dataset, progress=rankers)
        found = evaluate(agent, dataset, runner=runner)
        warm = evaluate(agent, dataset, runner=ray.cluster_runner(agent, agents.load, dataset))
        files = nodes.graph_files()
    return expected, {
        "rules": len(one.rules),
        "queries": sum(len(part.ranks) for part in expected.directions.values()),
        "same_rules": _same_rules(one, other),
        "same_ranks": all(np.array_equal(found.directions[n].ranks, p.ranks) for n, p in expected.directions.items()),
        "same_metrics": found.metrics == expected.metrics == warm.metrics,
        "workers_killed": {"mining": len(miners.killed), "evaluation": len(rankers.killed)},
        "graph_files_per_node": [len(each) for each in files],
        "seconds": {
            "mining, one process": mining,
            "mining, two nodes": other.seconds,
            "evaluation, one process": expected.seconds,
            "evaluation, two nodes, a worker killed": found.seconds,
            "evaluation, two nodes": warm.seconds,
        },
    }


def _same_rules(one: Mined, other: Mined) -> bool:
    names = ("head", "head_constant", "body_offsets", "body", "body_constant", "support", "predictions", "confidence")
    return all(np.array_equal(getattr(one.rules, name), getattr(other.rules, name)) for name in names)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ray_evaluation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--dataset", default="FB15k-237")
    parser.add_argument("--rounds", type=int, default=8, help="of mining")
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args(arguments)
    set_num_threads(1)  # a task's
    dataset = data.load(options.dataset)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        report, found = measure(dataset, options.rounds, Path(folder))
    print_table(f"{dataset.name}, {found['queries']:,} queries", ["work", "seconds"], list(found["seconds"].items()))
    print({key: value for key, value in found.items() if key != "seconds"})
    if options.save:
        save_result(
            "ray_evaluation",
            f"{dataset.card.folder}-rules",
            {**report.metrics, **found},
            seed=0,
            dataset=dataset.card.folder,
            protocol={"split": "test", **report.protocol.to_json()},
            seconds=time.perf_counter() - began,
        )


if __name__ == "__main__":
    main()
