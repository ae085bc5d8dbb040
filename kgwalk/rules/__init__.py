"""Horn rules: sets of them, AnyBURL's text, words, and what guides a walker: a reward and a trie."""

from kgwalk._core import RuleSet
from kgwalk.rules.confidence import SMOOTHING, applied_confidence
from kgwalk.rules.reward import THRESHOLD, RuleReward
from kgwalk.rules.text import read_rules, write_rules
from kgwalk.rules.trie import Continuations, RuleTrie
from kgwalk.rules.words import rule_text, rule_words

__all__ = [
    "SMOOTHING",
    "THRESHOLD",
    "Continuations",
    "RuleReward",
    "RuleSet",
    "RuleTrie",
    "applied_confidence",
    "read_rules",
    "rule_text",
    "rule_words",
    "write_rules",
]
