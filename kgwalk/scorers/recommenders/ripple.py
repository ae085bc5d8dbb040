"""RippleNet (Wang et al., CIKM 2018): a user is what is known of the items that it has, hop by hop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.graph import Expand, Graph, ripple_sets
from kgwalk.protocols import Ids, Offsets
from kgwalk.scorers.recommenders.base import (
    Recommender,
    RecommenderConfig,
    knowledge_of,
    one_of,
    share,
    whole,
    without_users,
)

Update = Literal["plus-transform", "plus", "none"]

#: Numbers held at once when all items are scored.
_CELLS = 1 << 23
#: Relations for each fact of a hop up to which a product with all of them is faster than one for each fact.
_FEW = 4


@dataclass(frozen=True)
class RippleConfig(RecommenderConfig):
    """Sizes and options.

    Attributes:
        l2: weight of the squares of the vectors that a batch looks up, summed over the batch.
        hops: H.
        memory: facts drawn for a user and hop (with replacement where there are fewer).
        fact_weight: of the mean score of a ripple set's own facts, ``sigmoid(h R t)``, which the loss makes high.
        update: how an item changes from hop to hop: ``plus-transform`` (v + o) W as published, ``plus`` v + o, or not.
    """

    hops: int = 2
    memory: int = 32
    fact_weight: float = 0.01
    update: Update = "plus-transform"

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        super().__post_init__()
        whole(self, 1, "hops", most=8)
        whole(self, 1, "memory", most=1 << 12)
        share(self, "fact_weight")
        one_of(self, "update", get_args(Update))


class RippleNet(Recommender):
    """``score = (sum over hops of o) . v`` with ``o = sum_i p_i t_i``, ``p = softmax_i(v R_i h_i)``: equations 4 to 6.

    There is no table of users: one who comes after training needs items, but no training. The item is the one after the
    last update, as in the published code.

    Args:
        sizes: see `Recommender`.
        config: sizes and options.

    Attributes:
        entities: (entities, dim).
        relations: (relations + 1, dim * dim): a matrix each; the last is STAY's, of items of which nothing is known.
        transform: (dim, dim), W.
        heads: (users, hops * memory) int32 entities by number: the ripple sets of the users of training.
        rows: (users, hops * memory) int32 rows of ``relations``.
        tails: (users, hops * memory) int32.
    """

    name = "ripplenet"
    Config = RippleConfig
    config: RippleConfig
    heads: Tensor
    rows: Tensor
    tails: Tensor

    def __init__(self, sizes: Mapping[str, int], config: RecommenderConfig) -> None:
        super().__init__(sizes, config)
        c = self.config
        self.entities = nn.Parameter(torch.empty(sizes["entities"], c.dim))
        self.relations = nn.Parameter(torch.empty(sizes["relations"] + 1, c.dim * c.dim))
        self.transform = nn.Parameter(torch.empty(c.dim, c.dim))
        for key in ("heads", "rows", "tails"):
            self.register_buffer(key, torch.zeros(sizes["users"], c.hops * c.memory, dtype=torch.int32))

    def look_at(self, dataset: Recommendation, seed: int) -> None:
        """Draw the ripple sets of all users, once and for all."""
        interact = np.array([dataset.interact], np.int32)
        users = np.arange(dataset.users.first, dataset.users.last, dtype=np.int32)
        expand = Expand(knowledge_of(dataset))
        offsets, _, items = Expand(dataset.graph)(users, interact, None, False)
        for key, part in zip(("heads", "rows", "tails"), self.sets_of(expand, offsets, items, seed), strict=True):
            getattr(self, key).copy_(part)

    def sets_of(self, expand: Expand, offsets: Offsets, items: Ids, seed: int) -> tuple[Tensor, Tensor, Tensor]:
        """Ripple sets of users with given items: heads, rows of ``relations`` and tails, (n, hops * memory) int32 each.

        Args:
            expand: what is known of items (`knowledge_of`); only forward facts are followed.
            offsets: (n + 1,) int64.
            items: entities, ragged by ``offsets``; every user has one at least.
            seed: of the draws.
        """
        c, first = self.config, self.sizes["users"]
        heads, relations, tails = ripple_sets(expand, offsets, items, c.hops, c.memory, seed, forward_only=True)
        shape = (len(offsets) - 1, c.hops * c.memory)
        rows = np.minimum(relations, self.sizes["relations"])  # STAY, 2R, has the last row
        # A user without items has no set: the numbers of entities are kept in range, whatever they stand for.
        parts = (np.maximum(heads - first, 0), rows, np.maximum(tails - first, 0))
        made = [torch.from_numpy(np.ascontiguousarray(part.reshape(shape), np.int32)) for part in parts]
        return made[0], made[1], made[2]

    def bounds(self) -> dict[str, int]:
        """See `Recommender.bounds`."""
        return {"heads": self.sizes["entities"], "rows": len(self.relations), "tails": self.sizes["entities"]}

    def pair_scores(self, users: Tensor, items: Tensor) -> Tensor:
        """See `Recommender.pair_scores`."""
        sets = zip(*(self._by_hop(part[users].long()) for part in (self.heads, self.rows, self.tails)), strict=True)
        return self._scores(self.entities[items], [partial(self._answer, facts) for facts in sets])

    def all_scores(self, users: Tensor) -> Tensor:
        """See `Recommender.all_scores`."""
        return self.scores_of(self.heads[users], self.rows[users], self.tails[users])

    def newcomer_scores(self, graph: Graph, offsets: Offsets, items: Ids) -> Tensor:
        """See `Recommender.newcomer_scores`: ripple sets are drawn for them, always the same for the same items."""
        return self.scores_of(*self.sets_of(Expand(without_users(graph, self.sizes["users"])), offsets, items, 0))

    def scores_of(self, heads: Tensor, rows: Tensor, tails: Tensor) -> Tensor:
        """Scores of all items for users with given ripple sets, (n, items); see `sets_of`."""
        count = self.sizes["items"]
        block = max(1, _CELLS // (count * max(self.config.memory, self.config.dim)))
        parts = [torch.empty(0, count)]
        for sets in zip(*(torch.split(part, block) for part in (heads, rows, tails)), strict=True):
            starts, kinds, ends = (part.long() for part in sets)
            memories = zip(self._by_hop(self._moved(starts, kinds)), self._by_hop(self.entities[ends]), strict=True)
            hops = [partial(_answers, *memory) for memory in memories]
            parts.append(self._scores(self.entities[:count].expand(len(starts), -1, -1), hops))
        return torch.cat(parts)

    def click_loss(self, users: Tensor, items: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy, less the weighted mean score of the ripple sets' own facts, and the penalty; equation 12."""
        return super().click_loss(users, items, labels) + self._facts_loss(users)

    def pair_loss(self, users: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
        """See `Recommender.pair_loss`; with the facts of `click_loss`."""
        return super().pair_loss(users, positives, negatives) + self._facts_loss(users)

    def softmax_loss(self, users: Tensor, positives: Tensor, known: tuple[Tensor, Tensor]) -> Tensor:
        """See `Recommender.softmax_loss`; with the facts of `click_loss`."""
        return super().softmax_loss(users, positives, known) + self._facts_loss(users)

    def penalty(self, users: Tensor, items: Tensor) -> Tensor:
        """Twice half the squares of the heads, matrices and tails that a batch looks up, once for each time it does."""
        ends = torch.cat([self.heads[users], self.tails[users]])
        looked_up = _squares(self.entities, ends) + _squares(self.relations, self.rows[users])
        return looked_up + self.transform.square().sum()

    def _facts_loss(self, users: Tensor) -> Tensor:
        if not self.config.fact_weight:
            return torch.zeros(())
        heads, rows, tails = (part[users].long().flatten() for part in (self.heads, self.rows, self.tails))
        order, moved = self._by_row(tails, rows)
        likely = torch.sigmoid((self.entities[heads[order]] * moved).sum(-1))
        return -self.config.fact_weight * self.config.hops * likely.mean()

    def _by_hop(self, parts: Tensor) -> tuple[Tensor, ...]:
        """What is told of (n, hops * memory, ...) facts, hop by hop."""
        return torch.split(parts, self.config.memory, 1)

    def _scores(self, item: Tensor, hops: Sequence[Callable[[Tensor], Tensor]]) -> Tensor:
        """Scores of items (..., dim), to which each hop in turn gives its answer ``o``."""
        heard = torch.zeros(())
        for answer_of in hops:
            answer = answer_of(item)
            heard = heard + answer
            if self.config.update == "plus-transform":
                item = (item + answer) @ self.transform
            elif self.config.update == "plus":
                item = item + answer
        return (item * heard).sum(-1)

    def _answer(self, facts: tuple[Tensor, Tensor, Tensor], item: Tensor) -> Tensor:
        """``o`` of one item each (n, dim), of heads, rows and tails (n, memory)."""
        heads, rows, tails = facts
        likely = torch.softmax(self._asked(item, heads, rows), -1)
        return (likely[..., None] * self.entities[tails]).sum(1)

    def _asked(self, item: Tensor, heads: Tensor, rows: Tensor) -> Tensor:
        """``v R h``, (n, memory): of few relations ``v R`` is made once for each, of many ``R h`` for each fact."""
        dim, relations = self.config.dim, len(self.relations)
        if relations > _FEW * self.config.memory:
            return (self._moved(heads, rows) * item[:, None]).sum(-1)
        asked = item @ self.relations.view(-1, dim, dim).transpose(0, 1).reshape(dim, -1)
        asked = asked.view(len(item), relations, dim)[torch.arange(len(item))[:, None], rows]
        return (asked * self.entities[heads]).sum(-1)

    def _moved(self, entities: Tensor, rows: Tensor) -> Tensor:
        """``R e`` of (n, m) entities, each with the matrix of its own row (n, m): (n, m, dim)."""
        order, moved = self._by_row(entities.flatten(), rows.flatten())
        return moved[torch.argsort(order)].view(*rows.shape, self.config.dim)

    def _by_row(self, entities: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """An order in which ``rows`` (n,) rise, and ``R e`` of entities (n,) in that order, (n, dim)."""
        dim = self.config.dim
        order = torch.argsort(rows, stable=True)
        parts = torch.bincount(rows, minlength=len(self.relations)).tolist()
        by_row = torch.split(self.entities[entities[order]], parts)
        matrices = self.relations.view(-1, dim, dim)
        # One product for each relation: a gathered matrix for each fact would be dim times as large.
        moved = [part @ matrices[row].T for row, part in enumerate(by_row) if len(part)]
        return order, torch.cat([self.entities[:0], *moved])


def _answers(moved: Tensor, tails: Tensor, item: Tensor) -> Tensor:
    """``o`` of all items for users (n, items, dim), of ``R h`` and ``t`` (n, memory, dim)."""
    return torch.softmax(item @ moved.transpose(1, 2), -1) @ tails


def _squares(table: Tensor, rows: Tensor) -> Tensor:
    """The squares of the rows of a table that are looked up, by how often they are: a gathered matrix is large."""
    times = torch.bincount(rows.flatten(), minlength=len(table))
    return (times * table.square().sum(1)).sum()
