"""Query completion: train an agent, measure it on test, save the record.

    python -m benchmarks.completion WN18RR --seeds 0 1 2 --save

Every run is resumable: a seed whose record is there is skipped, one whose training was broken off goes on from its
checkpoint under ``runs/``.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

import kgwalk.data
from benchmarks.common import is_saved, peak_rss_mb, print_table, save_result
from kgwalk import _core, agents
from kgwalk.agents.checkpoint import NAME as CHECKPOINT
from kgwalk.cli.settings import apply_settings
from kgwalk.data import Dataset
from kgwalk.evaluation import Report, evaluate
from kgwalk.protocols import Agent
from kgwalk.tensors import load_tensors

BENCH = "completion"


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="+", help="names of datasets, such as WN18RR")
    parser.add_argument("--agent", default="reinforce", help="name of the agent (default reinforce)")
    parser.add_argument("--variant", default="", help="name for runs whose configuration is changed by --set")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a field, repeatable")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="seeds to run (default 0)")
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
        for seed in options.seeds:
            run(name, options.agent, seed, options)


def run(dataset_name: str, agent_name: str, seed: int, options: argparse.Namespace) -> None:
    """Train one seed to its end and measure it on every test split."""
    dataset = kgwalk.data.load(dataset_name)
    stem = stem_of(dataset, agent_name, options.variant)
    names = names_by_split(dataset, stem, seed)
    if options.save and all(is_saved(BENCH, name) for name in names.values()):
        print(f"{stem}, seed {seed}: recorded already")
        return
    folder = options.runs / f"{stem}-seed{seed}"
    agent_class = agents.get(agent_name)
    config = apply_settings(agent_class.config_for(dataset.name), options.set)
    agent = agent_class.fit(dataset, config, folder, resume=True, seed=seed)
    progress = load_tensors(folder / CHECKPOINT)[1]["progress"]
    for split, name in names.items():
        figures = {
            "train_seconds": progress["seconds"],
            "valid_mrr": progress["best"],
            "best_step": progress["best_step"],
        }
        report, metrics = measure(agent, dataset, split, name, figures)
        if options.save:
            save_result(
                BENCH,
                name,
                metrics,
                seed=seed,
                dataset=folder_of(dataset),
                agent=agent_name,
                protocol={"split": split, **report.protocol.to_json(), "config": dataclasses.asdict(config)},
                seconds=progress["seconds"],
            )


def folder_of(dataset: Dataset) -> str:
    """A dataset's folder in ``$KGWALK_DATA``, which results name it by."""
    return dataset.card.folder or dataset.name


def stem_of(dataset: Dataset, *parts: str) -> str:
    """How the names of a dataset's records begin."""
    return "-".join(filter(None, [folder_of(dataset).lower(), *parts]))


def names_by_split(dataset: Dataset, stem: str, seed: int) -> dict[str, str]:
    """Name of the record of each test split: NELL-995 has two, "test" and "test_seen"."""
    splits = [split for split in dataset.splits if split.startswith("test")]
    return {split: f"{stem}{split[4:].replace('_', '-')}-seed{seed}" for split in splits}


def measure(
    agent: Agent, dataset: Dataset, split: str, name: str, figures: Mapping[str, Any]
) -> tuple[Report, dict[str, Any]]:
    """Evaluate on a split and print what came out; the report, and a record's metrics."""
    report = evaluate(agent, dataset, split)
    metrics = {**report.metrics, **figures, "answer_seconds": report.seconds}
    rows = [[key, *part.values()] for key, part in report.metrics.items() if isinstance(part, dict)]
    print_table(f"{name} ({split})", ["", *next(iter(report.directions.values())).metrics], rows)
    print({key: value for key, value in metrics.items() if not isinstance(value, dict)}, f"{peak_rss_mb():.0f} MB")
    return report, metrics


if __name__ == "__main__":
    main()
