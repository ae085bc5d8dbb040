"""A shop small enough to train on in a test, and an agent trained on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kgwalk import data
from kgwalk.agents.nser import Nser, NserConfig
from kgwalk.data import Recommendation

#: 40 users, 24 items of 6 brands; a user buys of two brands, whose items are bought with each other.
USERS, ITEMS, BRANDS = 40, 24, 6


def shop_files() -> dict[str, str]:
    """Text of the files of the shop."""
    rng = np.random.default_rng(3)
    facts = [f"item/{i}\tmade_by\tbrand/{i % BRANDS}" for i in range(ITEMS)]
    facts += [f"item/{i}\tlike\titem/{(i + BRANDS) % ITEMS}" for i in range(ITEMS)]
    train, test = [], []
    for user in range(USERS):
        liked = [i for i in range(ITEMS) if i % BRANDS in (user % BRANDS, (user + 1) % BRANDS)]
        bought = rng.permutation(liked)[:6].tolist()
        train += [f"user/{user}\tbought\titem/{i}" for i in bought[:5]]
        test.append(f"user/{user}\tbought\titem/{bought[5]}")
    metapaths = ["bought ^bought bought", "bought made_by ^made_by", "bought like"]
    files = {"kg.txt": facts, "train.txt": train, "test.txt": test, "metapaths.txt": metapaths}
    return {name: "\n".join(lines) + "\n" for name, lines in files.items()}


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Recommendation:
    from kgwalk.data.card_json import card_to_json
    from kgwalk.data.cards import Card

    card = Card(
        name="shop",
        folder="shop",
        title="A shop",
        graph="kg.txt",
        splits=(("train", "train.txt"), ("test", "test.txt")),
        interaction="bought",
        metapaths="metapaths.txt",
    )
    folder = tmp_path_factory.mktemp("data") / "shop"
    folder.mkdir()
    for name, text in {**shop_files(), "card.json": card_to_json(card)}.items():
        (folder / name).write_text(text)
    made = data.load(folder)
    assert isinstance(made, Recommendation)
    return made


SMALL = NserConfig(
    dim=8, hidden=8, batch_size=64, steps=30, validate_every=10, validate_users=0, learning_rate=0.02, explained=2
)


@pytest.fixture(scope="session")
def trained(shop: Recommendation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a whole run of `SMALL`."""
    folder = tmp_path_factory.mktemp("trained")
    Nser.fit(shop, SMALL, folder)
    return folder
