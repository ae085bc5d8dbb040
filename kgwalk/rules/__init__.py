"""Horn rules: mined, as AnyBURL's text, in words, and as what guides a walker: a reward and a trie."""

from kgwalk._core import RuleMiner, RulePredictor, RuleSet
from kgwalk.rules.confidence import SMOOTHING, applied_confidence
from kgwalk.rules.guide import RuleGuide
from kgwalk.rules.instances import RuleInstances
from kgwalk.rules.kinds import KINDS, Kind, count_kinds, rule_kinds
from kgwalk.rules.mining import Mined, MiningConfig, mine
from kgwalk.rules.reward import THRESHOLD, RuleReward
from kgwalk.rules.text import read_rules, write_rules
from kgwalk.rules.trie import Continuations, RuleTrie
from kgwalk.rules.words import rule_text, rule_words

__all__ = [
    "KINDS",
    "SMOOTHING",
    "THRESHOLD",
    "Continuations",
    "Kind",
    "Mined",
    "MiningConfig",
    "RuleGuide",
    "RuleInstances",
    "RuleMiner",
    "RulePredictor",
    "RuleReward",
    "RuleSet",
    "RuleTrie",
    "applied_confidence",
    "count_kinds",
    "mine",
    "read_rules",
    "rule_kinds",
    "rule_text",
    "rule_words",
    "write_rules",
]
