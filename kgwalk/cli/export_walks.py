"""``kgwalk data export-walks``: walks as a Minari dataset."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from kgwalk.cli.console import out, progress_bar
from kgwalk.cli.options import DataDir, Split, Threads
from kgwalk.cli.runs import Run, is_run, load_dataset, load_run

if TYPE_CHECKING:
    from kgwalk.data import Dataset
    from kgwalk.integrations.minari import Exported

_BATCH = 512  # queries asked at once


def export_walks(
    what: Annotated[
        str, typer.Argument(metavar="DATASET|RUN", help="Dataset to walk at random, or a run whose agent walks.")
    ],
    dataset_id: Annotated[
        str | None, typer.Option("--id", help="Id in Minari.", show_default="kgwalk/DATASET/SPLIT-AGENT-v0")
    ] = None,
    walks: Annotated[
        int, typer.Option(min=1, help="Random walks; or queries that the agent walks, drawn without repeats.")
    ] = 1000,
    best: Annotated[int, typer.Option(min=1, help="How many of the agent's walks for each query.")] = 1,
    split: Split = "train",
    seed: Annotated[int, typer.Option(min=0, help="Of the queries that are drawn, and of random moves.")] = 0,
    data_dir: DataDir = None,
    threads: Threads = None,
) -> None:
    """Write walks as a Minari dataset, for offline reinforcement learning: observations, moves, rewards.

    It lies in $MINARI_DATASETS_PATH, else in ~/.minari/datasets; `minari.load_dataset(ID)` reads it, and
    `recover_environment()` gives the environment back. Of a DATASET the moves are uniform over the legal ones, of a RUN
    they are the best that its agent finds.
    """
    from kgwalk.integrations import minari

    with progress_bar() as show:
        progress = partial(show, "walking")
        if is_run(Path(what)):
            made, skipped = _of_run(Path(what), dataset_id, walks, best, split, seed, data_dir, threads, progress)
        else:
            dataset = load_dataset(what, data_dir)
            env = _env(dataset, what, data_dir, split)
            made, skipped = (
                minari.export_walks(
                    env, dataset_id or _default_id(dataset, split, "random"), walks, seed=seed, progress=progress
                ),
                0,
            )
    out.print(f"{made.total_episodes:,} walks of {made.total_steps:,} moves: {made.id}", soft_wrap=True)
    if skipped:
        out.print(f"{skipped:,} more follow edges that are closed in the environment, and are left out", soft_wrap=True)


def _of_run(
    folder: Path,
    dataset_id: str | None,
    queries: int,
    best: int,
    split: str,
    seed: int,
    data_dir: Path | None,
    threads: int | None,
    progress: Any,
) -> Exported:
    """The best walks of a run's agent, in an environment that shows as much as the agent saw."""
    from kgwalk.integrations.minari import export_paths
    from kgwalk.protocols import Walker
    from kgwalk.search.paths import Paths

    run = Run.load(folder)
    if run.labelled is not None:
        raise ValueError(f"{folder} was trained on a labelled split, which no environment walks")
    data_dir = data_dir or (Path(run.data_dir) if run.data_dir else None)
    agent, dataset = load_run(folder, data_dir, threads)
    if not isinstance(agent, Walker):
        raise ValueError(f"an agent {agent.name!r} lists no walks: expected a walker, such as reinforce or pgpr")
    known = {key: getattr(agent, key) for key in ("directions", "max_out_degree") if hasattr(agent, key)}
    table, graph = _env(dataset, run.dataset, data_dir, split, **known).unwrapped.queries, dataset.graph_for(split)
    rows = np.sort(np.random.default_rng(seed).permutation(len(table))[:queries])
    first = range(0, len(rows), _BATCH)
    found = Paths.concatenate([agent.walks(table[rows[i : i + _BATCH]], graph) for i in first], first)
    env = _env(dataset, run.dataset, data_dir, split, horizon=found.hops, **known)
    dataset_id = dataset_id or _default_id(dataset, split, agent.name)
    algorithm = f"kgwalk {agent.name}"
    return export_paths(env, dataset_id, found, rows, best=best, algorithm=algorithm, progress=progress)


def _env(dataset: Dataset, source: str, data_dir: Path | None, split: str, **arguments: Any) -> Any:
    """The environment of a dataset, with arguments that JSON can hold."""
    import gymnasium as gym

    from kgwalk.data.stored import SUFFIX

    if source.endswith(SUFFIX) and not Path(source).is_dir():
        return gym.make("KGWalk-Custom", dataset=str(Path(source).resolve()), split=split, **arguments)
    if Path(source).is_dir():
        return gym.make("KGWalk-Custom", data_dir=str(Path(source).resolve()), split=split, **arguments)
    if data_dir is not None:
        arguments["data_dir"] = str(data_dir.resolve())
    return gym.make(f"KGWalk-{dataset.name}", split=split, **arguments)


def _default_id(dataset: Dataset, split: str, moves: str) -> str:
    name = re.sub(r"[^a-z0-9-]+", "-", dataset.name.lower()).strip("-") or "walks"
    return f"kgwalk/{name}/{split}-{moves}-v0"
