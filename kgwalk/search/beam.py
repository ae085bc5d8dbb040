"""Beam search: one function for every policy and layout."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import pairwise
from typing import Any, Generic, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kgwalk._core import ActionSets, pool_entities, split_frontier
from kgwalk.protocols import Candidates, Ids, Moves, Offsets, Policy, State
from kgwalk.search.layout import Layout
from kgwalk.search.paths import Paths, Reached, join_offsets
from kgwalk.search.prune import Prune

Doubles = NDArray[np.float64]


def search(
    actions: ActionSets,
    policy: Policy[State],
    layout: Layout,
    queries: Ids,
    *,
    prune: Prune | None = None,
    batch: int = 256,
    max_candidates: int = 1 << 21,
) -> Paths:
    """The most probable paths of each query under a policy, as far as the layout's budgets let them through.

    A path's log-probability is the sum over its hops of ``logit - log_norm``. Ties go to the path whose parent came
    first, then to the earlier candidate. Nothing depends on the thread count, nor on how queries are batched except for
    the rounding of the policy's own batched arithmetic. Queries that agree in source and relation are searched once.

    Args:
        actions: which moves are legal, and on what graph. The policy scores all of them; the layout keeps some. The
            last hop, where known answers may be masked, is that of the layout's longest path.
        policy: scores moves.
        layout: relations to follow and budgets.
        queries: (n, 3) int32: source, relation, target. Targets are not read: they are set to -1 before anything sees
            them, so no edge is hidden and no answer is told from another.
        prune: caps the candidates of crowded nodes, at every hop. The policy sees what is left of them: its
            probabilities are normalised over that, and an entity that only pruned moves lead to is not reached.
        batch: queries under way at once.
        max_candidates: moves scored in one call of ``policy.logits``, unless a single query has more. With ``batch`` it
            bounds the memory.

    Returns:
        Kept paths; for ``layout.final == "expand"`` also ``reached``, every entity of the last expansion. A path that
        ends before the layout's longest is filled up with STAY.

    Raises:
        ValueError: if ``queries`` is not (n, 3) int32, a limit is not positive, or the policy gives no number,
            or ``prune.scorer`` none in [0, 1].
        IndexError: if an id is out of range.
    """
    asked, which = distinct_queries(actions, queries)
    if batch < 1 or max_candidates < 1:
        raise ValueError(f"batch and max_candidates must be positive, got {batch} and {max_candidates}")
    run = _Search(actions, policy, layout, prune, max_candidates)
    with inference_mode():
        found = [run(asked[i : i + batch]) for i in range(0, len(asked), batch)]
    if not found:
        return run.nothing()
    return Paths.concatenate(found, range(0, len(asked), batch)).for_queries(which)


def distinct_queries(actions: ActionSets, queries: Ids) -> tuple[Ids, NDArray[np.int64]]:
    """The distinct (source, relation, -1) of queries, in rising order, and for each query its row among them.

    Raises:
        ValueError: if ``queries`` is not (n, 3) int32.
        IndexError: if an id is out of range.
    """
    if queries.dtype != np.int32 or queries.ndim != 2 or queries.shape[1] != 3:
        raise ValueError(f"queries: expected (n, 3) int32, got {queries.shape} {queries.dtype}")
    distinct, which = np.unique(queries[:, :2], axis=0, return_inverse=True)
    asked = np.concatenate([distinct, np.full((len(distinct), 1), -1, np.int32)], axis=1)
    none = np.empty(0, np.int32)
    actions.candidates(none, none, asked, False)  # checks every id before a policy looks up a row with it
    return asked, which.reshape(-1)


def inference_mode() -> AbstractContextManager[Any]:
    """``torch.inference_mode()`` if anyone has imported torch: a policy of numpy arrays needs none."""
    torch = sys.modules.get("torch")
    return nullcontext() if torch is None else torch.inference_mode()


def as_floats(scores: Any) -> NDArray[np.float32]:
    """A tensor, on whatever device, or an array as contiguous float32."""
    if hasattr(scores, "detach"):
        scores = scores.detach().cpu().numpy()
    return np.ascontiguousarray(scores, np.float32)


class _Frontier(NamedTuple):
    """Paths of equal length, grouped by query."""

    query_offsets: Offsets
    nodes: Ids
    log_prob: Doubles


class _Step(NamedTuple):
    """How a frontier came about: for each path its row in the frontier before, and the move."""

    rows: Offsets
    relations: Ids
    entities: Ids


class _Search(Generic[State]):
    """Searches batches of queries."""

    def __init__(
        self,
        actions: ActionSets,
        policy: Policy[State],
        layout: Layout,
        prune: Prune | None,
        max_candidates: int,
    ) -> None:
        self.actions = actions
        self.policy = policy
        self.layout = layout
        self.prune = prune
        self.max_candidates = max_candidates
        self.compiled = layout.compile()
        self.hops = layout.hops
        self.stay = actions.graph.stay
        self.inner = layout.inner()
        self.ends = np.array(layout.ends)

    def __call__(self, queries: Ids) -> Paths:
        n = len(queries)
        state = self.policy.begin(queries)
        at = np.ascontiguousarray(queries[:, 0])
        front = _Frontier(np.arange(n + 1, dtype=np.int64), np.zeros(n, np.int32), np.zeros(n))
        trace: list[_Step] = []
        ended: list[Paths] = []
        expanded: list[Reached] = []
        for hop in range(self.hops):
            rows = np.flatnonzero(self.inner[front.nodes])
            if len(rows) == 0:  # the layout lets nobody go on
                break
            if len(rows) < len(front.nodes):
                front, at, state = _take(front, rows), at[rows], self.policy.select(state, rows)
            front, step = self._extend(state, front, at, queries, hop == self.hops - 1, expanded)
            trace.append(step._replace(rows=rows[step.rows]))
            ended.append(self._ended(queries, trace, front))
            at = step.entities
            if hop < self.hops - 1:
                state = self.policy.advance(self.policy.select(state, step.rows), Moves(step.relations, step.entities))
        return self._finish(n, ended, expanded)

    def _extend(
        self, state: State, front: _Frontier, at: Ids, queries: Ids, last_hop: bool, expanded: list[Reached]
    ) -> tuple[_Frontier, _Step]:
        """One hop, a piece of the frontier at a time; `expanded` gets the entities of a last hop that is kept whole."""
        query_of = np.repeat(np.arange(len(queries), dtype=np.int32), np.diff(front.query_offsets))
        cuts = split_frontier(self.actions, at, front.query_offsets, self.max_candidates)
        fronts, steps = [], []
        for first, last in pairwise(cuts):
            offsets = front.query_offsets[first : last + 1]
            own = slice(offsets[0], offsets[-1])
            moves = Candidates(*self.actions.candidates(at[own], query_of[own], queries, last_hop))
            if self.prune is not None:
                moves = self.prune(moves, queries[query_of[own]])
            here = state if len(cuts) == 2 else self.policy.select(state, np.arange(own.start, own.stop))
            logits = self.policy.logits(here, moves)
            norm = as_floats(self.policy.log_norm(here, logits, moves))
            scored = (
                *(offsets - offsets[0], front.nodes[own], front.log_prob[own]),
                *(moves.offsets, moves.relations, as_floats(logits), norm),
            )
            if last_hop and self.layout.final == "expand":
                all_offsets, _, all_moves, _, log_prob = self.compiled.select(*scored, keep_all=True)
                expanded.append(Reached(*pool_entities(all_offsets, moves.entities[all_moves], log_prob)))
            kept_offsets, rows, kept, nodes, log_prob = self.compiled.select(*scored)
            fronts.append(_Frontier(kept_offsets, nodes, log_prob))
            steps.append(_Step(rows + own.start, moves.relations[kept], moves.entities[kept]))
        if len(fronts) == 1:
            return fronts[0], steps[0]
        return (
            _Frontier(
                join_offsets([f.query_offsets for f in fronts]),
                np.concatenate([f.nodes for f in fronts]),
                np.concatenate([f.log_prob for f in fronts]),
            ),
            _Step(*(np.concatenate(parts) for parts in zip(*steps, strict=True))),
        )

    def _ended(self, queries: Ids, trace: list[_Step], front: _Frontier) -> Paths:
        """The paths that end at the newest frontier, followed back to their sources."""
        rows = np.flatnonzero(self.ends[front.nodes])
        query = np.repeat(np.arange(len(queries), dtype=np.int32), np.diff(front.query_offsets))[rows]
        entities = np.empty((len(rows), self.hops + 1), np.int32)
        relations = np.full((len(rows), self.hops), self.stay, np.int32)
        at = rows
        for hop in range(len(trace), 0, -1):
            step = trace[hop - 1]
            entities[:, hop] = step.entities[at]
            relations[:, hop - 1] = step.relations[at]
            at = step.rows[at]
        entities[:, 0] = queries[query, 0]
        entities[:, len(trace) + 1 :] = entities[:, len(trace), None]
        return Paths(query, entities, relations, front.log_prob[rows], self.stay)

    def _finish(self, num_queries: int, ended: list[Paths], expanded: list[Reached]) -> Paths:
        """All paths of a batch, best first within a query, and what its last hop reached."""
        paths = Paths.concatenate(ended, [0] * len(ended)).sorted()
        if self.layout.final == "keep":
            return paths
        early = self._before_last_hop(ended)
        reached = Reached.of_paths(early, num_queries)
        if expanded:
            last = Reached.concatenate(expanded)
            reached = reached.merge(last) if len(early) else last
        return replace(paths, reached=reached)

    def _before_last_hop(self, ended: list[Paths]) -> Paths:
        early = [self._no_paths(), *ended[: self.hops - 1]]
        return Paths.concatenate(early, [0] * len(early)).sorted()

    def nothing(self) -> Paths:
        """What no queries find."""
        reached = Reached.concatenate([]) if self.layout.final == "expand" else None
        return replace(self._no_paths(), reached=reached)

    def _no_paths(self) -> Paths:
        entities, relations = np.empty((0, self.hops + 1), np.int32), np.empty((0, self.hops), np.int32)
        return Paths(np.empty(0, np.int32), entities, relations, np.empty(0), self.stay)


def _take(front: _Frontier, rows: NDArray[np.int64]) -> _Frontier:
    return _Frontier(np.searchsorted(rows, front.query_offsets), front.nodes[rows], front.log_prob[rows])
