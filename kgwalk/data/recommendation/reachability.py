"""How far each metapath reaches: to which held-out items, and among how many others.

A metapath that reaches few held-out items explains few recommendations, however it is walked; one that reaches nearly
every item says nothing about any. Both are told here before anything is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgwalk._core import Expand
from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.data.recommendation.item_sets import item_sets
from kgwalk.data.recommendation.metapaths import Metapath, check_metapath
from kgwalk.protocols import Ids

#: A metapath that leads a user to this share of all items, or more, on average tells nothing about any of them.
VACUOUS = 0.5
#: Bytes of bit sets over all users that are held at once.
_BYTES = 1 << 27

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Reach:
    """What a metapath, or several together, lead to.

    Attributes:
        name: in words.
        pairs: share of the split's (user, item) pairs whose item is reached from its user, in [0, 1].
        mean: items reached per user of the split, those of train left out.
        median: likewise.
        users: share of these users for whom anything is reached.
        vacuous: whether users reach `VACUOUS` of all items or more on average.
    """

    name: str
    pairs: float
    mean: float
    median: float
    users: float
    vacuous: bool


@dataclass(frozen=True)
class Reachability:
    """The reach of a set's metapaths; `to_dict` makes it JSON.

    Attributes:
        split: whose pairs were looked for.
        num_pairs: how many there are.
        num_items: in the catalogue.
        metapaths: one by one, in the order asked for.
        together: all of them.
        telling: all that are not vacuous.
    """

    split: str
    num_pairs: int
    num_items: int
    metapaths: tuple[Reach, ...]
    together: Reach
    telling: Reach

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def reachability(
    dataset: Recommendation,
    split: str = "test",
    metapaths: Sequence[Metapath | str] | None = None,
    progress: Progress | None = None,
) -> Reachability:
    """Measure how far metapaths reach over the whole graph, degrees uncut.

    Args:
        dataset: a recommendation set.
        split: a held-out one.
        metapaths: as relation ids or in words; the dataset's own if None.
        progress: called with (metapaths done, metapaths).

    Raises:
        KeyError: the dataset has no such split, or no such relation.
        ValueError: split ``train``, whose pairs are edges; no pairs or no metapaths; one that does not type-check.
    """
    paths = dataset.metapaths if metapaths is None else tuple(_checked(dataset, path) for path in metapaths)
    if not paths:
        raise ValueError("reachability: expected at least one metapath")
    if split.startswith("train"):
        raise ValueError(f"reachability: expected a held-out split; the pairs of {split!r} are edges of the graph")
    pairs = dataset.queries(split)
    if len(pairs) == 0:
        raise ValueError(f"split {split!r} of {dataset.name} has no pairs")
    expand, items = Expand(dataset.graph_for(split)), dataset.items
    users = np.unique(pairs[:, 0])
    per_chunk = max(1, _BYTES // (len(items) // 8 + 1))
    found = np.zeros((len(paths), len(pairs)), np.bool_)
    counts = np.zeros((len(paths), len(users)), np.int64)
    both_counts = np.zeros((2, len(users)), np.int64)
    vacuous = np.zeros(len(paths), np.bool_)
    chunks = [slice(begin, begin + per_chunk) for begin in range(0, len(users), per_chunk)]
    # Two rounds if users come in several chunks: which metapaths are vacuous is known after the first.
    for last_round in [True] if len(chunks) == 1 else [False, True]:
        for chunk in chunks:
            mine = users[chunk]
            train = _train_bits(dataset, mine)
            rows = np.flatnonzero((pairs[:, 0] >= mine[0]) & (pairs[:, 0] <= mine[-1]))
            of_user = np.searchsorted(mine, pairs[rows, 0])
            unions = np.zeros((2, *train.shape), np.uint8)
            for i, path in enumerate(paths):
                reached = item_sets(expand, mine, path, items) & ~train
                counts[i, chunk] = np.bitwise_count(reached).sum(axis=1, dtype=np.int64)
                found[i, rows] = _has(reached, of_user, pairs[rows, 2] - items.first)
                if len(chunks) == 1:
                    vacuous[i] = counts[i].mean() >= VACUOUS * len(items)
                unions[0] |= reached
                if not vacuous[i]:
                    unions[1] |= reached
                if progress is not None and last_round and chunk is chunks[-1]:
                    progress(i + 1, len(paths))
            both_counts[:, chunk] = np.bitwise_count(unions).sum(axis=2, dtype=np.int64)
        vacuous = counts.mean(axis=1) >= VACUOUS * len(items)

    def told(name: str, hits: NDArray[np.bool_], sizes: NDArray[np.int64]) -> Reach:
        mean = float(sizes.mean())
        return Reach(
            name,
            float(hits.mean()),
            mean,
            float(np.median(sizes)),
            float((sizes > 0).mean()),
            mean >= VACUOUS * len(items),
        )

    return Reachability(
        split=split,
        num_pairs=len(pairs),
        num_items=len(items),
        metapaths=tuple(told(dataset.metapath_name(path), found[i], counts[i]) for i, path in enumerate(paths)),
        together=told("all together", _any(found), both_counts[0]),
        telling=told("all but the vacuous", _any(found[~vacuous]), both_counts[1]),
    )


def _checked(dataset: Recommendation, path: Metapath | str) -> Metapath:
    if isinstance(path, str):
        return dataset.metapath(path)
    check_metapath(dataset, tuple(path))
    return tuple(path)


def _train_bits(dataset: Recommendation, users: Ids) -> NDArray[np.uint8]:
    """The users' training items as bit sets."""
    return item_sets(Expand(dataset.graph), users, (dataset.interact,), dataset.items)


def _has(bits: NDArray[np.uint8], rows: NDArray[np.int64], items: Ids) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (bits[rows, items >> 3] >> (items & 7).astype(np.uint8)) & 1 == 1
    return found


def _any(rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which columns are true in some row."""
    some: NDArray[np.bool_] = np.asarray(rows.any(axis=0))
    return some
