"""RuleSet as Python sees it."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

from kgwalk._core import SELF, VARIABLE, RuleSet

FIELDS = ("head", "head_constant", "body_offsets", "body", "body_constant", "support", "predictions", "confidence")


def arrays() -> dict[str, Any]:
    """Four rules over 5 entities and 2 relations, one of each form."""
    return {
        "head": np.array([0, 3, 1, 2], np.int32),
        "head_constant": np.array([VARIABLE, 4, SELF, 0], np.int32),
        "body_offsets": np.array([0, 2, 3, 4, 4], np.int64),
        "body": np.array([0, 3, 1, 2], np.int32),
        "body_constant": np.array([VARIABLE, 2, VARIABLE, VARIABLE], np.int32),
        "support": np.array([1, 2, 3, 0], np.int64),
        "predictions": np.array([2, 2, 4, 0], np.int64),
        "confidence": np.array([0.5, 1.0, 0.75, 0.0]),
    }


def test_arrays_are_views_that_outlive_the_set() -> None:
    given = arrays()
    rules = RuleSet(**given, num_entities=5, num_relations=2)
    assert len(rules) == 4
    assert "4 rules" in repr(rules)
    given["body"][:] = 0  # the set has its own
    seen = {name: getattr(rules, name) for name in FIELDS}
    del rules
    gc.collect()
    for name, expected in arrays().items():
        assert seen[name].dtype == expected.dtype
        np.testing.assert_array_equal(seen[name], expected)
        assert not seen[name].flags.writeable
        assert not seen[name].flags.owndata


def test_select_takes_rules_in_any_order() -> None:
    rules = RuleSet(**arrays(), num_entities=5, num_relations=2)
    chosen = rules.select(np.array([2, 0, 2]))
    assert chosen.head.tolist() == [1, 0, 1]
    assert chosen.body_offsets.tolist() == [0, 1, 3, 4]
    assert chosen.body.tolist() == [2, 0, 3, 2]
    assert chosen.confidence.tolist() == [0.75, 0.5, 0.75]
    assert len(rules.select(np.empty(0, np.int64))) == 0
    for bad in (4, -1):
        with pytest.raises(IndexError, match=str(bad)):
            rules.select(np.array([0, bad]))
    with pytest.raises(ValueError, match="indices: expected dtype int64"):
        rules.select(np.array([0], np.int32))


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("head", np.zeros(4, np.int64), ValueError, "head: expected dtype int32, got int64"),
        ("head", np.zeros((2, 2), np.int32), ValueError, "head: expected shape"),
        ("support", np.zeros(3, np.int64), ValueError, "support: expected length 4, got 3"),
        ("confidence", np.array([0.5, np.nan, 0.5, 0.5]), ValueError, r"rule 1: expected a confidence in \[0, 1\]"),
        ("support", np.array([1, 3, 3, 0]), ValueError, "rule 1: expected 0 <= support <= predictions"),
        ("body_offsets", np.array([0, 2, 1, 4, 4]), ValueError, "body_offsets must not fall"),
        ("body_offsets", np.array([0, 2, 3, 4, 9]), ValueError, "body_offsets must end at 4, got 9"),
        ("body_offsets", np.array([0, 0, 3, 4, 4]), ValueError, "rule 0: expected a body"),
        ("head", np.array([2, 3, 1, 2], np.int32), ValueError, "rule 0: expected a forward relation"),
        ("head", np.array([0, 3, 1, 4], np.int32), IndexError, r"head\[3\] is 4, expected it in \[0, 4\)"),
        ("head_constant", np.array([-1, 5, -2, 0], np.int32), IndexError, r"head_constant\[1\] is 5"),
        ("body_constant", np.array([-1, -3, -1, -1], np.int32), IndexError, r"body_constant\[1\] is -3"),
        ("body_constant", np.array([-1, 2, -1, 3], np.int32), ValueError, "rule 3: expected no body_constant"),
        ("body", np.array([0, 3, 1, 4], np.int32), IndexError, r"body\[3\] is 4"),
    ],
)
def test_arrays_that_are_no_rules_are_refused(name: str, value: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        RuleSet(**{**arrays(), name: value}, num_entities=5, num_relations=2)
