"""Hiding the path behind a recommendation, for an agent that needs it and one that does not."""

from __future__ import annotations

import numpy as np
import pytest

from kgwalk._core import Expand
from kgwalk.evaluation import faithfulness
from kgwalk.evaluation.faithfulness import facts_of_path
from kgwalk.evaluation.path_quality import Explained
from kgwalk.protocols import Ids, Ranked
from kgwalk.search.paths import Paths
from tests.evaluation.shop import make_shop

SHOP = make_shop()
USERS = np.array([SHOP.entity("user/1")], np.int32)


class Counting:
    """Ranks items by how many paths user -buys-> item -r-> x -r'-> item there are; heeds nothing if it is stubborn."""

    def __init__(self, stubborn: bool = False):
        self.stubborn = stubborn

    def answer(self, queries: Ids, graph: Expand) -> Ranked:
        whole = Expand(SHOP.graph)
        shown = whole if self.stubborn else graph
        assert len(queries) == 1
        walks = [([int(queries[0, 0])], [])]
        for _ in range(3):
            grown = []
            for entities, relations in walks:
                _, edges, tails = shown(np.array(entities[-1:], np.int32), np.array([-1], np.int32), None, False)
                grown += [
                    ([*entities, t], [*relations, r]) for r, t in zip(edges.tolist(), tails.tolist(), strict=True)
                ]
            walks = grown
        own = set(SHOP.graph.slice(int(queries[0, 0]), SHOP.interact)[:, 1].tolist())
        ends = [w for w in walks if SHOP.items.first <= w[0][-1] < SHOP.items.last and w[0][-1] not in own]
        counts: dict[int, int] = {}
        for entities, _ in ends:
            counts[entities[-1]] = counts.get(entities[-1], 0) + 1
        best = sorted(counts, key=lambda item: (-counts[item], item))
        return Ranked(
            np.array([0, len(best)], np.int64),
            np.array(best, np.int32),
            np.array([counts[item] for item in best], np.float64),
            Paths(
                np.zeros(len(ends), np.int32),
                np.array([e for e, _ in ends], np.int32).reshape(-1, 4),
                np.array([r for _, r in ends], np.int32).reshape(-1, 3),
                np.zeros(len(ends)),
                SHOP.graph.stay,
            ),
        )


def test_an_agent_that_follows_its_paths_loses_the_item() -> None:
    # User 1 reaches c by a and user 2 alone, d and e by a and the genre: without any of these facts the item is gone.
    found = faithfulness(Counting(), SHOP, USERS)
    assert {SHOP.entities[int(item)] for item in found.items} == {"item/c", "item/d", "item/e"}
    assert found.metrics["gone"] == 1
    assert (found.score_without == -np.inf).all()
    assert found.metrics["reciprocal_rank_change"] == pytest.approx(-(1 + 1 / 2 + 1 / 3) / 3)


def test_an_agent_that_heeds_nothing_keeps_everything() -> None:
    found = faithfulness(Counting(stubborn=True), SHOP, USERS)
    assert found.metrics == {
        "gone": 0,
        "fell": 0,
        "rank_change": 0,
        "score_change": 0,
        "reciprocal_rank_change": 0,
        "others_rank_change": 0,
    }


def test_a_few_paths_are_drawn_by_seed() -> None:
    one = faithfulness(Counting(), SHOP, USERS, paths=1, seed=5)
    assert len(one.items) == 1
    assert faithfulness(Counting(), SHOP, USERS, paths=1, seed=5).items == one.items


def test_facts_of_a_path_are_told_forwards_and_once() -> None:
    a, g, d = (SHOP.entity(name) for name in ("item/a", "genre/g", "item/d"))
    of, back = SHOP.relation("of"), SHOP.relation("^of")
    facts = facts_of_path(Explained(0, 0, (a, g, a, g, d), (of, back, of, back)), SHOP.graph.num_relations)
    assert facts.tolist() == sorted([[a, of, g], [d, of, g]])
