"""Ask an agent a split's queries and rank what it answers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from kgwalk._core import Graph
from kgwalk.data.dataset import Dataset, Directions
from kgwalk.evaluation.candidates import CandidateTable, candidates_for
from kgwalk.evaluation.metrics import auc_pr, expected_average_precision
from kgwalk.evaluation.protocol import Protocol
from kgwalk.evaluation.ranking import check_finite, dense_ranks, filtered_ranks, scores_of
from kgwalk.evaluation.report import DirectionReport, Report
from kgwalk.protocols import Agent, DenseAgent, Ids, Ranked

Rows = NDArray[np.int64]


def evaluate(
    agent: Agent, dataset: Dataset, split: str = "test", protocol: Protocol | None = None, *, progress: bool = True
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
    for answers, asked, rows in _ask(agent, graph, pairs, answered, protocol.batch_size, progress):
        is_query = asked < len(queries)
        own = asked[is_query]
        ranks[own] = answers.ranks(queries[own], known, rows[is_query])
        if candidates is not None:
            other = asked[~is_query] - len(queries)
            scores[other] = answers.scores(rows[~is_query], candidates.entities[other])

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


class _Lists(NamedTuple):
    """Answers as ranked lists, one for each question."""

    ranked: Ranked

    def ranks(self, queries: Ids, known: Graph | None, rows: Rows) -> NDArray[np.float64]:
        return filtered_ranks(self.ranked, queries, known, rows)

    def scores(self, rows: Rows, entities: Ids) -> NDArray[np.float64]:
        return scores_of(self.ranked, rows, entities)


class _Block(NamedTuple):
    """Answers as scores of all entities, a row for each question: nothing is sorted."""

    block: NDArray[np.float32]

    def ranks(self, queries: Ids, known: Graph | None, rows: Rows) -> NDArray[np.float64]:
        return dense_ranks(self.block, queries, known, rows)

    def scores(self, rows: Rows, entities: Ids) -> NDArray[np.float64]:
        return self.block[rows, entities].astype(np.float64)


class _Batch(NamedTuple):
    """Answers to some questions, the rows of ``pairs`` they answer, and which of the answers is whose."""

    answers: _Lists | _Block
    asked: Rows
    rows: Rows


def _ask(
    agent: Agent, graph: Graph, pairs: Ids, answered: NDArray[np.bool_], batch_size: int, progress: bool
) -> Iterator[_Batch]:
    """Put each distinct (source, relation) of the answered ``pairs`` to the agent once, in batches."""
    askable = np.flatnonzero(answered)
    key = pairs[askable, 0] * np.int64(graph.stay + 1) + pairs[askable, 1]
    _, first, question = np.unique(key, return_index=True, return_inverse=True)
    distinct = pairs[askable[first]]
    by_question = np.argsort(question, kind="stable")
    starts = np.append(np.searchsorted(question[by_question], np.arange(len(distinct))), len(question))

    console = Console(stderr=True)
    begins = range(0, len(distinct), batch_size)
    hidden = not (progress and console.is_terminal)
    for begin in track(begins, "answering", console=console, transient=True, disable=hidden):
        block = distinct[begin : begin + batch_size]
        asked = by_question[starts[begin] : starts[begin + len(block)]]
        untold = np.column_stack([block, np.full(len(block), -1, dtype=np.int32)])
        answers = _answers(agent, np.ascontiguousarray(untold, dtype=np.int32), graph)
        yield _Batch(answers, askable[asked], question[asked] - begin)


def _answers(agent: Agent, queries: Ids, graph: Graph) -> _Lists | _Block:
    """What the agent says, in the form that costs least."""
    if isinstance(agent, DenseAgent):
        block = agent.scores(queries, graph)
        shape = len(queries), graph.num_entities
        if block.shape != shape:
            raise ValueError(f"agent {agent.name!r} gave scores of shape {block.shape}; expected {shape}")
        check_finite(block, queries)
        return _Block(block)
    ranked = agent.answer(queries, graph)
    if len(ranked.offsets) != len(queries) + 1:
        raise ValueError(f"agent {agent.name!r} gave {len(ranked.offsets) - 1} answer lists for {len(queries)} queries")
    return _Lists(ranked)


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
