"""Tables whose rows are trainings on a labelled set: an agent, and what is changed of its configuration."""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.common import is_saved, peak_rss_mb, print_table, save_result
from benchmarks.completion import folder_of, stem_of
from kgwalk import agents
from kgwalk.agents.checkpoint import NAME as CHECKPOINT
from kgwalk.agents.recommenders import RECOMMENDER_AGENTS
from kgwalk.cli.settings import apply_settings
from kgwalk.data import LabelledRecommendation, Recommendation, labelled
from kgwalk.evaluation import evaluate_labelled
from kgwalk.tensors import load_tensors

#: Items that an agent lists for a user; `topk-100users` takes negatives of train out of them.
_ANSWERS = 200
_SHOWN = {"ctr": ("auc", "f1"), "topk-all": ("recall@10", "recall@100", "ndcg@10", "cold_recall@20")}


class Row(NamedTuple):
    """One row of a study: an agent and ``key=value`` changes to its configuration."""

    agent: str
    settings: tuple[str, ...] = ()


class Study(NamedTuple):
    """A table: rows by name."""

    title: str
    rows: dict[str, Row]


def _vary(agent: str, key: str, values: tuple[Any, ...], *settings: str) -> dict[str, Row]:
    return {str(value): Row(agent, (*settings, f"{key}={value}")) for value in values}


