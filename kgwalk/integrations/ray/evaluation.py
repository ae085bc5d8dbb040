"""Evaluation over a cluster: batches of questions as tasks, ranked where they are answered."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import ray

from kgwalk.data import Dataset
from kgwalk.data.cards import Card
from kgwalk.evaluation.batches import Batch, BatchRunner, Measured, measure
from kgwalk.graph import Graph
from kgwalk.integrations.ray.graphs import GraphFile
from kgwalk.integrations.ray.tasks import Progress, run_shards
from kgwalk.protocols import Agent

#: Reads an agent from a folder that its ``save`` wrote, for a dataset: ``kgwalk.agents.load``.
Load = Callable[[Path, Dataset], Agent]


def cluster_runner(
    agent: Agent,
    load: Load,
    dataset: Dataset,
    split: str = "test",
    *,
    filtered: bool = True,
    threads: int = 1,
    retries: int = 3,
    progress: Progress | None = None,
) -> BatchRunner:
    """What ``kgwalk.evaluation.evaluate(..., runner=...)`` measures its batches with on a cluster.

    The batches are those of one process, so the ranks are too, if that has as many threads. An agent travels as the
    files that it saves, once to each worker; graphs are every node's own.

    Args:
        agent: whose ``save`` writes all that ``load`` needs.
        load: reads it; can be pickled. The dataset that it is given has graphs, names and fingerprint, but no splits.
        dataset: as for ``evaluate``; every node must have its files.
        split: as for ``evaluate``.
        filtered: the protocol's.
        threads: of a task.
        retries: see ``run_shards``.
        progress: see ``run_shards``.

    Raises:
        TypeError: the dataset was made in memory; no other process could load it.
    """
    job = _Job(
        id=uuid.uuid4().hex,
        load=load,
        files=(ray.put(saved_files(agent)),),
        name=dataset.name,
        fingerprint=dataset.fingerprint,
        card=dataset.card,
        folder=dataset.folder,
        graph=GraphFile.walked(dataset),
        walked=GraphFile.walked(dataset, split),
        known=GraphFile.known(dataset, split) if filtered else None,
    )

    def run(batches: Sequence[Batch]) -> list[Measured]:
        return run_shards(partial(_measure, job), batches, threads=threads, retries=retries, progress=progress)

    return run


@dataclass(frozen=True)
class _Job:
    """What all batches of an evaluation share, as it travels."""

    id: str
    load: Load
    files: tuple[Any]  # in a tuple Ray leaves the reference alone: it is resolved once in a worker, not in every task
    name: str
    fingerprint: str
    card: Card
    folder: Path | None
    graph: GraphFile
    walked: GraphFile
    known: GraphFile | None

    def __hash__(self) -> int:
        return hash(self.id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Job) and self.id == other.id

    def dataset(self) -> Dataset:
        """What an agent may ask about the dataset; no splits."""
        stored, test = self.graph.open(), self.walked.open()
        assert stored.entities is not None
        assert stored.relations is not None
        return Dataset(
            name=self.name,
            graph=stored.graph,
            splits={},
            test_graph=test.graph,
            fingerprint=self.fingerprint,
            card=self.card,
            entities=stored.entities,
            relations=stored.relations,
            folder=self.folder,
        )


def saved_files(agent: Agent) -> dict[str, bytes]:
    """What an agent saves, by path."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        agent.save(folder)
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _measure(job: _Job, batch: Batch) -> Measured:
    agent, graph, known = _prepared(job)
    return measure(agent, graph, known, batch)


@lru_cache(maxsize=1)
def _prepared(job: _Job) -> tuple[Agent, Graph, Graph | None]:
    """Agent and graphs, once in a worker."""
    with tempfile.TemporaryDirectory() as name:
        for path, content in ray.get(job.files[0]).items():
            file = Path(name) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        agent = job.load(Path(name), job.dataset())
    return agent, job.walked.open().graph, None if job.known is None else job.known.open().graph
