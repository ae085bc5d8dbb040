"""Users that come after the graph was made: an overlay adds them and their interactions; nothing is retrained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from kgwalk._core import Expand, Overlay
from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.protocols import Ids


@dataclass(frozen=True)
class NewUsers:
    """Users that an overlay adds to a dataset's graph.

    Attributes:
        overlay: adds them and their interactions.
        graph: the dataset's graph seen through it, not cut: what ``Agent.answer`` takes in place of a graph.
        queries: (n, 3) int32, ``(user, interact, -1)``: what to ask for them; ids of users from
            ``dataset.graph.num_entities`` up.
    """

    overlay: Overlay
    graph: Expand
    queries: Ids

    @property
    def users(self) -> Ids:
        """Their entities, (n,) int32."""
        return np.ascontiguousarray(self.queries[:, 0])


def new_users(dataset: Recommendation, histories: Sequence[Iterable[int]]) -> NewUsers:
    """Add users to a graph by the items that each interacted with, in an overlay.

    Args:
        dataset: whose graph grows by them; it is not changed.
        histories: for each user the items, as entities of the dataset; an item given twice counts once.

    Raises:
        ValueError: a user without items, of whom nothing is known, or an entity that is no item.
        IndexError: an id outside the graph.
    """
    items = dataset.items
    facts: list[tuple[int, int, int]] = []
    for place, history in enumerate(histories):
        user = dataset.graph.num_entities + place
        liked = sorted({int(item) for item in history})
        if not liked:
            raise ValueError(f"new user {place} has no interactions: give at least one {items.name}")
        for item in liked:
            if not 0 <= item < dataset.graph.num_entities:
                raise IndexError(f"new user {place}: entity {item} is outside [0, {dataset.graph.num_entities})")
            if not items.first <= item < items.last:
                raise ValueError(f"new user {place}: {dataset.entities[item]} is no {items.name}")
            facts.append((user, dataset.interact, item))
    added = np.array(facts, np.int32).reshape(-1, 3)
    kind = dataset.types.index(dataset.users)
    overlay = Overlay(dataset.graph, np.empty((0, 3), np.int32), added, [kind] * len(histories))
    ids = np.arange(len(histories), dtype=np.int32) + np.int32(dataset.graph.num_entities)
    queries = np.column_stack([ids, np.full_like(ids, dataset.interact), np.full_like(ids, -1)])
    return NewUsers(overlay, Expand(dataset.graph, overlay), np.ascontiguousarray(queries))
