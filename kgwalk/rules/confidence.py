"""The confidence that rules are used with."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from kgwalk._core import RuleSet

#: Pessimism towards rules that were seldom tested; AnyBURL's and PyClause's default.
SMOOTHING = 5.0


def applied_confidence(rules: RuleSet, smoothing: float = SMOOTHING) -> NDArray[np.float64]:
    """``support / (predictions + smoothing)``; the raw confidence of rules that came without counts.

    Args:
        rules: any rules. A file of confidences only leaves ``predictions`` 0.
        smoothing: predictions that are taken to have failed unseen, 0 or more.

    Returns:
        (rules,) in [0, 1].

    Raises:
        ValueError: a smoothing below 0, or none.
    """
    if not (math.isfinite(smoothing) and smoothing >= 0):
        raise ValueError(f"smoothing: expected a finite number of 0 or more, got {smoothing!r}")
    counted = rules.predictions > 0
    applied = rules.confidence.copy()
    np.divide(rules.support, rules.predictions + smoothing, out=applied, where=counted)
    return applied
