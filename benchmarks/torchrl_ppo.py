"""PPO of TorchRL on Family, by the example in agents/examples: do the masks and specs serve its users?

``python -m benchmarks.torchrl_ppo`` trains for a fixed number of steps and ranks the answers of valid and test by a
beam. Needs the extra ``torchrl``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import torch

from benchmarks.common import print_table, save_result
from kgwalk import data
from kgwalk.agents import WalkerAgent
from kgwalk.agents.examples.torchrl_ppo import hits, train
from kgwalk.evaluation import evaluate


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.torchrl_ppo",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--steps", type=int, default=300_000, help="environment steps to train for")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    dataset = data.load("Family")
    started = time.perf_counter()
    actor = train("KGWalk-Family", options.steps, seed=options.seed)
    seconds = time.perf_counter() - started
    agent = WalkerAgent(
        actor[0].module.network,
        dataset=dataset.name,
        fingerprint=dataset.fingerprint,
        hops=dataset.card.horizon,
        max_out_degree=dataset.card.max_out_degree,
        beam=512,
        final="expand",
    )
    reports = {split: evaluate(agent, dataset, split, progress=False) for split in ("valid", "test")}
    rows = [[split, way, *part.values()] for split, r in reports.items() for way, part in r.metrics.items()]
    columns = list(reports["test"].metrics["both"])
    sampled = hits(actor, "KGWalk-Family")
    print_table(
        f"Family, PPO of TorchRL, {options.steps:,} steps in {seconds:.0f} s; {sampled:.3f} of sampled walks hit",
        ["split", "queries", *columns],
        rows,
    )
    if options.save:
        metrics = {**reports["test"].metrics, "valid": reports["valid"].metrics}
        save_result(
            "torchrl_ppo",
            f"family-torchrl-ppo-seed{options.seed}",
            metrics,
            seed=options.seed,
            dataset="Family",
            agent="torchrl-ppo",
            protocol={
                "split": "test",
                **reports["test"].protocol.to_json(),
                "steps": options.steps,
                "sampled_hits_valid": sampled,
            },
            seconds=seconds,
        )


if __name__ == "__main__":
    main()
