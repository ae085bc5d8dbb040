"""Explanations: the ranked answers of a query with what leads to them, paths and rules, in words, JSON and pictures."""

from kgwalk.explain.explainer import Explainer, explain, explain_all
from kgwalk.explain.words import Answer, Explanation, Hop, PathInWords, RuleInWords

__all__ = ["Answer", "Explainer", "Explanation", "Hop", "PathInWords", "RuleInWords", "explain", "explain_all"]
