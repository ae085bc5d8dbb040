"""sample_paths against the paths there are, listed one by one."""

from __future__ import annotations

import math
import threading
import time
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgwalk import Graph
from kgwalk._core import ActionSets, Expand, find_paths, sample_paths, set_num_threads

from .oracle import Oracle, facts_array, oracles

ALL = 1 << 20
Path = tuple[tuple[int, int], ...]


def both_ways(oracle: Oracle) -> np.ndarray:
    """Training queries: each fact and its inverse."""
    facts = facts_array(sorted(set(oracle.facts)))
    inverse = facts[:, [2, 1, 0]] + np.array([0, oracle.num_relations, 0], np.int32)
    return np.ascontiguousarray(np.concatenate([facts, inverse]))


def as_dicts(queries: np.ndarray, stay: int, found: tuple[np.ndarray, ...]) -> list[dict[Path, float]]:
    """Per query the moves of its paths, and what each counts (1 where nothing is told)."""
    query, entities, relations, *weight = (x.tolist() for x in found)
    assert query == sorted(query)
    dicts: list[dict[Path, float]] = [{} for _ in queries]
    for p, (q, visited, followed) in enumerate(zip(query, entities, relations, strict=True)):
        assert visited[0] == queries[q, 0]
        assert visited[-1] == queries[q, 2]
        path = tuple((r, e) for r, e in zip(followed, visited[1:], strict=True) if r != stay)
        assert followed == [r for r, _ in path] + [stay] * (len(followed) - len(path))
        assert path not in dicts[q]
        dicts[q][path] = math.exp(weight[0][p]) if weight else 1.0
    return dicts


def sampled(
    actions: ActionSets, queries: np.ndarray, hops: int, max_paths: int, max_branch: int, seed: int = 0
) -> list[dict[Path, float]]:
    return as_dicts(queries, actions.graph.stay, sample_paths(actions, queries, hops, max_paths, max_branch, seed))


def chance(oracle: Oracle, query: list[int], path: Path, hops: int) -> float:
    """That a walker takes this path who chooses a relation at random, then one of its entities; waiting at the end."""
    source, relation, target = query
    hidden = {(source, relation, target), (target, oracle.inverse(relation), source)}
    answers = {t for r, t in oracle.edges()[source] if r == relation} - {target}
    at, total = source, 1.0
    for hop in range(hops):
        moves = defaultdict(set, {oracle.stay: {at}})
        for r, e in oracle.edges()[at]:
            if (at, r, e) not in hidden and not (hop == hops - 1 and e in answers):
                moves[r].add(e)
        followed, to = path[hop] if hop < len(path) else (oracle.stay, at)
        assert to in moves[followed], "an illegal move"
        total /= len(moves) * len(moves[followed])
        at = to
    return total


@given(oracle=oracles(), hops=st.integers(1, 4), cap=st.sampled_from([0, 0, 2]), seed=st.integers(0, 9))
def test_without_limits_it_finds_every_path_and_weighs_none(oracle: Oracle, hops: int, cap: int, seed: int) -> None:
    queries = both_ways(oracle)
    for hide in (True, False):
        actions = ActionSets(Expand(oracle.graph(), max_out_degree=cap), hide_fact=hide, hide_answers=hide)
        every = as_dicts(queries, oracle.stay, find_paths(actions, queries, hops, ALL, ALL))
        assert sampled(actions, queries, hops, ALL, ALL, seed) == every


@given(oracle=oracles(), hops=st.integers(1, 4), seed=st.integers(0, 99))
def test_sampled_paths_are_legal_and_no_more_than_asked_for(oracle: Oracle, hops: int, seed: int) -> None:
    """Legal in training: their own fact is hidden at every step, other answers at the last."""
    queries = both_ways(oracle)
    actions = ActionSets(Expand(oracle.graph()))
    every = sampled(actions, queries, hops, ALL, ALL)
    few = sampled(actions, queries, hops, 2, ALL, seed)
    narrow = sampled(actions, queries, hops, ALL, 1, seed)
    for query, all_, some, thin in zip(queries.tolist(), every, few, narrow, strict=True):
        assert some.keys() <= all_.keys()
        assert thin.keys() <= all_.keys()
        assert len(some) == min(2, len(all_))
        assert all(weight >= 1 - 1e-6 for weight in (*some.values(), *thin.values()))
        assert all(chance(oracle, query, path, hops) > 0 for path in some)


@settings(max_examples=12)
@given(oracle=oracles(), hops=st.integers(2, 3), max_paths=st.sampled_from([1, 3, ALL]), branch=st.sampled_from([1, 2]))
def test_a_weighted_sum_is_right_on_average(oracle: Oracle, hops: int, max_paths: int, branch: int) -> None:
    """Of a random walker's probability, and of a sum in which every path counts 1."""
    queries = both_ways(oracle)[:20]
    actions = ActionSets(Expand(oracle.graph()))
    every = sampled(actions, queries, hops, ALL, ALL)
    chances = [
        {path: chance(oracle, q, path, hops) for path in paths}
        for q, paths in zip(queries.tolist(), every, strict=True)
    ]
    draws = 400
    estimates = np.zeros((draws, len(queries), 2))
    for seed in range(draws):
        for q, found in enumerate(sampled(actions, queries, hops, max_paths, branch, seed)):
            estimates[seed, q] = sum(w * chances[q][p] for p, w in found.items()), sum(found.values())
    exact = np.array([(sum(c.values()), len(c)) for c in chances]).reshape(-1, 2)
    error = estimates.std(axis=0) / math.sqrt(draws)
    # A rare path counts much: where none was drawn in all these draws, the spread does not know of it.
    rare = 20 * exact / draws
    assert np.all(np.abs(estimates.mean(axis=0) - exact) <= 6 * error + rare + 1e-6)