#: Three tricks of Fast-MI-KGNN: receptive field, activation, layer by layer.
_R, _A, _L = "model.field=chain", "model.soft_features=false", "model.passes=once"
_LISTS = ("select=ndcg@10", "negatives=fresh")
_SOFTMAX = ("select=ndcg@10", "objective=softmax", "epochs=60", "model.layers=64,64")
_KGCN = {
    "kgcn-sum": Row("kgcn"),
    "kgcn-concat": Row("kgcn", ("model.aggregator=concat",)),
    "kgcn-neighbor": Row("kgcn", ("model.aggregator=neighbor",)),
    "kgcn-avg": Row("kgcn", ("model.attention=none",)),
}
_OTHERS = {
    name: Row(name)
    for name in ("kgnn-ls", "mi-kgnn", "kgat", "ripplenet", "cke", "svd", "fm", "fm-transe", "per", "path-reasoning")
    if name in agents.names()
}
_BASELINES = {name: Row(name) for name in ("item-cf", "most-popular")}
STUDIES: dict[str, Study] = {
    "models": Study(
        "Every model on fixed negatives (ctr), each by the objective of its paper or, where told, the better one.",
        {**_KGCN, **_OTHERS, **_BASELINES},
    ),
    "fresh": Study(
        "The same with negatives drawn anew in each epoch (ctr-fresh).",
        {
            name: Row(row.agent, (*row.settings, "negatives=fresh"))
            for name, row in {**_KGCN, **_OTHERS}.items()
            if row.agent in RECOMMENDER_AGENTS and row.agent != "per"
        },
    ),
    "lists": Study(
        "Trained for lists: negatives drawn anew, or a softmax over all items; the epoch selected by NDCG@10.",
        {
            "kgcn-bpr": Row("kgcn", (*_LISTS, "objective=pairs")),
            "kgat-bpr": Row("kgat", (*_LISTS, "objective=pairs")),
            "kgat-softmax": Row("kgat", _SOFTMAX),
            "kgat-softmax, no attention": Row("kgat", (*_SOFTMAX, "model.attend=false")),
            "cke-softmax": Row("cke", _SOFTMAX[:-1]),
            "svd-softmax": Row("svd", _SOFTMAX[:-1]),
            "nser": Row("nser"),
            **_BASELINES,
        },
    ),
    "kgcn-semantics": Study(
        "What KGCN's code does (means) against what its paper says (sums).",
        {
            "code": Row("kgcn", ("model.means=code",)),
            "paper": Row("kgcn", ("model.means=paper",)),
            "code, published rate": Row("kgcn", ("model.means=code", "learning_rate=5e-4", "epochs=10")),
            "paper, published rate": Row("kgcn", ("model.means=paper", "learning_rate=5e-4", "epochs=10")),
        },
    ),
    "kgcn-neighbours": Study("KGCN, Table 3: neighbours K.", _vary("kgcn", "model.neighbours", (2, 4, 8, 16, 32, 64))),
    "kgcn-depth": Study(
        "KGCN, Table 4: depth H, as published and with wider tables.",
        {
            **_vary("kgcn", "model.depth", (1, 2, 3, 4)),
            **{f"{depth}, spread .1": Row("kgcn", (f"model.depth={depth}", "model.spread=0.1")) for depth in (1, 3)},
        },
    ),
    "kgcn-dim": Study("KGCN, Table 5: dimension d.", _vary("kgcn", "model.dim", (4, 8, 16, 32, 64, 128))),
    "kgcn-collapse": Study(
        "Aggregators whose training collapses under the penalty, and fixes.",
        {
            f"{aggregator}, {name}": Row("kgcn", (f"model.aggregator={aggregator}", *settings))
            for aggregator in ("concat", "neighbor")
            for name, settings in {
                "published rate": ("learning_rate=5e-4", "epochs=10"),
                "as the others here": (),
                "spread .1": ("model.spread=0.1",),
                "no penalty": ("model.l2=0.0",),
                "penalty after 3 epochs": ("model.warm_up=3",),
            }.items()
        },
    ),
    "kgnn-ls": Study(
        "KGNN-LS: the weight of label smoothness, where labels are in reach and (h=1) where they are not.",
        {
            "h=1, weight 0": Row("kgcn"),
            "h=1, weight .1": Row("kgnn-ls"),
            **{
                f"h=2{name}, weight {weight}": Row(
                    "kgnn-ls", ("model.depth=2", "model.spread=0.1", *means, f"model.label_smoothness={weight}")
                )
                for name, means in (("", ()), (" by sums", ("model.means=paper",)))
                for weight in (0, 0.1, 1)
            },
        },
    ),
    "mi-ablation": Study(
        "MI-KGNN, Table 5: its two kinds of attention.",
        {
            "MI-KGNN": Row("mi-kgnn"),
            "w/o neig. att.": Row("mi-kgnn", ("model.theta=1",)),
            "w/o user att.": Row("mi-kgnn", ("model.theta=0",)),
            "w/o att.": Row("mi-kgnn", ("model.attention=none",)),
        },
    ),
    "mi-search": Study(
        "MI-KGNN: theta, what is penalized, sampling and negatives, in search of the published recall.",
        {
            **_vary("mi-kgnn", "model.theta", (-0.35, 0.0, 0.5, 0.9, 1.0)),
            "sums": Row("mi-kgnn", ("model.means=paper",)),
            "l2 on W1 + W2": Row("mi-kgnn", ("model.penalized=weights",)),
            "spread .1": Row("mi-kgnn", ("model.spread=0.1",)),
            "16 neighbours": Row("mi-kgnn", ("model.neighbours=16",)),
            "negatives fresh": Row("mi-kgnn", ("negatives=fresh",)),
            "BPR, for lists": Row("mi-kgnn", (*_LISTS, "objective=pairs")),
        },
    ),
    "mi-fast": Study(
        "MI-KGNN, Tables 6 and 7: the three tricks of Fast-MI-KGNN by depth, six epochs each.",
        {
            f"{name}, h={depth}": Row("mi-kgnn", (f"model.depth={depth}", "epochs=6", *tricks))
            for depth in (1, 2, 3, 4)
            for name, tricks in {
                "FMK": (_R, _A, _L),
                "w-r-FMK": (_R,),
                "w-a-FMK": (_A,),
                "w-l-FMK": (_L,),
                "w/o-r-FMK": (_A, _L),
                "w/o-a-FMK": (_R, _L),
                "w/o-l-FMK": (_R, _A),
                "MI-KGNN": (),
            }.items()
        },
    ),
    "mi-neighbours": Study("MI-KGNN, Table 8: neighbours n.", _vary("mi-kgnn", "model.neighbours", (2, 4, 8, 16, 32))),
    "mi-depth": Study("MI-KGNN, Table 9: depth h.", _vary("mi-kgnn", "model.depth", (1, 2, 3, 4))),
}


