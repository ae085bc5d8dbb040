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


class Positives:
    """The training interactions of a dataset, and negatives beside them; everything by number.

    Args:
        dataset: whose train is learnt.
        fixed: whether negatives are drawn once.
        seed: of the draws.

    Attributes:
        rows: (n, 2) int64: user and item of each interaction.
        negatives: (m, 2) int64: the fixed ones, or those of the first epoch.
    """

    def __init__(self, dataset: Recommendation, fixed: bool, seed: int) -> None:
        self.fixed = fixed
        self.seed = seed
        self.num_items = len(dataset.items)
        self.rows = _numbers(dataset, np.unique(dataset.splits["train"][:, [0, 2]], axis=0))
        if not len(self.rows):
            raise ValueError(f"{dataset.name} has no training interactions")
        self._known = np.sort(self._keys(self.rows))
        if fixed and isinstance(dataset, LabelledRecommendation):
            self.negatives = _numbers(dataset, dataset.negatives["train"])
        else:
            self.negatives = np.column_stack([self.rows[:, 0], self.unknown(self.rows[:, 0], 0)])
        order = np.argsort(self.negatives[:, 0], kind="stable")
        self._by_user = self.negatives[order]

    def labelled(self, epoch: int) -> tuple[Pairs, NDArray[np.float32]]:
        """Pairs of an epoch and their labels, positives first."""
        others = self.negatives
        if not self.fixed and epoch:
            others = np.column_stack([self.rows[:, 0], self.unknown(self.rows[:, 0], epoch)])
        labels = np.repeat(np.array([1, 0], np.float32), [len(self.rows), len(others)])
        return np.concatenate([self.rows, others]), labels

    def opposed(self, epoch: int) -> Pairs:
        """A negative item for each interaction, (n,): of the fixed ones one of the user's own, where there is any."""
        users = self.rows[:, 0]
        drawn = self.unknown(users, epoch)
        if not self.fixed:
            return drawn
        first, last = (np.searchsorted(self._by_user[:, 0], users, side) for side in ("left", "right"))
        place = first + np.random.default_rng([self.seed, 3, epoch]).integers(0, np.maximum(last - first, 1))
        there = last > first
        drawn[there] = self._by_user[place[there], 1]
        return drawn

    def unknown(self, users: Pairs, epoch: int) -> Pairs:
        """An item drawn for each user, none of its training items; any item for one who has them all."""
        generator = np.random.default_rng([self.seed, 4, epoch])
        items = generator.integers(0, self.num_items, len(users))
        for _ in range(_DRAWS):
            wrong = np.flatnonzero(self.is_known(users, items))
            if not len(wrong):
                break
            items[wrong] = generator.integers(0, self.num_items, len(wrong))
        else:
            left = np.flatnonzero(self.is_known(users, items))
            for user in np.unique(users[left]):
                free = np.flatnonzero(~self.is_known(np.full(self.num_items, user), np.arange(self.num_items)))
                own = left[users[left] == user]
                if len(free):
                    items[own] = generator.choice(free, len(own))
        return items

    def is_known(self, users: Pairs, items: Pairs) -> NDArray[np.bool_]:
        """Which pairs are training interactions, (n,)."""
        keys = users * self.num_items + items
        place = np.minimum(np.searchsorted(self._known, keys), len(self._known) - 1)
        known: NDArray[np.bool_] = self._known[place] == keys
        return known

    def _keys(self, rows: Pairs) -> Pairs:
        return rows[:, 0] * self.num_items + rows[:, 1]


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
        own = Positives.__new__(Positives)
        own.seed, own.num_items = seed, positives.num_items
        numbers = _numbers(dataset, rows)
        own._known = np.union1d(positives._known, own._keys(numbers))
        items = own.unknown(numbers[:, 0], 0) + dataset.items.first
        others = np.column_stack([rows[:, 0], items]).astype(np.int32)
    labels = np.repeat(np.array([True, False]), [len(rows), len(others)])
    return Labelled(np.concatenate([rows, others]), labels)


def _numbers(dataset: Recommendation, pairs: Ids) -> Pairs:
    numbers: Pairs = pairs.astype(np.int64) - np.array([dataset.users.first, dataset.items.first])
    return numbers
