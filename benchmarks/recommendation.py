"""Recommendation: train agents, measure their lists on test, save the records.

    python -m benchmarks.recommendation Amazon-Beauty --agents most-popular item-cf transe-dot --seeds 0 --save

Every run is resumable: with ``--save`` one whose record and run folder are there is skipped, one whose training was
broken off goes on from its checkpoint under ``runs/``. The figures of every user lie in the run folder (``test.json``),
and ``--against`` holds the agents' NDCG@10 against those of one of them, users resampled in pairs. ``--train-on-valid``
counts valid as train, as published splits do that have no valid; that is for agents that select nothing by valid.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import kgwalk.data
from benchmarks.common import is_saved, peak_rss_mb, print_table, save_result
from benchmarks.completion import folder_of, stem_of
from kgwalk import _core, agents
from kgwalk.agents.checkpoint import NAME as CHECKPOINT
from kgwalk.cli.settings import apply_settings
from kgwalk.data.dataset import facts_of, fingerprint
from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.evaluation import evaluate_recommendations, paired_bootstrap
from kgwalk.graph import Graph
from kgwalk.protocols import Scorer
from kgwalk.tensors import load_tensors

BENCH = "recommendation"
REPORT = "test.json"
_METRIC = "ndcg@10"


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="+", help="names of recommendation sets, such as Amazon-Beauty")
    parser.add_argument("--agents", nargs="+", default=["most-popular", "item-cf"], help="names of agents")
    parser.add_argument("--variant", default="", help="name for runs whose configuration is changed by --set")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a field, repeatable")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="seeds to run (default 0)")
    parser.add_argument("--fill", metavar="AGENT", help="fill up short lists by the scorer of this agent's run")
    parser.add_argument("--against", metavar="AGENT", help="compare the others with this one by users")
    parser.add_argument("--train-on-valid", action="store_true", help="valid interactions are training interactions")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads (default: all cores)")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of checkpoints (default runs)")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results and skip what is there")
    options = parser.parse_args()
    if bool(options.set) != bool(options.variant):
        parser.error("--set and --variant go together: a changed configuration needs a name of its own")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    _core.set_num_threads(options.threads)
    for name in options.datasets:
        dataset = kgwalk.data.load(name)
        if not isinstance(dataset, Recommendation):
            parser.error(f"{name} is no recommendation set")
        if options.train_on_valid:
            dataset = with_valid_in_train(dataset)
        for seed in options.seeds:
            for agent in options.agents:
                run(dataset, agent, seed, options)
            if options.against:
                compare(dataset, seed, options)


def with_valid_in_train(dataset: Recommendation) -> Recommendation:
    """The dataset as published: its valid interactions are training interactions, and valid is empty."""
    valid, old = dataset.splits["valid"], dataset.graph
    facts = np.concatenate([facts_of(old), valid])
    graph = Graph.from_triples(facts, old.num_entities, old.num_relations, old.type_offsets)
    train = np.concatenate([dataset.splits["train"], valid])
    splits = {**dataset.splits, "train": train, "valid": valid[:0]}
    mark = fingerprint(graph, splits, dataset.entities, dataset.relations)
    return dataclasses.replace(dataset, graph=graph, test_graph=graph, splits=splits, fingerprint=mark)


def run(dataset: Recommendation, agent_name: str, seed: int, options: argparse.Namespace) -> None:
    """Train one seed to its end and measure it on test."""
    name = name_of(dataset, agent_name, seed, options)
    folder = options.runs / name
    if options.save and is_saved(BENCH, name) and (folder / REPORT).exists():
        print(f"{name}: recorded already")
        return
    agent_class = agents.get(agent_name)
    config = apply_settings(agent_class.config_for(dataset.name), options.set)
    started = time.perf_counter()
    agent = agent_class.fit(dataset, config, folder, resume=True, seed=seed)
    seconds = time.perf_counter() - started
    figures: dict[str, Any] = {}
    if (folder / CHECKPOINT).exists():
        progress = load_tensors(folder / CHECKPOINT)[1]["progress"]
        seconds = progress["seconds"]
        figures = {"valid_ndcg@10": progress["best"], "best_step": progress["best_step"]}
    fill = scorer_of(dataset, options.fill, seed, options) if options.fill else None
    report = evaluate_recommendations(agent, dataset, "test", fill=fill)
    report.save(folder / REPORT)
    metrics = {**report.metrics, **figures, "train_seconds": seconds, "answer_seconds": report.seconds}
    shown = {"": report.lists.metrics, **({"filled": report.filled.metrics} if report.filled else {})}
    print_table(name, ["", *report.lists.metrics], [[row, *values.values()] for row, values in shown.items()])
    print({key: value for key, value in metrics.items() if not isinstance(value, dict)}, f"{peak_rss_mb():.0f} MB")
    if options.save:
        save_result(
            BENCH,
            name,
            metrics,
            seed=seed,
            dataset=folder_of(dataset),
            agent=agent_name,
            protocol={
                "split": "test",
                **report.protocol.to_json(),
                "train_on_valid": options.train_on_valid,
                "fill": options.fill,
                "config": dataclasses.asdict(config),
            },
            seconds=seconds,
        )


def scorer_of(dataset: Recommendation, agent_name: str, seed: int, options: argparse.Namespace) -> Scorer:
    """The scorer of another agent's run, which is trained first where it is not there."""
    kind = agents.get(agent_name)
    folder = options.runs / stem_of(dataset, agent_name, *_variant(options), f"seed{seed}")
    scorer: Scorer = kind.fit(dataset, kind.config_for(dataset.name), folder, resume=True, seed=seed).scorer
    return scorer


def compare(dataset: Recommendation, seed: int, options: argparse.Namespace) -> None:
    """Print how far each agent is from the one of ``--against``, with the interval that resampling users gives."""
    other = _by_user(options.runs / name_of(dataset, options.against, seed, options) / REPORT)
    rows = []
    for agent in options.agents:
        if agent == options.against:
            continue
        own = _by_user(options.runs / name_of(dataset, agent, seed, options) / REPORT)
        found = paired_bootstrap(own, other)
        rows.append([agent, own.mean(), found.difference, found.low, found.high, found.users])
    title = f"{dataset.name}, seed {seed}: {_METRIC} against {options.against}, 95 % intervals"
    print_table(title, ["agent", _METRIC, "difference", "low", "high", "users"], rows)


def name_of(dataset: Recommendation, agent_name: str, seed: int, options: argparse.Namespace) -> str:
    """Name of a run and its record."""
    return stem_of(dataset, agent_name, options.variant, *_variant(options), f"seed{seed}")


def _variant(options: argparse.Namespace) -> list[str]:
    return ["train-on-valid"] if options.train_on_valid else []


def _by_user(path: Path) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array(json.loads(path.read_text(encoding="utf-8"))["by_user"][_METRIC], np.float64)


if __name__ == "__main__":
    main()
