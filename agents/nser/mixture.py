"""What each metapath is worth, and the likelihood beside the evidence: a few numbers, fitted on valid."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

#: Of an item to which no walk leads. Finite, so that a row without any has a gradient, which is 0.
NOWHERE = -1e30
_LEAST = 1e-3
#: Weight of the logarithms' mean square in the loss: metapaths of which little is known stay alike.
_RIDGE = 1e-2


class Mixture(nn.Module):
    """Weight of an item for a user: ``sum over metapaths m of pi_m p(item | user, m)^alpha evidence_m(user, item)``.

    Args:
        metapaths: how many.
        likelihood_weight: alpha; None learns it.
    """

    def __init__(self, metapaths: int, likelihood_weight: float | None) -> None:
        super().__init__()
        self.learnt = likelihood_weight is None
        self.log_weights: Tensor
        self.likelihood_weight: Tensor
        # Buffers: they are fitted apart, not by the optimizer of the network they belong to.
        self.register_buffer("log_weights", torch.zeros(metapaths))
        self.register_buffer("likelihood_weight", torch.tensor(0.5 if self.learnt else float(likelihood_weight or 0)))

    def forward(self, metapath: int, log_likelihood: Tensor, evidence: Tensor) -> Tensor:
        """Weights by one metapath, of the shape of both arguments."""
        return (self.log_weights[metapath] + self.likelihood_weight * log_likelihood).exp_().mul_(evidence)

    def scores(self, log_likelihood: Tensor, log_evidence: Tensor) -> Tensor:
        """Logs of the weights by all metapaths, the last axis of both arguments: (...,)."""
        return (self.log_weights + self.likelihood_weight * log_likelihood + log_evidence).logsumexp(-1)

    def fit(
        self,
        log_likelihood: NDArray[np.float32],
        log_evidence: NDArray[np.float32],
        log_times: NDArray[np.float32] | float = 0.0,
        steps: int = 25,
    ) -> float:
        """Make the first of each row's items likely among the row's items.

        Args:
            log_likelihood: (n, items, metapaths).
            log_evidence: of the same shape, `NOWHERE` where no walk leads.
            log_times: (items,), log of how many items each column stands for.
            steps: of L-BFGS at most.

        Returns:
            Mean negative log-likelihood that is left.
        """
        likelihood, evidence = torch.from_numpy(log_likelihood), torch.from_numpy(log_evidence)
        times = torch.as_tensor(log_times)
        log_weights = self.log_weights.clone().requires_grad_()
        # Its logarithm is learnt: it stays positive.
        log_alpha = self.likelihood_weight.clamp(min=_LEAST).log().requires_grad_()
        learnt = [log_weights, log_alpha] if self.learnt else [log_weights]
        optimizer = torch.optim.LBFGS(learnt, max_iter=steps, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            alpha = log_alpha.exp() if self.learnt else self.likelihood_weight
            scores = (log_weights + alpha * likelihood + evidence).logsumexp(2)
            missed: Tensor = (scores + times).logsumexp(1) - scores[:, 0]
            return missed.mean() + _RIDGE * log_weights.square().mean()

        def closure() -> Tensor:
            optimizer.zero_grad()
            value = loss()
            value.backward()  # type: ignore[no-untyped-call]
            return value

        optimizer.step(closure)  # type: ignore[no-untyped-call]
        with torch.no_grad():
            left = float(loss())
            self.log_weights.copy_(log_weights)
            if self.learnt:
                self.likelihood_weight.copy_(log_alpha.exp())
        return left
