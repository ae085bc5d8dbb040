"""Scores of items that are sums over what a user interacts with: item-based collaborative filtering, and popularity."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.protocols import Ids, Offsets
from kgwalk.tensors import load_tensors, reading, save_tensors

Floats = NDArray[np.float32]
_DTYPES = {
    "weight_offsets": torch.int64,
    "weight_items": torch.int32,
    "weights": torch.float32,
    "popularity": torch.float32,
    "profile_offsets": torch.int64,
    "profile_items": torch.int32,
}
_NUMBERS = ("interact", "first_user", "first_item", "num_entities", "num_relations", "item_type")
#: Names of methods that are such sums.
LINEAR = ("item-cf", "most-popular")
#: Users whose scores of all items are held at once.
_USERS = 512


class LinearScorer:
    """``score(u, i) = popularity[i] + sum of weights[j, i] over the items j of u``, a scorer of interactions alone.

    ``score`` and ``top_k`` give ``s / (1 + s)`` of it, which is in [0, 1) and changes no order.

    Args:
        name: of the method.
        weights: (num_items, num_items) of 0 or more; row j says what an interaction with j speaks for.
        popularity: (num_items,) of 0 or more, what an item is worth to everyone.
        profiles: (num_users, num_items), nonzero where a user interacts with an item in train.
        dataset: name of the dataset it was fitted on.
        fingerprint: of that dataset.
        facts: ``Dataset.facts_fingerprint`` of the facts it was fitted on; on others it is refused.
        numbers: ids of that dataset: ``interact``, ``first_user``, ``first_item``, ``num_entities``,
            ``num_relations``, ``item_type``.
        made_by: JSON-able, how it came about.
    """

    def __init__(
        self,
        name: str,
        weights: sparse.csr_array,
        popularity: Floats,
        profiles: sparse.csr_array,
        *,
        dataset: str,
        fingerprint: str,
        facts: str,
        numbers: Mapping[str, int],
        made_by: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.weights = weights
        self.popularity = popularity
        self.profiles = profiles
        self.dataset = dataset
        self.fingerprint = fingerprint
        self.facts = facts
        self.numbers = dict(numbers)
        self.made_by = dict(made_by or {})

    @classmethod
    def of(
        cls,
        name: str,
        dataset: Recommendation,
        weights: sparse.csr_array,
        popularity: Floats,
        made_by: Mapping[str, Any] | None = None,
    ) -> LinearScorer:
        """A scorer whose numbers come from the training interactions of ``dataset``."""
        numbers = {
            "interact": dataset.interact,
            "first_user": dataset.users.first,
            "first_item": dataset.items.first,
            "num_entities": dataset.graph.num_entities,
            "num_relations": dataset.graph.num_relations,
            "item_type": dataset.types.index(dataset.items),
        }
        return cls(
            name,
            weights,
            popularity,
            training_profiles(dataset),
            dataset=dataset.name,
            fingerprint=dataset.fingerprint,
            facts=dataset.facts_fingerprint,
            numbers=numbers,
            made_by=made_by,
        )

    @property
    def num_items(self) -> int:
        """Items there are."""
        return len(self.popularity)

    @property
    def targets(self) -> range:
        """The entities that it can be asked about: the items."""
        return range(self.numbers["first_item"], self.numbers["first_item"] + self.num_items)

    def item_scores(self, offsets: Offsets, items: Ids) -> Floats:
        """Scores of all items, (n, num_items) float32, for users with given items.

        Args:
            offsets: (n + 1,) int64.
            items: entity ids; others than items do not count.
        """
        columns = items.astype(np.int64) - self.numbers["first_item"]
        inside = (columns >= 0) & (columns < self.num_items)
        kept = np.concatenate([np.zeros(1, np.int64), np.cumsum(inside)])[offsets]
        ones = np.ones(int(inside.sum()), np.float32)
        profiles = sparse.csr_array((ones, columns[inside], kept), shape=(len(offsets) - 1, self.num_items))
        return self._scores(profiles)

    def score(self, sources: Ids, relation: int, targets: Ids) -> Floats:
        """See ``kgwalk.protocols.Scorer``; sources are users, targets items, the relation that of interactions.

        Raises:
            ValueError: also of an entity that is no user, or no item.
        """
        rows, columns = self._users(sources, relation), self._items(targets)
        if len(rows) != len(columns):
            raise ValueError(f"sources and targets: expected equal lengths, got {len(sources)} and {len(targets)}")
        scores = np.empty(len(rows), np.float32)
        distinct, place = np.unique(rows, return_inverse=True)
        for begin in range(0, len(distinct), _USERS):
            block = self._scores(self.profiles[distinct[begin : begin + _USERS]])
            here = np.flatnonzero((place >= begin) & (place < begin + _USERS))
            scores[here] = block[place[here] - begin, columns[here]]
        return _squashed(scores)

    def top_k(self, sources: Ids, relation: int, k: int, *, entity_type: int | None = None) -> tuple[Ids, Floats]:
        """See ``kgwalk.protocols.Scorer``; the targets are the items."""
        rows = self._users(sources, relation)
        if entity_type is not None and entity_type != self.numbers["item_type"]:
            raise ValueError(f"{self.name} scores items, of type {self.numbers['item_type']}; got type {entity_type}")
        if not 0 < k <= self.num_items:
            raise ValueError(f"k must be from 1 to {self.num_items}, the items there are, got {k}")
        best = np.empty((len(rows), k), np.int32)
        scores = np.empty((len(rows), k), np.float32)
        for begin in range(0, len(rows), _USERS):
            block = self._scores(self.profiles[rows[begin : begin + _USERS]])
            order = np.argsort(-block, axis=1, kind="stable")[:, :k]
            best[begin : begin + len(block)] = order + self.numbers["first_item"]
            scores[begin : begin + len(block)] = np.take_along_axis(block, order, 1)
        return best, _squashed(scores)

    def save(self, path: Path) -> None:
        """Write everything that ``load`` needs to one safetensors file."""
        arrays = {
            "weight_offsets": self.weights.indptr.astype(np.int64),
            "weight_items": self.weights.indices.astype(np.int32),
            "weights": self.weights.data.astype(np.float32),
            "popularity": self.popularity,
            "profile_offsets": self.profiles.indptr.astype(np.int64),
            "profile_items": self.profiles.indices.astype(np.int32),
        }
        note = {
            "agent": self.name,
            "dataset": self.dataset,
            "fingerprint": self.fingerprint,
            "facts": self.facts,
            **self.numbers,
            "made_by": self.made_by,
        }
        save_tensors(path, {key: torch.from_numpy(value) for key, value in arrays.items()}, note)

    @classmethod
    def load(cls, path: Path) -> LinearScorer:
        """The scorer in a file.

        Raises:
            FileNotFoundError: there is none.
            ValueError: it is damaged, or of something else.
        """
        tensors, note = load_tensors(path)
        with reading(path):
            return cls._from_note(tensors, note)

    @classmethod
    def _from_note(cls, tensors: dict[str, torch.Tensor], note: dict[str, Any]) -> LinearScorer:
        if {key: value.dtype for key, value in tensors.items()} != _DTYPES:
            raise ValueError(f"holds no {', '.join(_DTYPES)} of the types they have")
        if any(value.ndim != 1 for value in tensors.values()):
            raise ValueError("its arrays are not flat")
        numbers = {key: note[key] for key in _NUMBERS}
        if any(type(number) is not int or not 0 <= number < 1 << 31 for number in numbers.values()):
            raise ValueError("its sizes are no whole numbers")
        if note["agent"] not in LINEAR:
            raise ValueError(f"holds {note['agent']!r}, which is none of {', '.join(LINEAR)}")
        if not isinstance(note["made_by"], dict):
            raise ValueError("its note does not tell how it was made")
        arrays = {key: value.numpy() for key, value in tensors.items()}
        count = len(arrays["popularity"])
        for key in ("weights", "popularity"):
            if not (np.isfinite(arrays[key]).all() and (arrays[key] >= 0).all()):
                raise ValueError(f"{key} are not all finite numbers of 0 or more")
        weights = _matrix(arrays["weight_offsets"], arrays["weight_items"], arrays["weights"], count)
        ones = np.ones(len(arrays["profile_items"]), np.float32)
        profiles = _matrix(arrays["profile_offsets"], arrays["profile_items"], ones, count)
        if weights.shape[0] != count:
            raise ValueError(f"weights of {weights.shape[0]} items, popularity of {count}")
        own = {key: str(note[key]) for key in ("dataset", "fingerprint", "facts")}
        return cls(
            note["agent"], weights, arrays["popularity"], profiles, **own, numbers=numbers, made_by=note["made_by"]
        )

    def _scores(self, profiles: sparse.csr_array) -> Floats:
        scores: Floats = (profiles @ self.weights).toarray().astype(np.float32, copy=False)
        return scores + self.popularity

    def _users(self, sources: Ids, relation: int) -> NDArray[np.int64]:
        relation = operator.index(relation)
        if not 0 <= relation < 2 * self.numbers["num_relations"]:
            raise IndexError(f"relation {relation} is outside [0, {2 * self.numbers['num_relations']})")
        if relation != self.numbers["interact"]:
            raise ValueError(f"{self.name} scores interactions, relation {self.numbers['interact']}; got {relation}")
        return self._places("sources", "user", sources, self.numbers["first_user"], self.profiles.shape[0])

    def _items(self, targets: Ids) -> NDArray[np.int64]:
        return self._places("targets", "item", targets, self.numbers["first_item"], self.num_items)

    def _places(self, key: str, kind: str, ids: Ids, first: int, count: int) -> NDArray[np.int64]:
        if ids.ndim != 1 or ids.dtype != np.int32:
            raise ValueError(f"{key}: expected (n,) int32, got {ids.shape} {ids.dtype}")
        if len(ids) and not 0 <= ids.min() <= ids.max() < self.numbers["num_entities"]:
            raise IndexError(f"{key}: an entity id is outside [0, {self.numbers['num_entities']})")
        places = ids.astype(np.int64) - first
        wrong = (places < 0) | (places >= count)
        if wrong.any():
            raise ValueError(f"{key}: entity {ids[wrong][0]} is no {kind}")
        return places


def training_profiles(dataset: Recommendation) -> sparse.csr_array:
    """Who interacts with what in train: (num_users, num_items) of 0 and 1."""
    train = np.unique(dataset.splits["train"][:, [0, 2]], axis=0)
    rows, columns = train[:, 0] - dataset.users.first, train[:, 1] - dataset.items.first
    shape = len(dataset.users), len(dataset.items)
    return sparse.csr_array((np.ones(len(train), np.float32), (rows, columns)), shape=shape)


def cosine_weights(
    profiles: sparse.csr_array,
    *,
    power: float = 0.5,
    history_power: float = 0.5,
    shrinkage: float = 0.0,
    neighbours: int = 0,
) -> sparse.csr_array:
    """What an interaction with one item speaks for another: how many users have both, over how many have either.

    ``w[j, i] = both(j, i) / (users(j) ** history_power * users(i) ** power + shrinkage)``, and ``w[i, i] = 0``. With
    both powers a half and no shrinkage it is the cosine of two columns of ``profiles``.

    Args:
        profiles: (num_users, num_items) of 0 and 1.
        power: how much a popular item is marked down; 0 leaves counts.
        history_power: how much less an interaction with a popular item says.
        shrinkage: takes from what few users say.
        neighbours: how many other items an item speaks for at most, the first by weight, then by id; 0 for all.

    Returns:
        (num_items, num_items) float32.
    """
    both = (profiles.T @ profiles).tocoo()
    other = both.row != both.col
    rows, columns, counts = both.row[other], both.col[other], both.data[other].astype(np.float64)
    users = np.asarray(profiles.sum(axis=0), np.float64).reshape(-1)
    values = counts / (users[rows] ** history_power * users[columns] ** power + shrinkage)
    if neighbours:
        order = np.lexsort((columns, -values, rows))
        rows, columns, values = rows[order], columns[order], values[order]
        starts = np.searchsorted(rows, np.arange(profiles.shape[1]))
        kept = np.arange(len(rows)) - starts[rows] < neighbours
        rows, columns, values = rows[kept], columns[kept], values[kept]
    shape = profiles.shape[1], profiles.shape[1]
    weights = sparse.csr_array((values.astype(np.float32), (rows, columns)), shape=shape)
    weights.sort_indices()
    return weights


def _matrix(offsets: Offsets, items: Ids, values: Floats, count: int) -> sparse.csr_array:
    """Rows of (rows, count) from the arrays of a file, which may hold anything."""
    good = len(offsets) > 0 and offsets[0] == 0 and offsets[-1] == len(items) == len(values)
    if not good or (np.diff(offsets) < 0).any() or (len(items) and not 0 <= items.min() <= items.max() < count):
        raise ValueError("its rows do not fit its arrays")
    return sparse.csr_array((values, items, offsets), shape=(len(offsets) - 1, count))


def _squashed(scores: Floats) -> Floats:
    squashed: Floats = scores / (1 + scores)
    return squashed
