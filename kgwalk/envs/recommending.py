"""Rewards of walks that recommend: what a teacher thinks of the item, and whether the walk is one that explains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgwalk.data.dataset import Dataset
from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.data.recommendation.metapaths import EntityType, Metapath
from kgwalk.envs.scorer_option import scorer_option
from kgwalk.protocols import FinishedWalks, Ids, RewardTerm, Scorer
from kgwalk.scorers.facts import score_facts

Rewards = NDArray[np.float64]


class TeacherReward:
    """What a scorer thinks of the item a walk ended at, beside what it thinks of the source's best item.

    PGPR's reward (Xian et al., SIGIR 2019, eq. 3): ``max(0, f(u, i) / max_j f(u, j))`` at an item, elsewhere 0. An item
    that the user has in train pays nothing, the query's own target apart.

    Args:
        scorer: the teacher; its ``top_k`` is asked for the best item, once a source.
        dataset: whose items and training interactions count.
    """

    name = "teacher"

    def __init__(self, scorer: Scorer, dataset: Recommendation) -> None:
        self.scorer = scorer
        self._items = dataset.items
        self._item_type = dataset.types.index(dataset.items)
        train = dataset.queries("train")
        self._train = np.unique(_pairs(train[:, 0], train[:, 2]))
        self._best: dict[tuple[int, int], float] = {}

    @classmethod
    def make(cls, dataset: Dataset, option: Any) -> TeacherReward:
        """The term for an environment over ``dataset``; the option ``teacher=`` is a scorer or the path of one.

        Raises:
            ValueError: no option or one of another kind, a scorer of another dataset, no recommendation set.
            OSError: the file cannot be read.
        """
        return cls(scorer_option("teacher", option, dataset), _recommendation(dataset, cls.name))

    def __call__(self, walks: FinishedWalks, queries: Ids) -> Rewards:
        """Reward of each finished walk, (k,) in [0, 1].

        Raises:
            ValueError: the scorer gave no scores in [0, 1].
        """
        ends = walks.entities[:, -1]
        owned = np.isin(_pairs(queries[:, 0], ends), self._train) & ~walks.hit
        paid = np.flatnonzero(_is_item(ends, self._items) & ~owned)
        rewards = np.zeros(len(ends))
        if len(paid):
            scores = score_facts(self.scorer, np.column_stack([queries[paid, :2], ends[paid]]))
            best = self._best_of(queries[paid])
            rewards[paid] = np.where(best > 0, np.minimum(scores / np.where(best > 0, best, 1), 1), 0)
        return rewards

    def _best_of(self, queries: Ids) -> Rewards:
        """The best score that each query's source has with any item."""
        keys = [(source, relation) for source, relation in queries[:, :2].tolist()]
        new = sorted({key for key in keys if key not in self._best})
        for relation in sorted({relation for _, relation in new}):
            sources = np.array([source for source, asked in new if asked == relation], np.int32)
            _, scores = self.scorer.top_k(sources, relation, 1, entity_type=self._item_type)
            self._best.update(
                ((source, relation), score)
                for source, score in zip(sources.tolist(), scores[:, 0].tolist(), strict=True)
            )
        return np.array([self._best[key] for key in keys])


class PatternReward:
    """1 where a walk follows one of the metapaths to an item, STAY left out wherever it stands; else 0.

    Args:
        metapaths: relations hop by hop, each at least one.
        items: the ends that count.
        stay: id of STAY.
    """

    name = "pattern"

    def __init__(self, metapaths: Sequence[Metapath], items: EntityType, stay: int) -> None:
        if not metapaths or not all(metapaths):
            raise ValueError("pattern: expected at least one metapath, of at least one relation each")
        self._items = items
        self._stay = stay
        self._table = np.full((len(metapaths), max(map(len, metapaths))), stay, np.int32)
        for row, metapath in zip(self._table, metapaths, strict=True):
            row[: len(metapath)] = metapath

    @classmethod
    def make(cls, dataset: Dataset, option: Any) -> PatternReward:
        """The term for an environment over ``dataset``.

        Args:
            dataset: a recommendation set.
            option: the environments' argument ``pattern=``: metapaths in words (``"reads written_by ^written_by"``) or
                as relation ids; None for the dataset's own.

        Raises:
            ValueError: no recommendation set, another kind of option, a metapath that does not type-check.
            KeyError: an unknown relation.
        """
        if isinstance(option, PatternReward):
            return option
        data = _recommendation(dataset, cls.name)
        if option is None:
            return cls(data.metapaths, data.items, data.graph.stay)
        if isinstance(option, (str, Mapping)) or not isinstance(option, Sequence):
            raise ValueError(f"the reward term 'pattern': expected a list of metapaths as pattern=, got {option!r}")
        words = [path if isinstance(path, str) else data.metapath_name(tuple(path)) for path in option]
        return cls([data.metapath(path) for path in words], data.items, data.graph.stay)

    def __call__(self, walks: FinishedWalks, queries: Ids) -> Rewards:
        """Reward of each finished walk, (k,)."""
        waits = walks.relations == self._stay
        moved = np.take_along_axis(walks.relations, np.argsort(waits, axis=1, kind="stable"), axis=1)
        width = max(moved.shape[1], self._table.shape[1])
        moved, table = (self._padded(rows, width) for rows in (moved, self._table))
        follows = (moved[:, None, :] == table[None, :, :]).all(axis=2).any(axis=1)
        paid: Rewards = (follows & _is_item(walks.entities[:, -1], self._items)).astype(np.float64)
        return paid

    def _padded(self, rows: Ids, width: int) -> Ids:
        return np.pad(rows, ((0, 0), (0, width - rows.shape[1])), constant_values=self._stay)


class Gated:
    """A term that is paid only where another pays.

    Args:
        term: what is paid.
        gate: a term of 0 and 1.
    """

    def __init__(self, term: RewardTerm, gate: RewardTerm) -> None:
        self.name = term.name
        self._term, self._gate = term, gate

    def __call__(self, walks: FinishedWalks, queries: Ids) -> Rewards:
        """Reward of each finished walk, (k,); the term is asked about the walks that pass."""
        rewards = np.zeros(len(walks.hit))
        passed = np.flatnonzero(self._gate(walks, queries) > 0)
        if len(passed):
            some = FinishedWalks(
                walks.env[passed],
                walks.query[passed],
                walks.entities[passed],
                walks.relations[passed],
                walks.hit[passed],
            )
            rewards[passed] = self._term(some, queries[passed])
        return rewards


def _recommendation(dataset: Dataset, term: str) -> Recommendation:
    if not isinstance(dataset, Recommendation):
        raise ValueError(f"the reward term {term!r} is one of recommendation sets, which {dataset.name} is not")
    return dataset


def _pairs(sources: Ids, targets: Ids) -> NDArray[np.int64]:
    return (sources.astype(np.int64) << 32) + targets


def _is_item(entities: Ids, items: EntityType) -> NDArray[np.bool_]:
    return (entities >= items.first) & (entities < items.last)
