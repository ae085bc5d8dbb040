"""Walks as a Minari dataset, and one of them walked again. Needs ``pip install 'kgwalk[minari]'``, no torch.

``python agents/examples/minari_export.py --walks 100`` writes to ``$MINARI_DATASETS_PATH``, else to
``~/.minari/datasets``. A policy of one's own takes the place of ``choose``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import minari
import numpy as np

import kgwalk  # noqa: F401  (registers the ids)
from kgwalk.integrations.minari import export_walks, replay


def choose(observation: dict[str, Any]) -> int:
    """Follow the relation asked for where it is open; else the last move of the list, which is STAY if alone."""
    legal = observation["action_mask"] == 1
    asked = np.flatnonzero(legal & (observation["relations"] == observation["query_relation"]))
    return int(asked[0] if len(asked) else np.flatnonzero(legal)[-1])


def main(arguments: Sequence[str] | None = None) -> None:
    """Write, load, walk again, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", default="KGWalk-Family")
    parser.add_argument("--walks", type=int, default=100)
    parser.add_argument("--id", default="kgwalk/family/asked-first-v0")
    options = parser.parse_args(arguments)
    export_walks(gym.make(options.env), options.id, options.walks, choose, algorithm="the relation asked for first")

    dataset = minari.load_dataset(options.id)
    (note,) = dataset.storage.get_episode_metadata([0])
    same = replay(dataset.recover_environment(), dataset[0], note["options"])
    hits = sum(float(episode.rewards[-1]) for episode in dataset)
    print(f"{len(dataset)} walks, {hits:.0f} hit; the first, walked again, is {'the same' if same else 'another'}")


if __name__ == "__main__":
    main()
