"""RuleTrie against a plain dict of paths."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgwalk.protocols import Candidates, Ids
from kgwalk.rules import RuleSet, RuleTrie, applied_confidence
from tests.rules.oracle import SELF, VARIABLE, Rule, inverse
from tests.rules.rule_sets import rule_set, without_counts

R = 2
STAY = 2 * R
Path = tuple[int, ...]
Paths = dict[tuple[int, Path], float]


def ids(values: object) -> Ids:
    return np.array(values, np.int32)


def paths_of(counts: dict[Rule, tuple[int, int]], smoothing: float, threshold: float) -> Paths:
    """(query relation, body) -> confidence, both ways round."""
    found: Paths = {}
    for rule, (support, predictions) in counts.items():
        confidence = support / (predictions + smoothing) if predictions else 0.0
        if rule.kind == "cyclic" and confidence >= threshold and confidence > 0:
            turned = tuple(inverse(b, R) for b in reversed(rule.body))
            for key in ((rule.head, rule.body), (inverse(rule.head, R), turned)):
                found[key] = max(confidence, found.get(key, 0.0))
    return found


def below(paths: Paths, query: int, path: Path) -> float:
    return max((c for (q, body), c in paths.items() if q == query and body[: len(path)] == path), default=0.0)


@st.composite
def counted_rules(draw: st.DrawFn) -> dict[Rule, tuple[int, int]]:
    relation = st.integers(0, 2 * R - 1)
    body = st.lists(relation, min_size=1, max_size=3).map(tuple)
    variable = st.just(VARIABLE)
    cyclic = st.builds(Rule, st.integers(0, R - 1), body, variable, variable)
    constant = st.builds(Rule, relation, body, st.sampled_from([0, SELF]), st.sampled_from([VARIABLE, 1]))
    rules = draw(st.lists(cyclic | constant, max_size=12, unique=True))
    predictions = [draw(st.integers(0, 20)) for _ in rules]
    return {rule: (draw(st.integers(0, p)), p) for rule, p in zip(rules, predictions, strict=True)}


@settings(deadline=None)
@given(counted_rules(), st.sampled_from([0.0, 0.2]), st.sampled_from([0.0, 5.0]))
def test_every_history_is_told_as_by_a_dict(
    counts: dict[Rule, tuple[int, int]], threshold: float, smoothing: float
) -> None:
    trie = RuleTrie(rule_set(counts, 3, R), R, smoothing=smoothing, threshold=threshold)
    paths = paths_of(counts, smoothing, threshold)
    histories = [h for hops in range(4) for h in product(range(2 * R), repeat=hops)]
    asked = list(product(range(2 * R), histories))
    padded = ids([[*history, *[STAY] * (3 - len(history))] for _, history in asked])
    nodes = trie.follow(ids([query for query, _ in asked]), padded)
    assert trie.confidence(nodes).tolist() == [paths.get(key, 0.0) for key in asked]
    assert trie.best(nodes).tolist() == [below(paths, *key) for key in asked]
    offsets, relations, best = trie.continuations(nodes)
    expected = [
        [(r, worth) for r in range(2 * R) if (worth := below(paths, query, (*history, r)))] for query, history in asked
    ]
    assert np.diff(offsets).tolist() == [len(row) for row in expected]
    assert list(zip(relations.tolist(), best.tolist(), strict=True)) == [pair for row in expected for pair in row]


@pytest.fixture
def trie() -> RuleTrie:
    """0 <- 1 (.4); 0 <- 1, 2 (.8); 0 <- 3, 3 (.2)."""
    return RuleTrie(without_counts({Rule(0, (1,)): 0.4, Rule(0, (1, 2)): 0.8, Rule(0, (3, 3)): 0.2}, 3, R), R)


def row(*relations: int) -> Candidates:
    return Candidates(np.array([0, len(relations)], np.int64), ids(relations), ids([0] * len(relations)))


ALL = row(STAY, 0, 1, 1, 2, 3)


@pytest.mark.parametrize(
    ("query", "history", "allowed"),
    [
        (0, [], {1, 3}),  # nothing ends before the first hop, so no waiting
        (0, [1], {STAY, 2}),
        (0, [1, STAY], {STAY, 2}),
        (0, [1, 2], {STAY}),
        (0, [3], {3}),
        (2, [0], {3}),  # 0 <- 1, 2 turned round
        (0, [2], {STAY, 0, 1, 2, 3}),  # dead
        (1, [], {STAY, 0, 1, 2, 3}),  # a relation without rules
    ],
)
def test_mask(trie: RuleTrie, query: int, history: list[int], allowed: set[int]) -> None:
    nodes = trie.follow(ids([query]), ids([history]))
    mask = trie.mask(nodes, ALL)
    assert mask.tolist() == [relation in allowed for relation in ALL.relations.tolist()]


def test_a_row_that_the_mask_would_empty_stays_as_it_is(trie: RuleTrie) -> None:
    candidates = Candidates(np.array([0, 2, 4, 4], np.int64), ids([STAY, 0, STAY, 3]), ids([0, 1, 0, 1]))
    assert trie.mask(trie.start(ids([0, 0, 0])), candidates).tolist() == [True, True, False, True]


def test_prior(trie: RuleTrie) -> None:
    start, dead = trie.start(ids([0])), trie.follow(ids([0]), ids([[2]]))
    expected = np.log([0.05, 0.05, 0.8, 0.8, 0.05, 0.2])
    prior = trie.prior(start, ALL, floor=0.05)
    assert prior.dtype == np.float32
    np.testing.assert_allclose(prior, expected, rtol=1e-6)
    after = trie.prior(trie.advance(start, ids([1])), ALL, floor=0.05)
    np.testing.assert_allclose(after, np.log([0.4, 0.05, 0.05, 0.05, 0.8, 0.05]), rtol=1e-6)
    assert len(set(trie.prior(dead, ALL).tolist())) == 1


def test_the_order_of_rules_is_nothing() -> None:
    counts = {Rule(0, (1, 2)): (3, 4), Rule(1, (0,)): (2, 9), Rule(0, (1,)): (1, 2), Rule(0, (1, 3)): (1, 1)}
    tries = [RuleTrie(rule_set(dict(items), 3, R), R) for items in (counts.items(), reversed(counts.items()))]
    nodes = np.arange(tries[0].num_nodes, dtype=np.int32)
    for left, right in zip(*(trie.continuations(nodes) for trie in tries), strict=True):
        np.testing.assert_array_equal(left, right)
    np.testing.assert_array_equal(tries[0].confidence(nodes), tries[1].confidence(nodes))


def test_of_equal_rules_the_most_confident_counts() -> None:
    rules = without_counts({Rule(0, (1,)): 0.3, Rule(0, (2,)): 0.7, Rule(0, (3,)): 0.6}, 3, R)
    same = RuleSet(
        rules.head,
        rules.head_constant,
        rules.body_offsets,
        ids([1, 1, 1]),
        rules.body_constant,
        rules.support,
        rules.predictions,
        rules.confidence,
        num_entities=3,
        num_relations=R,
    )
    trie = RuleTrie(same, R)
    assert trie.confidence(trie.follow(ids([0, R]), ids([[1], [3]]))).tolist() == [0.7, 0.7]


def test_applied_confidence() -> None:
    counted = rule_set({Rule(0, (1,)): (5, 5), Rule(1, (0,)): (0, 3)}, 3, R)
    assert applied_confidence(counted).tolist() == [0.5, 0.0]
    assert applied_confidence(counted, 0).tolist() == [1.0, 0.0]
    assert applied_confidence(without_counts({Rule(0, (1,)): 0.7}, 3, R)).tolist() == [0.7]
    assert counted.confidence.tolist() == [1.0, 0.0]


def test_bad_input(trie: RuleTrie) -> None:
    rules = rule_set({Rule(0, (1,)): (1, 1)}, 3, R)
    with pytest.raises(ValueError, match="smoothing"):
        RuleTrie(rules, R, smoothing=-1)
    with pytest.raises(ValueError, match="threshold"):
        RuleTrie(rules, R, threshold=1.5)
    with pytest.raises(IndexError, match="heads"):
        RuleTrie(rule_set({Rule(1, (0,)): (1, 1)}, 3, R), 0)
    with pytest.raises(IndexError, match="query relations"):
        trie.start(ids([STAY]))
    with pytest.raises(IndexError, match=r"relations: expected ids in \[0, 5\)"):
        trie.advance(ids([1]), ids([5]))
    with pytest.raises(IndexError, match="nodes"):
        trie.confidence(ids([-1]))
    with pytest.raises(ValueError, match="2 nodes"):
        trie.advance(ids([1, 1]), ids([1]))
    with pytest.raises(ValueError, match="integers"):
        trie.best(np.array([0.5]))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="rows of candidates"):
        trie.mask(ids([1, 1]), ALL)
    with pytest.raises(ValueError, match="floor"):
        trie.prior(ids([1]), ALL, floor=0)
