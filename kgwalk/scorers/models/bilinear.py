"""DistMult (Yang et al. 2015) and ComplEx (Trouillon et al. 2016)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, cat

from .base import EmbeddingModel, ModelConfig


class DistMult(EmbeddingModel):
    """``sum_i h_i r_i t_i`` (Yang et al. 2015, equation 2 with a diagonal matrix).

    Symmetric in h and t, except that a relation and its inverse have vectors of their own.
    """

    name = "distmult"

    @property
    def fact_kernel(self) -> str:
        """See the base class."""
        return "distmult"

    def query(self, sources: Tensor, relations: Tensor) -> Tensor:
        """See the base class."""
        return sources * relations

    def penalty(self, sources: Tensor, relations: Tensor, targets: Tensor) -> Tensor:
        """N3 (Lacroix et al. 2018, equation 4): absolute values cubed."""
        return sum((v.abs() ** 3).sum() for v in (sources, relations, targets)) / len(sources)  # type: ignore[return-value]


@dataclass(frozen=True)
class ComplExConfig(ModelConfig):
    """Sizes of ComplEx and RotatE: ``dim`` is even, half of it real parts, half imaginary ones."""

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        super().__post_init__()
        if self.dim % 2:
            raise ValueError(f"dim must be even, real and imaginary parts, got {self.dim}")


class ComplEx(EmbeddingModel):
    """``Re(sum_i h_i r_i conj(t_i))`` over complex vectors (Trouillon et al. 2016, equation 9)."""

    name = "complex"
    Config = ComplExConfig

    @property
    def fact_kernel(self) -> str:
        """See the base class."""
        return "complex"

    def query(self, sources: Tensor, relations: Tensor) -> Tensor:
        """See the base class."""
        return complex_product(sources, relations)

    def penalty(self, sources: Tensor, relations: Tensor, targets: Tensor) -> Tensor:
        """N3 (Lacroix et al. 2018, equation 4): moduli cubed."""
        return sum(cubed_moduli(v) for v in (sources, relations, targets)) / len(sources)  # type: ignore[return-value]


def complex_product(left: Tensor, right: Tensor) -> Tensor:
    """Products of complex vectors (n, dim) that hold real parts first, then imaginary ones."""
    a, b = left.chunk(2, -1)
    c, d = right.chunk(2, -1)
    return cat([a * c - b * d, a * d + b * c], -1)


def cubed_moduli(vectors: Tensor) -> Tensor:
    """Sum of the cubed moduli of complex vectors (n, dim), a scalar."""
    real, imaginary = vectors.chunk(2, -1)
    return ((real * real + imaginary * imaginary) ** 1.5).sum()
