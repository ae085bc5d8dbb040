"""What training costs: REINFORCE in steps per second, and RuleGuider with one thing changed at a time.

    python -m benchmarks.training_speed --save
    python -m benchmarks.training_speed --networks --ideas WN18RR FB15k-237 --threads 1 --save

REINFORCE walks WN18RR, batch 512 x 20 rollouts x 3 hops.

Batches 50 to 150 from a fresh initialisation, no warm start: sampling, loss, gradient, clipping and Adam are all in the
time, validation is not. ``published`` is the network of MultiHopKG (two 200-d tables, three LSTM layers of 200, a
perceptron of 400-400); ``default`` is what ``Reinforce`` uses on WN18RR unless told otherwise. What is changed of
RuleGuider's training, ``benchmarks.rule_guider.speed`` says.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import time
from pathlib import Path

import numpy as np
import torch

import kgwalk.data
from benchmarks.common import peak_rss_mb, print_table, save_result
from benchmarks.rule_guider import speed
from kgwalk import _core
from kgwalk.agents import Reinforce
from kgwalk.agents.policies.path import PathPolicyConfig

PUBLISHED = PathPolicyConfig(
    relation_dim=200, entity_dim=200, hidden_dim=200, lstm_layers=3, mlp_dims=(400,), embedding_dropout=0.0
)


def main() -> None:
    """Parse the command line, time both networks, print and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads (default: all cores)")
    parser.add_argument("--from-batch", type=int, default=50, help="first batch that is timed (default 50)")
    parser.add_argument("--to-batch", type=int, default=150, help="batch after the last timed one (default 150)")
    parser.add_argument("--networks", nargs="*", default=["default", "published"], choices=["default", "published"])
    parser.add_argument("--ideas", nargs="*", default=["WN18RR", "FB15k-237"], help="datasets to train RuleGuider on")
    parser.add_argument("--seconds", type=float, default=2.5, help="steps of each idea (default 2.5 s)")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    _core.set_num_threads(options.threads)
    rows = []
    for network in options.networks:
        metrics = measure(network, options.from_batch, options.to_batch)
        rows.append([network, *metrics.values()])
        if options.save:
            save_result(
                "training_speed", f"wn18rr-reinforce-{network}", metrics, seed=0, dataset="wn18rr", agent="reinforce"
            )
    if rows:
        print_table(f"{options.threads} threads", ["network", *metrics], rows)
    for name in options.ideas:
        time_ideas(name, options)


def time_ideas(name: str, options: argparse.Namespace) -> None:
    """Time, print and save RuleGuider's training on a dataset."""
    found = speed.measure(name, options.seconds)
    base = found["likelihood"]["seconds_per_1000_queries"]
    columns = [*found["likelihood"]]
    rows = [
        [speed.IDEAS[idea], *(figures.get(column) for column in columns), figures["seconds_per_1000_queries"] / base]
        for idea, figures in found.items()
    ]
    title = f"RuleGuider on {name}, {options.threads} threads"
    print_table(title, ["training", *columns, "ratio to the first"], rows)
    if options.save:
        folder = name.lower()
        save_result(
            "training_speed",
            f"{folder}-rule-guider",
            found,
            seed=0,
            dataset=folder,
            agent="rule-guider",
            protocol={"threads": options.threads, "seconds": options.seconds},
        )


def measure(network: str, first: int, end: int) -> dict[str, float]:
    """Steps per second over batches ``first`` to ``end``, and the distinct share of their states."""
    dataset = kgwalk.data.load("WN18RR")
    config = dataclasses.replace(Reinforce.config_for("WN18RR"), warm_up_steps=0, steps=1000)
    if network == "published":
        config = dataclasses.replace(config, policy=PUBLISHED)
    trainer = Reinforce.trainer(dataset, config, Path("runs"), seed=0)
    shares = []
    for batch in range(end):
        if batch == first:
            began = time.perf_counter()
        logged = trainer.make_step(batch)
        if batch >= first:
            shares.append(logged["reinforce/distinct_states"])
    seconds = time.perf_counter() - began
    walked = (end - first) * config.batch * config.rollouts * config.hops
    return {
        "steps_per_second": walked / seconds,
        "seconds_per_batch": seconds / (end - first),
        "distinct_states": float(np.mean(shares)),
        "parameters": sum(p.numel() for p in trainer.model.parameters()),
        "peak_rss_mb": peak_rss_mb(),
    }


if __name__ == "__main__":
    main()
