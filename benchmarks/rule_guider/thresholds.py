"""Table 9: what the least confidence of a rule that is rewarded or guides is worth, by walks alone, on valid."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.completion import stem_of
from benchmarks.rule_guider.rules_used import rules_used
from benchmarks.rule_guider.runs import THREE_HOPS, Record, agent_seconds, on_valid, record, recorded, take_over, train
from kgwalk import _core
from kgwalk.agents import RuleGuider
from kgwalk.cli.settings import apply_settings
from kgwalk.data import Dataset
from kgwalk.rules import applied_confidence

BENCH = "rule_guider_thresholds"
THRESHOLDS = (0.0, 0.05, 0.15, 0.3, 0.5)


def run(dataset: Dataset, seed: int, options: argparse.Namespace) -> list[Record]:
    """Train, pretraining included, with each threshold that is not recorded yet; the new records."""
    stem = stem_of(dataset, RuleGuider.name)
    folder: Path = options.runs / f"{stem}-thresholds-seed{seed}"
    made = []
    for threshold in THRESHOLDS:
        name = f"{stem}-threshold-{threshold:g}-seed{seed}"
        config = apply_settings(RuleGuider.config_for(dataset.name), [*THREE_HOPS, *options.set])
        own = [f"rule_threshold={threshold}"] + ["scorer="] * (config.hit == "hit")
        config = apply_settings(config, own)
        if recorded(BENCH, name, config, save=options.save):
            continue
        here = folder / f"{threshold:g}"
        take_over(["embeddings"], options.runs / f"{stem}-seed{seed}", here)
        take_over(["embeddings", "rules"], folder / f"{THRESHOLDS[0]:g}", here)
        agent, stages = train(dataset, config, here, seed)
        worth = applied_confidence(agent.rules, config.rules.smoothing)
        kept = (agent.rules.head_constant == _core.VARIABLE) & (worth >= threshold) & (worth > 0)
        metrics = {
            "valid": on_valid(agent, dataset),
            "rules": int(np.count_nonzero(kept)),
            "rules_used": rules_used(agent, dataset, seed),
            "agent_seconds": agent_seconds(stages),
            "stage_seconds": stages,
        }
        told = {"split": "valid", "directions": "tail", "threshold": threshold, "threads": options.threads}
        made.append(record(BENCH, name, dataset, config, metrics, seed=seed, save=options.save, protocol=told))
    return made
