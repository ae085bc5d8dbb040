"""The four forms of rules, by name."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from kgwalk._core import VARIABLE, RuleSet

#: cyclic ``h(X,Y) <= b1(X,A), b2(A,Y)``; constant ``h(X,c) <= b(X,d)`` (AnyBURL's U_c, AC1); existential
#: ``h(X,c) <= b(X,A)`` (U_d, AC2); zero ``h(X,c) <=``.
Kind = Literal["cyclic", "constant", "existential", "zero"]
KINDS: tuple[Kind, ...] = get_args(Kind)


def rule_kinds(rules: RuleSet) -> NDArray[np.int8]:
    """The form of each rule, (rules,) int8: its place in ``KINDS``."""
    atoms = np.diff(rules.body_offsets)
    kind = np.where(rules.body_constant == VARIABLE, KINDS.index("existential"), KINDS.index("constant"))
    kind[atoms == 0] = KINDS.index("zero")
    kind[rules.head_constant == VARIABLE] = KINDS.index("cyclic")
    return kind.astype(np.int8)


def count_kinds(rules: RuleSet) -> dict[Kind, int]:
    """How many rules there are of each form."""
    counts = np.bincount(rule_kinds(rules), minlength=len(KINDS))
    return dict(zip(KINDS, counts.tolist(), strict=True))
