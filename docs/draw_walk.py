"""Draws ``docs/walk.png``, the walk that README shows: ``python docs/draw_walk.py``."""

from pathlib import Path

import gymnasium as gym
import matplotlib.image

import kgwalk  # noqa: F401, registers the environments
from kgwalk.data import load

QUESTION = "cousin"
WALK = ("father", "brother", "^father")  # one's cousin: a child of one's father's brother


def main() -> None:
    """Walk from the first source whose father's brother's child is the target, and save the picture."""
    family = load("Family")
    env = gym.make("KGWalk-Family", split="test", directions="tail", hide_answers=False, render_mode="rgb_array")
    for row, (_, relation, _) in enumerate(family.queries("test")):
        if family.relation_name(int(relation)) == QUESTION and walk(env, row):
            matplotlib.image.imsave(Path(__file__).with_name("walk.png"), env.render())
            return
    raise SystemExit("no test query is answered by that walk")


def walk(env: gym.Env, row: int) -> bool:
    """Follow `WALK` from the source of a query; whether it led to the target."""
    observation, info = env.reset(options={"query": row})
    family = load("Family")
    for name in WALK:
        options = observation["relations"][observation["action_mask"] == 1].tolist()
        wanted = family.relation(name)
        if wanted not in options:
            return False
        observation, _, _, _, info = env.step(options.index(wanted))
    return bool(info["hit"])


if __name__ == "__main__":
    main()
