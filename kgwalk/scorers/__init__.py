"""Scorers: how plausible a fact is."""

from kgwalk.scorers.facts import score_facts

__all__ = ["score_facts"]
