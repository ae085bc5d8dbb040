"""Batches of walks that compute each distinct state once.

All rollouts of a query share their first state and most share their second, so a batch is a tree: a state is a walk's
prefix, a row of the policy's batch, and many walkers may stand in it. A policy makes one choice a hop, a move, or two
(``SplitPolicy``): a relation, then an entity behind it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kgwalk import ragged
from kgwalk.graph import ActionSets
from kgwalk.protocols import Candidates, Critic, FinishedWalks, Ids, Moves, Offsets, Policy

from .policies.split import SplitPolicy

Rows = NDArray[np.int64]


class Options(NamedTuple):
    """What each distinct state may choose from, ragged.

    Relations are None where they are chosen already, entities where they are chosen later.
    """

    offsets: Offsets
    relations: Ids | None
    entities: Ids | None


@dataclass(frozen=True)
class Choice:
    """One choice of a batch of walkers.

    Attributes:
        offsets: (num_states + 1,) int64, the distinct states' options.
        log_probs: (num_options,), of the distribution that was chosen from.
        chosen: (num_walks,) int64, index of each walker's choice among the options.
        rows: (num_walks,) int64, the distinct state each walker stands in.
        values: (num_states,), what a ``Critic`` expects to earn from the states on; None from other policies.
    """

    offsets: Offsets
    log_probs: Tensor
    chosen: Rows
    rows: Rows
    values: Tensor | None = None

    @property
    def num_states(self) -> int:
        """Distinct states in which walkers stood."""
        return len(self.offsets) - 1


#: ``choose(hop, options, log_probs, rows)``, ``rows`` the state of each walker: the index of each one's choice.
Choose = Callable[[int, Options, Tensor, Rows], Rows]


class Walked(NamedTuple):
    """Where a batch of walkers went.

    Attributes:
        choices: all of them in turn, one or two a hop.
        entities: (num_walks, hops + 1) int32.
        relations: (num_walks, hops) int32, STAY included.
    """

    choices: list[Choice]
    entities: Ids
    relations: Ids


class _Crowd(NamedTuple):
    """Walkers between two hops: ``rows`` is the distinct state of each, the rest is of those."""

    state: Any
    at: Ids
    of_state: Ids
    rows: Rows


def walk(
    policy: Policy[Any],
    actions: ActionSets,
    queries: Ids,
    of_walk: Rows,
    choose: Choose,
    *,
    hops: int,
    action_dropout: float = 0.0,
    arrivals: Ids | None = None,
) -> Walked:
    """Walk ``hops`` hops, each distinct state computed once.

    Args:
        policy: scores moves; gradients flow into ``Choice.log_probs``.
        actions: what is legal.
        queries: (n, 3) int32: source, relation, target.
        of_walk: (num_walks,) int64, the query each walker walks for.
        choose: makes the choices.
        hops: length of a walk.
        action_dropout: share of options taken out of sight, from the distribution that is chosen from and from its
            log-probability alike; a state never loses all of its options.
        arrivals: (num_walks, hops), the entities that will be chosen, if they are known and legal: a policy that
            leaves entities to chance need not look at them then.
    """
    crowd = _Crowd(
        policy.begin(queries),
        np.ascontiguousarray(queries[:, 0]),
        np.arange(len(queries), dtype=np.int32),
        of_walk,
    )
    choices: list[Choice] = []
    entities, relations = [queries[of_walk, 0]], []
    for hop in range(hops):
        last = hop == hops - 1

        def decide(options: Options, logits: Tensor, rows: Rows, values: Tensor | None = None, hop: int = hop) -> Rows:
            if action_dropout:
                logits = _drop(logits, options.offsets, action_dropout)
            log_probs = ragged.log_softmax(logits, options.offsets)
            chosen = choose(hop, options, log_probs, rows)
            choices.append(Choice(options.offsets, log_probs, chosen, rows, values))
            return chosen

        if isinstance(policy, SplitPolicy):
            where = None if arrivals is None or policy.entity_agent is not None else arrivals[:, hop]
            crowd, moves = _split_hop(policy, actions, queries, crowd, last, decide, where, choices)
        else:
            crowd, moves = _hop(policy, actions, queries, crowd, last, decide)
        relations.append(moves.relations)
        entities.append(moves.entities)
    return Walked(choices, np.stack(entities, axis=1), np.stack(relations, axis=1))


_Decide = Callable[..., Rows]  # (options, logits, rows, values of the states or None)


def _hop(
    policy: Policy[Any], actions: ActionSets, queries: Ids, crowd: _Crowd, last: bool, decide: _Decide
) -> tuple[_Crowd, Moves]:
    """A hop in one choice."""
    candidates = Candidates(*actions.candidates(crowd.at, crowd.of_state, queries, last))
    values = policy.value(crowd.state) if isinstance(policy, Critic) else None
    chosen = decide(Options(*candidates), policy.logits(crowd.state, candidates), crowd.rows, values)
    moves = Moves(candidates.relations[chosen], candidates.entities[chosen])
    distinct, rows = np.unique(chosen, return_inverse=True)
    parent = _rows_of(candidates.offsets, distinct)
    at, state = candidates.entities[distinct], crowd.state
    if not last:
        state = policy.advance(policy.select(state, parent), Moves(candidates.relations[distinct], at))
    return _Crowd(state, at, crowd.of_state[parent], rows), moves


def _split_hop(
    policy: SplitPolicy,
    actions: ActionSets,
    queries: Ids,
    crowd: _Crowd,
    last: bool,
    decide: _Decide,
    arrivals: Ids | None,
    choices: list[Choice],
) -> tuple[_Crowd, Moves]:
    """A hop in two choices; where chance chooses the entity and ``arrivals`` tell which, only its odds are asked."""
    offsets, open_relations, counts = actions.relations(crowd.at, crowd.of_state, queries, last)
    logits = policy.open_relation_logits(crowd.state, offsets, open_relations)
    chosen = decide(Options(offsets, open_relations, None), logits, crowd.rows)
    followed = open_relations[chosen]
    distinct, rows = np.unique(chosen, return_inverse=True)
    parent, relations = _rows_of(offsets, distinct), open_relations[distinct]
    at, of_state = crowd.at[parent], crowd.of_state[parent]
    state = policy.follow(policy.select(crowd.state, parent), relations)
    if arrivals is not None:
        odds = torch.from_numpy(-np.log(counts[distinct]).astype(np.float32)).to(logits)
        choices.append(Choice(np.arange(len(distinct) + 1), odds, rows, rows))
        keys, rows = np.unique(rows << 32 | arrivals, return_inverse=True)
        parent, at = keys >> 32, (keys & 0xFFFFFFFF).astype(np.int32)
        return _Crowd(policy.select(state, parent), at, of_state[parent], rows), Moves(followed, arrivals)
    ends, tails = actions.tails(at, relations, of_state, queries, last)
    chosen = decide(Options(ends, None, tails), policy.entity_logits(state, ends, tails), rows)
    reached = tails[chosen]
    distinct, rows = np.unique(chosen, return_inverse=True)
    parent, at = _rows_of(ends, distinct), tails[distinct]
    state = policy.arrive(policy.select(state, parent), at)
    return _Crowd(state, at, of_state[parent], rows), Moves(followed, reached)


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
) -> tuple[list[Choice], FinishedWalks]:
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
        The choices, and the walks as reward terms read them, a query's side by side; ``query`` is the row in
        ``queries``.
    """
    of_walk = np.repeat(np.arange(len(queries), dtype=np.int64), rollouts)
    streams = np.arange(stream, stream + len(of_walk), dtype=np.int64)

    def draw(hop: int, options: Options, log_probs: Tensor, rows: Rows) -> Rows:
        counter = hop if options.relations is not None else (1 << 16) + hop  # a hop's second choice
        return ragged.sample(log_probs, options.offsets, rows, seed, streams, counter).numpy()

    walked = walk(policy, actions, queries, of_walk, draw, hops=hops, action_dropout=action_dropout)
    hit = walked.entities[:, -1] == queries[of_walk, 2]
    walkers = np.arange(len(of_walk), dtype=np.int32)
    return walked.choices, FinishedWalks(walkers, of_walk, walked.entities, walked.relations, hit)


