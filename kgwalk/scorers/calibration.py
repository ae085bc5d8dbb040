"""From a model's scores to probabilities: a logistic curve fitted on valid (Platt 1999)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Scores are counted in so many bins: the curve is fitted to counts, however many scores there are.
BINS = 4096
#: Least rise over a standard deviation of the bins: the curve never falls, whatever the model.
_FLATTEST = 1e-3
_LEAST, _MOST = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)


class Calibration(NamedTuple):
    """``probability = 1 / (1 + exp(-(slope * score + intercept)))``; slope positive, so no order changes."""

    slope: float = 1.0
    intercept: float = 0.0

    @classmethod
    def from_json(cls, note: Any) -> Calibration:
        """The curve that ``_asdict`` gave.

        Raises:
            ValueError: it is none that rises, or not of two numbers that float32 can hold.
        """
        fields: dict[str, Any] = note if isinstance(note, dict) else {}
        numbers = [value for value in fields.values() if type(value) in (int, float)]
        if fields.keys() != {"slope", "intercept"} or len(numbers) != 2:
            raise ValueError(f"its calibration is not of a slope and an intercept: {note}")
        # Compared before they are turned to floats: whole numbers of JSON may be too large for that.
        if not (_LEAST <= fields["slope"] <= _MOST and -_MOST <= fields["intercept"] <= _MOST):
            raise ValueError(f"its calibration is no rising curve: {note}")
        return cls(float(fields["slope"]), float(fields["intercept"]))

    def __call__(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities of scores of any shape, in [0, 1]."""
        with np.errstate(over="ignore"):  # exp overflows to infinity, and the probability is 0
            logits = np.multiply(scores, np.float32(self.slope)) + np.float32(self.intercept)
            return np.asarray(1 / (1 + np.exp(-logits)), np.float32)


class ScoreCounts:
    """Counts scores of true and of other answers, then fits the curve to them.

    Args:
        low: no score is below.
        high: no score is above.
    """

    def __init__(self, low: float, high: float) -> None:
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError(f"scores from {low} to {high} cannot be calibrated: the model is broken")
        # Wide enough that float32 still tells places on the curve apart where all scores are alike.
        least = max(1e-6, 1e-3 * max(abs(low), abs(high)))
        self.edges = np.linspace(low, max(high, low + least), BINS + 1)
        self.true = np.zeros(BINS)
        self.other = np.zeros(BINS)

    def add(self, true: NDArray[np.float32], other: NDArray[np.float32]) -> None:
        """Count scores of answers that are true and of others; those outside of the limits go to the nearest bin."""
        for counts, scores in ((self.true, true), (self.other, other)):
            place = (scores.astype(np.float64) - self.edges[0]) * (BINS / (self.edges[-1] - self.edges[0]))
            counts += np.bincount(np.clip(place, 0, BINS - 1).astype(np.int64), minlength=BINS)

    def fit(self) -> Calibration:
        """The curve of greatest likelihood; where true answers do not score higher, one that hardly rises.

        Platt's priors keep it finite: one true and one other answer more, each counted halfway.

        Raises:
            ValueError: scores so far apart that float32 cannot hold the curve's slope.
        """
        centres = (self.edges[:-1] + self.edges[1:]) / 2
        middle, width = float(centres.mean()), float(centres.std())
        x = (centres - middle) / width
        total = self.true + self.other
        true, other = self.true.sum(), self.other.sum()
        if not true or not other:
            return Calibration()
        # Platt 1999, section 2.2: targets a little off 1 and 0.
        goal = (self.true * (true + 1) / (true + 2) + self.other / (other + 2)) / np.maximum(total, 1)
        slope, intercept = _newton(x, total, goal, math.log((true + 1) / (other + 1)))
        if slope < _FLATTEST:
            share = float((total * goal).sum() / total.sum())
            slope, intercept = _FLATTEST, math.log(share / (1 - share))
        if not _LEAST <= slope / width <= _MOST:
            raise ValueError(
                f"scores from {self.edges[0]:g} to {self.edges[-1]:g} cannot be calibrated: the model is broken"
            )
        return Calibration(slope / width, intercept - slope * middle / width)


def _newton(x: Floats, weights: Floats, goal: Floats, start: float) -> tuple[float, float]:
    """Slope and intercept of the weighted logistic regression of ``goal`` on ``x``, by damped Newton steps."""
    parameters = np.array([0.0, start])
    design = np.column_stack([x, np.ones_like(x)])

    def cost(at: Floats) -> float:
        logits = design @ at
        return float((weights * (np.logaddexp(0, logits) - goal * logits)).sum())

    best = cost(parameters)
    for _ in range(100):
        probability = 1 / (1 + np.exp(-(design @ parameters)))
        gradient = design.T @ (weights * (probability - goal))
        curvature = design.T @ (design * (weights * probability * (1 - probability))[:, None]) + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        size = 1.0
        while (value := cost(parameters - size * step)) > best and size > 1e-8:
            size /= 2
        if best - value < 1e-9 * abs(best):
            break
        parameters, best = parameters - size * step, value
    return float(parameters[0]), float(parameters[1])
