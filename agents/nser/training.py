"""Training of NSER: walks to positive items, drawn anew in each step, made likely hop by hop."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from kgwalk.data import Recommendation
from kgwalk.data.recommendation.metapath_walks import count_metapaths, sample_metapath
from kgwalk.data.recommendation.metapaths import Metapath
from kgwalk.graph import Expand
from kgwalk.protocols import Ids, Offsets, Scorer

from ..training import ShuffledBatches
from .config import NserConfig
from .network import NserNetwork, as_tensor

#: The score of what is no negative; finite, for sums.
_NOWHERE = -1e30
#: Positives by which it is estimated how often a metapath leads to one.
_COUNTED = 4096


class Learner:
    """Losses of training steps; what is random in one is drawn from (seed, step) and torch's generator.

    A step takes one metapath and a batch of (user, item): an interaction of train whose own edge is hidden, or an item
    of a teacher's list. A walk along the metapath is drawn for each pair, all its walks being equally likely; pairs
    without one are left out. Its hops are made likely (`_hop`), and its end more so than a negative item's.

    Args:
        network: trained.
        dataset: whose train it learns.
        metapaths: to walk.
        config: of the training.
        seed: of the run.
        teacher: asked for positives if the configuration says so.
    """

    def __init__(
        self,
        network: NserNetwork,
        dataset: Recommendation,
        metapaths: Sequence[Metapath],
        config: NserConfig,
        seed: int,
        teacher: Scorer | None = None,
    ) -> None:
        self.network = network
        self.dataset = dataset
        self.metapaths = tuple(metapaths)
        self.config = config
        self.seed = seed
        self.expand = Expand(dataset.graph)
        self.items = dataset.items
        self.candidates = [tail_candidates(dataset, metapath) for metapath in metapaths]
        if teacher is None:
            train = dataset.splits["train"]
            self.pairs = train[:, [0, 2]]
            self.lists: Ids | None = None
        else:
            self.lists = teacher_lists(dataset, teacher, config.teacher_top)
            users = np.arange(dataset.users.first, dataset.users.last, dtype=np.int32)
            self.pairs = np.column_stack([np.repeat(users, self.lists.shape[1]), self.lists.reshape(-1)])
        self.share = self._reach()
        self.batches = ShuffledBatches(np.arange(len(self.pairs)), config.batch_size, seed)
        self.column = torch.full((dataset.graph.num_entities,), -1)

    def learning_rate(self, step: int) -> float:
        """It falls linearly to nothing."""
        return self.config.learning_rate * (1 - step / self.config.steps)

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, float]]:
        """See ``Trainer``."""
        c = self.config
        rng = np.random.default_rng([self.seed, 1, step])
        number = int(rng.choice(len(self.metapaths), p=self.share))
        batch = self.batches(step)
        users, items = np.ascontiguousarray(self.pairs[batch, 0]), np.ascontiguousarray(self.pairs[batch, 1])
        rows, walks = sample_metapath(
            self.expand,
            self.metapaths[number],
            users,
            items,
            seed=int(rng.integers(1 << 62)),
            hidden=self.dataset.interact,
        )
        if len(rows) < 2:  # a batch norm over one row has no variance
            return 0.0 * self.network.log_scale, {}
        known = self._known(users[rows])
        place = self.network.along(self._users(users[rows], items[rows], known, rng), self.metapaths[number])
        candidates = self.candidates[number]
        path = self._hop(place[-1], walks[:, -1], candidates[-1], known)
        loss = path
        if c.inner_weight:
            for hop in range(len(place) - 1):
                loss = loss + c.inner_weight * self._hop(place[hop], walks[:, hop + 1], candidates[hop])
        logged = {"train/path": path.item()}
        if c.rank_weight:
            ranking = self._ranking(place[-1], items[rows], batch[rows], known, rng)
            logged["train/rank"] = ranking.item()
            loss = loss + c.rank_weight * ranking
        return loss, logged

    def _reach(self) -> NDArray[np.float64]:
        """How often each metapath is walked: as it leads to positive items, by a sample of them."""
        rng = np.random.default_rng([self.seed, 2])
        some = self.pairs[rng.choice(len(self.pairs), min(len(self.pairs), _COUNTED), replace=False)]
        users, items = (np.ascontiguousarray(column) for column in some.T)
        counts = count_metapaths(self.expand, self.metapaths, users, items, hidden=self.dataset.interact)
        reached = np.asarray((counts > 0).mean(0)) + 1e-3  # none is left out
        share: NDArray[np.float64] = reached / reached.sum()
        return share

    def _known(self, users: Ids) -> tuple[Offsets, Ids]:
        offsets, _, items = self.expand(users, np.array([self.dataset.interact], np.int32), None, False)
        return offsets, items

    def _users(self, users: Ids, targets: Ids, known: tuple[Offsets, Ids], rng: np.random.Generator) -> Tensor:
        """Vectors of users who have not met their target yet, (n, dim)."""
        if self.config.users == "table":
            return self.network.of(as_tensor(users))
        offsets, items = known
        owner = np.repeat(np.arange(len(users)), np.diff(offsets))
        kept = (items != targets[owner]) & (rng.random(len(items)) >= self.config.history_dropout)
        count = np.bincount(owner[kept], minlength=len(users))
        bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(count)])
        return self.network.from_history(torch.from_numpy(bounds), as_tensor(items[kept]))

    def _hop(
        self, place: Tensor, targets: Ids, candidates: NDArray[np.int64], known: tuple[Offsets, Ids] | None = None
    ) -> Tensor:
        """Mean of ``-log p(target)`` over rows of ``place`` (n, dim), p over the candidates that no row knows else.

        The softmax is over all of them, or over some that are drawn uniformly without replacement: then
        ``log(candidates / drawn)`` is added to their scores, so that the sum over the drawn is an unbiased estimate of
        the sum over all (the log-q correction of a uniform q).
        """
        right = self.network.logits_by_row(place, as_tensor(targets))
        drawn, bounds = torch.from_numpy(candidates), (int(candidates[0]), int(candidates[-1]) + 1)
        if len(candidates) > max(self.config.full_softmax, self.config.negatives):
            drawn = drawn[torch.randperm(len(candidates))[: self.config.negatives]]
            wrong = self.network.logits_of(place, drawn)
        elif len(candidates) == bounds[1] - bounds[0]:
            wrong = self.network.logits(place, *bounds)
        else:
            wrong = self.network.logits_of(place, drawn)
        self.column[drawn] = torch.arange(len(drawn))
        rows, columns = torch.arange(len(targets)), self.column[as_tensor(targets)]
        if known is not None:
            owner = torch.from_numpy(np.repeat(np.arange(len(targets)), np.diff(known[0])))
            rows, columns = torch.cat([rows, owner]), torch.cat([columns, self.column[as_tensor(known[1])]])
        self.column[drawn] = -1
        there = columns >= 0
        wrong = wrong.index_put((rows[there], columns[there]), torch.tensor(_NOWHERE))
        others = wrong.logsumexp(1) + math.log(len(candidates) / len(drawn))
        return functional.softplus(others - right).mean()

    def _ranking(
        self, place: Tensor, items: Ids, batch: NDArray[np.int64], known: tuple[Offsets, Ids], rng: np.random.Generator
    ) -> Tensor:
        """Mean of ``sigmoid(score of a negative item - score of the positive)``, equation 2.

        The negative is drawn uniformly: of the items that the teacher lists lower, or without a teacher, or after its
        last item, of those the user does not have.
        """
        negatives = rng.integers(self.items.first, self.items.last, len(items)).astype(np.int32)
        if self.lists is None:
            owner = np.repeat(np.arange(len(items)), np.diff(known[0]))
            fair = np.ones(len(items), np.bool_)
            fair[owner[known[1] == negatives[owner]]] = False
        else:
            size = self.lists.shape[1]
            row, above = np.divmod(batch, size)
            lower = rng.integers(above + 1, size + (above + 1 == size))
            listed = lower < size
            negatives[listed] = self.lists[row[listed], lower[listed]]
            fair = negatives != items
        gap = self.network.logits_by_row(place, as_tensor(negatives)) - self.network.logits_by_row(
            place, as_tensor(items)
        )
        return (torch.sigmoid(gap) * torch.from_numpy(fair)).mean()


def tail_candidates(dataset: Recommendation, metapath: Metapath) -> list[NDArray[np.int64]]:
    """Entities of the types that each hop of a metapath can lead to, rising; the last hop leads to items only."""
    at = {dataset.types.index(dataset.users)}
    found = []
    for hop, relation in enumerate(metapath, 1):
        at = {s.tail for s in dataset.signatures if s.relation == relation and s.head in at}
        if hop == len(metapath):
            at = {dataset.types.index(dataset.items)}
        kinds = [dataset.types[kind] for kind in sorted(at)]
        found.append(np.concatenate([np.arange(kind.first, kind.last) for kind in kinds]))
    return found


def teacher_lists(dataset: Recommendation, teacher: Scorer, top: int) -> Ids:
    """The items that a teacher lists first for each user, best first: (users, top)."""
    users = np.arange(dataset.users.first, dataset.users.last, dtype=np.int32)
    kind = dataset.types.index(dataset.items)
    return teacher.top_k(users, dataset.interact, min(top, len(dataset.items)), entity_type=kind)[0]
