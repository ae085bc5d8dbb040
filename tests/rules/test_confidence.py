"""What rules are worth: smoothing that grows with length, weights by form."""

from __future__ import annotations

import numpy as np
import pytest

from kgwalk._core import RuleSet
from kgwalk.rules import applied_confidence, count_kinds, rule_kinds
from tests.rules.oracle import KINDS, SELF, Rule
from tests.rules.rule_sets import rule_set, without_counts

COUNTS = {
    Rule(0, (1,)): (10, 15),
    Rule(0, (1, 2)): (10, 15),
    Rule(0, (1, 2, 3)): (10, 15),
    Rule(0, (1,), 2, 3): (10, 15),
    Rule(0, (1,), 2): (10, 15),
    Rule(0, (1,), SELF): (10, 15),
    Rule(0, (), 2): (10, 15),
}


@pytest.fixture
def rules() -> RuleSet:
    return rule_set(COUNTS, num_entities=4, num_relations=4)


def test_kinds_are_the_oracles(rules: RuleSet) -> None:
    assert [KINDS[kind] for kind in rule_kinds(rules)] == [rule.kind for rule in COUNTS]
    assert count_kinds(rules) == {"cyclic": 3, "constant": 1, "existential": 2, "zero": 1}
    assert count_kinds(rules.select(np.array([0]))) == {"cyclic": 1, "constant": 0, "existential": 0, "zero": 0}


def test_smoothing_grows_with_the_atoms_of_cyclic_rules_only(rules: RuleSet) -> None:
    assert applied_confidence(rules).tolist() == [0.5] * 7
    grown = applied_confidence(rules, 5, growth=3)
    assert grown.tolist() == pytest.approx([10 / 20, 10 / 30, 10 / 60, 0.5, 0.5, 0.5, 0.5])


def test_weights_are_factors_by_form(rules: RuleSet) -> None:
    weighed = applied_confidence(rules, kind_weights={"existential": 0.1, "zero": 0.01})
    assert weighed.tolist() == pytest.approx([0.5, 0.5, 0.5, 0.5, 0.05, 0.05, 0.005])


def test_rules_without_counts_are_weighed_but_not_smoothed() -> None:
    bare = without_counts({Rule(0, (1, 2)): 0.5, Rule(0, (), 2): 0.5}, 4, 4)
    assert applied_confidence(bare, 5, 9, {"zero": 0.1}).tolist() == pytest.approx([0.5, 0.05])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"smoothing": -1}, "smoothing"),
        ({"growth": -1}, "growth"),
        ({"growth": float("inf")}, "growth"),
        ({"kind_weights": {"zero": 1.5}}, r"\[0, 1\] for zero"),
        ({"kind_weights": {"zero": float("nan")}}, r"\[0, 1\] for zero"),
        ({"kind_weights": {"long": 0.5}}, "'long'"),
    ],
)
def test_numbers_that_mean_nothing_are_refused(rules: RuleSet, changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        applied_confidence(rules, **changes)  # type: ignore[arg-type]
