"""TransE (Bordes et al. 2013), its dot product, and TransR (Lin et al. 2015): a relation is a translation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from .base import EmbeddingModel, ModelConfig


@dataclass(frozen=True)
class TransEConfig(ModelConfig):
    """Sizes of TransE.

    Attributes:
        distance: ``"l1"`` or ``"l2"``. Training with l1 is slow: it is no matrix product.
    """

    distance: Literal["l1", "l2"] = "l2"

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        super().__post_init__()
        if self.distance not in ("l1", "l2"):
            raise ValueError(f"distance must be l1 or l2, got {self.distance!r}")


class TransE(EmbeddingModel):
    """``-|h + r - t|`` (Bordes et al. 2013, equation 1), without its constraint that entities have length 1."""

    name = "transe"
    Config = TransEConfig

    def __init__(self, num_entities: int, num_relations: int, config: TransEConfig) -> None:
        super().__init__(num_entities, num_relations, config)
        self.measure = config.distance

    def initialize(self) -> None:
        """See the base class."""
        bound = (6 / self.config.dim) ** 0.5  # Bordes et al. 2013, algorithm 1
        nn.init.uniform_(self.entities, -bound, bound)
        nn.init.uniform_(self.relations, -bound, bound)

    @property
    def fact_kernel(self) -> str:
        """See the base class."""
        return "transe-l1" if self.measure == "l1" else "transe-l2"

    def query(self, sources: Tensor, relations: Tensor) -> Tensor:
        """See the base class."""
        return sources + relations


class TransEDot(EmbeddingModel):
    """``(h + r) . t + b_rt``, the "TransE" of PGPR (Xian et al. 2019, section 3.4) and of NSER's HeteroEmbed."""

    name = "transe-dot"
    biased_by_relation = True

    def __init__(self, num_entities: int, num_relations: int, config: ModelConfig) -> None:
        super().__init__(num_entities, num_relations, config)
        self.bias = nn.Parameter(torch.zeros(2 * num_relations * num_entities, 1))

    def initialize(self) -> None:
        """Entities small enough that all targets begin as equals; relations and biases at nothing."""
        nn.init.normal_(self.entities, std=0.05)
        nn.init.zeros_(self.relations)

    def query(self, sources: Tensor, relations: Tensor) -> Tensor:
        """See the base class."""
        return sources + relations


@dataclass(frozen=True)
class TransRConfig(ModelConfig):
    """Sizes of TransR.

    Attributes:
        relation_size: numbers in a vector after the projection.
    """

    dim: int = 64
    relation_size: int = 64

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        super().__post_init__()
        if type(self.relation_size) is not int or not 1 <= self.relation_size <= 1 << 12:
            raise ValueError(f"relation_size must be a whole number from 1 to {1 << 12}, got {self.relation_size!r}")


class TransR(EmbeddingModel):
    """``-|h M_r + r - t M_r|`` with lengths after the projection at most 1 (Lin et al. 2015, equations 7 and 8).

    The paper squares the length, which changes no order. A relation's row holds its translation (relation_size), then
    its matrix (dim, relation_size).
    """

    name = "transr"
    Config = TransRConfig
    projects = True

    config: TransRConfig

    def __init__(self, num_entities: int, num_relations: int, config: TransRConfig) -> None:
        self._split = [config.relation_size, config.dim * config.relation_size]
        super().__init__(num_entities, num_relations, config)
        self.measure = "l2"

    @property
    def relation_dim(self) -> int:
        """See the base class."""
        return sum(self._split)

    def initialize(self) -> None:
        """Entities and translations as TransE's, matrices near the identity (Lin et al. 2015, section 4.2)."""
        bound = (6 / self.config.dim) ** 0.5
        nn.init.uniform_(self.entities, -bound, bound)
        with torch.no_grad():
            translations, matrices = torch.split(self.relations, self._split, 1)
            nn.init.uniform_(translations, -bound, bound)
            matrices.copy_(torch.eye(self.config.dim, self.config.relation_size).flatten())
            matrices.add_(torch.randn_like(matrices), alpha=0.01)

    def query(self, sources: Tensor, relations: Tensor) -> Tensor:
        """See the base class."""
        translations, matrices = torch.split(relations, self._split, 1)
        matrices = matrices.reshape(-1, self.config.dim, self.config.relation_size)
        turned: Tensor = _at_most_unit(torch.bmm(sources[:, None], matrices)[:, 0]) + translations
        return turned

    def targets(self, entities: Tensor, relation: Tensor) -> Tensor:
        """See the base class."""
        matrix = relation[self._split[0] :].view(self.config.dim, self.config.relation_size)
        return _at_most_unit(entities @ matrix)


def _at_most_unit(vectors: Tensor) -> Tensor:
    """Vectors longer than 1 shortened to 1."""
    lengths: Tensor = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    return vectors / lengths.clamp_min(1.0)
