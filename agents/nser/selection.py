"""Model selection: the mixture is fitted to a sample of valid, and NDCG@10 measured on it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kgwalk.protocols import Ids

from .mixture import NOWHERE, Mixture
from .scores import ItemScores

#: Items that compete with the right one when the mixture is fitted: the best so far, and some drawn of all others.
_BEST, _DRAWN = 100, 100
_BATCH = 128


class Selection:
    """Fits a mixture and measures what it selects.

    Args:
        scores: of items.
        mixture: fitted in place.
        valid: (n, 3) int32, queries with their answers.
    """

    def __init__(self, scores: ItemScores, mixture: Mixture, valid: Ids) -> None:
        self.scores = scores
        self.mixture = mixture
        self.users = np.ascontiguousarray(valid[:, 0])
        self.targets = valid[:, 2].astype(np.int64) - scores.evidence.items.first
        self.num_items = len(scores.evidence.items)
        self.drawn = min(_DRAWN, self.num_items)

    def __call__(self) -> float:
        """NDCG@10 on the sample after the mixture was fitted to it; a target that no walk leads to counts 0."""
        draws = torch.Generator().manual_seed(0)
        parts = []
        for begin in range(0, len(self.users), _BATCH):
            rows = slice(begin, begin + _BATCH)
            scores = self.scores(self.users[rows], self.scores.known(self.users[rows]))
            parts.append(self._rivals(*scores, self.targets[rows], draws))
        likely, found = (np.concatenate(side) for side in zip(*parts, strict=True))
        reached = (found[:, 0] > NOWHERE).any(1)
        if not reached.any():
            return 0.0
        # Without those drawn it would learn from what it took for best, and so find that this was wrong.
        times = np.zeros(likely.shape[1], np.float32)
        others = len(times) - self.drawn
        times[others:] = np.log(max(self.num_items, 1) / self.drawn)
        self.mixture.fit(likely[reached], found[reached], times)
        with torch.inference_mode():
            weights = self.mixture.scores(torch.from_numpy(likely), torch.from_numpy(found)).numpy()
        # Equal scores: the mean rank, counted from 0.
        above = (weights[:, 1:] > weights[:, :1]).sum(1) + (weights[:, 1:] == weights[:, :1]).sum(1) / 2
        gains = np.where(reached & (above < 10), 1 / np.log2(above + 2), 0.0)
        return float(gains.mean())

    def _rivals(
        self, likely: list[Tensor], found: list[Tensor], targets: NDArray[np.int64], draws: torch.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Log-likelihood and log-evidence of each row's target, of what the mixture has found best so far, of others.

        An item that was drawn though it is there already has no evidence the second time.

        Returns:
            (n, items, metapaths) each; the last ``self.drawn`` items are those drawn.
        """
        rows, target = torch.arange(len(targets)), torch.from_numpy(targets)
        with torch.inference_mode():
            weights = torch.zeros_like(found[0])
            for number, (by_network, by_graph) in enumerate(zip(likely, found, strict=True)):
                weights += self.mixture(number, by_network, by_graph)
            weights[rows, target] = -1
            best = weights.topk(min(_BEST, self.num_items - 1), 1).indices
            drawn = torch.randperm(self.num_items, generator=draws)[: self.drawn]
            chosen = torch.cat([target[:, None], best, drawn.expand(len(targets), -1)], 1)
            again = torch.zeros(chosen.shape, dtype=torch.bool)
            again[:, -self.drawn :] = (drawn[None, :, None] == chosen[:, None, : -self.drawn]).any(2)
            near = torch.stack([part.gather(1, chosen) for part in likely], 2)
            evidence = torch.stack([part.gather(1, chosen) for part in found], 2)
            evidence[again] = 0
            logs = torch.where(evidence > 0, evidence.log(), torch.tensor(NOWHERE))
        return near.numpy(), logs.numpy()
