"""Metrics against figures worked out by hand."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgwalk.evaluation.metrics import auc_pr, average_metrics, expected_average_precision, ranking_metrics


def test_ranking_metrics_by_hand() -> None:
    metrics = ranking_metrics(np.array([1.0, 2.0, 4.0, np.inf]))
    assert metrics["mrr"] == pytest.approx((1 + 1 / 2 + 1 / 4 + 0) / 4)
    assert metrics["hits@1"] == 0.25
    assert metrics["hits@3"] == 0.5
    assert metrics["hits@5"] == 0.75
    assert metrics["hits@10"] == 0.75


def test_a_tied_rank_hits_only_from_its_mean_on() -> None:
    metrics = ranking_metrics(np.array([1.5]), hits=(1, 2))
    assert metrics["hits@1"] == 0.0
    assert metrics["hits@2"] == 1.0
    assert metrics["mrr"] == pytest.approx(2 / 3)


def test_no_ranks_is_not_zero_but_unknown() -> None:
    assert all(np.isnan(value) for value in ranking_metrics(np.zeros(0)).values())


def test_both_is_the_mean_of_tail_and_head() -> None:
    assert average_metrics({"mrr": 0.5}, {"mrr": 0.1}) == {"mrr": pytest.approx(0.3)}


def test_auc_pr_by_hand() -> None:
    # Ranked labels 1 0 1 0: precision 1 at recall 1/2, 2/3 at recall 1.
    scores = np.array([0.9, 0.8, 0.7, 0.1])
    assert auc_pr(scores, np.array([True, False, True, False])) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_auc_pr_puts_unreached_candidates_last() -> None:
    scores = np.array([-700.0, -np.inf, -np.inf])
    assert auc_pr(scores, np.array([True, False, False])) == 1.0
    # The positive shares the last place with one negative: recall comes in one step at precision 1/3.
    assert auc_pr(scores, np.array([False, True, False])) == pytest.approx(1 / 3)


def test_auc_pr_without_positives_is_unknown() -> None:
    assert np.isnan(auc_pr(np.zeros(3), np.zeros(3, dtype=bool)))


def test_average_precision_by_hand() -> None:
    queries = np.array([5, 5, 5, 2, 2])
    scores = np.array([0.3, 0.2, 0.1, 0.0, -np.inf])
    labels = np.array([False, True, True, True, False])
    found, precision = expected_average_precision(queries, scores, labels)
    assert found.tolist() == [2, 5]
    assert precision.tolist() == pytest.approx([1.0, (1 / 2 + 2 / 3) / 2])


def test_unreached_candidates_share_the_last_places() -> None:
    # One positive among two unreached: it is first or second with equal chance.
    _, precision = expected_average_precision(np.zeros(2, np.int64), np.full(2, -np.inf), np.array([True, False]))
    assert precision.tolist() == pytest.approx([(1 + 1 / 2) / 2])


def test_queries_without_a_positive_are_left_out() -> None:
    found, precision = expected_average_precision(np.array([0, 1]), np.zeros(2), np.array([False, True]))
    assert found.tolist() == [1]
    assert precision.tolist() == [1.0]
    assert expected_average_precision(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, bool))[1].shape == (0,)


def slow_average_precision(scores: list[float], labels: list[bool]) -> float:
    """Mean over every order that the scores allow."""
    values = []
    for order in permutations(range(len(scores))):
        ordered = [scores[i] for i in order]
        if ordered != sorted(scores, reverse=True):
            continue
        ranked = [labels[i] for i in order]
        values.append(np.mean([sum(ranked[: i + 1]) / (i + 1) for i, label in enumerate(ranked) if label]))
    return float(np.mean(values))


candidates = st.lists(st.tuples(st.sampled_from([0.0, -1.0, -np.inf]), st.booleans()), min_size=1, max_size=6).filter(
    lambda pairs: any(label for _, label in pairs)
)


@given(st.lists(candidates, min_size=1, max_size=3))
def test_expected_average_precision_equals_all_orders(lists: list[list[tuple[float, bool]]]) -> None:
    queries = np.repeat(np.arange(len(lists)), [len(one) for one in lists])
    scores = np.array([score for one in lists for score, _ in one])
    labels = np.array([label for one in lists for _, label in one])
    _, precision = expected_average_precision(queries, scores, labels)
    want = [slow_average_precision([s for s, _ in one], [y for _, y in one]) for one in lists]
    assert precision.tolist() == pytest.approx(want)
