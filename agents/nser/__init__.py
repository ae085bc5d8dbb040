"""NSER: neural-symbolic explainable recommendation (Xian et al. 2020)."""

from .agent import Nser
from .config import NserConfig

__all__ = ["Nser", "NserConfig"]
