"""Agents that recommend by a trained model of users and items and what is known of these; they do not walk."""

from .agent import RECOMMENDER_AGENTS, RecommenderAgent
from .config import RecommenderTraining

__all__ = ["RECOMMENDER_AGENTS", "RecommenderAgent", "RecommenderTraining"]
