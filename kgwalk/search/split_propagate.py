"""Propagation for split policies, which choose a relation and then an entity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from kgwalk._core import ActionSets, split_entities, split_relations
from kgwalk.protocols import Ids, Moves, Offsets, Ranked
from kgwalk.search.beam import as_floats
from kgwalk.search.paths import join_offsets
from kgwalk.search.propagate import Propagation, in_batches, ranked_by_mass

State = TypeVar("State")
Doubles = NDArray[np.float64]

_ITEMS = 1 << 15  # (prefix, relation, entity) triples that are followed at once; each leads to some hundred entities


class SplitPrefixPolicy(Protocol[State]):
    """A policy in two steps, neither of which depends on more than the query's relation and those followed so far.

    A relation is chosen among those open at the node, however many entities each leads to; STAY is one of them. Then an
    entity is chosen among the legal ones of that relation. One state serves all walkers with the same relations behind
    them.
    """

    @property
    def factorises(self) -> bool:
        """Whether that holds; a policy may be configured out of it."""
        ...

    @property
    def entity_table(self) -> Any:
        """(num_entities, d) float32, tensor or array; not read where there are no ``entity_queries``."""
        ...

    def begin(self, queries: Ids) -> State:
        """State before the first hop of ``queries``, (n, 3) int32; only their relation matters."""
        ...

    def select(self, state: State, rows: NDArray[np.int64]) -> State:
        """The states in ``rows``, in that order, repeats allowed."""
        ...

    def advance(self, state: State, moves: Moves) -> State:
        """State after each has chosen its relation; the entities mean nothing."""
        ...

    def relation_logits(self, state: State) -> Any:
        """Unnormalised log-score of every relation and STAY, (num_states, 2R + 1) float32, tensor or array."""
        ...

    def entity_queries(self, state: State) -> Any:
        """What entities are scored by after the relation was chosen, which ``state`` has already advanced by.

        (num_states, d) float32, tensor or array: an entity's logit is the dot product with its row of
        ``entity_table``. None: a relation's entities are equally likely.
        """
        ...


def propagate_split(
    actions: ActionSets,
    policy: SplitPrefixPolicy[State],
    queries: Ids,
    hops: int,
    *,
    keep: int | None = None,
    batch: int = 256,
) -> Propagation:
    """Every answer a split policy gives probability to after ``hops`` moves.

    As ``propagate`` it carries probability on (relation prefix, entity) pairs. A hop splits it among the relations open
    at each entity and then shares it among the entities that these lead to. On a dense graph a query soon has more
    pairs than can be followed, and most weigh next to nothing: ``keep`` bounds them, and what it costs is told.

    Args:
        actions: what is legal; its graph is walked.
        policy: one that factorises.
        queries: (n, 3) int32; targets are not read. Equal ones are answered once.
        hops: hops of a walk.
        keep: how many (relation prefix, entity) pairs a query follows in each hop, those of most probability, the
            relation chosen but not yet the entity; None for all. Bounds time and memory.
        batch: queries begun at once. Queries of one relation are put side by side.

    Returns:
        Entities of positive probability, and the probability of what was not followed.

    Raises:
        ValueError: if the policy does not factorise, ``queries`` is not (n, 3) int32, a limit is not positive, or the
            policy's arrays have the wrong shape or cannot be normalised by.
        IndexError: if an id is out of range.
    """
    if not policy.factorises:
        raise ValueError("propagate_split needs a policy that factorises over relation paths; search takes any")
    for name, value in {"hops": hops, "keep": 1 if keep is None else keep, "batch": batch}.items():
        if value < 1:
            raise ValueError(f"{name} must be positive, got {value}")
    spread = _Spread(actions, policy, keep or 0)
    return in_batches(actions, queries, batch, lambda asked: spread(asked, hops))


class _Mass(NamedTuple):
    """Probability per (prefix, entity), ragged by query."""

    offsets: Offsets
    prefixes: Ids
    entities: Ids
    mass: Doubles


@dataclass(frozen=True)
class _Spread(Generic[State]):
    actions: ActionSets
    policy: SplitPrefixPolicy[State]
    keep: int

    @cached_property
    def entity_table(self) -> NDArray[np.float32]:
        """The policy's, fetched once."""
        return as_floats(self.policy.entity_table)

    def __call__(self, queries: Ids, hops: int) -> tuple[Ranked, Doubles]:
        """One batch: ranked answers and the mass dropped."""
        n = len(queries)
        _, first, prefix = np.unique(queries[:, 1], return_index=True, return_inverse=True)
        sources = _Mass(np.arange(n + 1), prefix.astype(np.int32), np.ascontiguousarray(queries[:, 0]), np.ones(n))
        parts = list(self._follow(queries, self.policy.begin(queries[first]), sources, hops))
        found = [p[0] for p in parts]
        offsets = join_offsets([f.offsets for f in found])
        entities, mass = (np.concatenate([getattr(f, field) for f in found]) for field in ("entities", "mass"))
        return ranked_by_mass(offsets, entities, mass), np.concatenate([p[1] for p in parts])

    def _follow(self, queries: Ids, state: State, at: _Mass, hops: int) -> Iterator[tuple[_Mass, Doubles]]:
        """Where mass ends up, and what is dropped on the way, for some of the queries after the others."""
        last = hops == 1
        logits = as_floats(self.policy.relation_logits(state))
        offsets, parents, relations, entities, mass, dropped = split_relations(
            self.actions, queries, *at, logits, last, self.keep
        )
        for some in _groups(offsets):
            items = slice(offsets[some.start], offsets[some.stop])
            followed = relations[items]
            rows, moves, prefixes = _longer_prefixes(parents[items], followed, logits.shape[1])
            longer = self.policy.advance(self.policy.select(state, rows), moves)
            asked = self.policy.entity_queries(longer)
            reached = _Mass(
                *split_entities(
                    self.actions,
                    queries[some],
                    offsets[some.start : some.stop + 1] - offsets[some.start],
                    prefixes,
                    followed,
                    entities[items],
                    mass[items],
                    None if asked is None else as_floats(asked),
                    None if asked is None else self.entity_table,
                    last,
                )
            )
            if last:
                yield reached, dropped[some]
                continue
            done = 0
            for end, lost in self._follow(queries[some], longer, reached, hops - 1):
                yield end, dropped[some][done : done + len(lost)] + lost
                done += len(lost)


def _groups(offsets: Offsets) -> Iterator[slice]:
    """Cuts queries into groups that have _ITEMS items at most, unless one query alone has more."""
    begin = 0
    while begin < len(offsets) - 1:
        end = int(np.searchsorted(offsets, offsets[begin] + _ITEMS, side="right")) - 1
        end = max(end, begin + 1)
        yield slice(begin, end)
        begin = end


def _longer_prefixes(parents: Ids, relations: Ids, width: int) -> tuple[NDArray[np.int64], Moves, Ids]:
    """Numbers the (parent, relation) pairs that occur in rising order: their parents, their moves, each item's."""
    pair = parents.astype(np.int64) * width + relations
    first = np.flatnonzero(np.r_[True, pair[1:] != pair[:-1]])  # equal pairs come in runs
    pairs, number = np.unique(pair[first], return_inverse=True)
    relation = (pairs % width).astype(np.int32)
    own = np.repeat(number, np.diff(np.append(first, len(pair)))).astype(np.int32)
    return pairs // width, Moves(relation, np.zeros_like(relation)), own
