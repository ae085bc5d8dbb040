"""Paths from users to items by way of an item of theirs, found by no policy, and a network that scores them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kgwalk.graph import ActionSets, Expand, Graph
from kgwalk.protocols import Candidates, Ids, Moves
from kgwalk.search import ANY, Paths, chain, known_items, search


class PathScorer(nn.Module):
    """Scores a path by where it starts, the mean of its relations, and where it ends: a layer of ReLUs over these.

    Attributes:
        items: (items, dim).
        relations: (2 * relations + 1, dim); STAY's row is never read.
    """

    def __init__(self, items: int, relations: int, dim: int) -> None:
        super().__init__()
        self.items = nn.Parameter(torch.empty(items, dim))
        self.relations = nn.Parameter(torch.empty(2 * relations + 1, dim))
        self.hidden = nn.Linear(3 * dim, dim)
        self.out = nn.Linear(dim, 1)

    def forward(self, starts: Tensor, relations: Tensor, ends: Tensor) -> Tensor:
        """Logits (n,) of items by number (n,) and relations (n, hops) int64, filled up with STAY."""
        moved = (relations < len(self.relations) - 1).float()
        means = (self.relations[relations] * moved[..., None]).sum(1) / moved.sum(1, keepdim=True).clamp_min(1)
        seen = torch.cat([self.items[starts], means, self.items[ends]], 1)
        logits: Tensor = self.out(torch.relu(self.hidden(seen)))[:, 0]
        return logits


def item_paths(queries: Ids, graph: Graph | Expand, items: range, *, hops: int, beam: int) -> Paths:
    """Paths from users to an item that they interact with, and on to another item, as far as a beam goes.

    All moves at a node are equally likely, so the beam prefers ways through nodes of few neighbours. No path comes back
    to the user: an interaction of his with the item at the end is never a part of it.

    Args:
        queries: (n, 3) int32, (user, interact, ...).
        graph: or an ``Expand`` over it, whose overlay then counts too.
        items: entities that are items.
        hops: steps after the first at most.
        beam: paths kept for a user after each step.
    """
    expand = graph if isinstance(graph, Expand) else Expand(graph)
    interact = int(queries[0, 1]) if len(queries) else ANY
    layout = chain([interact, *[ANY] * hops], beam)
    paths = search(ActionSets(expand, hide_fact=False, hide_answers=False), _Uniform(), layout, queries)
    ends = paths.entities[:, [1, -1]]
    of_items = ((ends >= items.start) & (ends < items.stop)).all(1) & (ends[:, 0] != ends[:, 1])
    return chosen(paths, of_items & (paths.entities[:, 1:] != paths.entities[:, :1]).all(1))


def end_at_known(paths: Paths, queries: Ids, graph: Graph | Expand) -> NDArray[np.bool_]:
    """Which paths end at an item that their user interacts with in the graph, (len(paths),)."""
    interact = int(queries[0, 1]) if len(queries) else 0
    offsets, items = known_items(graph, queries[:, 0], interact)
    width = np.int64(1 << 32)
    held = np.repeat(np.arange(len(queries)), np.diff(offsets)) * width + items
    return np.isin(paths.query * width + paths.entities[:, -1], held)


def chosen(paths: Paths, which: NDArray[Any]) -> Paths:
    """Some of the paths, by number or by flags."""
    return Paths(paths.query[which], paths.entities[which], paths.relations[which], paths.log_prob[which], paths.stay)


class _Uniform:
    """All moves are as likely as any other; it remembers nothing but how many walkers there are."""

    def begin(self, queries: Ids) -> int:
        return len(queries)

    def select(self, state: int, rows: NDArray[np.int64]) -> int:
        return len(rows)

    def logits(self, state: int, candidates: Candidates) -> Tensor:
        return torch.zeros(len(candidates.entities))

    def log_norm(self, state: int, logits: Tensor, candidates: Candidates) -> Tensor:
        return torch.from_numpy(np.log(np.diff(candidates.offsets)).astype(np.float32))

    def advance(self, state: int, moves: Moves) -> int:
        return len(moves.entities)
