"""A seeded split of facts into train, valid and test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kgwalk.protocols import Ids


@dataclass(frozen=True)
class Shares:
    """Parts of train, valid and test; they sum to 1."""

    train: float
    valid: float
    test: float

    @classmethod
    def parse(cls, text: str) -> Shares:
        """From ``"90/5/5"``.

        Raises:
            ValueError: not three non-negative numbers that sum to 100, or nothing left to train on.
        """
        try:
            percent = [float(part) for part in text.split("/")]
        except ValueError:
            percent = []
        if len(percent) != 3 or min(percent) < 0 or percent[0] <= 0 or not abs(sum(percent) - 100) < 1e-6:
            raise ValueError(f"split {text!r}: expected train/valid/test in percent that sum to 100, such as 90/5/5")
        return cls(*(part / 100 for part in percent))


def split_rows(num_rows: int, shares: Shares, seed: int | Sequence[int]) -> tuple[NDArray[np.int64], ...]:
    """Row numbers of train, valid and test: disjoint, together all rows, each in rising order.

    Valid and test get their share rounded to the nearest row, train the rest. The same numbers and seed give the same
    rows.

    Raises:
        ValueError: too few rows for a split that was asked for, or none left to train on.
    """
    valid, test = round(num_rows * shares.valid), round(num_rows * shares.test)
    for share, size, name in ((shares.valid, valid, "valid"), (shares.test, test, "test")):
        if share > 0 and size == 0:
            raise ValueError(f"{num_rows} facts are too few: {share:.1%} of them is no fact for {name}")
    if valid + test >= num_rows:
        raise ValueError(f"{num_rows} facts are too few: none would be left to train on")
    shuffled = np.random.default_rng(seed).permutation(num_rows)
    parts = np.split(shuffled, [num_rows - valid - test, num_rows - test])
    return tuple(np.sort(part) for part in parts)


def split_interactions(users: NDArray[np.integer], shares: Shares, seed: int) -> dict[str, NDArray[np.int64]]:
    """Row numbers by split, in rising order, of interactions of ``users`` (n,); splits without a share are left out.

    One interaction of everyone, drawn at random, stays in train; of the others, test and valid get their share of all
    rows, as far as there are so many.

    Raises:
        ValueError: none are left for a split that was asked for.
    """
    order = np.random.default_rng(seed).permutation(len(users))
    stays = np.zeros(len(users), np.bool_)
    stays[order[np.unique(users[order], return_index=True)[1]]] = True
    free = order[~stays[order]]
    test, valid = round(shares.test * len(users)), round(shares.valid * len(users))
    parts = {"valid": free[test : test + valid], "test": free[:test]}
    for name, share in (("valid", shares.valid), ("test", shares.test)):
        if share > 0 and len(parts[name]) == 0:
            raise ValueError(f"{len(users)} interactions of {int(stays.sum())} users are too few: none left for {name}")
    in_train = np.ones(len(users), np.bool_)
    in_train[np.concatenate(list(parts.values()))] = False
    parts = {"train": np.flatnonzero(in_train), **parts}
    return {name: np.sort(rows) for name, rows in parts.items() if len(rows)}


def unseen(rows: Ids, train: Ids, num_entities: int) -> int:
    """How many of ``rows`` (n, 3) have a head or tail that occurs in no train fact (m, 3)."""
    seen = np.zeros(num_entities, dtype=bool)
    seen[train[:, [0, 2]]] = True
    return int((~seen[rows[:, 0]] | ~seen[rows[:, 2]]).sum())
