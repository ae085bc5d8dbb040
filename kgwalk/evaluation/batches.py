"""Batches of questions, each measured by itself: here or, as it is small and holds all that is asked, elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kgwalk._core import Graph
from kgwalk.evaluation.candidates import CandidateTable
from kgwalk.evaluation.ranking import check_finite, dense_ranks, filtered_ranks, scores_of
from kgwalk.protocols import Agent, DenseAgent, Ids, Ranked

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """Questions put to an agent at once, and what is wanted of its answers.

    Attributes:
        questions: (m, 3) int32: source, relation, -1; all different.
        queries: (k, 3) int32: source, relation, target, whose target's rank is wanted.
        query_rows: (k,) int64, the question that asks each.
        candidates: (c,) int32, entities whose score is wanted.
        candidate_rows: (c,) int64, the question that each is a candidate of.
    """

    questions: Ids
    queries: Ids
    query_rows: Rows
    candidates: Ids
    candidate_rows: Rows


class Measured(NamedTuple):
    """What came of a batch.

    Attributes:
        ranks: (k,) float64 of its queries' targets, infinity for one that was not reached.
        scores: (c,) float64 of its candidates, minus infinity for one that is not listed.
    """

    ranks: NDArray[np.float64]
    scores: NDArray[np.float64]


#: Measures batches, one result for each in their order.
BatchRunner = Callable[[Sequence[Batch]], Iterable[Measured]]


def make_batches(
    pairs: Ids, queries: Ids, candidates: CandidateTable | None, answered: NDArray[np.bool_], batch_size: int
) -> Iterator[tuple[Batch, Rows, Rows]]:
    """Each distinct (source, relation) that is asked, once, in rising order.

    Args:
        pairs: (n + c, 2) int32: source and relation of the queries, then of the candidates.
        queries: (n, 3) int32.
        candidates: entities whose scores are wanted, or None.
        answered: (n + c,) bool, which pairs to ask about.
        batch_size: questions in a batch.

    Yields:
        The batch, the rows of ``queries`` whose ranks it gives, and the rows of ``candidates`` whose scores.
    """
    askable = np.flatnonzero(answered)
    width = np.int64(pairs[:, 1].max(initial=0)) + 1
    key = pairs[askable, 0] * width + pairs[askable, 1]
    _, first, question = np.unique(key, return_index=True, return_inverse=True)
    distinct = pairs[askable[first]]
    by_question = np.argsort(question, kind="stable")
    starts = np.append(np.searchsorted(question[by_question], np.arange(len(distinct))), len(question))
    for begin in range(0, len(distinct), batch_size):
        block = distinct[begin : begin + batch_size]
        here = by_question[starts[begin] : starts[begin + len(block)]]
        asked, rows = askable[here], question[here] - begin
        is_query = asked < len(queries)
        own, other = asked[is_query], asked[~is_query] - len(queries)
        batch = Batch(
            np.ascontiguousarray(np.column_stack([block, np.full(len(block), -1)]), dtype=np.int32),
            queries[own],
            rows[is_query],
            np.empty(0, np.int32) if candidates is None else candidates.entities[other],
            rows[~is_query],
        )
        yield batch, own, other


def measure(agent: Agent, graph: Graph, known: Graph | None, batch: Batch) -> Measured:
    """Ask an agent a batch and rank what it answers; it never sees a target.

    Args:
        agent: asked for its scores of all entities if it is a `DenseAgent`, else for ranked lists.
        graph: to walk.
        known: facts that are filtered when ranking, or None for raw ranks.
        batch: what to ask.

    Raises:
        ValueError: answers to another number of questions than it was asked, or a score that is NaN; of a dense agent,
            no finite score for every entity.
    """
    if isinstance(agent, DenseAgent):
        return _measure_dense(agent, graph, known, batch)
    ranked: Ranked = agent.answer(batch.questions, graph)
    if len(ranked.offsets) != len(batch.questions) + 1:
        raise ValueError(
            f"agent {agent.name!r} gave {len(ranked.offsets) - 1} answer lists for {len(batch.questions)} queries"
        )
    ranks = filtered_ranks(ranked, batch.queries, known, batch.query_rows)
    if not len(batch.candidates):  # to look scores up sorts all answers
        return Measured(ranks, np.empty(0))
    return Measured(ranks, scores_of(ranked, batch.candidate_rows, batch.candidates))


def _measure_dense(agent: DenseAgent, graph: Graph, known: Graph | None, batch: Batch) -> Measured:
    """The same of scores of all entities, a row for each question: nothing is sorted."""
    block = agent.scores(batch.questions, graph)
    shape = len(batch.questions), graph.num_entities
    if block.shape != shape:
        raise ValueError(f"agent {agent.name!r} gave scores of shape {block.shape}; expected {shape}")
    check_finite(block, batch.questions)
    return Measured(
        dense_ranks(block, batch.queries, known, batch.query_rows),
        block[batch.candidate_rows, batch.candidates].astype(np.float64),
    )
