"""RotatE (Sun et al. 2019): a relation turns each complex number of an entity by an angle."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, cat, nn

from .base import EmbeddingModel
from .bilinear import ComplExConfig, complex_product, cubed_moduli


@dataclass(frozen=True)
class RotatEConfig(ComplExConfig):
    """Sizes of RotatE.

    Attributes:
        distance: ``"l2"``, the Euclidean length of the complex difference, one matrix product; or ``"modulus"``, the
            sum of its moduli, as the authors' code has it. Training with modulus is slow.
    """

    distance: Literal["l2", "modulus"] = "l2"

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        super().__post_init__()
        if self.distance not in ("l2", "modulus"):
            raise ValueError(f"distance must be l2 or modulus, got {self.distance!r}")


class RotatE(EmbeddingModel):
    """``-|h * r - t|`` with ``r_i = exp(i phase_i)`` (Sun et al. 2019, equation 2). Relations hold phases (dim / 2)."""

    name = "rotate"
    Config = RotatEConfig

    def __init__(self, num_entities: int, num_relations: int, config: RotatEConfig) -> None:
        super().__init__(num_entities, num_relations, config)
        self.measure = config.distance

    @property
    def relation_dim(self) -> int:
        """See the base class."""
        return self.config.dim // 2

    def initialize(self) -> None:
        """See the base class."""
        nn.init.uniform_(self.entities, -0.05, 0.05)
        nn.init.uniform_(self.relations, -math.pi, math.pi)

    @property
    def fact_kernel(self) -> str:
        """See the base class."""
        return "rotate-modulus" if self.measure == "modulus" else "rotate"

    def kernel_relations(self, relations: Tensor) -> Tensor:
        """See the base class: cosines, then sines."""
        return cat([relations.cos(), relations.sin()], -1)

    def query(self, sources: Tensor, relations: Tensor) -> Tensor:
        """See the base class."""
        return complex_product(sources, self.kernel_relations(relations))

    def penalty(self, sources: Tensor, relations: Tensor, targets: Tensor) -> Tensor:
        """Moduli of the entities cubed, as ComplEx's; those of relations are 1."""
        return (cubed_moduli(sources) + cubed_moduli(targets)) / len(sources)
