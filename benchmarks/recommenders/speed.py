"""How long an epoch takes: steps of training alone, validation left out."""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.common import print_table, save_result
from benchmarks.completion import folder_of, stem_of
from benchmarks.recommenders.rows import STUDIES
from kgwalk import agents
from kgwalk.agents.recommenders import RECOMMENDER_AGENTS
from kgwalk.cli.settings import apply_settings
from kgwalk.data import Recommendation, labelled

TITLE = "Seconds of an epoch of each model; run it with nothing else."
BENCH = "recommenders-speed"
_EPOCHS = 5


def run(source: Recommendation, seed: int, options: argparse.Namespace) -> None:
    """Time the models' epochs, after one that warms up."""
    dataset = labelled(source, seed)
    table = []
    figures = {}
    for name, row in STUDIES["models"].rows.items():
        if row.agent not in RECOMMENDER_AGENTS or (options.rows and name not in options.rows):
            continue
        kind = agents.get(row.agent)
        config = apply_settings(kind.config_for(dataset.name), list(row.settings))
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            trainer = kind.trainer(dataset, config, Path(folder) / "run", seed=seed)
            ready = time.perf_counter() - started
            steps = trainer.validate_every // config.validate_epochs
            seconds = []
            for epoch in range(_EPOCHS + 1):
                started = time.perf_counter()
                for step in range(epoch * steps, (epoch + 1) * steps):
                    trainer.make_step(step)
                seconds.append(time.perf_counter() - started)
        middle = statistics.median(seconds[1:])
        table.append([name, ready, middle, max(seconds[1:]), steps])
        figures[name] = {"epoch_seconds": middle, "slowest": max(seconds[1:]), "setup_seconds": ready, "steps": steps}
    print_table(
        f"{source.name}, {options.threads} threads", ["model", "set-up, s", "epoch, s", "slowest", "steps"], table
    )
    if options.save:
        protocol = {"threads": options.threads, "epochs": _EPOCHS, "what": "median over epochs of training steps alone"}
        save_result(
            BENCH, stem_of(dataset, f"seed{seed}"), figures, seed=seed, dataset=folder_of(dataset), protocol=protocol
        )
