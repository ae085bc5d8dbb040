"""Gymnasium environments: one walker or many over a knowledge graph."""

from kgwalk.envs.recommending import PatternReward, TeacherReward
from kgwalk.envs.registration import environment_ids, register_environments
from kgwalk.envs.rewards import Hit, register_reward
from kgwalk.envs.shaping import ScorerReward
from kgwalk.envs.single import KGWalkEnv
from kgwalk.envs.vector import KGWalkVectorEnv

__all__ = [
    "Hit",
    "KGWalkEnv",
    "KGWalkVectorEnv",
    "PatternReward",
    "ScorerReward",
    "TeacherReward",
    "environment_ids",
    "register_environments",
    "register_reward",
]
