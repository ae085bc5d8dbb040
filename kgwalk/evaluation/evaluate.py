"""Ask an agent a split's queries and rank what it answers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from kgwalk._core import Graph
from kgwalk.data.dataset import Dataset, Directions
from kgwalk.evaluation.batches import Batch, BatchRunner, Measured, make_batches, measure
from kgwalk.evaluation.candidates import CandidateTable, candidates_for
from kgwalk.evaluation.metrics import auc_pr, expected_average_precision
from kgwalk.evaluation.protocol import Protocol
from kgwalk.evaluation.report import DirectionReport, Report
from kgwalk.protocols import Agent


def evaluate(
    agent: Agent,
    dataset: Dataset,
    split: str = "test",
    protocol: Protocol | None = None,
    *,
    progress: bool = True,
    runner: BatchRunner | None = None,
) -> Report:
    """Measure an agent on a split.

    The agent is asked every distinct (source, relation) once, and never sees a target: the third column of what it is
    handed is -1. Sources without an edge are not asked about. A `DenseAgent` is asked for its scores of all entities,
    which takes batch_size times num_entities floats and no sorting; others for ranked lists.

    Args:
        agent: Whatever answers queries.
        dataset: Where the queries come from.
        split: Name of one of the dataset's splits.
        protocol: What the numbers shall mean; ``Protocol()`` by default.
        progress: Show a progress bar where stderr is a terminal.
        runner: Who measures the batches, in this process if None; ``kgwalk.integrations.ray`` has one for a cluster.

    Returns:
        Ranking metrics; on NELL-995's ``test`` also MAP, on Countries AUC-PR.

    Raises:
        KeyError: If the dataset has no such split.
        ValueError: If the agent returns answers to another number of queries than it was asked, or a score is NaN; of a
            dense agent, if there is no finite score for every entity.
    """
    started = time.perf_counter()
    protocol = protocol or Protocol()
    directions = protocol.resolve(agent)
    graph = dataset.graph_for(split)
    known = dataset.known_for(split) if protocol.filtered else None
    names: list[Directions] = ["tail", "head"] if directions == "both" else [directions]
    parts = {name: dataset.queries(split, name) for name in names}
    candidates = candidates_for(dataset, split) if "tail" in parts else None

    queries = np.concatenate(list(parts.values()))
    pairs = queries[:, :2]
    if candidates is not None:
        pairs = np.concatenate([pairs, np.stack([candidates.sources, candidates.relations], axis=1)])
    seen = np.append(np.diff(graph.offsets) > 0, False)  # the last place is the unknown entity's
    answered = seen[pairs[:, 0]]
    answered[: len(queries)] &= seen[queries[:, 2]]

    ranks = np.full(len(queries), np.inf)
    scores = np.full(len(pairs) - len(queries), -np.inf)
    batches = list(make_batches(pairs, queries, candidates, answered, protocol.batch_size))
    asked = [batch for batch, _, _ in batches]
    found = _measure_here(agent, graph, known, asked, progress) if runner is None else runner(asked)
    for (_, own, other), measured in zip(batches, found, strict=True):
        ranks[own], scores[other] = measured

    ends = np.cumsum([len(part) for part in parts.values()])
    reports = {
        name: DirectionReport(
            ranks=ranks[end - len(part) : end],
            relations=[dataset.relations[int(r) % dataset.graph.num_relations] for r in part[:, 1]],
            hits=protocol.hits,
            unseen=int((~answered[end - len(part) : end]).sum()),
        )
        for (name, part), end in zip(parts.items(), ends, strict=True)
    }
    mean, by_relation, area = _candidate_metrics(dataset, candidates, scores)
    return Report(
        dataset=dataset.name,
        split=split,
        agent=agent.name,
        protocol=protocol,
        tail=reports.get("tail"),
        head=reports.get("head"),
        map=mean,
        map_per_relation=by_relation,
        auc_pr=area,
        seconds=time.perf_counter() - started,
    )


def _measure_here(
    agent: Agent, graph: Graph, known: Graph | None, batches: Sequence[Batch], progress: bool
) -> Iterator[Measured]:
    console = Console(stderr=True)
    hidden = not (progress and console.is_terminal)
    for batch in track(batches, "answering", console=console, transient=True, disable=hidden):
        yield measure(agent, graph, known, batch)


def _candidate_metrics(
    dataset: Dataset, table: CandidateTable | None, scores: NDArray[np.float64]
) -> tuple[float | None, dict[str, float], float | None]:
    """MAP, its parts by relation, AUC-PR; None for what the dataset does not measure."""
    if table is None:
        return None, {}, None
    if table.metric == "auc_pr":
        return None, {}, auc_pr(scores, table.labels)
    width = np.int64(dataset.graph.num_entities) + 1
    queries, precision = expected_average_precision(table.relations * width + table.sources, scores, table.labels)
    relations = queries // width
    by_relation = {dataset.relations[int(r)]: float(precision[relations == r].mean()) for r in np.unique(relations)}
    return float(np.mean(list(by_relation.values()))), by_relation, None
