"""Hand-made sets with the corners that a drawn market has not, and a labelled market."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgwalk._core import TripleReader
from kgwalk.data import LabelledRecommendation, labelled
from kgwalk.data.dataset import facts_of
from kgwalk.data.recommendation.dataset import Recommendation, assemble_recommendation
from kgwalk.scorers import Recommender
from tests.evaluation.shop import CARD
from tests.scorers.recommenders.market import make_market

Array = NDArray[np.float64]

#: Of item c nothing is known; item a was made for user 1, which is a fact of a user; user 4 has no training item.
_FACTS = "a of g, a by x, b by x, d of g, d of h, x owns y, g in h, a for user/1"
_TRAIN = "1a 1b 2a 2c 3c"
_VALID = "1c 4d"


def make_tiny() -> Recommendation:
    """4 users, items a to d; see above."""
    reader = TripleReader()

    def entity(name: str) -> str:
        kind = {"x": "brand", "y": "brand", "g": "genre", "h": "genre"}.get(name, "item")
        return name if "/" in name else f"{kind}/{name}"

    def pairs(text: str) -> bytes:
        return "".join(f"user/{pair[0]}\tbuys\titem/{pair[1]}\n" for pair in text.split()).encode()

    rows = [row.split() for row in _FACTS.split(", ")]
    facts = "".join(f"{entity(head)}\t{relation}\t{entity(tail)}\n" for head, relation, tail in rows)
    splits = {split: reader.add(pairs(text), split) for split, text in (("train", _TRAIN), ("valid", _VALID))}
    return assemble_recommendation(CARD, reader, reader.add(facts.encode(), "facts"), splits)


def make_labelled(seed: int = 0, *, linked: bool = True) -> LabelledRecommendation:
    """The market, labelled."""
    return labelled(make_market(linked=linked), seed)


def entity(dataset: Recommendation, name: str) -> int:
    """Its id."""
    return int(dataset.entities.find_all([name])[0])


def arrays(model: Recommender) -> dict[str, Any]:
    """All parameters and buffers, numbers in double precision."""
    return {
        key: value.detach().double().numpy() if value.is_floating_point() else value.numpy()
        for key, value in model.state_dict().items()
    }


def all_edges(dataset: Recommendation, *, users: bool) -> set[tuple[int, int, int]]:
    """(head, relation, tail) of the graph, inverse ones too; with or without facts of users."""
    count, first = dataset.graph.num_relations, dataset.users.last
    found = set()
    for head, relation, tail in facts_of(dataset.graph).tolist():
        if users or min(head, tail) >= first:
            found |= {(head, relation, tail), (tail, relation + count, head)}
    return found


def softmax(values: list[float]) -> Array:
    parts = np.exp(np.array(values) - max(values))
    return np.asarray(parts / parts.sum())


def sigmoid(value: float) -> float:
    return float(1 / (1 + np.exp(-value)))


def cross_entropy(logit: float, label: float) -> float:
    return float(-label * np.log(sigmoid(logit)) - (1 - label) * np.log(1 - sigmoid(logit)))
