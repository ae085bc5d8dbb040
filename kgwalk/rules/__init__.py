"""Horn rules ``head(X, Y) <- body``: what agents are rewarded for following, and which moves follow one."""

from kgwalk._core import RuleSet
from kgwalk.rules.confidence import SMOOTHING, applied_confidence
from kgwalk.rules.reward import THRESHOLD, RuleReward
from kgwalk.rules.trie import Continuations, RuleTrie

__all__ = ["SMOOTHING", "THRESHOLD", "Continuations", "RuleReward", "RuleSet", "RuleTrie", "applied_confidence"]
