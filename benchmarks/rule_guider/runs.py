"""What the tables share: a training run, stages taken over from another, a record."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks import common
from benchmarks.completion import folder_of
from kgwalk.agents import RuleGuider, RuleGuiderConfig
from kgwalk.agents.training import plain
from kgwalk.data import Dataset
from kgwalk.evaluation import Protocol, evaluate

SETS = ("WN18RR", "NELL-995", "FB15k-237")
#: What the rows of an ablation or a sweep share: walks of three hops, as the paper's, which answer alone.
THREE_HOPS = (
    *("walk_weight=none", "hops=3", "spread=3000", "likelihood.steps=600", "likelihood.branch=32"),
    "validate_every=200",
)
Record = dict[str, Any]


def train(dataset: Dataset, config: RuleGuiderConfig, folder: Path, seed: int) -> tuple[RuleGuider, dict[str, float]]:
    """Make the stages that are not there yet; the agent, and the seconds that each stage took."""
    trainer = RuleGuider.trainer(dataset, config, folder, seed=seed)
    trainer.run(resume=True)
    return RuleGuider.load(folder, dataset.fingerprint), trainer.seconds()


def take_over(stages: Iterable[str], source: Path, folder: Path) -> None:
    """Copy finished stages from another run of the same configuration; what it has not, is made."""
    for stage in stages:
        if (source / stage / "agent.safetensors").exists() and not (folder / stage).exists():
            shutil.copytree(source / stage, folder / stage)


def recorded(bench: str, name: str, config: RuleGuiderConfig, *, save: bool) -> bool:
    """Whether a result is there already, and needs no run; without ``save`` every run is made.

    Raises:
        SystemExit: it is of another configuration; a table holds figures of one alone.
    """
    path = common.RESULTS / bench / f"{name}.json"
    if not (save and path.exists()):
        return False
    if json.loads(path.read_text(encoding="utf-8"))["protocol"]["config"] != plain(config):
        raise SystemExit(f"{path} was made with another configuration: delete it to make it again")
    print(f"{name}: recorded already")
    return True


def on_valid(agent: RuleGuider, dataset: Dataset) -> dict[str, float]:
    """Metrics of the tail queries of valid."""
    report = evaluate(agent, dataset, "valid", Protocol(directions="tail"))
    return dict(report.metrics["tail"])


def agent_seconds(stages: Mapping[str, float]) -> float:
    """Time of the stages that train the agents: the third and the fourth."""
    return stages.get("pretraining", 0.0) + stages["joint"]


def record(
    bench: str,
    name: str,
    dataset: Dataset,
    config: RuleGuiderConfig,
    metrics: Mapping[str, Any],
    *,
    seed: int,
    save: bool,
    protocol: Mapping[str, Any],
    seconds: float | None = None,
) -> Record:
    """Save a result, if asked to; what of it the tables need."""
    told = {**protocol, "config": dataclasses.asdict(config)}
    if save:
        common.save_result(
            bench,
            name,
            metrics,
            seed=seed,
            dataset=folder_of(dataset),
            agent=RuleGuider.name,
            protocol=told,
            seconds=seconds,
        )
    made: Record = {"bench": bench, "name": name, "seed": seed, "hardware": common.hardware()}
    made |= {"dataset": folder_of(dataset), "agent": RuleGuider.name}
    return {**made, "protocol": told, "metrics": dict(metrics)}
