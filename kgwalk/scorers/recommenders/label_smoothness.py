"""Known labels spread over what is sampled around an item: the regularizer of KGNN-LS (Wang et al., KDD 2019)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.protocols import Ids

#: The label of an entity of which none is known.
UNKNOWN = 0.5


class KnownLabels:
    """Labels of pairs of a user and an entity: 1 for training interactions, 0 for negatives.

    Args:
        keys: (n,) int64, rising: ``user * entities + entity``, users and entities each counted from 0.
        values: (n,) float32.
        entities: number of entities.
    """

    def __init__(self, keys: Tensor, values: Tensor, entities: int) -> None:
        self.keys = keys
        self.values = values
        self.entities = entities

    @classmethod
    def none(cls, entities: int) -> KnownLabels:
        """No label is known."""
        return cls(torch.empty(0, dtype=torch.int64), torch.empty(0), entities)

    @classmethod
    def of(cls, dataset: Recommendation, negatives: Ids, entities: int) -> KnownLabels:
        """Of the training interactions and of ``negatives``, (n, 2) users and items; the former count where both do."""
        positives = dataset.splits["train"][:, [0, 2]]
        pairs = np.concatenate([positives, negatives]).astype(np.int64)
        keys = pairs[:, 0] * entities + pairs[:, 1] - dataset.users.last
        labels = np.repeat(np.array([1, 0], np.float32), [len(positives), len(negatives)])
        keys, place = np.unique(keys, return_index=True)
        return cls(torch.from_numpy(keys), torch.from_numpy(labels[place]), entities)

    def look_up(self, users: Tensor, entities: Tensor, held_out: Tensor) -> tuple[Tensor, Tensor]:
        """Labels (n, k), `UNKNOWN` where there is none, and which are known (n, k).

        Args:
            users: (n,).
            entities: (n, k).
            held_out: (n,), the entity of each user whose label is to be predicted: unknown.
        """
        keys = users[:, None] * self.entities + entities
        if not len(self.keys):
            return torch.full(keys.shape, UNKNOWN), torch.zeros_like(keys, dtype=torch.bool)
        place = torch.searchsorted(self.keys, keys).clamp(max=len(self.keys) - 1)
        known = (self.keys[place] == keys) & (entities != held_out[:, None])
        return torch.where(known, self.values[place], UNKNOWN), known


def propagate(labels: Sequence[Tensor], known: Sequence[Tensor], weights: Sequence[Tensor], *, means: bool) -> Tensor:
    """What known labels say of the entity in the centre after as many passes as there are hops, (n,).

    Args:
        labels: hop by hop, the centre first: (n, 1), (n, K), (n, K^2), ...
        known: which of them stay as they are, alike.
        weights: of the neighbours of each entity of a hop but the last, (n, K^hop, K).
        means: divide sums by K, as the published code does.
    """
    labels = list(labels)
    for depth in range(len(weights), 0, -1):
        passed = []
        for hop in range(depth):
            around = (weights[hop] * labels[hop + 1].view(weights[hop].shape)).sum(-1)
            around = around / weights[hop].shape[-1] if means else around
            passed.append(torch.where(known[hop], labels[hop], around))
        labels = passed
    return labels[0][:, 0]
