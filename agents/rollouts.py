"""Batches of walks that compute each distinct state once.

All rollouts of a query share their first state and most share their second, so a batch is a tree: a state is a walk's
prefix, a row of the policy's batch, and many walkers may stand in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kgwalk import ragged
from kgwalk.graph import ActionSets
from kgwalk.protocols import Candidates, FinishedWalks, Ids, Moves, Policy

Rows = NDArray[np.int64]
Choose = Callable[[int, Candidates, Tensor, Rows], Rows]


@dataclass(frozen=True)
class Hop:
    """One hop of a batch of walkers.

    Attributes:
        candidates: legal moves of the distinct states.
        log_probs: (num_candidates,), of the distribution that moves were chosen from.
        chosen: (num_walks,) int64, index of each walker's move in ``candidates``.
    """

    candidates: Candidates
    log_probs: Tensor
    chosen: Rows

    @property
    def num_states(self) -> int:
        """Distinct states in which walkers stood."""
        return len(self.candidates.offsets) - 1


def walk(
    policy: Policy[Any],
    actions: ActionSets,
    queries: Ids,
    of_walk: Rows,
    choose: Choose,
    *,
    hops: int,
    action_dropout: float = 0.0,
) -> list[Hop]:
    """Walk ``hops`` hops, each distinct state computed once.

    Args:
        policy: scores moves; gradients flow into ``Hop.log_probs``.
        actions: what is legal.
        queries: (n, 3) int32: source, relation, target.
        of_walk: (num_walks,) int64, the query each walker walks for.
        choose: called as ``choose(hop, candidates, log_probs, rows)``, ``rows`` the state of each walker; gives the
            index of each walker's move in ``candidates``.
        hops: length of a walk.
        action_dropout: share of moves taken out of sight, from the distribution that is chosen from and from its
            log-probability alike; a state never loses all of its moves.
    """
    rows = of_walk
    of_state = np.arange(len(queries), dtype=np.int32)
    at = np.ascontiguousarray(queries[:, 0])
    state = policy.begin(queries)
    records: list[Hop] = []
    for hop in range(hops):
        candidates = Candidates(*actions.candidates(at, of_state, queries, hop == hops - 1))
        logits = policy.logits(state, candidates)
        if action_dropout:
            logits = _drop(logits, candidates.offsets, action_dropout)
        log_probs = ragged.log_softmax(logits, candidates.offsets)
        chosen = choose(hop, candidates, log_probs, rows)
        records.append(Hop(candidates, log_probs, chosen))
        if hop < hops - 1:
            distinct, rows = np.unique(chosen, return_inverse=True)
            parent = np.searchsorted(candidates.offsets, distinct, side="right") - 1
            at, of_state = candidates.entities[distinct], of_state[parent]
            state = policy.advance(policy.select(state, parent), Moves(candidates.relations[distinct], at))
    return records


def roll_out(
    policy: Policy[Any],
    actions: ActionSets,
    queries: Ids,
    *,
    hops: int,
    rollouts: int,
    seed: int,
    stream: int,
    action_dropout: float = 0.0,
) -> tuple[list[Hop], FinishedWalks]:
    """Walk every query ``rollouts`` times, each walker drawing its moves from the policy.

    Args:
        policy: scores moves.
        actions: what is legal.
        queries: (n, 3) int32.
        hops: length of a walk.
        rollouts: walks per query.
        seed: of the run.
        stream: first of ``n * rollouts`` random streams; batches that count on from one another never share any.
        action_dropout: see ``walk``.

    Returns:
        The hops, and the walks as reward terms read them, a query's side by side; ``query`` is the row in ``queries``.
    """
    of_walk = np.repeat(np.arange(len(queries), dtype=np.int64), rollouts)
    streams = np.arange(stream, stream + len(of_walk), dtype=np.int64)

    def draw(hop: int, candidates: Candidates, log_probs: Tensor, rows: Rows) -> Rows:
        return ragged.sample(log_probs, candidates.offsets, rows, seed, streams, hop).numpy()

    records = walk(policy, actions, queries, of_walk, draw, hops=hops, action_dropout=action_dropout)
    entities = np.stack([queries[of_walk, 0], *(h.candidates.entities[h.chosen] for h in records)], axis=1)
    relations = np.stack([h.candidates.relations[h.chosen] for h in records], axis=1)
    hit = entities[:, -1] == queries[of_walk, 2]
    return records, FinishedWalks(np.arange(len(of_walk), dtype=np.int32), of_walk, entities, relations, hit)


def follow(
    policy: Policy[Any], actions: ActionSets, queries: Ids, of_walk: Rows, entities: Ids, relations: Ids, stay: int
) -> list[Hop]:
    """Make given walks (num_walks, hops + 1) and (num_walks, hops), which must be legal, along the policy.

    Raises:
        ValueError: a walk has a move that is not legal.
    """

    def look_up(hop: int, candidates: Candidates, log_probs: Tensor, rows: Rows) -> Rows:
        # A row holds STAY first, then edges sorted by (relation, entity): one rising key over all rows.
        def key(row: Rows, relation: Ids, entity: Ids) -> NDArray[np.int64]:
            by_relation = row * (stay + 1) + (relation.astype(np.int64) + 1) % (stay + 1)
            return by_relation * (np.int64(1) << 32) + entity

        of_candidate = np.repeat(np.arange(len(candidates.offsets) - 1), np.diff(candidates.offsets))
        keys = key(of_candidate, candidates.relations, candidates.entities)
        wanted = key(rows, relations[:, hop], entities[:, hop + 1])
        chosen = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        if not np.array_equal(keys[chosen], wanted):
            raise ValueError(f"a given walk makes an illegal move at hop {hop}")
        return chosen

    return walk(policy, actions, queries, of_walk, look_up, hops=relations.shape[1])


def walk_log_probs(records: list[Hop]) -> Tensor:
    """Log-probability of each walk, (num_walks,): the sum of its moves'."""
    return torch.stack([h.log_probs[torch.from_numpy(h.chosen)] for h in records]).sum(dim=0)


def distinct_share(records: list[Hop]) -> float:
    """Distinct states computed per walker and hop."""
    return sum(h.num_states for h in records) / sum(len(h.chosen) for h in records)


def _drop(logits: Tensor, offsets: NDArray[np.int64], share: float) -> Tensor:
    dropped = torch.rand(logits.shape[0]) < share
    rows = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    kept = np.bincount(rows, weights=~dropped.numpy(), minlength=len(offsets) - 1)
    dropped &= torch.from_numpy(kept > 0)[torch.from_numpy(rows)]
    return logits.masked_fill(dropped, float("-inf"))
