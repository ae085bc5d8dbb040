"""Stable-Baselines3's PPO walks Family, and a beam along what it learnt answers queries with paths.

python -m kgwalk.agents.examples.sb3_ppo --steps 200000
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from stable_baselines3 import PPO

from kgwalk import data
from kgwalk.agents import SB3Walker
from kgwalk.evaluation import evaluate
from kgwalk.integrations.sb3 import CandidatePolicy, make_vec_env


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, measure, and show a walk."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200_000, help="moves to train for (default 200000)")
    options = parser.parse_args(arguments)

    envs = make_vec_env("KGWalk-Family", num_envs=256, seed=0)
    model = PPO(
        CandidatePolicy, envs, n_steps=24, batch_size=1024, n_epochs=3, learning_rate=2e-3, gamma=1.0, ent_coef=0.03,
        seed=0, device="cpu",
    )  # fmt: skip
    model.learn(options.steps)

    family = data.load("Family")
    agent = SB3Walker.of(model.policy.network, family)
    print(f"valid MRR {evaluate(agent, family, 'valid', progress=False).metrics['both']['mrr']:.3f}")
    walk = agent.walks(family.queries("valid")[:1], family.graph)
    names = [family.entities[entity] for entity in walk.entities[0]]
    print(" -> ".join(names))


if __name__ == "__main__":
    main()
