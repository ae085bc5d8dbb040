from __future__ import annotations

import numpy as np
import pytest

from kgwalk.evaluation import paired_bootstrap


def test_interval_is_that_of_resampled_users() -> None:
    generator = np.random.default_rng(1)
    first, second = generator.random(60), generator.random(60)
    found = paired_bootstrap(first, second, samples=20_000, seed=3)
    rows = generator.integers(0, 60, (20_000, 60))
    low, high = np.quantile((first - second)[rows].mean(1), [0.025, 0.975])
    assert found.difference == pytest.approx((first - second).mean())
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.004)
    assert found == paired_bootstrap(first, second, samples=20_000, seed=3)


def test_what_is_hard_for_both_cancels_out() -> None:
    hard = np.linspace(0, 1, 50)
    found = paired_bootstrap(hard + 0.01, hard)
    assert found.difference == pytest.approx(0.01)
    assert found.low > 0.0099


def test_users_without_the_metric_are_left_out() -> None:
    found = paired_bootstrap(np.array([np.nan, 1.0, 1.0]), np.array([np.nan, 0.0, 0.0]))
    assert found[:3] == (1, 1, 1)
    assert found.users == 2
    with pytest.raises(ValueError, match="other users"):
        paired_bootstrap(np.array([np.nan, 1.0]), np.array([0.0, 1.0]))
    with pytest.raises(ValueError, match="no users"):
        paired_bootstrap(np.array([np.nan]), np.array([np.nan]))
    with pytest.raises(ValueError, match="shapes"):
        paired_bootstrap(np.zeros(2), np.zeros(3))