def follow(
    policy: Policy[Any], actions: ActionSets, queries: Ids, of_walk: Rows, entities: Ids, relations: Ids
) -> list[Choice]:
    """Make given walks (num_walks, hops + 1) and (num_walks, hops), which must be legal, along the policy.

    Raises:
        ValueError: a walk makes an illegal choice, as far as the policy looks at it.
    """
    stay = actions.graph.stay

    def look_up(hop: int, options: Options, log_probs: Tensor, rows: Rows) -> Rows:
        # A row holds STAY first, then relations and behind each its entities, rising: one rising key over all rows.
        def key(row: Rows, relation: Ids | None, entity: Ids | None) -> NDArray[np.int64]:
            by_relation = row * (stay + 1)
            if relation is not None:
                by_relation += (relation.astype(np.int64) + 1) % (stay + 1)
            return by_relation * (np.int64(1) << 32) + (0 if entity is None else entity)

        of_option = np.repeat(np.arange(len(options.offsets) - 1), np.diff(options.offsets))
        keys = key(of_option, options.relations, options.entities)
        wanted = key(
            rows,
            None if options.relations is None else relations[:, hop],
            None if options.entities is None else entities[:, hop + 1],
        )
        chosen = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        if not np.array_equal(keys[chosen], wanted):
            raise ValueError(f"a given walk makes an illegal move at hop {hop}")
        return chosen

    hops = relations.shape[1]
    return walk(policy, actions, queries, of_walk, look_up, hops=hops, arrivals=entities[:, 1:]).choices


def walk_log_probs(choices: list[Choice]) -> Tensor:
    """Log-probability of each walk, (num_walks,): the sum of its choices'."""
    return torch.stack([c.log_probs.index_select(0, torch.from_numpy(c.chosen)) for c in choices]).sum(dim=0)


def distinct_share(choices: list[Choice]) -> float:
    """Distinct states computed per walker and choice."""
    return sum(c.num_states for c in choices) / sum(len(c.chosen) for c in choices)


def _rows_of(offsets: Offsets, items: Rows) -> Rows:
    """The row each item of ragged rows is in."""
    return np.searchsorted(offsets, items, side="right") - 1


def _drop(logits: Tensor, offsets: NDArray[np.int64], share: float) -> Tensor:
    dropped = torch.rand(logits.shape[0]) < share
    rows = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    kept = np.bincount(rows, weights=~dropped.numpy(), minlength=len(offsets) - 1)
    dropped &= torch.from_numpy(kept > 0)[torch.from_numpy(rows)]
    return logits.masked_fill(dropped, float("-inf"))
