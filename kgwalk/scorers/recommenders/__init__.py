"""Recommender models: what they score by, what they learn by, what they keep of a dataset."""

from .attentive import Kgat, KgatConfig
from .base import Neighbour, Objective, Recommender, RecommenderConfig
from .collaborative import Cke, CkeConfig
from .factorization import Fm, FmConfig, FmTransE, FmTransEConfig, Svd, SvdConfig
from .metapath_features import Per, PerConfig
from .receptive import Kgcn, KgnnLs, MiKgnn, Receptive
from .receptive_config import ReceptiveConfig
from .ripple import RippleConfig, RippleNet

RECOMMENDERS: dict[str, type[Recommender]] = {
    model.name: model for model in (Cke, Fm, FmTransE, Kgat, Kgcn, KgnnLs, MiKgnn, Per, RippleNet, Svd)
}

__all__ = [
    "RECOMMENDERS",
    "Cke",
    "CkeConfig",
    "Fm",
    "FmConfig",
    "FmTransE",
    "FmTransEConfig",
    "Kgat",
    "KgatConfig",
    "Kgcn",
    "KgnnLs",
    "MiKgnn",
    "Neighbour",
    "Objective",
    "Per",
    "PerConfig",
    "Receptive",
    "ReceptiveConfig",
    "Recommender",
    "RecommenderConfig",
    "RippleConfig",
    "RippleNet",
    "Svd",
    "SvdConfig",
]
