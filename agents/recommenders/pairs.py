"""The pairs of users and items that recommenders learn from, epoch by epoch, and those they are selected by."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kgwalk.data import LabelledRecommendation, Recommendation
from kgwalk.protocols import Ids

Pairs = NDArray[np.int64]

#: Draws after which what a user does not know is listed and drawn from.
_DRAWS = 100


class Labelled(NamedTuple):
    """Pairs of entities (n, 2) int32 and whether they are positive, (n,) bool."""

    pairs: Ids
    labels: NDArray[np.bool_]


class Known:
    """Which users have which items, and what to draw that they have not.

    Args:
        pairs: (n, 2) int64 user and item by number.
        num_items: items there are.
        seed: of the draws.
    """

    def __init__(self, pairs: Pairs, num_items: int, seed: int) -> None:
        self.num_items = num_items
        self.seed = seed
        self._keys = np.unique(pairs[:, 0] * num_items + pairs[:, 1])

    def __call__(self, users: Pairs, items: Pairs) -> NDArray[np.bool_]:
        """Which pairs are known, (n,)."""
        keys = users * self.num_items + items
        place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        known: NDArray[np.bool_] = self._keys[place] == keys
        return known

    def other(self, users: Pairs, epoch: int) -> Pairs:
        """An item drawn for each user that it has not; any item for one who has them all."""
        generator = np.random.default_rng([self.seed, 4, epoch])
        items = generator.integers(0, self.num_items, len(users))
        for _ in range(_DRAWS):
            wrong = np.flatnonzero(self(users, items))
            if not len(wrong):
                break
            items[wrong] = generator.integers(0, self.num_items, len(wrong))
        else:
            left = np.flatnonzero(self(users, items))
            for user in np.unique(users[left]):
                free = np.flatnonzero(~self(np.full(self.num_items, user), np.arange(self.num_items)))
                own = left[users[left] == user]
                if len(free):
                    items[own] = generator.choice(free, len(own))
        return items


class Positives:
    """The training interactions of a dataset, and negatives beside them; everything by number.

    Args:
        dataset: whose train is learnt.
        fixed: whether negatives are drawn once.
        seed: of the draws.

    Attributes:
        rows: (n, 2) int64: user and item of each interaction.
        known: which pairs these are.
        negatives: (m, 2) int64: the fixed ones, or those of the first epoch.
    """

    def __init__(self, dataset: Recommendation, fixed: bool, seed: int) -> None:
        self.fixed = fixed
        self.seed = seed
        self.rows = _numbers(dataset, np.unique(dataset.splits["train"][:, [0, 2]], axis=0))
        if not len(self.rows):
            raise ValueError(f"{dataset.name} has no training interactions")
        self.known = Known(self.rows, len(dataset.items), seed)
        if fixed and isinstance(dataset, LabelledRecommendation):
            self.negatives = _numbers(dataset, dataset.negatives["train"])
        else:
            self.negatives = np.column_stack([self.rows[:, 0], self.known.other(self.rows[:, 0], 0)])
        order = np.argsort(self.negatives[:, 0], kind="stable")
        self._by_user = self.negatives[order]

    def labelled(self, epoch: int) -> tuple[Pairs, NDArray[np.float32]]:
        """Pairs of an epoch and their labels, positives first."""
        others = self.negatives
        if not self.fixed and epoch:
            others = np.column_stack([self.rows[:, 0], self.known.other(self.rows[:, 0], epoch)])
        labels = np.repeat(np.array([1, 0], np.float32), [len(self.rows), len(others)])
        return np.concatenate([self.rows, others]), labels

    def opposed(self, epoch: int) -> Pairs:
        """A negative item for each interaction, (n,): of the fixed ones one of the user's own, where there is any."""
        users = self.rows[:, 0]
        drawn = self.known.other(users, epoch)
        if not self.fixed:
            return drawn
        first, last = (np.searchsorted(self._by_user[:, 0], users, side) for side in ("left", "right"))
        place = first + np.random.default_rng([self.seed, 3, epoch]).integers(0, np.maximum(last - first, 1))
        there = last > first
        drawn[there] = self._by_user[place[there], 1]
        return drawn


def labelled_valid(dataset: Recommendation, positives: Positives, seed: int) -> Labelled:
    """Labelled pairs of valid: those of a ``LabelledRecommendation``, or one drawn negative for each interaction.

    Raises:
        ValueError: there are none.
    """
    rows = dataset.splits.get("valid", np.empty((0, 3), np.int32))[:, [0, 2]]
    if not len(rows):
        raise ValueError(f"{dataset.name} has no valid interactions: training selects its model by them")
    if isinstance(dataset, LabelledRecommendation):
        others = dataset.negatives["valid"]
        if not len(others):
            raise ValueError(f"{dataset.name} has no negatives in valid: select another measure than auc")
    else:
        numbers = _numbers(dataset, rows)
        known = Known(np.concatenate([positives.rows, numbers]), len(dataset.items), seed)
        items = known.other(numbers[:, 0], 0) + dataset.items.first
        others = np.column_stack([rows[:, 0], items]).astype(np.int32)
    labels = np.repeat(np.array([True, False]), [len(rows), len(others)])
    return Labelled(np.concatenate([rows, others]), labels)


def _numbers(dataset: Recommendation, pairs: Ids) -> Pairs:
    numbers: Pairs = pairs.astype(np.int64) - np.array([dataset.users.first, dataset.items.first])
    return numbers
