from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kgwalk._core import ActionSets, Expand, Graph, find_paths
from kgwalk.agents.policies.path import PathPolicy
from kgwalk.agents.walker import walking_rules
from kgwalk.agents.warm_start import AnswerPaths

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
