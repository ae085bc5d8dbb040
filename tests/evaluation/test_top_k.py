"""Metrics of the first k: by hand, and against all orders of what is tied."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgwalk.evaluation import Relevant, top_k_metrics
from kgwalk.evaluation.top_k import cut
from kgwalk.protocols import Ranked


def lists(*rows: list[tuple[int, float]]) -> Ranked:
    flat = [pair for row in rows for pair in row]
    return Ranked(
        np.cumsum([0, *map(len, rows)], dtype=np.int64),
        np.array([item for item, _ in flat], np.int32),
        np.array([score for _, score in flat], np.float64),
    )


def wanted(*rows: list[int]) -> Relevant:
    return Relevant(
        np.cumsum([0, *map(len, rows)], dtype=np.int64), np.array([i for row in rows for i in row], np.int32)
    )


def test_worked_out_by_hand() -> None:
    found = top_k_metrics(
        lists([(5, 4.0), (7, 3.0), (1, 2.0)], [(9, 1.0)], []), wanted([7, 8, 1], [9], [2]), cutoffs=(2, 10)
    )
    dcg, ideal = 1 / math.log2(3), 1 + 1 / math.log2(3)
    assert found["ndcg@2"] == pytest.approx([dcg / ideal, 1, 0])
    assert found["recall@2"] == pytest.approx([1 / 3, 1, 0])
    assert found["precision@2"] == pytest.approx([1 / 2, 1 / 2, 0])
    assert found["hr@2"].tolist() == [1, 1, 0]
    ideal += 1 / 2
    assert found["ndcg@10"] == pytest.approx([(dcg + 1 / 2) / ideal, 1, 0])
    assert found["precision@10"] == pytest.approx([0.2, 0.1, 0])  # a short list is not divided by its length


def test_a_user_without_relevant_items_has_no_figure() -> None:
    found = top_k_metrics(lists([(1, 1.0)], [(1, 1.0)]), wanted([], [1]), cutoffs=(3,))
    assert all(np.isnan(values[0]) and values[1] > 0 for values in found.values())


@st.composite
def tied_lists(draw: st.DrawFn) -> tuple[list[tuple[int, float]], list[int], int]:
    size = draw(st.integers(0, 6))
    scores = sorted(draw(st.lists(st.integers(0, 2), min_size=size, max_size=size)), reverse=True)
    relevant = draw(st.lists(st.integers(0, 7), min_size=1, max_size=4, unique=True))
    return list(zip(range(size), map(float, scores), strict=True)), relevant, draw(st.integers(1, 7))


def expected_over_orders(pairs: list[tuple[int, float]], relevant: list[int], k: int) -> dict[str, float]:
    groups = [[item for item, _ in group] for _, group in itertools.groupby(pairs, key=lambda pair: pair[1])]
    figures: list[dict[str, float]] = []
    for orders in itertools.product(*(itertools.permutations(group) for group in groups)):
        top = [item for group in orders for item in group][:k]
        gains = [1 / math.log2(place + 2) for place, item in enumerate(top) if item in relevant]
        best = sum(1 / math.log2(place + 2) for place in range(min(k, len(relevant))))
        figures.append(
            {
                f"ndcg@{k}": sum(gains) / best,
                f"recall@{k}": len(gains) / len(relevant),
                f"hr@{k}": float(bool(gains)),
                f"precision@{k}": len(gains) / k,
            }
        )
    return {key: sum(f[key] for f in figures) / len(figures) for key in figures[0]}


@given(st.lists(tied_lists(), min_size=1, max_size=3), st.integers(1, 7))
def test_ties_are_the_mean_of_all_their_orders(rows: list[Any], k: int) -> None:
    found = top_k_metrics(lists(*(r[0] for r in rows)), wanted(*(r[1] for r in rows)), cutoffs=(k,))
    for row, (pairs, relevant, _) in enumerate(rows):
        for key, value in expected_over_orders(pairs, relevant, k).items():
            assert found[key][row] == pytest.approx(value, abs=1e-9), key


def test_refuses_lists_that_rise_hold_nan_or_are_too_few() -> None:
    with pytest.raises(ValueError, match="list 1 rise"):
        top_k_metrics(lists([(1, 0.0)], [(1, 1.0), (2, 2.0)]), wanted([1], [1]))
    with pytest.raises(ValueError, match="NaN"):
        top_k_metrics(lists([(1, math.nan)]), wanted([1]))
    with pytest.raises(ValueError, match="2 lists for 1"):
        top_k_metrics(lists([], []), wanted([1]))
    with pytest.raises(ValueError, match="1 or more"):
        top_k_metrics(lists([]), wanted([1]), cutoffs=(0,))


def test_cut_keeps_the_order() -> None:
    short = cut(lists([(3, 1.0), (1, 1.0), (2, 1.0)], [(4, 0.0)]), 2)
    assert short.entities.tolist() == [3, 1, 4]
    assert short.offsets.tolist() == [0, 2, 3]
