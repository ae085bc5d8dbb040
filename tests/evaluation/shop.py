"""A shop small enough to recommend by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kgwalk._core import TripleReader
from kgwalk.data import Card
from kgwalk.data.recommendation.dataset import Recommendation, assemble_recommendation
from kgwalk.protocols import Ids, Ranked
from kgwalk.search.paths import Paths

CARD = Card(name="Shop", folder="shop", title="shop", interaction="buys", user_type="user", item_type="item")
_FACTS = """item/a made_by brand/x
item/a of genre/g
item/b made_by brand/x
item/c made_by brand/y
item/d of genre/g
item/e of genre/g"""
_TRAIN = """user/1 item/a
user/1 item/b
user/2 item/a
user/2 item/c
user/3 item/d"""
_VALID = """user/1 item/c"""
_TEST = """user/1 item/d
user/1 item/e
user/2 item/b
user/3 item/a"""


def _rows(text: str, relation: str = "") -> bytes:
    lines = [line.split() for line in text.split("\n")]
    return "".join(
        "\t".join([*cells[:1], relation, *cells[1:]] if relation else cells) + "\n" for cells in lines
    ).encode()


def make_shop() -> Recommendation:
    """Users 1 to 3, items a to e; e is in no interaction of train."""
    reader = TripleReader()
    parts = (("train", _TRAIN), ("valid", _VALID), ("test", _TEST))
    splits = {name: reader.add(_rows(text, "buys"), name) for name, text in parts}
    return assemble_recommendation(CARD, reader, reader.add(_rows(_FACTS), "facts"), splits)


class TellingAgent:
    """Gives each user the (item, score) pairs it is told, with a path to those in ``paths``."""

    name = "telling"

    def __init__(
        self,
        shop: Recommendation,
        lists: dict[str, list[tuple[str, float]]],
        paths: list[tuple[str, str]] | None = None,
    ):
        self.shop = shop
        self.lists = {shop.entity(user): [(shop.entity(i), s) for i, s in pairs] for user, pairs in lists.items()}
        self.ends = None if paths is None else [(shop.entity(user), shop.entity(item)) for user, item in paths]
        self.asked: list[list[int]] = []

    def answer(self, queries: Ids, graph: object) -> Ranked:
        self.asked += queries.tolist()
        rows = [self.lists.get(user, []) for user in queries[:, 0].tolist()]
        flat = [pair for row in rows for pair in row]
        paths = None
        if self.ends is not None:
            found = [
                (q, user, item) for q, user in enumerate(queries[:, 0].tolist()) for u, item in self.ends if u == user
            ]
            entities = np.array([[user, item] for _, user, item in found], np.int32).reshape(-1, 2)
            query = np.array([q for q, _, _ in found], np.int32)
            relations = np.full((len(found), 1), self.shop.interact, np.int32)
            paths = Paths(query, entities, relations, np.zeros(len(found)), self.shop.graph.stay)
        return Ranked(
            np.cumsum([0, *map(len, rows)], dtype=np.int64),
            np.array([item for item, _ in flat], np.int32),
            np.array([score for _, score in flat]),
            paths,
        )

    def save(self, folder: Path) -> None:
        raise NotImplementedError
