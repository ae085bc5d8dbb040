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
from pathlib import Path

import torch

import kgwalk.data
from benchmarks.common import RESULTS, peak_rss_mb, print_table, save_result
from kgwalk import _core, agents
from kgwalk.agents.checkpoint import NAME as CHECKPOINT
from kgwalk.cli.settings import apply_settings
from kgwalk.evaluation import evaluate
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
    stem = "-".join(filter(None, [(dataset.card.folder or dataset.name).lower(), agent_name, options.variant]))
    save = options.save
    splits = [split for split in dataset.splits if split.startswith("test")]
    # NELL-995 has two test splits, "test" and "test_seen".
    names = {split: f"{stem}{split[4:].replace('_', '-')}-seed{seed}" for split in splits}
    if save and all((RESULTS / BENCH / f"{name}.json").exists() for name in names.values()):
        print(f"{stem}, seed {seed}: recorded already")
        return
    folder = options.runs / f"{stem}-seed{seed}"
    agent_class = agents.get(agent_name)
    config = apply_settings(agent_class.config_for(dataset.name), options.set)
    agent = agent_class.fit(dataset, config, folder, resume=True, seed=seed)
    progress = load_tensors(folder / CHECKPOINT)[1]["progress"]
    for split in splits:
        report = evaluate(agent, dataset, split)
        metrics = {
            **report.metrics,
            "train_seconds": progress["seconds"],
            "valid_mrr": progress["best"],
            "best_step": progress["best_step"],
            "answer_seconds": report.seconds,
        }
        rows = [[key, *part.values()] for key, part in report.metrics.items() if isinstance(part, dict)]
        print_table(f"{names[split]} ({split})", ["", *next(iter(report.directions.values())).metrics], rows)
        print({key: value for key, value in metrics.items() if not isinstance(value, dict)}, f"{peak_rss_mb():.0f} MB")
        if save:
            save_result(
                BENCH,
                names[split],
                metrics,
                seed=seed,
                dataset=dataset.card.folder or dataset.name,
                agent=agent_name,
                protocol={"split": split, **report.protocol.to_json(), "config": dataclasses.asdict(config)},
                seconds=progress["seconds"],
            )


if __name__ == "__main__":
    main()
