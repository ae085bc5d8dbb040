"""Two agents that choose at random, under PettingZoo. Needs ``pip install 'kgwalk[pettingzoo]'``, no torch.

``python agents/examples/pettingzoo_random.py --dataset Bookshop`` prints the last walk and what all walks earned.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from kgwalk.integrations.pettingzoo import env


def main(arguments: Sequence[str] | None = None) -> None:
    """Walk and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="Family")
    parser.add_argument("--walks", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    game = env(options.dataset, render_mode="ansi")
    earned: dict[str, float] = {}
    for walk in range(options.walks):
        game.reset(seed=options.seed + walk)
        for agent in game.possible_agents:
            game.action_space(agent).seed(options.seed + walk)
        for agent in game.agent_iter():
            observation, reward, terminated, truncated, _ = game.last()
            earned[agent] = earned.get(agent, 0.0) + reward
            over = terminated or truncated
            game.step(None if over else game.action_space(agent).sample(observation["action_mask"]))
    print(game.render())
    for agent, reward in earned.items():
        print(f"{agent} earned {reward:.0f} in {options.walks} walks")


if __name__ == "__main__":
    main()
