"""NSER's network: vectors of entities, a module for each directed relation, and where they say a metapath leads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from kgwalk.data.recommendation.metapaths import Metapath

from .mixture import Mixture
from .modules import MODULES


class NserNetwork(nn.Module):
    """Neural-symbolic model of Xian et al. (2020), section 3.2.

    Along a metapath ``r1 .. rL`` a user's vector u goes through the modules of its relations, each of which sees what
    the one before *predicted*, and u beside it: ``q1 = f_r1(u, u)``, ``q_h = f_rh(q_(h-1), u)``. So all walks that
    stand at one node of a layout share one vector. Hop h leads to entity e of the types that r_h can lead to with
    probability ``softmax(s q_h . e + b_e)``, s a learnt scale and b_e a learnt bias.

    Args:
        first: the entities that have a vector are ``first .. last - 1``.
        last: see there.
        relations: directed relations that metapaths take; each has a module.
        dim: size of a vector.
        module: network of a relation, by its name in ``modules.MODULES``.
        hidden: width of its hidden layer.
        dropout: in the modules.
        mixture: what metapaths are worth; fitted apart.
    """

    def __init__(
        self,
        first: int,
        last: int,
        relations: Sequence[int],
        dim: int,
        module: str,
        hidden: int,
        dropout: float,
        mixture: Mixture,
    ) -> None:
        super().__init__()
        self.first = first
        self.entities = nn.Parameter(torch.empty(last - first, dim))
        self.bias = nn.Parameter(torch.empty(last - first))
        self.log_scale = nn.Parameter(torch.empty(()))
        kind = MODULES[module]
        self.mixture = mixture
        self.relations = nn.ModuleDict({str(relation): kind(dim, hidden, dropout) for relation in sorted(relations)})

    def begin(self) -> None:
        """Weights as they begin; draws from torch's generator."""
        nn.init.normal_(self.entities, std=0.1)
        nn.init.zeros_(self.bias)
        nn.init.zeros_(self.log_scale)
        for module in self.relations.values():
            module.begin()  # type: ignore[operator]

    def from_history(self, offsets: Tensor, items: Tensor) -> Tensor:
        """Vectors of users by their items: ``sum of the items' vectors / sqrt(their number)``; 0 for no item.

        Args:
            offsets: (n + 1,) int64.
            items: (m,) int64, ragged by ``offsets``.

        Returns:
            (n, dim).
        """
        total = functional.embedding_bag(items - self.first, self.entities, offsets[:-1], mode="sum")
        count = (offsets[1:] - offsets[:-1]).clamp(min=1).to(total.dtype)
        return total / count.sqrt()[:, None]

    def along(self, users: Tensor, metapath: Metapath) -> list[Tensor]:
        """What is predicted after each hop of a metapath for users (n, dim): tensors (n, dim), hop by hop."""
        place, hops = users, []
        for relation in metapath:
            place = self.relations[str(relation)](place, users)
            hops.append(place)
        return hops

    def of(self, entities: Tensor) -> Tensor:
        """Vectors of entities (n,) int64: (n, dim)."""
        return self.entities[entities - self.first]

    def logits(self, place: Tensor, first: int, last: int) -> Tensor:
        """Scores of the entities ``first .. last - 1`` for each row of ``place`` (n, dim): (n, last - first)."""
        rows = slice(first - self.first, last - self.first)
        return self.scaled(place) @ self.entities[rows].T + self.bias[rows]

    def logits_of(self, place: Tensor, entities: Tensor) -> Tensor:
        """Scores of entities (m,), the same for each row of ``place`` (n, dim): (n, m)."""
        return self.scaled(place) @ self.of(entities).T + self.bias[entities - self.first]

    def logits_by_row(self, place: Tensor, entities: Tensor) -> Tensor:
        """Score of one entity for each row of ``place`` (n, dim): (n,)."""
        return (self.scaled(place) * self.of(entities)).sum(1) + self.bias[entities - self.first]

    def scaled(self, place: Tensor) -> Tensor:
        """What entity vectors are multiplied with."""
        return place * self.log_scale.exp()


def as_tensor(array: NDArray[np.integer]) -> Tensor:
    """Ids as torch indexes with them."""
    return torch.from_numpy(array.astype(np.int64))
