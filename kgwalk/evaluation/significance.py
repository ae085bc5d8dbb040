"""Whether one method is better than another on the same users."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Numbers drawn at once.
_DRAWN = 1 << 24


class Interval(NamedTuple):
    """A difference of means and where it lies if other users of the same kind had been asked.

    Attributes:
        difference: Mean of the first less mean of the second.
        low: Lower end of the interval.
        high: Upper end; an interval that does not hold 0 tells the methods apart.
        level: Share of resamples that lie inside.
        users: How many users were compared.
    """

    difference: float
    low: float
    high: float
    level: float
    users: int


def paired_bootstrap(
    first: Floats, second: Floats, *, level: float = 0.95, samples: int = 10_000, seed: int = 0
) -> Interval:
    """Percentile interval of the difference of two methods' means, users resampled with replacement.

    Both methods are resampled alike, so what makes a user easy or hard for both cancels out (Efron and Tibshirani
    1993, chapter 13). Users with equal differences are drawn as one group, which is the same distribution and fewer
    draws.

    Args:
        first: (num_users,) a metric of one method by user; NaN where it does not apply.
        second: (num_users,) of the other, the same users in the same order.
        level: Share of resamples inside of the interval.
        samples: How many resamples.
        seed: Of the draws.

    Raises:
        ValueError: If the two differ in length or in where they are NaN, nobody is left, or ``level`` is not between 0
            and 1.
    """
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"expected one number for each user from both, got shapes {first.shape} and {second.shape}")
    applies = ~np.isnan(first)
    if not np.array_equal(applies, ~np.isnan(second)):
        raise ValueError("the metric applies to other users in one method than in the other")
    if not applies.any():
        raise ValueError("there are no users to resample")
    if not 0 < level < 1 or samples < 1:
        raise ValueError(f"level must be between 0 and 1 and samples 1 or more, got {level} and {samples}")
    values, counts = np.unique(first[applies] - second[applies], return_counts=True)
    total = int(counts.sum())
    generator = np.random.default_rng(seed)
    means = np.empty(samples)
    at_once = max(1, _DRAWN // len(values))
    for begin in range(0, samples, at_once):
        size = min(at_once, samples - begin)
        means[begin : begin + size] = generator.multinomial(total, counts / total, size) @ values / total
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(values @ counts / total), float(low), float(high), level, total)
