from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kgwalk._core import ActionSets, Expand, Graph, find_paths, sample_paths
from kgwalk.agents.policies.path import PathPolicy
from kgwalk.agents.policies.split import SplitPolicy
from kgwalk.agents.rollouts import follow, walk_log_probs
from kgwalk.agents.walker import walking_rules
from kgwalk.agents.warm_start import AnswerPaths, FreshPaths
from kgwalk.protocols import FinishedWalks

from .conftest import facts_of
from .test_rollouts import one_walk_log_prob


def simple_paths(graph: Graph, query: tuple[int, int, int], hops: int) -> set[tuple[tuple[int, int], ...]]:
    """Brute force: every walk that revisits nothing, hides its own fact and ends at the target."""
    source, asked, target = query
    own = {(source, asked, target), (target, graph.inverse(asked), source)}
    found = set()

    def go(at: int, seen: tuple[int, ...], path: tuple[tuple[int, int], ...]) -> None:
        if at == target:
            found.add(path)
            return
        if len(path) == hops:
            return
        for relation, tail in graph.slice(at).tolist():
            if tail not in seen and (at, relation, tail) not in own:
                go(tail, (*seen, tail), (*path, (relation, tail)))

    go(source, (source,), ())
    return found


def as_sets(graph: Graph, queries: np.ndarray, found: tuple[np.ndarray, ...]) -> list[set[tuple[tuple[int, int], ...]]]:
    sets: list[set[tuple[tuple[int, int], ...]]] = [set() for _ in queries]
    for query, entities, relations in zip(*(x.tolist() for x in found), strict=True):
        assert entities[0] == queries[query, 0]
        moves = [(r, e) for r, e in zip(relations, entities[1:], strict=True) if r != graph.stay]
        assert relations == [r for r, _ in moves] + [graph.stay] * (len(relations) - len(moves))
        assert tuple(moves) not in sets[query]
        sets[query].add(tuple(moves))
    return sets


@given(
    facts=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 1), st.integers(0, 6)), min_size=1, max_size=25),
    hops=st.integers(1, 4),
)
def test_paths_are_all_there_are(facts: list[tuple[int, int, int]], hops: int) -> None:
    graph = Graph.from_triples(np.array(facts, np.int32), 7, 2)
    forward = facts_of(graph)
    inverse = np.ascontiguousarray(forward[:, [2, 1, 0]] + np.array([0, 2, 0], np.int32))
    queries = np.concatenate([forward, inverse])
    rules = ActionSets(Expand(graph))
    sets = as_sets(graph, queries, find_paths(rules, queries, hops, 10_000, 10_000))
    assert sets == [simple_paths(graph, tuple(q), hops) for q in queries.tolist()]


def test_limits_sample_among_the_paths(small: Graph) -> None:
    queries = facts_of(small)
    rules = walking_rules(small, 0, training=True)
    every = as_sets(small, queries, find_paths(rules, queries, 3, 10_000, 10_000))
    few = as_sets(small, queries, find_paths(rules, queries, 3, 2, 10_000, 7))
    assert all(len(a) == min(2, len(b)) and a <= b for a, b in zip(few, every, strict=True))
    narrow = as_sets(small, queries, find_paths(rules, queries, 3, 10_000, 2, 7))
    assert all(a <= b for a, b in zip(narrow, every, strict=True))
    with pytest.raises(ValueError, match="at least 1"):
        find_paths(rules, queries, 0)
    with pytest.raises(ValueError, match="hops must be at most 16, got 17"):
        find_paths(rules, queries, 17)
    untold = queries.copy()
    untold[:, 2] = -1
    with pytest.raises(ValueError, match="target"):
        find_paths(rules, untold)


def test_loss_is_the_likelihood_of_the_targets(small: Graph, policy: PathPolicy) -> None:
    queries = facts_of(small)
    paths = AnswerPaths(walking_rules(small, 0, training=True), queries, hops=3, max_paths=99, max_branch=99, seed=0)
    rows = paths.reachable[[3, 0, 7]]
    expected = []
    for row in rows:
        own = range(paths.offsets[row], paths.offsets[row + 1])
        log_probs = [
            one_walk_log_prob(policy, small, queries[row], paths.entities[p].tolist(), paths.relations[p].tolist())
            for p in own
        ]
        expected.append(-math.log(sum(math.exp(x) for x in log_probs)))
    assert paths.loss(policy, rows).item() == pytest.approx(np.mean(expected), abs=1e-4)
    assert torch.isfinite(paths.loss(policy, paths.reachable))


