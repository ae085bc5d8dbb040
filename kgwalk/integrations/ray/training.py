"""Training with several seeds over a cluster: a task a seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import ray

from kgwalk.data import Dataset
from kgwalk.files import write_atomically
from kgwalk.integrations.ray.graphs import on_node
from kgwalk.integrations.ray.tasks import Progress, run_shards

#: Trains into a folder, which it goes on with if a training was broken off there; is handed what a dataset that it
#: loads shall go through, so that the processes of a node share its graphs.
Train = Callable[[int, Path, Callable[[Dataset], Dataset]], None]


@dataclass(frozen=True)
class _Job:
    train: Train
    node: str


def train_seeds(
    train: Train,
    folders: Mapping[int, Path],
    *,
    threads: int = 1,
    retries: int = 3,
    progress: Progress | None = None,
) -> None:
    """Train once for each seed, each in a task on some node; all folders are here in the end.

    A training whose worker died is begun again on the same folder: from its last checkpoint if the node is the same or
    shares its disk, else from the start. Both end alike, and as in one process with as many threads.

    Args:
        train: trains with a seed; can be pickled.
        folders: absolute, by seed.
        threads: of a task.
        retries: see ``run_shards``.
        progress: see ``run_shards``.

    Raises:
        ChildProcessError: see ``run_shards``.
    """
    job = _Job(train, ray.get_runtime_context().get_node_id())
    seeds: Sequence[tuple[int, Path]] = list(folders.items())
    made = run_shards(partial(_train, job), seeds, threads=threads, retries=retries, progress=progress)
    for (_, folder), files in zip(seeds, made, strict=True):
        for name, content in files.items():
            write_atomically(folder / name, content)


def _train(job: _Job, one: tuple[int, Path]) -> dict[str, bytes]:
    """The files of the run, if it was made on another node than they are wanted on."""
    seed, folder = one
    job.train(seed, folder, on_node)
    if ray.get_runtime_context().get_node_id() == job.node:
        return {}
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
