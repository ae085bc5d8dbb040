"""Scorers: how plausible a fact is.

``load`` gives the embedding model of a training run; ``from_pykeen`` takes one over that PyKEEN trained. What needs
torch is imported when it is first asked for, so that environments can be made without.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from kgwalk.scorers.facts import score_facts

if TYPE_CHECKING:
    from kgwalk.scorers.embedding import EmbeddingScorer, sorted_by_score
    from kgwalk.scorers.linear import LinearScorer, cosine_weights, training_profiles
    from kgwalk.scorers.loading import load
    from kgwalk.scorers.losses import Contrast
    from kgwalk.scorers.measures import has_bfloat16
    from kgwalk.scorers.models import MODELS, EmbeddingModel, ModelConfig
    from kgwalk.scorers.pykeen import from_pykeen
    from kgwalk.scorers.recommender import ClickScorer, RecommenderScorer
    from kgwalk.scorers.recommenders import RECOMMENDERS, Recommender
    from kgwalk.scorers.typed_loss import TypedSoftmax

_LAZY = {
    "MODELS": "models",
    "RECOMMENDERS": "recommenders",
    "ClickScorer": "recommender",
    "Contrast": "losses",
    "EmbeddingModel": "models",
    "EmbeddingScorer": "embedding",
    "LinearScorer": "linear",
    "ModelConfig": "models",
    "Recommender": "recommenders",
    "RecommenderScorer": "recommender",
    "TypedSoftmax": "typed_loss",
    "cosine_weights": "linear",
    "from_pykeen": "pykeen",
    "has_bfloat16": "measures",
    "load": "loading",
    "sorted_by_score": "embedding",
    "training_profiles": "linear",
}

__all__ = [
    "MODELS",
    "RECOMMENDERS",
    "ClickScorer",
    "Contrast",
    "EmbeddingModel",
    "EmbeddingScorer",
    "LinearScorer",
    "ModelConfig",
    "Recommender",
    "RecommenderScorer",
    "TypedSoftmax",
    "cosine_weights",
    "from_pykeen",
    "has_bfloat16",
    "load",
    "score_facts",
    "sorted_by_score",
    "training_profiles",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
