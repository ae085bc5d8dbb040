"""kgwalk for Stable-Baselines3: its vector environment as a VecEnv, and policies that score candidates.

>>> from stable_baselines3 import PPO
>>> from kgwalk.integrations.sb3 import CandidatePolicy, make_vec_env
>>> model = PPO(CandidatePolicy, make_vec_env("KGWalk-Family", num_envs=128), n_steps=24)  # doctest: +SKIP
>>> model.learn(100_000)  # doctest: +SKIP

``MaskablePPO`` of sb3-contrib takes ``MaskableCandidatePolicy``. Masks are in the observation, so that ``PPO`` and
``A2C``, which know of none, never choose an illegal move either. Needs ``pip install "kgwalk[agents,sb3]"``.
"""

from kgwalk.integrations.extras import needs

with needs("sb3"):
    from kgwalk.integrations.candidates import CandidateConfig, CandidateNetwork
    from kgwalk.integrations.sb3.policies import CandidatePolicy, MaskableCandidatePolicy
    from kgwalk.integrations.sb3.vec_env import KGWalkVecEnv, make_vec_env

__all__ = [
    "CandidateConfig",
    "CandidateNetwork",
    "CandidatePolicy",
    "KGWalkVecEnv",
    "MaskableCandidatePolicy",
    "make_vec_env",
]
