"""Reference agents, installed and imported as ``kgwalk.agents``. They use only kgwalk's public API."""

if __name__ != "kgwalk.agents":
    raise ImportError("import kgwalk.agents, not agents: a second copy would make a second copy of every class")

from .registry import get, load, names
from .reinforce import Reinforce, ReinforceConfig
from .reranked import Reranked
from .rules import RuleAgent, RulesConfig
from .walker import WalkerAgent

__all__ = [
    "Reinforce",
    "ReinforceConfig",
    "Reranked",
    "RuleAgent",
    "RulesConfig",
    "WalkerAgent",
    "get",
    "load",
    "names",
]
