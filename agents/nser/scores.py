"""Scores of all items for users: how likely the network finds them, and what evidence the graph has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from kgwalk.data.metapaths import EntityType, Metapath
from kgwalk.graph import Expand, Graph
from kgwalk.protocols import Ids, Offsets

from .config import Users
from .evidence import Evidence
from .mixture import NOWHERE
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

    def __init__(
        self, network: NserNetwork, evidence: Evidence, expand: Expand, interact: int, users: Users
    ) -> None:
        self.network = network
        self.evidence = evidence
        self.expand = expand
        self.interact = np.array([interact], np.int32)
        self.users = users

    def known(self, users: Ids) -> tuple[Offsets, Ids]:
        """The items that users (n,) have: offsets (n + 1,) and entities."""
        offsets, _, items = self.expand(np.ascontiguousarray(users, np.int32), self.interact, None, False)
        return offsets, items

    def __call__(self, users: Ids, known: tuple[Offsets, Ids]) -> tuple[Tensor, Tensor]:
        """Logs of the likelihood of items, and of their evidence: (metapaths, n, number of items) each.

        Evidence is `NOWHERE` where no walk leads, and at the items that a user has.
        """
        with torch.inference_mode(), still(self.network):
            vectors = self._vectors(users, known)
            found = self.evidence(known)
            kind = self.evidence.items
            logs = torch.stack([torch.from_numpy(part) for part in found])
            logs = torch.where(logs > 0, logs.log(), torch.tensor(NOWHERE))
            likely = torch.empty_like(logs)
            for number, metapath in enumerate(self.evidence.metapaths):
                place = self.network.along(vectors, metapath)[-1]
                scores = self.network.logits(place, slice(kind.first, kind.last))
                likely[number] = functional.log_softmax(scores, 1)
        return likely, logs

    def _vectors(self, users: Ids, known: tuple[Offsets, Ids]) -> Tensor:
        if self.users == "table":
            return self.network.entities[as_tensor(users)]
        return self.network.from_history(torch.from_numpy(known[0]), as_tensor(known[1]))


@contextmanager
def still(network: NserNetwork) -> Iterator[None]:
    """Without what is random in training."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)
