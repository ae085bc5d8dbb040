"""What speaks for items: weights of metapaths that add up to the score, and the walks that weigh most."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from kgwalk.agents.nser import Nser
from kgwalk.data import Recommendation
from kgwalk.protocols import MetapathWalker


def asked(shop: Recommendation, agent: Nser, user: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    query = np.array([[user, shop.interact, -1]], np.int32)
    ranked = agent.answer(query, shop.graph)
    rows = [[user, shop.interact, item] for item in ranked.entities[:count].tolist()]
    return np.array(rows, np.int32), ranked.scores[:count]


def test_weights_add_up_to_scores_and_walks_are_of_the_answers(shop: Recommendation, trained: Path) -> None:
    agent = Nser.load(trained)
    assert isinstance(agent, MetapathWalker)
    queries, scores = asked(shop, agent, 4, 6)
    reasons = agent.reasons(queries, shop.graph, 2)
    assert reasons is not None
    assert reasons.metapaths == agent.metapaths
    assert reasons.weights.sum(1) == pytest.approx(np.exp(scores), rel=1e-4)
    ends = reasons.paths.entities[:, -1]
    assert ends.tolist() == queries[reasons.paths.query, 2].tolist()
    assert np.bincount(reasons.paths.query, minlength=6).max() <= 2
    # The walks that answering lists are the same.
    listed = agent.answer(queries[:1], shop.graph).paths
    for row, item in enumerate(queries[:, 2].tolist()):
        best = reasons.paths.of(row)
        other = listed.to(item)
        assert best.entities.tolist() == other.entities[np.argsort(-other.log_prob, kind="stable")].tolist()
        assert best.log_prob == pytest.approx(np.sort(other.log_prob)[::-1])


def test_an_item_that_no_walk_leads_to_weighs_nothing(shop: Recommendation, trained: Path) -> None:
    agent = Nser.load(trained)
    own = shop.splits["train"][shop.splits["train"][:, 0] == 4][:1]
    reasons = agent.reasons(np.ascontiguousarray(own), shop.graph, 1)
    assert reasons is not None
    assert not reasons.weights.any()


def test_layouts_list_all_their_walks(shop: Recommendation, trained: Path) -> None:
    agent = Nser.load(trained)
    agent.config = dataclasses.replace(agent.config, score="likelihood")
    assert agent.reasons(np.array([[0, shop.interact, shop.items.first]], np.int32), shop.graph, 1) is None


def test_only_items_have_reasons(shop: Recommendation, trained: Path) -> None:
    with pytest.raises(ValueError, match="gives reasons for items"):
        Nser.load(trained).reasons(np.array([[0, shop.interact, 0]], np.int32), shop.graph, 1)
