"""Model selection: the mixture is fitted to a sample of valid, and NDCG@10 measured on another."""

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
    """Fits a mixture to one half of a sample of users, and measures on the other half what it selects.

    Args:
        scores: of items.
        mixture: fitted in place.
        valid: (n, 3) int32, queries with their answers; every second one measures, all do if there is but one.
    """

    def __init__(self, scores: ItemScores, mixture: Mixture, valid: Ids) -> None:
        self.scores = scores
        self.mixture = mixture
        self.users = np.ascontiguousarray(valid[:, 0])
        self.targets = valid[:, 2].astype(np.int64) - scores.evidence.items.first
        self.fitting = np.arange(0, len(valid), 2)
        self.measuring = np.arange(1, len(valid), 2) if len(valid) > 1 else self.fitting
        self.num_items = len(scores.evidence.items)
        self.drawn = min(_DRAWN, self.num_items)

    def __call__(self) -> float:
        """NDCG@10 of the half that measures, after the mixture was fitted; a target that no walk leads to counts 0."""
        if not self.mixture.log_weights.any():  # only a mixture that is about right knows the right one's rivals
            self._fit()
        self._fit()
        gains = [self._gains(self.measuring[begin : begin + _BATCH]) for begin in range(0, len(self.measuring), _BATCH)]
        return float(np.concatenate(gains).mean())

    def _fit(self) -> None:
        draws = torch.Generator().manual_seed(0)
        parts = []
        for begin in range(0, len(self.fitting), _BATCH):
            rows = self.fitting[begin : begin + _BATCH]
            scores = self.scores(self.users[rows], self.scores.known(self.users[rows]))
            parts.append(self._rivals(*scores, self.targets[rows], draws))
        likely, found = (np.concatenate(side) for side in zip(*parts, strict=True))
        reached = (found[:, 0] > NOWHERE).any(1)
        if not reached.any():
            return
        # Without those drawn it would learn from what it took for best, and so find that this was wrong.
        times = np.zeros(likely.shape[1], np.float32)
        others = len(times) - self.drawn
        times[others:] = np.log(max(self.num_items, 1) / self.drawn)
        self.mixture.fit(likely[reached], found[reached], times)

    def _gains(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """``1 / log2(rank + 1)`` of the targets among all items; of equal weights the mean rank."""
        likely, found = self.scores(self.users[rows], self.scores.known(self.users[rows]))
        with torch.inference_mode():
            weights = torch.stack([self.mixture(m, likely[m], found[m]) for m in range(len(found))]).sum(0).numpy()
        right = weights[np.arange(len(rows)), self.targets[rows], None]
        above = (weights > right).sum(1) + ((weights == right).sum(1) - 1) / 2
        return np.where((right[:, 0] > 0) & (above < 10), 1 / np.log2(above + 2), 0.0)

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
