"""Filtered ranks against hand-made lists and a slow loop."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgwalk import Graph
from kgwalk.evaluation import ranking
from kgwalk.evaluation.ranking import check_finite, dense_ranks, filtered_ranks, scores_of
from kgwalk.protocols import Ranked

NUM_ENTITIES = 7
NUM_RELATIONS = 2


def ranked_lists(*lists: list[tuple[int, float]]) -> Ranked:
    flat = [pair for one in lists for pair in sorted(one, key=lambda pair: -pair[1])]
    return Ranked(
        offsets=np.cumsum([0, *(len(one) for one in lists)], dtype=np.int64),
        entities=np.array([entity for entity, _ in flat], dtype=np.int32),
        scores=np.array([score for _, score in flat], dtype=np.float64),
    )


def graph(*facts: tuple[int, int, int]) -> Graph:
    triples = np.array(facts, dtype=np.int32).reshape(-1, 3)
    return Graph.from_triples(triples, NUM_ENTITIES, NUM_RELATIONS)


def ids(*rows: tuple[int, ...]) -> np.ndarray:
    return np.array(rows, dtype=np.int32).reshape(-1, 3)


def test_best_answer_has_rank_one() -> None:
    assert filtered_ranks(ranked_lists([(4, -0.1), (2, -2.0)]), ids((0, 0, 4)), None).tolist() == [1.0]


def test_a_score_that_is_nan_is_refused_with_its_query() -> None:
    ranked = Ranked(np.array([0, 1, 3]), np.array([4, 2, 5], np.int32), np.array([0.5, np.nan, 0.1]))
    with pytest.raises(ValueError, match=r"query \(source 3, relation 1, target 2\)"):
        filtered_ranks(ranked, ids((0, 0, 4), (3, 1, 2)), None)


def test_other_known_answers_do_not_push_the_target_down() -> None:
    ranked = ranked_lists([(1, -0.1), (2, -0.2), (3, -0.3)])
    assert filtered_ranks(ranked, ids((0, 0, 3)), None).tolist() == [3.0]
    assert filtered_ranks(ranked, ids((0, 0, 3)), graph((0, 0, 1), (0, 0, 3))).tolist() == [2.0]


def test_filter_belongs_to_the_query_relation_only() -> None:
    ranked = ranked_lists([(1, -0.1), (3, -0.3)])
    assert filtered_ranks(ranked, ids((0, 0, 3)), graph((0, 1, 1), (1, 0, 1))).tolist() == [2.0]


def test_filter_reads_inverse_relations() -> None:
    # Who is the head of (?, 0, 5)? Entities 1 and 3 are known; 1 must not count against 3.
    ranked = ranked_lists([(1, -0.1), (3, -0.3)])
    known = graph((1, 0, 5), (3, 0, 5))
    assert filtered_ranks(ranked, ids((5, 0 + NUM_RELATIONS, 3)), known).tolist() == [1.0]


def test_ties_take_the_middle_place() -> None:
    ranked = ranked_lists([(1, -0.1), (2, -0.5), (3, -0.5), (4, -0.5), (5, -9.0)])
    for target in (2, 3, 4):
        assert filtered_ranks(ranked, ids((0, 0, target)), None).tolist() == [3.0]
    two = ranked_lists([(2, -0.5), (3, -0.5)])
    assert filtered_ranks(two, ids((0, 0, 3)), None).tolist() == [1.5]


def test_known_answers_leave_the_tie() -> None:
    ranked = ranked_lists([(2, -0.5), (3, -0.5)])
    assert filtered_ranks(ranked, ids((0, 0, 3)), graph((0, 0, 2))).tolist() == [1.0]


def test_unreached_target_is_infinitely_far() -> None:
    ranked = ranked_lists([(1, -0.1)], [])
    assert filtered_ranks(ranked, ids((0, 0, 6), (0, 0, 1)), None).tolist() == [np.inf, np.inf]


def test_queries_may_share_an_answer_list() -> None:
    ranked = ranked_lists([(6, 0.0)], [(1, -0.1), (2, -0.2)])
    queries = ids((0, 0, 2), (0, 0, 1), (3, 0, 6))
    assert filtered_ranks(ranked, queries, None, rows=np.array([1, 1, 0])).tolist() == [2.0, 1.0, 1.0]


def test_minus_infinity_is_a_score_like_any_other() -> None:
    ranked = ranked_lists([(1, 0.0), (2, -np.inf)])
    assert filtered_ranks(ranked, ids((0, 0, 2)), None).tolist() == [2.0]


def test_no_queries_no_ranks() -> None:
    assert filtered_ranks(ranked_lists(), ids(), graph()).shape == (0,)


def test_bad_input_is_refused() -> None:
    ranked = ranked_lists([(1, 0.0)])
    with pytest.raises(ValueError, match=r"\(n, 3\)"):
        filtered_ranks(ranked, np.zeros((1, 2), np.int32), None)
    with pytest.raises(ValueError, match="2 queries but 1 answers"):
        filtered_ranks(ranked, ids((0, 0, 1), (0, 0, 1)), None)
    with pytest.raises(ValueError, match="one for each query"):
        filtered_ranks(ranked, ids((0, 0, 1)), None, rows=np.array([0, 0]))
    with pytest.raises(IndexError, match=r"0\.\.0"):
        filtered_ranks(ranked, ids((0, 0, 1)), None, rows=np.array([1]))


entities = st.integers(0, NUM_ENTITIES - 1)
relations = st.integers(0, 2 * NUM_RELATIONS - 1)
answers = st.dictionaries(entities, st.sampled_from([-0.5, -1.0, -2.0, -np.inf])).map(lambda d: list(d.items()))


def slow_rank(answers: list[tuple[int, float]], query: tuple[int, int, int], known: Graph) -> float:
    source, relation, target = query
    scores = dict(answers)
    if target not in scores:
        return np.inf
    others = [score for entity, score in answers if entity != target and known.find(source, relation, entity) < 0]
    better = sum(score > scores[target] for score in others)
    tied = sum(score == scores[target] for score in others)
    return float(np.mean(np.arange(better + 1, better + tied + 2)))


@given(
    lists=st.lists(answers, min_size=1, max_size=4),
    asked=st.lists(st.tuples(st.integers(0, 3), entities, relations, entities), max_size=8),
    facts=st.lists(st.tuples(entities, st.integers(0, NUM_RELATIONS - 1), entities), max_size=25),
    at_once=st.integers(1, 40),
)
def test_ranks_equal_the_slow_loop(
    lists: list[list[tuple[int, float]]],
    asked: list[tuple[int, int, int, int]],
    facts: list[tuple[int, int, int]],
    at_once: int,
) -> None:
    known = graph(*facts)
    rows = np.array([row % len(lists) for row, *_ in asked], dtype=np.int64)
    queries = ids(*(tuple(query) for _, *query in asked))
    with patch.object(ranking, "ENTRIES_AT_ONCE", at_once):
        got = filtered_ranks(ranked_lists(*lists), queries, known, rows)
    want = [slow_rank(lists[row], query, known) for row, query in zip(rows, queries.tolist(), strict=True)]
    assert got.tolist() == want


@given(lists=st.lists(answers, min_size=1, max_size=4), wanted=st.lists(st.tuples(st.integers(0, 3), entities)))
def test_scores_of_equals_a_dictionary(lists: list[list[tuple[int, float]]], wanted: list[tuple[int, int]]) -> None:
    rows = np.array([row % len(lists) for row, _ in wanted], dtype=np.int64)
    looked_up = np.array([entity for _, entity in wanted], dtype=np.int32)
    got = scores_of(ranked_lists(*lists), rows, looked_up)
    want = [dict(lists[row]).get(entity, -np.inf) for row, entity in zip(rows, looked_up.tolist(), strict=True)]
    assert got.tolist() == want


def as_lists(block: np.ndarray) -> Ranked:
    """All entities of every row as ranked lists."""
    return ranked_lists(*([(entity, float(score)) for entity, score in enumerate(row)] for row in block))


@given(
    block=st.lists(st.lists(st.sampled_from([-1.5, 0.0, 2.0]), min_size=7, max_size=7), min_size=1, max_size=4),
    asked=st.lists(st.tuples(st.integers(0, 3), entities, relations, entities), max_size=8),
    facts=st.one_of(st.none(), st.lists(st.tuples(entities, st.integers(0, NUM_RELATIONS - 1), entities), max_size=25)),
)
def test_dense_ranks_equal_those_of_full_lists(
    block: list[list[float]], asked: list[tuple[int, int, int, int]], facts: list[tuple[int, int, int]] | None
) -> None:
    known = None if facts is None else graph(*facts)
    scores = np.array(block, np.float32)
    rows = np.array([row % len(block) for row, *_ in asked], dtype=np.int64)
    queries = ids(*(tuple(query) for _, *query in asked))
    got = dense_ranks(scores, queries, known, rows)
    assert got.tolist() == filtered_ranks(as_lists(scores), queries, known, rows).tolist()


def test_dense_ranks_by_hand() -> None:
    scores = np.array([[0.9, 0.5, 0.5, 0.7, 0.1, 0.0, 0.5]], np.float32)
    assert dense_ranks(scores, ids((0, 0, 2)), None).tolist() == [4.0]  # behind 0 and 3, one of three alike
    assert dense_ranks(scores, ids((0, 0, 2)), graph((0, 0, 3), (0, 0, 1), (0, 0, 2))).tolist() == [2.5]


def test_bad_dense_input_is_refused() -> None:
    scores = np.zeros((1, 7), np.float32)
    with pytest.raises(ValueError, match="2 queries but 1 answers"):
        dense_ranks(scores, ids((0, 0, 1), (0, 0, 1)), None)
    with pytest.raises(IndexError, match=r"targets must lie in 0\.\.6; got 7\.\.7"):
        dense_ranks(scores, ids((0, 0, 7)), None)
    with pytest.raises(IndexError, match=r"0\.\.0"):
        dense_ranks(scores, ids((0, 0, 1)), None, rows=np.array([1]))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_refused_with_their_query(bad: float) -> None:
    scores = np.zeros((2, 7), np.float32)
    check_finite(scores, ids((0, 0, -1), (3, 1, -1)))
    scores[1, 4] = bad
    with pytest.raises(ValueError, match=r"query \(source 3, relation 1\)"):
        check_finite(scores, ids((0, 0, -1), (3, 1, -1)))
