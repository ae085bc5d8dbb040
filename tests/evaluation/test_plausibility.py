"""How good probabilities are, against plain counting."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgwalk.data import Dataset, family
from kgwalk.evaluation import calibration_error, judge
from kgwalk.protocols import Ids


class Told:
    """Says what a table of probabilities says."""

    def __init__(self, table: np.ndarray) -> None:
        self.table = table.astype(np.float32)

    def calibration(self, scores: np.ndarray) -> np.ndarray:
        return scores / 2

    def scores(self, queries: Ids) -> np.ndarray:
        """Twice as large as probabilities: they are asked for."""
        scores: np.ndarray = 2 * self.table[queries[:, 0], queries[:, 1]]
        return scores

    def score_facts(self, facts: Ids) -> np.ndarray:
        scores: np.ndarray = self.table[tuple(facts.T)]
        return scores


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return family()


def table_of(dataset: Dataset, true: float, other: float) -> np.ndarray:
    """One probability for all that is known, one for the rest."""
    table = np.full((219, 30, 219), other)
    for split in dataset.splits:
        table[tuple(dataset.queries(split, "both").T)] = true
    return table


def judged(dataset: Dataset, table: np.ndarray, **options: Any) -> Any:
    return judge(Told(table), dataset, **options)  # type: ignore[arg-type]


def test_a_scorer_that_knows_all_and_one_that_knows_nothing(dataset: Dataset) -> None:
    knows = judged(dataset, table_of(dataset, 0.9, 0.01))
    assert (knows.auc, knows.facts, knows.queries) == (1.0, 266, 500)
    assert knows.mean_true == pytest.approx(0.9)
    assert knows.mean_other == pytest.approx(0.01)
    expected = -(knows.base_rate * math.log(0.9) + (1 - knows.base_rate) * math.log(0.99))
    assert knows.log_loss == pytest.approx(expected, rel=1e-4)
    assert knows.calibration_error == pytest.approx(knows.base_rate * 0.1 + (1 - knows.base_rate) * 0.01, rel=1e-4)
    flat = judged(dataset, table_of(dataset, knows.base_rate, knows.base_rate))
    assert flat.auc == 0.5
    assert flat.log_loss == pytest.approx(flat.base_log_loss, rel=1e-4)
    assert flat.calibration_error == pytest.approx(0, abs=1e-6)
    assert judged(dataset, table_of(dataset, 0.01, 0.9)).auc == 0.0


def test_known_answers_do_not_count(dataset: Dataset) -> None:
    """A scorer that calls train facts certain is not blamed for it when test facts are asked for."""
    table = table_of(dataset, 0.9, 0.01)
    table[tuple(dataset.queries("train", "both").T)] = 1.0
    assert judged(dataset, table).mean_other == pytest.approx(0.01)


def test_every_query_is_judged_as_in_plain_python(dataset: Dataset) -> None:
    table = np.random.default_rng(0).random((219, 30, 219)).astype(np.float32)
    all_known = np.concatenate([dataset.queries(split, "both") for split in dataset.splits])
    known = set(map(tuple, all_known.tolist()))
    queries = dataset.queries("test", "both").tolist()
    probabilities, labels = [], []
    for source, relation, target in queries:
        for entity in range(219):
            if entity == target or (source, relation, entity) not in known:
                probabilities.append(float(table[source, relation, entity]))
                labels.append(entity == target)
    result = judged(dataset, table, queries=10_000)
    assert result.queries == len(queries)
    assert result.base_rate == pytest.approx(np.mean(labels))
    losses = [-math.log(p if label else 1 - p) for p, label in zip(probabilities, labels, strict=True)]
    assert result.log_loss == pytest.approx(np.mean(losses), rel=1e-4)
    assert result.auc == pytest.approx(0.5, abs=0.08)


def test_the_draw_is_seeded(dataset: Dataset) -> None:
    table = np.random.default_rng(0).random((219, 30, 219))
    one = judged(dataset, table, queries=20)
    assert judged(dataset, table, queries=20) == one
    assert judged(dataset, table, queries=20, seed=1) != one


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60), st.integers(1, 20))
def test_calibration_error(judgements: list[tuple[float, bool]], bins: int) -> None:
    expected = 0.0
    for number in range(bins):
        last = number == bins - 1
        inside = [(p, label) for p, label in judgements if int(p * bins) == number or (last and p == 1)]
        if inside:
            gap = np.mean([p for p, _ in inside]) - np.mean([label for _, label in inside])
            expected += abs(gap) * len(inside) / len(judgements)
    probabilities, labels = (np.array(part) for part in zip(*judgements, strict=True))
    assert calibration_error(probabilities, labels, bins) == pytest.approx(expected, abs=1e-9)


def test_what_cannot_be_judged(dataset: Dataset) -> None:
    table = table_of(dataset, 0.9, 0.1)
    with pytest.raises(KeyError, match="no split 'holdout'"):
        judged(dataset, table, split="holdout")
    with pytest.raises(ValueError, match="queries must be 1 or more, got 0"):
        judged(dataset, table, queries=0)
