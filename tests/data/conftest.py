"""Small folders of facts, and the real benchmarks where they are at hand."""

import gzip
import os
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from kgwalk.data import load
from kgwalk.data.card_json import card_to_json
from kgwalk.data.cards import Card

#: A toy set: loops, a duplicate, an isolated entity (eve occurs in test only).
TRAIN = "ada\tknows\tbob\nbob\tknows\tcy\ncy\tknows\tcy\nada\tknows\tbob\ncy\tlikes\tada\n"
VALID = "ada\tknows\tcy\n"
TEST = "bob\tlikes\teve\n"


@pytest.fixture
def toy(tmp_path):
    """A folder with train, valid and test."""
    return write(tmp_path / "toy", {"train.txt": TRAIN, "valid.txt": VALID, "test.txt": TEST})


@pytest.fixture(scope="session")
def benchmarks():
    """$KGWALK_DATA, or a skip."""
    root = os.environ.get("KGWALK_DATA")
    if not root:
        pytest.skip("KGWALK_DATA is not set: no benchmark files")
    return Path(root)


@pytest.fixture(scope="session")
def load_real(benchmarks):
    """Loads a benchmark by name, once a session."""
    return cache(lambda name: load(name, data_dir=benchmarks))


def write(folder, files):
    """Write text or bytes under the given names, compressed if the name ends in .gz."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return folder


@pytest.fixture
def write_files():
    """The `write` helper."""
    return write


#: What is known of a small shop's items; interactions by user; two metapaths.
SHOP = {
    "kg.txt": "".join(f"item/{i}\tmade_by\tbrand/{i % 3}\n" for i in range(8)) + "item/0\tlike\titem/7\n",
    "train.txt": "".join(f"user/{u}\tbought\titem/{(u + i) % 8}\n" for u in range(6) for i in range(u + 1)),
    "test.txt": "user/0\tbought\titem/7\nuser/1\tbought\titem/3\n",
    "metapaths.txt": "bought made_by rev_made_by\nbought worn_by rev_worn_by\nbought ^bought bought\n",
}
SHOP_CARD = Card(
    name="shop",
    folder="shop",
    title="A shop",
    graph="kg.txt",
    splits=(("train", "train.txt"), ("test", "test.txt")),
    interaction="bought",
    metapaths="metapaths.txt",
)


@pytest.fixture
def shop(tmp_path):
    """Makes the folder of the small shop, with other files or card fields if given."""

    def make(files=None, name="shop", **fields):
        card = card_to_json(replace(SHOP_CARD, **fields))
        return write(tmp_path / name, {**SHOP, "card.json": card, **(files or {})})

    return make
