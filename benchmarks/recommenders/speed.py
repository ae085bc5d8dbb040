"""How long an epoch takes: steps of training alone, validation left out."""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.common import print_table, save_result
from benchmarks.completion import folder_of, stem_of
from benchmarks.recommenders.rows import Row, rows_of
from kgwalk import agents
from kgwalk.agents.allocator import keep_freed_memory
from kgwalk.agents.recommenders import RECOMMENDER_AGENTS
from kgwalk.agents.training import Trainer
from kgwalk.cli.settings import apply_settings
from kgwalk.data import LabelledRecommendation, Recommendation, labelled

TITLE = "Seconds of an epoch of each model (or --study mi-fast); run it with nothing else."
BENCH = "recommenders-speed"
#: What can be timed, and seconds after which a turn of a row may end before its epoch does: models may do work once an
#: epoch; a tree of 8 neighbours has 4,096 leaves at depth 4, and its steps are all alike.
TURNS = {"models": float("inf"), "mi-fast": 1.0}
_ROUNDS = 5


class _Timed(NamedTuple):
    trainer: Trainer
    steps: int
    setup: float
    epochs: list[float]


def run(source: Recommendation, seed: int, options: argparse.Namespace) -> None:
    """Time the rows' epochs in rounds, each row once in a round, after steps that warm up.

    What the machine does meanwhile hits all rows alike: medians over the rounds can be held against each other.
    """
    keep_freed_memory()  # as a training does
    dataset = labelled(source, seed)
    rows = {name: row for name, row in rows_of(options.study, options.rows).items() if row.agent in RECOMMENDER_AGENTS}
    with tempfile.TemporaryDirectory() as folder:
        timed = {
            name: _prepare(dataset, row, Path(folder) / str(place), seed)
            for place, (name, row) in enumerate(rows.items())
        }
        for turn in range(_ROUNDS):
            for one in timed.values():
                one.epochs.append(_epoch(one, turn, TURNS[options.study]))
    figures = {
        name: {
            "epoch_seconds": statistics.median(one.epochs),
            "slowest": max(one.epochs),
            "setup_seconds": one.setup,
            "steps": one.steps,
        }
        for name, one in timed.items()
    }
    print_table(
        f"{source.name}, {options.threads} threads",
        ["model", "set-up, s", "epoch, s", "slowest", "steps"],
        [[name, f["setup_seconds"], f["epoch_seconds"], f["slowest"], f["steps"]] for name, f in figures.items()],
    )
    if options.save:
        protocol = {
            "study": options.study,
            "threads": options.threads,
            "rounds": _ROUNDS,
            "turn_seconds": None if options.study == "models" else TURNS[options.study],
            "what": "training steps alone, median over rounds, times the steps of an epoch",
        }
        name = stem_of(dataset, *([] if options.study == "models" else [options.study]), f"seed{seed}")
        save_result(BENCH, name, figures, seed=seed, dataset=folder_of(dataset), protocol=protocol)


def _prepare(dataset: LabelledRecommendation, row: Row, folder: Path, seed: int) -> _Timed:
    """A training that has made its first steps."""
    kind = agents.get(row.agent)
    config = apply_settings(kind.config_for(dataset.name), list(row.settings))
    started = time.perf_counter()
    trainer = kind.trainer(dataset, config, folder, seed=seed)
    ready = time.perf_counter() - started
    one = _Timed(trainer, trainer.validate_every // config.validate_epochs, ready, [])
    _epoch(one, 0, 0.5)
    return one


def _epoch(one: _Timed, epoch: int, most: float) -> float:
    """Seconds that the steps of an epoch take, told from those made in ``most`` seconds."""
    started = time.perf_counter()
    made, passed = 0, 0.0
    while made < one.steps and passed < most:
        one.trainer.make_step(epoch * one.steps + made)
        made += 1
        passed = time.perf_counter() - started
    return passed * one.steps / made
