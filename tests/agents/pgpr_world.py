"""A shop small enough to train on in a test: users like one of three makers, items have makers and themes."""

from __future__ import annotations

import numpy as np
import torch

from kgwalk._core import TripleReader
from kgwalk.agents.pgpr.policy import PgprNetwork, PgprPolicyConfig
from kgwalk.data.cards import Card
from kgwalk.data.recommendation.dataset import Recommendation, assemble_recommendation

CARD = Card(name="Shop", folder="shop", title="A shop of a test", interaction="buys", max_out_degree=32)
METAPATHS = ("buys made_by ^made_by", "buys ^buys buys")


def shop(users: int = 24, items: int = 30, seed: int = 0) -> Recommendation:
    """Users buy mostly of the maker they like; items of one maker are every third one."""
    rng = np.random.default_rng(seed)
    knowledge = [f"item/{i}\tmade_by\tmaker/{i % 3}" for i in range(items)]
    knowledge += [f"item/{i}\tabout\ttheme/{rng.integers(0, 8)}" for i in range(items)]
    bought: dict[str, list[str]] = {"train": [], "test": []}
    for user in range(users):
        own = rng.permutation(np.arange(user % 3, items, 3))[:7].tolist() + rng.integers(0, items, 1).tolist()
        for place, item in enumerate(dict.fromkeys(own)):
            bought["test" if place == 0 else "train"].append(f"user/{user}\tbuys\titem/{item}")
    reader = TripleReader()

    def read(lines: list[str], name: str) -> np.ndarray:
        return reader.add("".join(line + "\n" for line in lines).encode(), name)

    interactions = {split: read(lines, split) for split, lines in bought.items()}
    return assemble_recommendation(CARD, reader, read(knowledge, "kg"), interactions, METAPATHS)


def network(dataset: Recommendation, config: PgprPolicyConfig, seed: int = 0) -> PgprNetwork:
    """Weights large enough that no choice is near uniform."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = PgprNetwork(dataset.graph.num_entities, dataset.graph.num_relations, config)
        with torch.no_grad():
            for parameter in made.parameters():
                parameter.mul_(2)
    return made
