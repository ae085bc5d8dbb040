"""Miners of a part of the heads find what a miner of all finds about them, and together all of it, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgwalk import Graph
from kgwalk.data import family
from kgwalk.protocols import Ids
from kgwalk.rules import Mined, MiningConfig, mine
from kgwalk.rules.shards import Part, divide_heads, merge
from tests.rules.graphs import crowded

ARRAYS = ("head", "head_constant", "body_offsets", "body", "body_constant", "support", "predictions", "confidence")


def assert_same(found: Mined, expected: Mined) -> None:
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(found.rules, name), getattr(expected.rules, name), err_msg=name)
    np.testing.assert_array_equal(found.errors, expected.errors)
    own, theirs = ((m.rounds, m.total_rounds, m.stopped) for m in (found, expected))
    assert own == theirs


def in_shards(graph: Graph, config: MiningConfig, heads: list[Ids], rounds: int | None, seed: int = 0) -> Mined:
    parts = [Part.of(mine(graph, config, seed=seed, rounds=rounds, heads=own)) for own in heads]
    return merge(parts, graph, 1.0)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_shards_together_are_one_miner(data: st.DataObject) -> None:
    graph = data.draw(crowded()).graph()
    heads = divide_heads(graph, data.draw(st.integers(1, 4)))
    config = MiningConfig(
        max_length=data.draw(st.integers(1, 3)), object_identity=data.draw(st.booleans()), min_support=1
    )
    rounds = data.draw(st.sampled_from([None, 1, 2]))
    assert_same(in_shards(graph, config, heads, rounds), mine(graph, config, rounds=rounds))


@pytest.mark.parametrize("rounds", [1, 10, 70, None])
def test_estimates_and_their_errors_are_the_same_at_every_round(rounds: int | None) -> None:
    graph = family().graph
    config = MiningConfig(constants=False)
    expected = mine(graph, config, seed=7, rounds=rounds)
    assert rounds is None or rounds > 64 or expected.errors.any()
    assert_same(in_shards(graph, config, divide_heads(graph, 3), rounds, seed=7), expected)


def test_rules_about_some_heads_only() -> None:
    graph = family().graph
    rules = mine(graph, heads=np.array([2, 0], np.int32)).rules
    assert set((rules.head % graph.num_relations).tolist()) == {0, 2}


@pytest.mark.parametrize(
    ("heads", "error", "words"),
    [([], ValueError, "one relation or more"), ([99], IndexError, "relation 99"), ([-1], IndexError, "relation -1")],
)
def test_heads_that_are_none_are_refused(heads: list[int], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        mine(family().graph, heads=np.array(heads, np.int32))


@pytest.mark.parametrize("count", [1, 3, 100])
def test_heads_are_divided_whole_and_evenly(count: int) -> None:
    graph = family().graph
    shards = divide_heads(graph, count)
    assert len(shards) == min(count, graph.num_relations)
    assert sorted(np.concatenate(shards).tolist()) == list(range(graph.num_relations))
    facts = np.bincount(graph.edges[:, 0], minlength=graph.num_relations)
    loads = [facts[own].sum() for own in shards]
    assert max(loads) <= max(facts[: graph.num_relations].max(), graph.num_facts / len(shards) * 1.5)


def test_no_shards_are_refused() -> None:
    with pytest.raises(ValueError, match="expected 1 or more, got 0"):
        divide_heads(family().graph, 0)
