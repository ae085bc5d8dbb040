"""What a walk from a user to an item earns: a hit, a teacher's opinion, and only along paths that are worth telling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kgwalk.data.recommendation.metapaths import EntityType, Metapath
from kgwalk.protocols import FinishedWalks, Ids, Scorer
from kgwalk.scorers.facts import score_facts


class WalkReward:
    """``hit * [end is the query's item] + teacher * score(user, end) / best score of the user``.

    A walk that ends elsewhere than at an item earns nothing. Where metapaths are given, nor does one that follows none
    of them; STAY is no part of what it follows. The teacher's part is the reward of PGPR (Xian et al., SIGIR 2019),
    but an item that the user has pays nothing: a walker may wait at one, and a teacher likes those best.

    Args:
        items: the kind that is recommended.
        stay: relation of STAY.
        hit: paid for a query's own target.
        teacher: paid at most for a plausible end.
        scorer: the teacher; not asked if ``teacher`` is 0.
        metapaths: relations hop by hop that a walk has to follow; None if any will do.
        owned: (n, 3) interactions whose items earn nothing but a hit; None for none.

    Raises:
        ValueError: nothing is paid for, or there is no scorer for the teacher's part.
    """

    def __init__(
        self,
        items: EntityType,
        stay: int,
        *,
        hit: float = 1.0,
        teacher: float = 0.0,
        scorer: Scorer | None = None,
        item_type: int = 1,
        metapaths: Sequence[Metapath] | None = None,
        owned: Ids | None = None,
    ) -> None:
        if hit <= 0 and teacher <= 0:
            raise ValueError(f"a walk must earn something: hit is {hit} and teacher {teacher}")
        if teacher and scorer is None:
            raise ValueError(f"teacher is {teacher}, but there is no scorer to ask")
        self.items = items
        self.stay = stay
        self.hit = hit
        self.teacher = teacher
        self.scorer = scorer
        self.item_type = item_type
        self.metapaths = metapaths
        self._owned = np.unique(_pairs(owned[:, 0], owned[:, 2])) if owned is not None else np.empty(0, np.int64)
        self._best: dict[int, float] = {}

    def __call__(self, walks: FinishedWalks, queries: Ids) -> NDArray[np.float64]:
        """Reward of each finished walk, (k,); ``queries`` (k, 3) are the walks' own."""
        ends = walks.entities[:, -1]
        paid = (ends >= self.items.first) & (ends < self.items.last)
        if self.metapaths is not None:
            paid &= self._follows(walks.relations)
        reward: NDArray[np.float64] = np.where(walks.hit & paid, self.hit, 0.0)
        owned = np.isin(_pairs(queries[:, 0], ends), self._owned)
        asked = np.flatnonzero(paid & (walks.hit | ~owned))
        if self.teacher and self.scorer is not None and len(asked):
            facts = np.column_stack([queries[asked, :2], ends[asked]])
            reward[asked] += self.teacher * score_facts(self.scorer, facts) / self._best_of(queries[asked])
        return reward

    def _follows(self, relations: Ids) -> NDArray[np.bool_]:
        """Whether each walk's moves, STAY left out, are one of the metapaths."""
        order = np.argsort(relations == self.stay, axis=1, kind="stable")
        moves = np.take_along_axis(relations, order, axis=1)
        good = np.zeros(len(moves), np.bool_)
        for metapath in self.metapaths or ():
            if len(metapath) <= moves.shape[1]:
                wanted = [*metapath, *[self.stay] * (moves.shape[1] - len(metapath))]
                good |= (moves == np.array(wanted)).all(axis=1)
        return good

    def _best_of(self, queries: Ids) -> NDArray[np.float64]:
        """Each user's highest score of an item, asked of the scorer once."""
        assert self.scorer is not None
        users, rows = np.unique(queries[:, 0], return_inverse=True)
        new = np.array([user for user in users.tolist() if user not in self._best], np.int32)
        if len(new):
            _, best = self.scorer.top_k(new, int(queries[0, 1]), 1, entity_type=self.item_type)
            self._best.update(zip(new.tolist(), np.maximum(best[:, 0].astype(float), 1e-12).tolist(), strict=True))
        return np.array([self._best[user] for user in users.tolist()])[rows.reshape(-1)]


def _pairs(users: Ids, items: Ids) -> NDArray[np.int64]:
    return (users.astype(np.int64) << 32) + items
