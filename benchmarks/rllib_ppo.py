"""RLlib's PPO on Family, on kgwalk's native vector environments: does the plug-in learn, and does it keep to the masks?

Answers are ranked by the summed probability of the paths in a beam, as all walkers' are. The weights that did best on
valid are measured on test, queries of both directions. ``python -m benchmarks.rllib_ppo``, in the environment that
``make test-ray`` makes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

import torch

from benchmarks.common import print_table, save_result
from kgwalk import data
from kgwalk.agents import WalkerAgent
from kgwalk.data import Dataset
from kgwalk.evaluation import Report, evaluate
from kgwalk.integrations.candidates import CandidateNetwork
from kgwalk.integrations.ray import connected
from kgwalk.integrations.rllib import ILLEGAL_ACTIONS, network_of, ppo_config

EVERY = 10  # iterations between validations


def make_agent(network: CandidateNetwork, dataset: Dataset) -> WalkerAgent:
    """The network with a beam."""
    return WalkerAgent(
        network,
        dataset=dataset.name,
        fingerprint=dataset.fingerprint,
        hops=dataset.card.horizon,
        max_out_degree=dataset.card.max_out_degree,
        beam=512,
        final="expand",
    )


def train(dataset: Dataset, steps: int, seed: int, runners: int) -> tuple[WalkerAgent, dict[str, Any]]:
    """Train for so many environment steps; gives the agent that was best on valid, and what was counted."""
    config = ppo_config(f"KGWalk-{dataset.name}", num_env_runners=runners, seed=seed).training(
        lr=[[0, 2e-3], [steps, 1e-4]],
        # Much at first, or a query relation settles on the first path that ever hit.
        entropy_coeff=[[0, 0.3], [steps // 2, 0.03], [steps, 0.01]],
    )
    algorithm = config.build_algo()
    try:
        network = network_of(algorithm)
        agent = make_agent(network, dataset)
        best, weights, done, iterations = -1.0, network.state_dict(), 0, 0
        began = time.perf_counter()
        while done < steps:
            found = algorithm.train()["env_runners"]
            done, iterations = int(found["num_env_steps_sampled_lifetime"]), iterations + 1
            if iterations % EVERY and done < steps:
                continue
            mrr = evaluate(agent, dataset, "valid", progress=False).metrics["both"]["mrr"]
            if mrr > best:
                best, weights = mrr, {key: value.clone() for key, value in network.state_dict().items()}
            hits = found.get("episode_return_mean", 0.0)
            seconds = time.perf_counter() - began
            print(f"{done:>9,} steps {seconds:4.0f} s, {hits:.3f} of walks hit, valid MRR {mrr:.3f}", flush=True)
        counted = {
            "steps": done,
            "steps_per_second": done / (time.perf_counter() - began),
            ILLEGAL_ACTIONS: int(found[ILLEGAL_ACTIONS]),
            "env_runners": runners,
        }
    finally:
        algorithm.stop()
    network.load_state_dict(weights)
    return agent, counted


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.rllib_ppo",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--steps", type=int, default=900_000, help="environment steps to train for")
    parser.add_argument("--runners", type=int, default=2, help="processes that walk")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    dataset = data.load("Family")
    started = time.perf_counter()
    with connected(num_cpus=options.runners + 1):
        agent, counted = train(dataset, options.steps, options.seed, options.runners)
    seconds = time.perf_counter() - started
    reports: dict[str, Report] = {split: evaluate(agent, dataset, split, progress=False) for split in ("valid", "test")}
    rows = [[split, way, *part.values()] for split, r in reports.items() for way, part in r.metrics.items()]
    columns = list(reports["test"].metrics["both"])
    print_table(
        f"Family, RLlib PPO, {counted['steps']:,} steps in {seconds:.0f} s", ["split", "queries", *columns], rows
    )
    print(f"{counted[ILLEGAL_ACTIONS]} illegal actions, {counted['steps_per_second']:.0f} steps/s")
    if options.save:
        save_result(
            "rllib_ppo",
            f"family-rllib-ppo-seed{options.seed}",
            {**reports["test"].metrics, "valid": reports["valid"].metrics, **counted},
            seed=options.seed,
            dataset=dataset.name,
            agent="rllib-ppo",
            protocol={"split": "test", **reports["test"].protocol.to_json()},
            seconds=seconds,
        )


if __name__ == "__main__":
    main()
