"""Recommender models: what they score by, what they learn by, what they keep of a dataset."""

from .attentive import Kgat, KgatConfig
from .base import Neighbour, Objective, Recommender, RecommenderConfig
from .receptive import Kgcn, KgnnLs, MiKgnn, Receptive, ReceptiveConfig
from .ripple import RippleConfig, RippleNet

RECOMMENDERS: dict[str, type[Recommender]] = {model.name: model for model in (Kgat, Kgcn, KgnnLs, MiKgnn, RippleNet)}

__all__ = [
    "RECOMMENDERS",
    "Kgat",
    "KgatConfig",
    "Kgcn",
    "KgnnLs",
    "MiKgnn",
    "Neighbour",
    "Objective",
    "Receptive",
    "ReceptiveConfig",
    "Recommender",
    "RecommenderConfig",
    "RippleConfig",
    "RippleNet",
]
