"""What NSER learns from each teacher: its walks end at items of the teacher's list instead of training items."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

import numpy as np

from benchmarks.common import is_saved, print_table, save_result
from benchmarks.completion import folder_of, stem_of
from benchmarks.recommenders.rows import STUDIES
from kgwalk import agents
from kgwalk.agents.recommenders import RecommenderAgent
from kgwalk.cli.settings import apply_settings
from kgwalk.data import Recommendation
from kgwalk.evaluation import evaluate_recommendations, paired_bootstrap

TITLE = "NSER with each teacher, on the set's own split, beside the teachers themselves."
BENCH = "recommenders-teachers"
#: Teachers; the first is the one that the paper has, and the others are held against it.
TEACHERS = ("transe-dot", "item-cf", "kgcn", "kgat", "svd")
#: How a recommender is trained that teaches lists; by a softmax where that is better, else by BPR.
_TEACHER = ("select=ndcg@10", "negatives=fresh")
_SETTINGS = {"kgat": STUDIES["lists"].rows["kgat-softmax"].settings}
_METRIC = "ndcg@10"


def run(dataset: Recommendation, seed: int, options: argparse.Namespace) -> None:
    """Train the teachers and NSER with each; rows: a teacher alone, and NSER with it."""
    table: list[list[Any]] = []
    first: np.ndarray[Any, Any] | None = None
    # The first is always there: the others are held against it. What was trained before is taken.
    for name in dict.fromkeys([TEACHERS[0], *(options.rows or TEACHERS), ""]):
        record = stem_of(dataset, "nser", name or "no-teacher", f"seed{seed}")
        kind = agents.get(name) if name else None
        settings: list[str] = []
        alone: dict[str, Any] = {}
        taught_by: dict[str, Any] = {}
        if kind is not None:
            config = kind.config_for(dataset.name)
            told: tuple[str, ...] = ()
            if issubclass(kind, RecommenderAgent):
                better = kind.settings_for_lists(len(dataset.items)) or ("objective=pairs",)
                told = _SETTINGS.get(name, (*_TEACHER, *better))
            config = apply_settings(config, list(told))
            taught_by = dataclasses.asdict(config)
            folder = options.runs / "teachers" / stem_of(dataset, name, f"seed{seed}")
            teacher = kind.fit(dataset, config, folder, resume=True, seed=seed)
            alone = evaluate_recommendations(teacher, dataset, "test").metrics
            settings = ["positives=teacher", f"teacher={folder}"]
        student = agents.get("nser")
        config = apply_settings(student.config_for(dataset.name), settings)
        agent = student.fit(dataset, config, options.runs / "teachers" / record, resume=True, seed=seed)
        report = evaluate_recommendations(agent, dataset, "test")
        by_user = report.lists.by_user[_METRIC]
        first = by_user if first is None else first
        gap = paired_bootstrap(by_user, first)
        nser = report.metrics
        table.append([name or "none", alone.get(_METRIC, ""), nser[_METRIC], gap.difference, gap.low, gap.high])
        if options.save and not is_saved(BENCH, record):
            metrics = {
                "teacher": alone,
                "nser": nser,
                "against_first": {"difference": gap.difference, "low": gap.low, "high": gap.high},
            }
            protocol = {
                "split": "test",
                **report.protocol.to_json(),
                "row": name,
                "teacher": taught_by,
                "config": dataclasses.asdict(config),
            }
            save_result(BENCH, record, metrics, seed=seed, dataset=folder_of(dataset), agent="nser", protocol=protocol)
    header = ["teacher", f"{_METRIC} alone", f"NSER's {_METRIC}", "difference from the first", "low", "high"]
    print_table(f"{dataset.name}, seed {seed}", header, table)
