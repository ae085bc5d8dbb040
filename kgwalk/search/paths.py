"""Paths: what a search found, as a struct of arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kgwalk._core import pool_entities
from kgwalk.protocols import Ids, Offsets

Doubles = NDArray[np.float64]


class Reached(NamedTuple):
    """Every entity that paths of a query end at, with their probability pooled; row ``i`` belongs to query ``i``.

    Attributes:
        offsets: (num_queries + 1,) int64.
        entities: (num_reached,) int32, distinct and rising within a row.
        logsumexp: (num_reached,) float64, log of the paths' summed probability.
        max: (num_reached,) float64, log-probability of the best one.
    """

    offsets: Offsets
    entities: Ids
    logsumexp: Doubles
    max: Doubles

    @classmethod
    def of_paths(cls, paths: Paths, num_queries: int) -> Reached:
        """Pool the end entities of paths.

        Raises:
            IndexError: if the paths have more than ``num_queries`` queries.
        """
        if len(paths) and not 0 <= paths.query[0] <= paths.query[-1] < num_queries:
            raise IndexError(
                f"paths are of queries {paths.query[0]} to {paths.query[-1]}, not of {num_queries} queries"
            )
        offsets = np.searchsorted(paths.query, np.arange(num_queries + 1)).astype(np.int64)
        ends = np.ascontiguousarray(paths.entities[:, -1])
        return cls(*pool_entities(offsets, ends, np.ascontiguousarray(paths.log_prob)))

    @classmethod
    def concatenate(cls, parts: Sequence[Reached]) -> Reached:
        """The rows of several, one after the other."""
        none = np.empty(0)
        return cls(
            join_offsets([p.offsets for p in parts]),
            np.concatenate([np.empty(0, np.int32), *(p.entities for p in parts)]),
            np.concatenate([none, *(p.logsumexp for p in parts)]),
            np.concatenate([none, *(p.max for p in parts)]),
        )

    def merge(self, other: Reached) -> Reached:
        """What either reached; both must have the same queries."""
        rows = np.concatenate([row_numbers(self.offsets), row_numbers(other.offsets)])
        order = np.argsort(rows, kind="stable")
        both = Reached.concatenate([self, other])
        entities, offsets = both.entities[order], self.offsets + other.offsets
        merged, distinct, logsumexp, _ = pool_entities(offsets, entities, both.logsumexp[order])
        return Reached(merged, distinct, logsumexp, pool_entities(offsets, entities, both.max[order])[3])

    def take(self, rows: NDArray[np.int64]) -> Reached:
        """The rows given, in that order, repeats allowed."""
        offsets, index = take_rows(self.offsets, rows)
        return Reached(offsets, self.entities[index], self.logsumexp[index], self.max[index])


@dataclass(frozen=True)
class Paths:
    """Action sequences with their probability, grouped by query in rising order, best first within a query.

    Attributes:
        query: (num_paths,) int32, row in the queries searched.
        entities: (num_paths, hops + 1) int32, source first.
        relations: (num_paths, hops) int32, STAY where the walker waited.
        log_prob: (num_paths,) float64, sum of the steps' log-probabilities.
        stay: id of STAY.
        reached: all that the search reached where it scored more than the paths it kept, else None.
    """

    query: Ids
    entities: Ids
    relations: Ids
    log_prob: Doubles
    stay: int
    reached: Reached | None = None

    def __len__(self) -> int:
        """Number of paths."""
        return len(self.query)

    @property
    def hops(self) -> int:
        """Moves in every path, STAY included."""
        return int(self.relations.shape[1])

    def of(self, query: int) -> Paths:
        """The paths of one query, best first."""
        first, last = np.searchsorted(self.query, [query, query + 1])
        return self._at(slice(first, last))

    def to(self, entity: int) -> Paths:
        """The paths that end at an entity."""
        return self._at(self.entities[:, -1] == entity)

    def sorted(self) -> Paths:
        """By query, then best first; equal paths keep their order."""
        step, fall = np.diff(self.query), np.diff(self.log_prob)
        if bool(np.all((step > 0) | ((step == 0) & (fall <= 0)))):  # a plain beam's are so already
            return self
        return self._at(np.lexsort((-self.log_prob, self.query)))

    def for_queries(self, rows: NDArray[np.int64]) -> Paths:
        """Paths of query ``i`` are those of query ``rows[i]`` here: results of distinct queries, dealt out again."""
        num_queries = int(rows.max(initial=-1)) + 1
        bounds = np.searchsorted(self.query, np.arange(num_queries + 1)).astype(np.int64)
        offsets, index = take_rows(bounds, rows)
        taken = self._at(index)
        reached = None if self.reached is None else self.reached.take(rows)
        return Paths(row_numbers(offsets), taken.entities, taken.relations, taken.log_prob, self.stay, reached)

    @classmethod
    def concatenate(cls, parts: Sequence[Paths], first_query: Sequence[int]) -> Paths:
        """Paths of several searches; query numbers of part ``i`` grow by ``first_query[i]``."""
        reached = [p.reached for p in parts if p.reached is not None]
        return cls(
            np.concatenate([p.query + np.int32(q) for p, q in zip(parts, first_query, strict=True)]),
            np.concatenate([p.entities for p in parts]),
            np.concatenate([p.relations for p in parts]),
            np.concatenate([p.log_prob for p in parts]),
            parts[0].stay,
            Reached.concatenate(reached) if reached else None,
        )

    def to_json(
        self,
        entity_name: Callable[[int], Any] = int,
        relation_name: Callable[[int], Any] = int,
    ) -> list[dict[str, Any]]:
        """One JSON-able dict per path: query, source, steps of relation and entity without STAY, log-probability.

        Args:
            entity_name: what to write for an entity id; the id itself unless given.
            relation_name: likewise for a relation id.
        """
        return [
            {
                "query": int(self.query[i]),
                "source": entity_name(int(self.entities[i, 0])),
                "steps": [
                    {"relation": relation_name(int(relation)), "entity": entity_name(int(entity))}
                    for relation, entity in zip(self.relations[i], self.entities[i, 1:], strict=True)
                    if relation != self.stay
                ],
                "log_prob": float(self.log_prob[i]),
            }
            for i in range(len(self))
        ]

    def _at(self, index: slice | NDArray[Any]) -> Paths:
        return Paths(*(self.query[index], self.entities[index], self.relations[index], self.log_prob[index]), self.stay)


def join_offsets(parts: Sequence[Offsets]) -> Offsets:
    """Offsets of ragged rows laid one after the other."""
    sizes = [np.diff(p) for p in parts]
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate([np.empty(0, np.int64), *sizes]))])


def row_numbers(offsets: Offsets) -> Ids:
    """For each item of ragged rows the number of its row."""
    return np.repeat(np.arange(len(offsets) - 1, dtype=np.int32), np.diff(offsets))


def take_rows(offsets: Offsets, rows: NDArray[np.int64]) -> tuple[Offsets, NDArray[np.int64]]:
    """Ragged rows picked in some order: their offsets, and the index of each of their items."""
    sizes = np.diff(offsets)[rows]
    taken = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    return taken, np.repeat(offsets[rows] - taken[:-1], sizes) + np.arange(taken[-1])
