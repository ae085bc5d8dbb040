"""Recommendations with their reasons: a list for one user, sentences, and the layout tree of what speaks for it."""

from kgwalk.recommend.recommender import Recommender, recommend
from kgwalk.recommend.templates import Template, Templates
from kgwalk.recommend.words import LayoutNode, MetapathShare, Reason, Recommendations, Recommended

__all__ = [
    "LayoutNode",
    "MetapathShare",
    "Reason",
    "Recommendations",
    "Recommended",
    "Recommender",
    "Template",
    "Templates",
    "recommend",
]
