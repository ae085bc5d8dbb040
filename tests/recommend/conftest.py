"""A shop of three buyers and six items, and an agent whose walks one can work out by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kgwalk._core import TripleReader
from kgwalk.data import Recommendation
from kgwalk.data.cards import Card
from kgwalk.data.recommendation.dataset import assemble_recommendation
from kgwalk.protocols import Ids, Ranked
from kgwalk.search import Paths

CARD = Card(name="Shop", folder="shop", title="A shop", interaction="buys")
MADE, CO_BUYERS = "buys made_by ^made_by", "buys ^buys buys"


def make_shop(folder: Path | None = None, metapaths: Sequence[str] = (MADE, CO_BUYERS)) -> Recommendation:
    """Ada has a and b, Bob has b and c; Cy comes in test only. Nothing leads to f, and e has a maker of its own."""
    reader = TripleReader()
    train = reader.add(
        b"user/ada\tbuys\titem/a\nuser/ada\tbuys\titem/b\nuser/bob\tbuys\titem/b\nuser/bob\tbuys\titem/c\n", "train"
    )
    test = reader.add(b"user/cy\tbuys\titem/a\nuser/ada\tbuys\titem/d\nuser/bob\tbuys\titem/f\n", "test")
    facts = reader.add(
        b"item/a\tmade_by\tmaker/m\nitem/d\tmade_by\tmaker/m\nitem/e\tmade_by\tmaker/n\nitem/c\tgenre\tgenre/g\n"
        b"item/d\tgenre\tgenre/g\nitem/c\tsequel\titem/e\nitem/a\tpart_of\titem/b\n",
        "kg",
    )
    made = assemble_recommendation(CARD, reader, facts, {"train": train, "test": test}, metapaths, folder)
    if folder is not None:
        # What a folder's files would say of names.
        made.__dict__["labels"] = [name.partition("/")[2] for name in made.entities.to_list()]
    return made


@pytest.fixture
def shop() -> Recommendation:
    return make_shop()


class Guide:
    """Walks by hand: names of entities, relations and a probability each; and items without a walk."""

    name = "guide"

    def __init__(self, dataset: Recommendation, *walks: tuple[str, str, float], others: Sequence[str] = ()) -> None:
        self.dataset = dataset
        self.walks_told = walks
        self.others = others

    def answer(self, queries: Ids, graph: Any) -> Ranked:
        data, stay = self.dataset, self.dataset.graph.stay
        rows, lines, steps, logs = [], [], [], []
        for row, user in enumerate(queries[:, 0].tolist()):
            for names, metapath, probability in self.walks_told:
                entities = [user, *(data.entity(name) for name in names.split())]
                relations = list(data.metapath(metapath))
                rest = 4 - len(entities)
                rows.append(row)
                lines.append(entities + entities[-1:] * rest)
                steps.append(relations + [stay] * rest)
                logs.append(math.log(probability))
        paths = Paths(
            np.array(rows, np.int32),
            np.array(lines, np.int32).reshape(-1, 4),
            np.array(steps, np.int32).reshape(-1, 3),
            np.array(logs),
            stay,
        ).sorted()
        offsets, entities_listed, scores = [0], [], []
        for _ in range(len(queries)):
            weights: dict[int, float] = {}
            for names, _, probability in self.walks_told:
                end = data.entity(names.split()[-1])
                weights[end] = weights.get(end, 0.0) + probability
            for name in self.others:
                weights.setdefault(data.entity(name), 1e-6)
            best = sorted(weights, key=lambda entity: -weights[entity])
            entities_listed += best
            scores += [math.log(weights[entity]) for entity in best]
            offsets.append(len(entities_listed))
        return Ranked(
            np.array(offsets, np.int64), np.array(entities_listed, np.int32), np.array(scores, np.float64), paths
        )

    def save(self, folder: Path) -> None:
        raise NotImplementedError


@pytest.fixture
def guide(shop: Recommendation) -> Guide:
    """For Ada: to d over the maker, to c over Bob, to e over c; and an item that she has."""
    return Guide(
        shop,
        ("item/a maker/m item/d", MADE, 0.3),
        ("item/b user/bob item/c", CO_BUYERS, 0.1),
        ("item/b user/bob item/d", CO_BUYERS, 0.1),
        ("item/a item/b", "buys part_of", 0.4),
    )