def star(leaves: int) -> tuple[Graph, np.ndarray]:
    """A hub that leads to the target by every leaf; relation 1 asks for it from the hub."""
    leaf = np.arange(2, 2 + leaves)
    away = np.stack([np.zeros(leaves), np.zeros(leaves), leaf], axis=1)
    home = np.stack([leaf, np.zeros(leaves), np.ones(leaves)], axis=1)
    facts = np.concatenate([away, home, [(0, 1, 1)]]).astype(np.int32)
    return Graph.from_triples(facts, leaves + 2, 2), np.array([(0, 1, 1)], np.int32)


@pytest.mark.parametrize(("max_paths", "branch"), [(7, ALL), (ALL, 7), (7, 20), (3, 64)])
def test_equal_paths_share_what_is_left_out(max_paths: int, branch: int) -> None:
    """Where all paths are alike, any sample's sum is exact for a narrow search, and near for few paths."""
    graph, query = star(100)
    actions = ActionSets(Expand(graph))
    sums = []
    for seed in range(200):
        (found,) = sampled(actions, query, 2, max_paths, branch, seed)
        assert len(found) == min(max_paths, branch, 100)
        assert len(set(found.values())) == 1
        sums.append(sum(found.values()))
    if branch < max_paths:
        assert sums == pytest.approx([100] * 200, rel=1e-5)
    else:
        assert np.mean(sums) == pytest.approx(100, abs=5 * np.std(sums) / math.sqrt(len(sums)))


def test_every_branch_of_a_narrow_search_is_as_likely() -> None:
    graph, query = star(9)
    actions = ActionSets(Expand(graph))
    times = np.zeros(11)
    for seed in range(1500):
        for path in sampled(actions, query, 2, ALL, 4, seed)[0]:
            times[path[0][1]] += 1
    expected = 1500 * 4 / 9
    assert np.abs(times[2:] - expected).max() < 5 * math.sqrt(expected * (5 / 9))


@pytest.fixture(scope="module")
def town() -> tuple[ActionSets, np.ndarray]:
    draw = np.random.default_rng(3)
    facts = [draw.integers(0, n, 900) for n in (120, 4, 120)]
    table = np.stack(facts, axis=1).astype(np.int32)
    return ActionSets(Expand(Graph.from_triples(table, 120, 4))), table[:300]


@pytest.mark.usefixtures("keep_num_threads")
def test_seeds_and_nothing_else_decide(town: tuple[ActionSets, np.ndarray]) -> None:
    actions, queries = town
    results = []
    for threads, seed in ((1, 5), (3, 5), (1, 5), (1, 6)):
        set_num_threads(threads)
        results.append(sample_paths(actions, queries, 3, 8, 4, seed))
    for other in results[1:3]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)
    assert not np.array_equal(results[0][1], results[3][1])


def test_no_queries_give_no_paths(town: tuple[ActionSets, np.ndarray]) -> None:
    found = sample_paths(town[0], np.empty((0, 3), np.int32), 3)
    assert [x.shape for x in found] == [(0,), (0, 4), (0, 3), (0,)]
    assert [x.dtype for x in found] == [np.int32, np.int32, np.int32, np.float32]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"hops": 0}, ValueError, "at least 1"),
        ({"hops": 17}, ValueError, "hops must be at most 16, got 17"),
        ({"max_paths": 0}, ValueError, "at least 1"),
        ({"max_branch": 0}, ValueError, "at least 1"),
        ({"queries": np.array([(0, 0, -1)], np.int32)}, ValueError, "target"),
        ({"queries": np.array([(0, 0, 120)], np.int32)}, IndexError, "120"),
        ({"queries": np.array([(-1, 0, 1)], np.int32)}, IndexError, "-1"),
        ({"queries": np.array([(0, 8, 1)], np.int32)}, IndexError, "8"),
        ({"queries": np.array([(0, 0)], np.int32)}, ValueError, "shape"),
    ],
)
def test_wrong_arguments(
    town: tuple[ActionSets, np.ndarray], changes: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        sample_paths(**{"actions": town[0], "queries": town[1], "seed": 0, **changes})


def test_the_interpreter_runs_on_meanwhile(town: tuple[ActionSets, np.ndarray]) -> None:
    stamps: list[float] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.001):
            stamps.append(time.perf_counter())

    thread = threading.Thread(target=watch)
    thread.start()
    begin = time.perf_counter()
    sample_paths(town[0], np.tile(town[1], (12, 1)), 4, 8, 8)
    end = time.perf_counter()
    stop.set()
    thread.join()
    quarter = (end - begin) / 4
    assert any(begin + quarter < t < end - quarter for t in stamps)
