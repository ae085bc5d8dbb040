"""RuleGuider: two agents, guided by mined rules, trained in four stages."""

from .agent import RuleGuider
from .config import RuleGuiderConfig

__all__ = ["RuleGuider", "RuleGuiderConfig"]
