"""Recommendation sets: users, items, what is known of items, and metapaths from one to the other."""

from kgwalk.data.recommendation.dataset import Recommendation

__all__ = ["Recommendation"]
