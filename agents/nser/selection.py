"""Model selection: the mixture is fitted to a sample of valid, and NDCG@10 measured on it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kgwalk.protocols import Ids

from .mixture import NOWHERE, Mixture
from .scores import ItemScores

#: Items that compete with the right one when the mixture is fitted.
_RIVALS = 200
_BATCH = 128


class Selection:
    """Fits a mixture and measures what it selects.

    Args:
        scores: of items.
        mixture: fitted in place.
        valid: (n, 3) int32, queries with their answers.
        first_item: id of the first item.
    """

    def __init__(self, scores: ItemScores, mixture: Mixture, valid: Ids, first_item: int) -> None:
        self.scores = scores
        self.mixture = mixture
        self.users = np.ascontiguousarray(valid[:, 0])
        self.targets = valid[:, 2].astype(np.int64) - first_item

    def __call__(self) -> float:
        """NDCG@10 on the sample after the mixture was fitted to it; a target that no walk leads to counts 0."""
        likelihood, evidence, ranks = [], [], []
        for begin in range(0, len(self.users), _BATCH):
            rows = slice(begin, begin + _BATCH)
            likely, found = self.scores(self.users[rows], self.scores.known(self.users[rows]))
            near_by, near_evidence = self._rivals(likely, found, self.targets[rows])
            likelihood.append(near_by)
            evidence.append(near_evidence)
        likely, found = np.concatenate(likelihood), np.concatenate(evidence)
        reached = (found[:, 0] > NOWHERE).any(1)
        if not reached.any():
            return 0.0
        self.mixture.fit(likely[reached], found[reached])
        with torch.inference_mode():
            scores = self.mixture.scores(torch.from_numpy(likely), torch.from_numpy(found)).numpy()
        # Equal scores: the mean rank, counted from 0.
        above = (scores[:, 1:] > scores[:, :1]).sum(1) + (scores[:, 1:] == scores[:, :1]).sum(1) / 2
        gains = np.where(reached & (above < 10), 1 / np.log2(above + 2), 0.0)
        return float(gains.mean())

    def _rivals(
        self, likely: list[Tensor], found: list[Tensor], targets: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Log-likelihood and log-evidence of each row's target, and of what the mixture has found best so far beside it.

        Returns:
            (n, items, metapaths) each.
        """
        rows, target = torch.arange(len(targets)), torch.from_numpy(targets)
        with torch.inference_mode():
            weights = torch.zeros_like(found[0])
            for number, (by_network, by_graph) in enumerate(zip(likely, found, strict=True)):
                weights += self.mixture(number, by_network, by_graph)
            weights[rows, target] = -1
            best = weights.topk(min(_RIVALS, weights.shape[1] - 1), 1).indices
            chosen = torch.cat([target[:, None], best], 1)
            near = torch.stack([part.gather(1, chosen) for part in likely], 2)
            evidence = torch.stack([part.gather(1, chosen) for part in found], 2)
            logs = torch.where(evidence > 0, evidence.log(), torch.tensor(NOWHERE))
        return near.numpy(), logs.numpy()
