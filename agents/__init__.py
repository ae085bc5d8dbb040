"""Reference agents, installed and imported as ``kgwalk.agents``. They use only kgwalk's public API."""

if __name__ != "kgwalk.agents":
    raise ImportError("import kgwalk.agents, not agents: a second copy would make a second copy of every class")

from .embeddings import EmbeddingAgent, EmbeddingConfig
from .linear import ItemCF, ItemCFConfig, MostPopular, MostPopularConfig
from .nser import Nser, NserConfig
from .path_reasoning import PathReasoning, PathReasoningConfig
from .recommenders import RecommenderAgent, RecommenderTraining
from .registry import get, has_scorer, load, names, recommends
from .reinforce import Reinforce, ReinforceConfig
from .reranked import Reranked
from .rule_guider import RuleGuider, RuleGuiderConfig
from .rules import RuleAgent, RulesConfig
from .sb3 import SB3Config, SB3MaskablePPO, SB3SplitPPO, SB3Walker
from .scorer import ScorerAgent
from .typed_embeddings import TransEDotAgent, TypedEmbeddingConfig
from .walker import WalkerAgent

__all__ = [
    "EmbeddingAgent",
    "EmbeddingConfig",
    "ItemCF",
    "ItemCFConfig",
    "MostPopular",
    "MostPopularConfig",
    "Nser",
    "NserConfig",
    "PathReasoning",
    "PathReasoningConfig",
    "RecommenderAgent",
    "RecommenderTraining",
    "Reinforce",
    "ReinforceConfig",
    "Reranked",
    "RuleAgent",
    "RuleGuider",
    "RuleGuiderConfig",
    "RulesConfig",
    "SB3Config",
    "SB3MaskablePPO",
    "SB3SplitPPO",
    "SB3Walker",
    "ScorerAgent",
    "TransEDotAgent",
    "TypedEmbeddingConfig",
    "WalkerAgent",
    "get",
    "has_scorer",
    "load",
    "names",
    "recommends",
]
