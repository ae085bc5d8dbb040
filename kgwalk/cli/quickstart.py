"""``kgwalk quickstart``: everything once, on a set that needs no download."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import typer

from kgwalk.cli.console import out
from kgwalk.cli.options import Threads
from kgwalk.cli.quickstart_shop import quickstart_shop
from kgwalk.cli.runs import Run, clear, import_agents, use_threads
from kgwalk.cli.train import default_folder

if TYPE_CHECKING:
    from kgwalk.data import Dataset
    from kgwalk.protocols import Agent, Ids

DATASET, AGENT = "Family", "reinforce"


def quickstart(
    dataset_name: Annotated[
        Literal["family", "bookshop"],
        typer.Argument(metavar="DATASET", case_sensitive=False, help="family, or bookshop: recommendation."),
    ] = "family",
    seed: Annotated[int, typer.Option(help="Seed of the training.")] = 0,
    folder: Annotated[
        Path | None, typer.Option(help="Folder of the run.", show_default="runs/family-reinforce-seed0, say")
    ] = None,
    threads: Threads = None,
) -> None:
    """Train on the built-in Family set, measure the agent, and see why it answers as it does.

    Family holds people with their parents, siblings and spouses. Some of the relations that follow from others are held
    out; the agent learns to find them by walking. Takes about a minute, and needs no download.

    `kgwalk quickstart bookshop` does the same for recommendation: what readers may like, and why.
    """
    if dataset_name == "bookshop":
        quickstart_shop(seed, folder, threads)
        return
    from kgwalk import evaluation
    from kgwalk.data import load

    dataset = load(DATASET)
    agent_class = import_agents().get(AGENT)
    folder = folder or default_folder(DATASET, AGENT, seed)
    run = Run(DATASET, None, AGENT, seed, (), use_threads(threads))
    clear(folder)
    run.save(folder)

    test = dataset.queries("test")
    out.print(
        f"[bold]1. Train[/bold] on {DATASET}: {dataset.graph.num_entities} people, {dataset.graph.num_facts:,} facts, "
        f"{dataset.graph.num_relations} relations; {len(test)} facts are held out as test.",
        soft_wrap=True,
    )
    started = time.monotonic()
    agent = agent_class.fit(dataset, agent_class.config_for(DATASET), folder, seed=seed)
    out.print(f"   trained in {time.monotonic() - started:.0f} s\n")

    out.print("[bold]2. Evaluate[/bold] on the held-out facts.")
    out.print(evaluation.evaluate(agent, dataset, "test").table())

    out.print(
        "\n[bold]3. Explain[/bold] three of them; the numbers before the paths are their probabilities.", soft_wrap=True
    )
    show_reasons(agent, dataset, one_per_relation(test, 3))
    out.print(
        f"\nThe agent is in [bold]{folder}[/bold]. Next, on real data: [bold]kgwalk data list[/bold]", soft_wrap=True
    )


def one_per_relation(queries: Ids, count: int) -> Ids:
    """The first query of each relation, of ``count`` relations spread over all."""
    _, first = np.unique(queries[:, 1], return_index=True)
    chosen = np.linspace(0, len(first) - 1, min(count, len(first))).round().astype(int)
    picked: Ids = queries[first[chosen]]
    return picked


def show_reasons(agent: Agent, dataset: Dataset, queries: Ids) -> None:
    """Print the answers to queries, and which answer is true."""
    from kgwalk.explain import explain_all

    explanations = explain_all(agent, dataset, queries[:, :2], answers=2, paths=2)
    for explanation, target in zip(explanations, queries[:, 2].tolist(), strict=True):
        out.print(f"\n{explanation}\n  held out: {dataset.label(target)}", markup=False, soft_wrap=True)
