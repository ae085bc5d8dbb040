"""Propagation: the whole distribution over end entities, for policies that factorise over relation paths."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from kgwalk._core import ActionSets, propagate_hop, propagate_last, rank_order
from kgwalk.protocols import Ids, Moves, Offsets, Ranked
from kgwalk.search.beam import as_floats, distinct_queries, inference_mode
from kgwalk.search.paths import join_offsets, take_rows

State = TypeVar("State")


class PrefixPolicy(Protocol[State]):
    """A policy whose logit of a move depends on the query's relation and the relations followed so far, no more.

    It is normalised over the legal moves at the node. So one state serves all walkers with the same relations behind
    them, and ``logits(state, candidates)`` is ``relation_logits(state)`` looked up at the candidates' relations.
    """

    @property
    def factorises(self) -> bool:
        """Whether that holds; a policy may be configured out of it."""
        ...

    def begin(self, queries: Ids) -> State:
        """State before the first hop of ``queries``, (n, 3) int32; only their relation matters."""
        ...

    def select(self, state: State, rows: NDArray[np.int64]) -> State:
        """The states in ``rows``, in that order, repeats allowed."""
        ...

    def advance(self, state: State, moves: Moves) -> State:
        """State after each has followed its relation; the entities mean nothing."""
        ...

    def relation_logits(self, state: State) -> Any:
        """Unnormalised log-score of every relation and STAY, (num_states, 2R + 1) float32, tensor or array."""
        ...


@dataclass(frozen=True)
class Propagation:
    """What propagation found.

    Attributes:
        ranked: every entity that has probability; scores are logs of it.
        dropped: (num_queries,) float64, probability that was on relation prefixes given up. With the probabilities in
            ``ranked`` it sums to 1; no entity's true probability exceeds the one in ``ranked`` by more than this.
    """

    ranked: Ranked
    dropped: NDArray[np.float64]


def propagate(
    actions: ActionSets,
    policy: PrefixPolicy[State],
    queries: Ids,
    hops: int,
    *,
    prefixes: int | None = None,
    batch: int = 256,
) -> Propagation:
    """The distribution over all end entities of a policy's walks, summed over paths instead of sampled or beamed.

    Probability is held per (query, relation prefix, entity), where walks that meet are merged; the policy is evaluated
    once per query relation and prefix of a batch, whatever the number of queries and entities. Exact without
    ``prefixes``: that is for sparse graphs (WN18RR and NELL-995 at 3 hops) and for 2 hops anywhere.

    Args:
        actions: which moves are legal, and on what graph.
        policy: must factorise.
        queries: (n, 3) int32: source, relation, target. Targets are not read.
        hops: length of the walks.
        prefixes: relation prefixes that a query keeps after each hop but the last, those of most probability; None for
            all. Bounds time and memory on dense graphs.
        batch: queries under way at once. Queries of one relation are put side by side.

    Raises:
        ValueError: if the policy does not factorise, ``queries`` is not (n, 3) int32, a limit is not positive, or the
            policy's logits have the wrong shape or cannot be normalised.
        IndexError: if an id is out of range.
    """
    if not policy.factorises:
        raise ValueError("propagate needs a policy that factorises over relation paths; search takes any")
    for name, value in {"hops": hops, "prefixes": 1 if prefixes is None else prefixes, "batch": batch}.items():
        if value < 1:
            raise ValueError(f"{name} must be positive, got {value}")
    return in_batches(actions, queries, batch, lambda asked: _propagate(actions, policy, asked, hops, prefixes or 0))


def in_batches(
    actions: ActionSets, queries: Ids, batch: int, run: Callable[[Ids], tuple[Ranked, NDArray[np.float64]]]
) -> Propagation:
    """Runs up to ``batch`` distinct queries at a time, those of one relation together, and puts back their order."""
    asked, which = distinct_queries(actions, queries)
    by_relation = np.argsort(asked[:, 1], kind="stable")
    place = np.empty_like(by_relation)
    place[by_relation] = np.arange(len(place))
    with inference_mode():
        parts = [run(asked[by_relation[i : i + batch]]) for i in range(0, len(asked), batch)]
    found = [p[0] for p in parts]
    offsets, index = take_rows(join_offsets([f.offsets for f in found]), place[which])
    entities = np.concatenate([np.empty(0, np.int32), *(f.entities for f in found)])[index]
    scores = np.concatenate([np.empty(0), *(f.scores for f in found)])[index]
    dropped = np.concatenate([np.empty(0), *(p[1] for p in parts)])[place[which]]
    return Propagation(Ranked(offsets, entities, scores), dropped)


def ranked_by_mass(offsets: Offsets, entities: Ids, mass: NDArray[np.float64]) -> Ranked:
    """Answers by falling probability, ties by rising entity."""
    scores = np.log(mass)
    order = rank_order(offsets, entities, scores)
    return Ranked(offsets, entities[order], scores[order])


def _propagate(
    actions: ActionSets, policy: PrefixPolicy[State], queries: Ids, hops: int, keep_prefixes: int
) -> tuple[Ranked, NDArray[np.float64]]:
    """One batch: ranked answers and the mass dropped."""
    n, width = len(queries), actions.graph.stay + 1
    _, first, prefix = np.unique(queries[:, 1], return_index=True, return_inverse=True)
    state = policy.begin(queries[first])
    mass = (np.arange(n + 1), prefix.astype(np.int32), np.ascontiguousarray(queries[:, 0]), np.ones(n))
    dropped = np.zeros(n)
    for _ in range(hops - 1):
        logits = as_floats(policy.relation_logits(state))
        offsets, parents, relations, entities, moved, lost = propagate_hop(
            actions, queries, *mass, logits, keep_prefixes
        )
        dropped += lost
        # A prefix one longer is a (parent, relation) pair; those that occur are numbered in rising order.
        pair = parents.astype(np.int64) * width + relations
        occurs = np.zeros(len(logits) * width, np.bool_)
        occurs[pair] = True
        pairs = np.flatnonzero(occurs)
        number = np.cumsum(occurs, dtype=np.int32) - 1
        mass = (offsets, number[pair].astype(np.int32), entities, moved)
        followed = (pairs % width).astype(np.int32)
        state = policy.advance(policy.select(state, pairs // width), Moves(followed, np.zeros_like(followed)))
    offsets, entities, total = propagate_last(actions, queries, *mass, as_floats(policy.relation_logits(state)))
    return ranked_by_mass(offsets, entities, total), dropped
