"""Knowledge-graph embedding models, all of the form ``measure(query(source, relation), target)``."""

from .base import EmbeddingModel, ModelConfig
from .bilinear import ComplEx, ComplExConfig, DistMult
from .convolution import ConvE, ConvEConfig
from .rotation import RotatE, RotatEConfig
from .translation import TransE, TransEConfig, TransEDot, TransR, TransRConfig

MODELS: dict[str, type[EmbeddingModel]] = {
    model.name: model for model in (ComplEx, ConvE, DistMult, RotatE, TransE, TransEDot, TransR)
}

__all__ = [
    "MODELS",
    "ComplEx",
    "ComplExConfig",
    "ConvE",
    "ConvEConfig",
    "DistMult",
    "EmbeddingModel",
    "ModelConfig",
    "RotatE",
    "RotatEConfig",
    "TransE",
    "TransEConfig",
    "TransEDot",
    "TransR",
    "TransRConfig",
]
