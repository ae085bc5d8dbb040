"""Horn rules: sets of them, AnyBURL's text, words."""

from kgwalk._core import RuleSet
from kgwalk.rules.text import read_rules, write_rules
from kgwalk.rules.words import rule_text, rule_words

__all__ = ["RuleSet", "read_rules", "rule_text", "rule_words", "write_rules"]