def probability(policy: SplitPolicy, graph: Graph, query: np.ndarray, worth: Callable[[int], float]) -> float:
    """Of all simple walks to the target, each times what it is worth by its number of moves."""
    total = 0.0
    for path in simple_paths(graph, tuple(query.tolist()), 3):
        waits = 3 - len(path)
        relations = [r for r, _ in path] + [graph.stay] * waits
        entities = [int(query[0]), *(e for _, e in path)] + [int(query[2])] * waits
        total += worth(len(path)) * math.exp(one_walk_log_prob(policy, graph, query, entities, relations))
    return total


def fresh(graph: Graph, queries: np.ndarray, **kwargs: Any) -> FreshPaths:
    numbers = {"hops": 3, "max_paths": 999, "max_branch": 999, "seed": 0} | kwargs
    return FreshPaths(walking_rules(graph, 0, training=True), queries, **numbers)


def test_fresh_paths_without_limits_give_the_exact_likelihood(small: Graph, split: SplitPolicy) -> None:
    """Of the targets, or weighted by what a walk earns; queries without a path are left out."""
    queries = facts_of(small)
    chances = [probability(split, small, q, lambda _: 1.0) for q in queries[:6]]
    assert sum(p > 0 for p in chances) > 0
    expected = np.mean([-math.log(p) for p in chances if p > 0])
    assert fresh(small, queries).loss(split, np.arange(6), 0).item() == pytest.approx(expected, abs=1e-4)

    def reward(walks: FinishedWalks, asked: np.ndarray) -> np.ndarray:
        assert walks.hit.all()
        np.testing.assert_array_equal(walks.entities[:, 0], asked[:, 0])
        np.testing.assert_array_equal(walks.entities[:, -1], asked[:, 2])
        return 1.0 / (1 + (walks.relations != small.stay).sum(axis=1))

    chances = [probability(split, small, q, lambda moves: 1 / (1 + moves)) for q in queries[:6]]
    expected = np.mean([-math.log(p) for p in chances if p > 0])
    weighted = fresh(small, queries, reward=reward).loss(split, np.arange(6), 0)
    assert weighted.item() == pytest.approx(expected, abs=1e-4)


def test_fresh_paths_are_drawn_by_seed_and_step(small: Graph, split: SplitPolicy) -> None:
    queries = facts_of(small)
    few = {"max_paths": 1, "max_branch": 2}
    first, again, later = (fresh(small, queries, **few).loss(split, np.arange(40), step).item() for step in (3, 3, 4))
    other = fresh(small, queries, **few, seed=1).loss(split, np.arange(40), 3).item()
    assert first == again
    assert len({first, later, other}) == 3


def test_few_fresh_paths_estimate_the_probability_to_arrive(small: Graph, split: SplitPolicy) -> None:
    """Whatever the policy: not its logarithm, which is what the loss takes of one draw."""
    query = max(facts_of(small), key=lambda q: len(simple_paths(small, tuple(q.tolist()), 3)))
    exact = probability(split, small, query, lambda _: 1.0)
    rules = walking_rules(small, 0, training=True)
    estimates = []
    with torch.no_grad():
        for seed in range(120):
            _, entities, relations, weight = sample_paths(rules, query[None], 3, 2, 3, seed)
            of_walk = np.zeros(len(weight), np.int64)
            log_prob = walk_log_probs(follow(split, rules, query[None], of_walk, entities, relations))
            estimates.append((log_prob + torch.from_numpy(weight)).exp().sum().item())
    error = np.std(estimates) / math.sqrt(len(estimates))
    assert error < exact / 3
    assert np.mean(estimates) == pytest.approx(exact, abs=5 * error)


def test_a_batch_in_which_no_answer_can_be_reached_is_told(split: SplitPolicy, small: Graph) -> None:
    reached = {q for q in range(len(facts_of(small))) if simple_paths(small, tuple(facts_of(small)[q].tolist()), 1)}
    rows = np.array([q for q in range(len(facts_of(small))) if q not in reached])
    with pytest.raises(ValueError, match=rf"none of the {len(rows)} training queries of step 7 .* within 1 hops"):
        fresh(small, facts_of(small), hops=1).loss(split, rows, 7)
