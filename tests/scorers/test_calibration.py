"""The curve from scores to probabilities."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch", reason="embeddings need torch: pip install 'kgwalk[agents]'")

from kgwalk.data import Dataset, family
from kgwalk.scorers import EmbeddingScorer
from kgwalk.scorers.calibration import Calibration, ScoreCounts
from tests.scorers.plain_models import make


def fitted(true: np.ndarray, other: np.ndarray) -> Calibration:
    true, other = (np.asarray(scores, np.float32) for scores in (true, other))
    everything = np.concatenate([true, other, np.zeros(1 - min(1, len(true) + len(other)), np.float32)])
    counts = ScoreCounts(float(everything.min()), float(everything.max()))
    counts.add(true, other)
    return counts.fit()


SCORES = st.lists(st.floats(-1e5, 1e5, width=32), max_size=30)


@settings(deadline=None)
@given(true=SCORES, other=SCORES)
def test_it_rises_and_gives_probabilities_whatever_the_scores(true: list[float], other: list[float]) -> None:
    curve = fitted(np.array(true), np.array(other))
    assert 0 < curve.slope < math.inf
    assert math.isfinite(curve.intercept)
    probabilities = curve(np.sort(np.array([*true, *other, -1e5, 0, 1e5], np.float32)))
    assert probabilities.dtype == np.float32
    assert (np.diff(probabilities) >= 0).all()
    assert ((probabilities >= 0) & (probabilities <= 1)).all()


@pytest.mark.parametrize(("slope", "intercept"), [(2.0, -3.0), (0.02, -1.0), (40.0, 7.0)])
def test_a_known_curve_is_found_again(slope: float, intercept: float) -> None:
    rng = np.random.default_rng(0)
    scores = (rng.normal(0, 2, 100_000) - intercept) / slope
    is_true = rng.random(len(scores)) < 1 / (1 + np.exp(-(slope * scores + intercept)))
    curve = fitted(scores[is_true], scores[~is_true])
    assert curve.slope == pytest.approx(slope, rel=0.03)
    assert curve.intercept == pytest.approx(intercept, rel=0.03, abs=0.05)


@pytest.mark.parametrize("at", [0.0, -3.0, 1e-8, 250.0, -1e5])
def test_scores_that_are_all_equal_get_the_share_of_true_ones(at: float) -> None:
    curve = fitted(np.full(10, at), np.full(990, at))
    assert float(curve(np.float32([at]))[0]) == pytest.approx(0.0105, abs=1e-3)


def test_a_model_that_ranks_backwards_is_not_turned_round() -> None:
    rng = np.random.default_rng(0)
    true, other = rng.normal(-1, 1, 300), rng.normal(1, 1, 3000)
    curve = fitted(true, other)
    probabilities = curve(np.concatenate([true, other]).astype(np.float32))
    assert 0 < curve.slope < 0.01
    np.testing.assert_allclose(probabilities, 300 / 3300, rtol=0.02)


def test_scores_that_part_true_from_others_give_no_certainty() -> None:
    curve = fitted(np.array([5.0, 6.0]), np.array([-5.0, -6.0, -7.0]))
    true, other = curve(np.float32([5, 6])), curve(np.float32([-5, -6, -7]))
    assert true.min() > 0.6
    assert other.max() < 0.4
    assert true.max() < 0.95, "two true answers prove little"


@pytest.mark.parametrize(("true", "other"), [([], []), ([1.0], []), ([], [1.0, 2.0])])
def test_nothing_to_fit_to(true: list[float], other: list[float]) -> None:
    assert fitted(np.array(true), np.array(other)) == Calibration()


def test_scores_outside_of_the_limits_go_to_the_nearest_bin() -> None:
    inside, outside = ScoreCounts(-1, 1), ScoreCounts(-1, 1)
    inside.add(np.float32([1, 1]), np.float32([-1, -1, 0]))
    outside.add(np.float32([1, 9]), np.float32([-1, -50, 0]))
    assert inside.fit() == outside.fit()


@pytest.mark.parametrize("limits", [(np.nan, 1.0), (-np.inf, np.inf), (0.0, np.inf)])
def test_scores_that_are_no_numbers(limits: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="cannot be calibrated: the model is broken"):
        ScoreCounts(*limits)


def test_extreme_scores_overflow_nowhere() -> None:
    assert Calibration(3, 1)(np.float32([-3e38, 0, 3e38])).tolist() == pytest.approx([0, 1 / (1 + math.exp(-1)), 1])


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return family()


def test_among_valid_the_mean_probability_is_the_share_of_true_answers(dataset: Dataset) -> None:
    """Of a model without any skill; so it is fitted to what it says, not to what it ought to say."""
    model = make("distmult", dataset.graph.num_entities, dataset.graph.num_relations)
    scorer = EmbeddingScorer.of(model, dataset)
    before = scorer.scores(dataset.queries("test", "both")[:5])
    scorer.calibrate(dataset)
    np.testing.assert_array_equal(scorer.scores(dataset.queries("test", "both")[:5]), before)
    queries = dataset.queries("valid", "both")
    known = dataset.known_for("valid")
    total, count = 0.0, 0
    for query, probabilities in zip(queries, scorer.calibration(scorer.scores(queries)), strict=True):
        others = np.setdiff1d(known.slice(int(query[0]), int(query[1]))[:, 1], query[2])
        total += float(np.delete(probabilities, others).sum())
        count += dataset.graph.num_entities - len(others)
    assert total / count == pytest.approx(len(queries) / count, rel=0.005)


def test_a_dataset_without_valid_is_left_alone(dataset: Dataset) -> None:
    from dataclasses import replace

    scorer = EmbeddingScorer.of(make("distmult", 219, 15), dataset)
    for splits in ({}, {"valid": np.zeros((0, 3), np.int32)}):
        scorer.calibrate(replace(dataset, splits=splits))
        assert scorer.calibration == Calibration()
