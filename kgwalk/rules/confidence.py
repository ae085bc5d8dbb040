"""The confidence that rules are used with."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from kgwalk._core import RuleSet
from kgwalk.rules.kinds import KINDS, Kind, rule_kinds

#: Pessimism towards rules that were seldom tested; AnyBURL's and PyClause's default.
SMOOTHING = 5.0


def applied_confidence(
    rules: RuleSet,
    smoothing: float = SMOOTHING,
    growth: float = 1.0,
    kind_weights: Mapping[Kind, float] | None = None,
) -> NDArray[np.float64]:
    """``support / (predictions + smoothing)``; the raw confidence of rules that came without counts.

    There are far more long chains than short ones, so more of them are right by chance: with ``growth`` above 1 a
    cyclic rule of n atoms is smoothed by ``smoothing * growth ** (n - 1)``. An existential or a zero rule says the same
    of everybody it holds for; AnyBURL counts its confidence a tenth (``RULE_AC2_WEIGHT``) and a hundredth
    (``RULE_ZERO_WEIGHT``), which is ``kind_weights={"existential": 0.1, "zero": 0.01}`` here.

    Args:
        rules: any rules. A file of confidences only leaves ``predictions`` 0.
        smoothing: predictions that are taken to have failed unseen, 0 or more.
        growth: factor on the smoothing of a cyclic rule for each atom after its first, 0 or more; 1 for none.
        kind_weights: factors on the confidence of the rules of a form, each in [0, 1]; 1 where a form is not named.

    Returns:
        (rules,) in [0, 1].

    Raises:
        ValueError: a smoothing or growth below 0 or not finite, a weight outside [0, 1], or a form that is none.
    """
    for name, value in (("smoothing", smoothing), ("growth", growth)):
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{name}: expected a finite number of 0 or more, got {value!r}")
    kinds = rule_kinds(rules)
    unseen = np.full(len(rules), float(smoothing))
    cyclic = kinds == KINDS.index("cyclic")
    unseen[cyclic] *= float(growth) ** (np.diff(rules.body_offsets)[cyclic] - 1)
    applied = rules.confidence.copy()
    np.divide(rules.support, rules.predictions + unseen, out=applied, where=rules.predictions > 0)
    for kind, weight in (kind_weights or {}).items():
        if kind not in KINDS:
            raise ValueError(f"kind_weights: expected {', '.join(KINDS)}, got {kind!r}")
        if not 0 <= weight <= 1:
            raise ValueError(f"kind_weights: expected a weight in [0, 1] for {kind} rules, got {weight!r}")
        applied[kinds == KINDS.index(kind)] *= weight
    return applied