def bench_of(study: str) -> str:
    """What the records of a study are filed under."""
    return f"recommenders-{study}"


def rows_of(study: str, names: Sequence[str] | None) -> dict[str, Row]:
    """The rows of a study, or those of these names.

    Raises:
        SystemExit: it has no row of a name.
    """
    rows = STUDIES[study].rows
    unknown = set(names or ()) - rows.keys()
    if unknown:
        raise SystemExit(f"{study} has no rows {', '.join(sorted(unknown))}; it has {', '.join(rows)}")
    return {name: row for name, row in rows.items() if not names or name in names}


def run(study: str, source: Recommendation, seed: int, options: argparse.Namespace) -> None:
    """Train and measure the rows of a study that are not recorded yet."""
    dataset = labelled(source, seed)
    shown = []
    for name, row in rows_of(study, options.rows).items():
        bench, record = bench_of(study), stem_of(dataset, slug(name), f"seed{seed}")
        if options.save and is_saved(bench, record):
            print(f"{study}, {record}: recorded already")
            continue
        metrics, config, seconds = measure(dataset, row, seed, options.runs)
        shown.append(
            [name, *(metrics[p].get(m, "") if p in metrics else "" for p in _SHOWN for m in _SHOWN[p]), seconds]
        )
        print(f"{study}, {record}:", shown[-1][1:], f"{peak_rss_mb():.0f} MB", flush=True)
        if options.save:
            protocol = {"row": name, "seed": seed, "split": "test", "labelled": "6:2:2 by row", "config": config}
            save_result(
                bench,
                record,
                metrics,
                seed=seed,
                dataset=folder_of(dataset),
                agent=row.agent,
                protocol=protocol,
                seconds=seconds,
            )
    if shown:
        header = [study, *(f"{metric} ({name})" for name, metrics in _SHOWN.items() for metric in metrics), "seconds"]
        print_table(f"{source.name}, seed {seed}", header, shown)


def measure(
    dataset: LabelledRecommendation, row: Row, seed: int, runs: Path
) -> tuple[dict[str, Any], dict[str, Any], float]:
    """Metrics by protocol and of the training, the configuration, and the seconds of the training."""
    kind = agents.get(row.agent)
    config = apply_settings(kind.config_for(dataset.name), list(row.settings))
    if hasattr(config, "answers"):
        config = dataclasses.replace(config, answers=_ANSWERS)
    folder = runs / "labelled" / stem_of(dataset, row.agent, *map(slug, row.settings), f"seed{seed}")
    started = time.perf_counter()
    agent = kind.fit(dataset, config, folder, resume=True, seed=seed)
    seconds = time.perf_counter() - started
    training: dict[str, Any] = {}
    if (folder / CHECKPOINT).exists():
        progress = load_tensors(folder / CHECKPOINT)[1]["progress"]
        seconds = progress["seconds"]
        training = {"valid": progress["best"], "steps": progress["step"], "best_step": progress["best_step"]}
    report = evaluate_labelled(agent, dataset)
    training |= {"seconds": seconds, "answer_seconds": report.lists["topk-all"].seconds}
    metrics = {name: _finite(found) for name, found in report.metrics.items()}
    return {**metrics, "training": training}, dataclasses.asdict(config), seconds


def slug(text: str) -> str:
    """A name of a row or a setting that is good for a file's name."""
    kept = "".join(c if c.isalnum() or c in ".-" else "-" for c in text.replace("model.", ""))
    return "-".join(filter(None, kept.strip("-.").split("-"))).lower()


def _finite(metrics: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in metrics.items() if np.isfinite(value)}
