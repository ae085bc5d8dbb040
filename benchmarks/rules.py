"""Rules: mining and ranking, timed apart, with what they get right on test; or what mining costs.

    python -m benchmarks.rules WN18RR NELL-995 FB15k-237 --seeds 0 --threads 2 --save
    python -m benchmarks.rules WN18RR --cost --save

Mining time is all that happens between the loaded graph and rules with their confidences. Peak memory is the whole
process's: for a clean figure run one dataset at a time.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import time
from typing import Any

import numpy as np

import kgwalk.data
from benchmarks.common import RESULTS, peak_rss_mb, print_table, save_result
from kgwalk import _core
from kgwalk.agents import RuleAgent, RulesConfig
from kgwalk.cli.settings import apply_settings
from kgwalk.data import Dataset
from kgwalk.evaluation import Protocol, evaluate
from kgwalk.rules import Mined, count_kinds, mine

BENCH = "rules"
SETS = ("WN18RR", "NELL-995", "FB15k-237")


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="*", default=list(SETS), help=f"names (default {' '.join(SETS)})")
    parser.add_argument("--variant", default="", help="name for runs whose configuration is changed by --set")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a field, repeatable")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="seeds to run (default 0)")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads (default: all cores)")
    parser.add_argument("--split", help="measure on this split only, valid for instance (default: all test splits)")
    parser.add_argument("--cost", action="store_true", help="time against length, share of rounds and threads instead")
    parser.add_argument("--lengths", type=int, nargs="+", default=[1, 2, 3], help="lengths for --cost (default 1 2 3)")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results and skip what is there")
    options = parser.parse_args()
    if bool(options.set) != bool(options.variant):
        parser.error("--set and --variant go together: a changed configuration needs a name of its own")
    _core.set_num_threads(options.threads)
    for name in options.datasets:
        dataset = kgwalk.data.load(name)
        config = apply_settings(RuleAgent.config_for(dataset.name), options.set)
        if options.cost:
            cost(dataset, config, options)
        else:
            for seed in options.seeds:
                quality(dataset, config, seed, options)


def quality(dataset: Dataset, config: RulesConfig, seed: int, options: argparse.Namespace) -> None:
    """Mine once, rank every test split, tail queries timed by themselves."""
    splits = [options.split] if options.split else [split for split in dataset.splits if split.startswith("test")]
    # NELL-995 has two test splits, "test" and "test_seen".
    names = {split: f"{_stem(dataset, options)}{_suffix(split)}-seed{seed}" for split in splits}
    if options.save and all((RESULTS / BENCH / f"{name}.json").exists() for name in names.values()):
        print(f"{_stem(dataset, options)}, seed {seed}: recorded already")
        return
    mined, seconds = _mine(dataset, config, seed)
    agent = RuleAgent.of_rules(mined.rules, dataset, config)
    for split in splits:
        started = time.perf_counter()
        agent.answer(dataset.queries(split)[:1], dataset.graph_for(split))
        prepare_seconds = time.perf_counter() - started
        started = time.perf_counter()
        evaluate(agent, dataset, split, Protocol(directions="tail"), progress=False)
        tail_seconds = time.perf_counter() - started
        report = evaluate(agent, dataset, split, progress=False)
        metrics = {
            **report.metrics,
            "train_seconds": seconds,
            "prepare_seconds": prepare_seconds,  # rules sorted for this graph; once for all splits that walk it
            "tail_seconds": tail_seconds,
            "answer_seconds": report.seconds,
            "num_rules": len(mined.rules),
            "mining": {**_found(mined), "kinds": count_kinds(mined.rules)},
        }
        rows = [[key, *part.values()] for key, part in report.metrics.items() if isinstance(part, dict)]
        print_table(f"{names[split]} ({split})", ["", *next(iter(report.directions.values())).metrics], rows)
        print({k: v for k, v in metrics.items() if k not in report.metrics}, f"{peak_rss_mb():.0f} MB")
        if options.save:
            save_result(
                BENCH,
                names[split],
                metrics,
                seed=seed,
                dataset=_folder(dataset),
                agent=RuleAgent.name,
                protocol={
                    "split": split,
                    **report.protocol.to_json(),
                    "threads": options.threads,
                    "config": dataclasses.asdict(config),
                },
                seconds=seconds,
            )


def cost(dataset: Dataset, config: RulesConfig, options: argparse.Namespace) -> None:
    """What mining costs by the length of cyclic rules, by the share of its rounds, and by threads."""
    seed = options.seeds[0]
    metrics: dict[str, dict[str, Any]] = {"length": {}, "rounds": {}, "threads": {}}

    def measure(against: str, at: str, **changes: Any) -> int:
        mined, seconds = _mine(dataset, dataclasses.replace(config, **changes), seed)
        metrics[against][at] = {"seconds": seconds, "rules": len(mined.rules), **_found(mined)}
        return mined.rounds

    longest = max(options.lengths)
    done = {length: measure("length", str(length), max_length=length) for length in options.lengths}[longest]
    # From here on by rounds, not by seconds: all do a given share of the same work.
    for percent in (10, 25, 50, 100):
        rounds = max(1, round(done * percent / 100))
        measure("rounds", f"{percent} %", max_length=longest, rounds=rounds, seconds=None)
    try:
        for threads in range(1, (os.cpu_count() or 1) + 1):
            _core.set_num_threads(threads)
            measure("threads", str(threads), max_length=longest, rounds=done, seconds=None)
    finally:
        _core.set_num_threads(options.threads)
    columns = list(next(iter(metrics["length"].values())))
    rows = [[against, at, *found.values()] for against, all_of in metrics.items() for at, found in all_of.items()]
    print_table(f"{_folder(dataset)}: cost of mining", ["against", "at", *columns], rows)
    if options.save:
        save_result(
            BENCH,
            f"{_stem(dataset, options)}-cost",
            metrics,
            seed=seed,
            dataset=_folder(dataset),
            protocol={"threads": options.threads, "config": dataclasses.asdict(config)},
        )


def _mine(dataset: Dataset, config: RulesConfig, seed: int) -> tuple[Mined, float]:
    """Mine, and weigh what was found."""
    started = time.perf_counter()
    mined = mine(dataset.graph, config, seed=seed, rounds=config.rounds, seconds=config.seconds)
    config.confidence(mined.rules)
    return mined, time.perf_counter() - started


def _found(mined: Mined) -> dict[str, float]:
    """How far mining came, and how uncertain the confidences are that it gave."""
    return {
        "rounds_done": mined.rounds,
        "exact": float(mined.exact),
        "mean_error": float(np.mean(mined.errors)) if len(mined.errors) else 0.0,
    }


def _folder(dataset: Dataset) -> str:
    return dataset.card.folder or dataset.name


def _stem(dataset: Dataset, options: argparse.Namespace) -> str:
    return "-".join(filter(None, [_folder(dataset).lower(), RuleAgent.name, options.variant]))


def _suffix(split: str) -> str:
    return split.removeprefix("test").replace("_", "-") if split.startswith("test") else f"-{split}"


if __name__ == "__main__":
    main()
