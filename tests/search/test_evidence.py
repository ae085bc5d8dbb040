"""Rules and walks weighed together, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgwalk.protocols import Ranked
from kgwalk.search import weigh_evidence

NO_RULE, NO_WALK = math.log(1e-6), -14.0


def ranked(*rows: dict[int, float], paths: object = None) -> Ranked:
    """Rows of {entity: score}, best first."""
    listed = [sorted(row.items(), key=lambda one: (-one[1], one[0])) for row in rows]
    flat = [one for row in listed for one in row]
    return Ranked(
        np.cumsum([0, *map(len, listed)]).astype(np.int64),
        np.array([entity for entity, _ in flat], np.int32),
        np.array([score for _, score in flat], np.float64),
        paths,
    )


def by_rules(*rows: dict[int, float]) -> Ranked:
    """Confidences as a noisy-or scores them."""
    return ranked(*({entity: -math.log1p(-c) for entity, c in row.items()} for row in rows))


def by_walks(*rows: dict[int, float]) -> Ranked:
    return ranked(*({entity: math.log(p) for entity, p in row.items()} for row in rows))


def as_dicts(found: Ranked) -> list[dict[int, float]]:
    rows = [slice(*found.offsets[row : row + 2]) for row in range(len(found.offsets) - 1)]
    return [dict(zip(found.entities[row].tolist(), found.scores[row].tolist(), strict=True)) for row in rows]


def test_by_hand() -> None:
    found = weigh_evidence(by_rules({4: 0.5, 1: 0.1}, {}), by_walks({1: 0.25, 7: 0.5}, {3: 1.0}), 2.0)
    expected = {
        4: math.log(0.5 + 1e-6) + 2 * NO_WALK,
        1: math.log(0.1 + 1e-6) + 2 * math.log(0.25),
        7: NO_RULE + 2 * math.log(0.5),
    }
    first, second = as_dicts(found)
    assert first == pytest.approx(expected)
    assert list(first) == [1, 7, 4]
    assert second == pytest.approx({3: NO_RULE})
    assert (found.offsets.dtype, found.entities.dtype, found.scores.dtype) == (np.int64, np.int32, np.float64)


confidences = st.dictionaries(st.integers(0, 12), st.floats(0, 1 - 1e-9), max_size=8)
probabilities = st.dictionaries(st.integers(0, 12), st.floats(1e-12, 1), max_size=8)


@given(
    rows=st.lists(st.tuples(confidences, probabilities), max_size=5),
    weight=st.sampled_from([0.0, 0.3, 1.0, 4.0]),
)
def test_every_answer_of_either_is_weighed(
    rows: list[tuple[dict[int, float], dict[int, float]]], weight: float
) -> None:
    found = weigh_evidence(by_rules(*(r for r, _ in rows)), by_walks(*(w for _, w in rows)), weight)
    for got, (rules, walks) in zip(as_dicts(found), rows, strict=True):
        expected = {}
        for entity in rules.keys() | walks.keys():
            log_prob = max(NO_WALK, math.log(walks[entity])) if entity in walks else NO_WALK
            expected[entity] = math.log(rules.get(entity, 0) + 1e-6) + weight * log_prob
        assert got == pytest.approx(expected, abs=1e-9)
        assert list(got) == sorted(got, key=lambda entity: (-got[entity], entity))


def test_equal_answers_stand_in_order_of_their_ids() -> None:
    found = weigh_evidence(by_rules({9: 0.5, 2: 0.5, 5: 0.5}), by_walks({5: 0.1, 9: 0.1, 2: 0.1}), 1.0)
    assert found.entities.tolist() == [2, 5, 9]


def test_an_answer_that_a_rule_is_certain_of() -> None:
    certain = ranked({3: math.inf, 1: 0.1})
    found = weigh_evidence(certain, by_walks({1: 1.0}), 0.5)
    assert as_dicts(found)[0][3] == pytest.approx(math.log1p(1e-6) + 0.5 * NO_WALK)


def test_a_weight_of_0_ranks_by_rules_alone() -> None:
    found = weigh_evidence(by_rules({1: 0.2, 2: 0.9}), by_walks({1: 0.9, 2: 0.1, 3: 1.0}), 0.0)
    assert found.entities.tolist() == [2, 1, 3]


def test_paths_of_the_walks_go_along() -> None:
    paths = object()
    found = weigh_evidence(by_rules({1: 0.2}), ranked({1: -1.0}, paths=paths), 1.0)
    assert found.paths is paths


def test_nothing_at_all() -> None:
    assert weigh_evidence(by_rules(), by_walks(), 1.0).offsets.tolist() == [0]
    assert weigh_evidence(by_rules({}, {}), by_walks({}, {}), 1.0).offsets.tolist() == [0, 0, 0]


def test_other_queries_and_bad_weights_are_errors() -> None:
    with pytest.raises(ValueError, match="the same queries, got 1 and 2 rows"):
        weigh_evidence(by_rules({1: 0.2}), by_walks({1: 0.2}, {}), 1.0)
    for weight in (-0.1, math.inf, math.nan):
        with pytest.raises(ValueError, match="weight must be a finite number of 0 or more"):
            weigh_evidence(by_rules({}), by_walks({}), weight)
