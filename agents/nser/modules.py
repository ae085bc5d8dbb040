"""Relation modules: networks that tell where a relation leads from where a walk stands, and for whom."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Shallow(nn.Module):
    """``f(e, u) = e + W2 BN(dropout(relu(W1 [e; u])))``, NSER's shallow variant.

    W1 is (hidden, 2 dim), W2 (dim, hidden). W2 begins at 0, so that a module begins by changing nothing.
    """

    def __init__(self, dim: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.inner = nn.Linear(2 * dim, hidden)
        self.norm = nn.BatchNorm1d(hidden)
        self.outer = nn.Linear(hidden, dim)
        self.dropout = dropout

    def begin(self) -> None:
        """Weights as they begin."""
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)

    def forward(self, place: Tensor, user: Tensor) -> Tensor:
        """Where the relation leads, (n, dim), from ``place`` (n, dim) for ``user`` (n, dim)."""
        hidden = torch.relu(self.inner(torch.cat([place, user], 1)))
        moved: Tensor = place + self.outer(self.norm(functional.dropout(hidden, self.dropout, self.training)))
        return moved


class Deep(nn.Module):
    """NSER's deep variant (Xian et al. 2020, the default of their code).

    With ``f = [e; u]``: ``a = BN(dropout(relu(W1 f)))``, ``b = BN(dropout(relu(W2 a + f)))``, result ``W3 b``. W1 is
    (hidden, 2 dim), W2 (2 dim, hidden), W3 (dim, 2 dim).
    """

    def __init__(self, dim: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Linear(2 * dim, hidden)
        self.first_norm = nn.BatchNorm1d(hidden)
        self.second = nn.Linear(hidden, 2 * dim)
        self.second_norm = nn.BatchNorm1d(2 * dim)
        self.third = nn.Linear(2 * dim, dim)
        self.dropout = dropout

    def begin(self) -> None:
        """Weights as torch begins them."""

    def forward(self, place: Tensor, user: Tensor) -> Tensor:
        """Where the relation leads, (n, dim), from ``place`` (n, dim) for ``user`` (n, dim)."""
        both = torch.cat([place, user], 1)
        wide = self.first_norm(functional.dropout(torch.relu(self.first(both)), self.dropout, self.training))
        back = functional.dropout(torch.relu(self.second(wide) + both), self.dropout, self.training)
        moved: Tensor = self.third(self.second_norm(back))
        return moved


class Linear(nn.Module):
    """``f(e, u) = e + W [e; u]`` with W (dim, 2 dim), which begins at 0: the least that a relation can be."""

    def __init__(self, dim: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.outer = nn.Linear(2 * dim, dim)
        self.dropout = dropout

    def begin(self) -> None:
        """Weights as they begin."""
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)

    def forward(self, place: Tensor, user: Tensor) -> Tensor:
        """Where the relation leads, (n, dim), from ``place`` (n, dim) for ``user`` (n, dim)."""
        both = functional.dropout(torch.cat([place, user], 1), self.dropout, self.training)
        moved: Tensor = place + self.outer(both)
        return moved


#: By ``NserConfig.module``.
MODULES: dict[str, type[Shallow] | type[Deep] | type[Linear]] = {"shallow": Shallow, "deep": Deep, "linear": Linear}
