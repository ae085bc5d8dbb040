"""Scores of all items for users: how likely the network finds them, and what evidence the graph has."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from kgwalk.graph import Expand
from kgwalk.protocols import Ids, Offsets

from ..saved import still
from .config import Users
from .evidence import Evidence
from .network import NserNetwork, as_tensor


class ItemScores:
    """What is known of every item for a batch of users, by metapath.

    Args:
        network: trained.
        evidence: of the graph that is walked.
        expand: over that graph; its overlay may add users and what they have.
        interact: relation from users to items.
        users: how the network has users.
    """

    def __init__(self, network: NserNetwork, evidence: Evidence, expand: Expand, interact: int, users: Users) -> None:
        self.network = network
        self.evidence = evidence
        self.expand = expand
        self.interact = np.array([interact], np.int32)
        self.users = users

    def known(self, users: Ids) -> tuple[Offsets, Ids]:
        """The items that users (n,) have: offsets (n + 1,) and entities."""
        offsets, _, items = self.expand(np.ascontiguousarray(users, np.int32), self.interact, None, False)
        return offsets, items

    def __call__(self, users: Ids, known: tuple[Offsets, Ids]) -> tuple[list[Tensor], list[Tensor]]:
        """Log-likelihood of items, and their evidence: for each metapath (n, number of items).

        Evidence is 0 where no walk leads, and at the items that a user has.
        """
        kind = self.evidence.items
        with torch.inference_mode(), still(self.network):
            found = [torch.from_numpy(part) for part in self.evidence(known)]
            vectors = self.vectors(users, known)
            likely = []
            for metapath in self.evidence.metapaths:
                place = self.network.along(vectors, metapath)[-1]
                likely.append(functional.log_softmax(self.network.logits(place, kind.first, kind.last), 1))
        return likely, found

    def vectors(self, users: Ids, known: tuple[Offsets, Ids]) -> Tensor:
        """Vectors of users who have these items, (n, dim)."""
        if self.users == "table":
            return self.network.of(as_tensor(users))
        return self.network.from_history(torch.from_numpy(known[0]), as_tensor(known[1]))
