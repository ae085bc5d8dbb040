"""Walkers that Stable-Baselines3 trains: MaskablePPO on edges, PPO on split decisions."""

from .agent import SB3MaskablePPO, SB3SplitPPO, SB3Walker
from .config import SB3Config

__all__ = ["SB3Config", "SB3MaskablePPO", "SB3SplitPPO", "SB3Walker"]
