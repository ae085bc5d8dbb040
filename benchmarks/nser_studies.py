"""NSER as published (Xian et al. 2020): the ranking loss, layouts, the number of walks; and how good explanations are.

    python -m benchmarks.nser_studies lambda Amazon-Cellphones --save
    python -m benchmarks.nser_studies layouts Amazon-Cellphones --save
    python -m benchmarks.nser_studies sample-size Amazon-Cellphones --save
    python -m benchmarks.nser_studies explanations Amazon-Beauty LastFM --agents nser pgpr --save

The first three have the paper's network, score and layouts (``PUBLISHED``), trained on the walks to training items and
measured on test. ``lambda`` trains once for each weight of the ranking loss; ``layouts`` and ``sample-size`` ask one
trained model, and tell how far a row is from the study's first one, users resampled in pairs. ``explanations`` measures
the paths of trained agents, for kgwalk's own configurations: how good they are, and whether hiding them changes the
list. Every row is a record. Training goes on from its checkpoint under ``runs/``, so what was broken off is made up
for; a record that is there stays.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

import kgwalk.data
from benchmarks.common import RESULTS, print_table, save_result
from benchmarks.completion import folder_of, stem_of
from kgwalk import _core, agents
from kgwalk.agents.checkpoint import NAME as CHECKPOINT
from kgwalk.agents.nser import Nser
from kgwalk.cli.settings import apply_settings
from kgwalk.data import MissingDataError
from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.data.recommendation.dates import interaction_days
from kgwalk.evaluation import evaluate_recommendations, faithfulness, paired_bootstrap, path_quality
from kgwalk.tensors import load_tensors

#: Settings of the paper's method. Its code has walks end at items of a teacher's list instead of training items.
PUBLISHED = (
    *("users=table", "module=deep", "score=likelihood", "ranking=last", "rank_weight=10", "budget=15", "exact=false"),
)
STUDIES: dict[str, dict[str, tuple[str, ...]]] = {
    "lambda": {f"{weight}": (f"rank_weight={weight}",) for weight in (0, 5, 10, 15, 20)},
    "layouts": {
        "uniform": ("allocation=uniform",),
        "prior": ("allocation=prior",),
        "heuristic": ("allocation=heuristic", "exact=true"),
        "heuristic-capped": ("allocation=heuristic",),
        "heuristic-repaired": ("allocation=heuristic", "exact=true", "repair=true"),
    },
    "sample-size": {f"{size}": (f"budget={size}",) for size in (5, 10, 15, 30)},
}
_SHOWN = ("ndcg@10", "recall@10", "hr@10", "precision@10")
#: Users whose explanations are measured, and of them paths that are hidden.
_EXPLAINED, _HIDDEN = 1000, 200
_METRIC = "ndcg@10"


def bench_of(study: str) -> str:
    """What the records of one of `STUDIES` are filed under."""
    return f"nser_{study.replace('-', '_')}"


def study(dataset: Recommendation, seed: int, options: argparse.Namespace) -> None:
    """Train and measure the rows of one of `STUDIES`."""
    base = apply_settings(Nser.config_for(dataset.name), [*PUBLISHED, *options.set])
    first: np.ndarray[Any, Any] | None = None
    table = []
    for row, settings in STUDIES[options.study].items():
        config = apply_settings(base, list(settings))
        trains = options.study == "lambda"
        # The published weight is one of the study's: all studies share its run.
        trained = config if trains else base
        folder = options.runs / f"{stem_of(dataset, 'nser-published')}-{trained.rank_weight:g}-seed{seed}"
        agent = Nser.fit(dataset, trained, folder, resume=True, seed=seed)
        agent.config = config
        progress = load_tensors(folder / CHECKPOINT)[1]["progress"]
        report = evaluate_recommendations(agent, dataset, "test")
        metrics: dict[str, Any] = {
            **report.metrics,
            "valid_ndcg@10": progress["best"],
            "train_seconds": progress["seconds"],
            "answer_seconds": report.seconds,
        }
        by_user = report.lists.by_user[_METRIC]
        first = by_user if first is None else first
        found = paired_bootstrap(by_user, first)
        metrics["against_first"] = {"difference": found.difference, "low": found.low, "high": found.high}
        table.append([row, *(metrics.get(name, "") for name in _SHOWN), found.difference, found.low, found.high])
        protocol = {"split": "test", **report.protocol.to_json(), "row": row, "config": dataclasses.asdict(config)}
        _save(bench_of(options.study), dataset, "nser", row, seed, metrics, protocol, options)
    title = f"{dataset.name}, seed {seed}: {options.study}, difference of {_METRIC} from the first row, 95 % interval"
    print_table(title, [options.study, *_SHOWN, "difference", "low", "high"], table)


def explanations(dataset: Recommendation, seed: int, options: argparse.Namespace) -> None:
    """Measure the paths of trained agents, and hide some."""
    test = dataset.queries("test")
    users = np.unique(test[:, 0])
    users = np.sort(np.random.default_rng(seed).permutation(users)[:_EXPLAINED]).astype(np.int32)
    queries = np.column_stack([users, np.full_like(users, dataset.interact), np.full_like(users, -1)])
    try:
        days = interaction_days(dataset)
    except MissingDataError:
        days = None
    header: dict[str, None] = {}
    found = []
    for name in options.agents:
        kind = agents.get(name)
        folder = options.runs / f"{stem_of(dataset, name)}-seed{seed}"
        agent = kind.fit(dataset, kind.config_for(dataset.name), folder, resume=True, seed=seed)
        quality = path_quality(
            agent.answer(queries, dataset.graph), dataset, 10, days=days, num_patterns=len(dataset.metapaths)
        )
        metrics = {key: float(np.nanmean(values)) for key, values in quality.items() if not np.isnan(values).all()}
        hidden = faithfulness(agent, dataset, users, paths=_HIDDEN, seed=seed)
        metrics |= {f"hidden {key}": value for key, value in hidden.metrics.items()}
        header |= dict.fromkeys(metrics)
        found.append((name, metrics))
        protocol = {"split": "test", "users": len(users), "paths_hidden": _HIDDEN, "k": 10}
        _save("explanations", dataset, name, "", seed, metrics, protocol, options)
    table = [[key, *(metrics.get(key, "") for _, metrics in found)] for key in header]
    print_table(f"{dataset.name}, seed {seed}: explanations", ["", *options.agents], table)


def _save(
    bench: str,
    dataset: Recommendation,
    agent: str,
    row: str,
    seed: int,
    metrics: Mapping[str, Any],
    protocol: Mapping[str, Any],
    options: argparse.Namespace,
) -> None:
    name = f"{stem_of(dataset, agent, row)}-seed{seed}"
    path = RESULTS / bench / f"{name}.json"
    if path.exists() and options.save:
        recorded = json.loads(path.read_text(encoding="utf-8"))["protocol"]
        if recorded != json.loads(json.dumps(protocol)):
            raise SystemExit(f"{path} was made with other settings: delete it to make it again")
        print(f"{name}: recorded already")
    elif options.save:
        # Under a name of their own, or they would stand among the results that are to be compared.
        save_result(
            bench, name, {"test": metrics}, seed=seed, dataset=folder_of(dataset), agent=agent, protocol=dict(protocol)
        )


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=[*STUDIES, "explanations"])
    parser.add_argument("datasets", nargs="*", default=["Amazon-Cellphones"], help="default Amazon-Cellphones")
    parser.add_argument("--agents", nargs="+", default=["nser", "pgpr"], help="of explanations (default nser pgpr)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a field, of all rows")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="seeds to run (default 0)")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads (default: all cores)")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of checkpoints (default runs)")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    _core.set_num_threads(options.threads)
    run = explanations if options.study == "explanations" else study
    for name in options.datasets:
        dataset = kgwalk.data.load(name)
        if not isinstance(dataset, Recommendation):
            parser.error(f"{name} is no recommendation set")
        for seed in options.seeds:
            run(dataset, seed, options)


if __name__ == "__main__":
    main()
