"""Recommender models: what they score by, what they learn by, what they keep of a dataset."""

from .base import Neighbour, Objective, Recommender, RecommenderConfig
from .receptive import Kgcn, KgnnLs, MiKgnn, Receptive, ReceptiveConfig

RECOMMENDERS: dict[str, type[Recommender]] = {model.name: model for model in (Kgcn, KgnnLs, MiKgnn)}

__all__ = [
    "RECOMMENDERS",
    "Kgcn",
    "KgnnLs",
    "MiKgnn",
    "Neighbour",
    "Objective",
    "Receptive",
    "ReceptiveConfig",
    "Recommender",
    "RecommenderConfig",
]
