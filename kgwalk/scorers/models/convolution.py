"""ConvE (Dettmers et al. 2018): a small convolutional network makes the query's vector."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .base import EmbeddingModel, ModelConfig


@dataclass(frozen=True)
class ConvEConfig(ModelConfig):
    """Sizes of ConvE.

    Attributes:
        height: rows of the picture that a vector is folded into; ``dim`` is a multiple of it.
        channels: of the convolution.
        kernel: rows and columns of its filters.
        input_dropout: share of the picture's numbers that are dropped in training.
        feature_dropout: share of the convolution's channels.
        hidden_dropout: share of the numbers of the query's vector.
    """

    dim: int = 200
    height: int = 20
    channels: int = 32
    kernel: int = 3
    input_dropout: float = 0.2
    feature_dropout: float = 0.2
    hidden_dropout: float = 0.3

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        super().__post_init__()
        for key in ("height", "channels", "kernel"):
            if type(getattr(self, key)) is not int or not 1 <= getattr(self, key) <= 1 << 12:
                raise ValueError(f"{key} must be a whole number from 1 to {1 << 12}, got {getattr(self, key)!r}")
        if self.dim % self.height:
            raise ValueError(f"dim must be a multiple of height, got {self.dim} and {self.height}")
        if self.kernel > min(2 * self.height, self.dim // self.height):
            raise ValueError(
                f"kernel {self.kernel} is larger than the picture of {2 * self.height} x {self.dim // self.height}"
            )
        for key in ("input_dropout", "feature_dropout", "hidden_dropout"):
            if not 0 <= getattr(self, key) < 1:
                raise ValueError(f"{key} must be at least 0 and below 1, got {getattr(self, key)!r}")


class ConvE(EmbeddingModel):
    """``relu(W relu(conv([h; r]))) . t + b_t`` (Dettmers et al. 2018, equation 1).

    Source and relation are folded into pictures (height, dim / height), one above the other. Normalised over the batch
    before and after the convolution and after the linear layer, as in the authors' code.
    """

    name = "conve"
    Config = ConvEConfig

    config: ConvEConfig

    def __init__(self, num_entities: int, num_relations: int, config: ConvEConfig) -> None:
        super().__init__(num_entities, num_relations, config)
        self.bias = nn.Parameter(torch.zeros(num_entities, 1))
        height, width = 2 * config.height, config.dim // config.height
        features = config.channels * (height - config.kernel + 1) * (width - config.kernel + 1)
        self.picture = nn.Sequential(
            nn.BatchNorm2d(1),
            nn.Dropout(config.input_dropout),
            nn.Conv2d(1, config.channels, config.kernel),
            nn.BatchNorm2d(config.channels),
            nn.ReLU(),
            nn.Dropout2d(config.feature_dropout),
        )
        self.hidden = nn.Sequential(
            nn.Flatten(),
            nn.Linear(features, config.dim),
            nn.Dropout(config.hidden_dropout),
            nn.BatchNorm1d(config.dim),
            nn.ReLU(),
        )

    def initialize(self) -> None:
        """See the base class; the layers draw their own weights when they are made."""
        nn.init.xavier_normal_(self.entities)
        nn.init.xavier_normal_(self.relations)

    def query(self, sources: Tensor, relations: Tensor) -> Tensor:
        """See the base class."""
        folded = (-1, 1, self.config.height, self.config.dim // self.config.height)
        stacked = torch.cat([sources.reshape(folded), relations.reshape(folded)], 2)
        vectors: Tensor = self.hidden(self.picture(stacked))
        return vectors
