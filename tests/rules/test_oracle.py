"""The rules' oracle against answers worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from tests.core.oracle import Oracle, untyped
from tests.rules.oracle import (
    KINDS,
    SELF,
    VARIABLE,
    Fact,
    Facts,
    Rule,
    answers,
    bodies,
    counts,
    edges,
    fired,
    groundings,
    holds,
    mine,
)


def facts_of(*facts: Fact) -> Facts:
    return frozenset(facts)


CHAIN = facts_of((0, 0, 1), (1, 0, 2), (0, 1, 2))  # 1 is 0 twice
LOOPS = facts_of((0, 0, 0), (1, 0, 1), (0, 1, 2))


def test_bodies_are_the_chains_that_occur() -> None:
    assert bodies(facts_of((0, 0, 1)), 1, 2) == {(0,), (1,), (0, 1), (1, 0)}


def test_a_chain() -> None:
    rule = Rule(1, (0, 0))
    assert groundings(rule, CHAIN, 2, 0, object_identity=True) == {2}
    assert groundings(rule, CHAIN, 2, 0, object_identity=True, hidden=(1, 0, 2)) == set()
    assert groundings(rule, CHAIN, 2, 0, object_identity=True, hidden=(2, 2, 1)) == set()  # its inverse hides it too
    assert counts(rule, CHAIN, 2, object_identity=True) == (1, 1)
    assert counts(Rule(0, (1, 2)), CHAIN, 2, object_identity=True) == (1, 1)
    assert counts(Rule(0, (0, 0)), CHAIN, 2, object_identity=True) == (0, 1)


@pytest.mark.parametrize("body", [(0,), (0, 2, 0)])
@pytest.mark.parametrize("object_identity", [True, False])
def test_a_fact_is_no_evidence_for_itself(body: tuple[int, ...], object_identity: bool) -> None:
    assert counts(Rule(0, body), CHAIN, 2, object_identity=object_identity) == (0, 0)


def test_other_facts_of_the_same_relation_are_evidence() -> None:
    square = facts_of((0, 0, 1), (0, 0, 2), (3, 0, 1), (3, 0, 2))
    assert counts(Rule(0, (0, 1, 0)), square, 1, object_identity=True) == (4, 4)
    mirror = facts_of((0, 0, 1), (1, 0, 0), (2, 0, 0))
    assert counts(Rule(0, (1,)), mirror, 1, object_identity=True) == (2, 3)


def test_object_identity_keeps_variables_apart() -> None:
    facts = facts_of((0, 0, 1), (0, 1, 0))
    assert counts(Rule(1, (0, 2)), facts, 2, object_identity=True) == (0, 0)
    assert counts(Rule(1, (0, 2)), facts, 2, object_identity=False) == (1, 1)


def test_constants() -> None:
    facts = facts_of((0, 0, 1), (0, 1, 2), (3, 1, 2), (4, 0, 1))
    rule = Rule(0, (1,), 1, 2)
    assert holds(rule, facts, 2, 3, object_identity=True)
    assert not holds(rule, facts, 2, 4, object_identity=True)
    assert counts(rule, facts, 2, object_identity=True) == (1, 2)
    assert counts(Rule(0, (0,), 1, 1), facts, 2, object_identity=True) == (0, 0)  # h(X, c) <- h(X, c)
    # The inverse head: 0(0, Y) holds of 1, and 1 has an edge back from 4.
    assert counts(Rule(2, (2,), 0, 4), facts, 2, object_identity=True) == (1, 1)


@pytest.mark.parametrize("object_identity", [True, False])
def test_x_is_not_what_the_rule_names(object_identity: bool) -> None:
    facts = facts_of((0, 0, 1), (1, 1, 2), (3, 1, 2), (2, 1, 2))
    assert counts(Rule(0, (1,), 1, 2), facts, 2, object_identity=object_identity) == (0, 1)  # 3, neither 1 nor 2


def test_existential_rules_leave_the_end_open() -> None:
    facts = facts_of((0, 0, 1), (0, 1, 2), (3, 1, 4), (5, 1, 1))
    assert counts(Rule(0, (1,), 1), facts, 2, object_identity=True) == (1, 2)  # of 5 the end would be the constant
    assert counts(Rule(0, (1,), 1), facts, 2, object_identity=False) == (1, 3)
    assert counts(Rule(0, (0,), 1), facts, 2, object_identity=False) == (0, 0)
    other = facts_of((0, 0, 1), (0, 0, 2))
    assert counts(Rule(0, (0,), 1), other, 1, object_identity=True) == (1, 1)


def test_loops_are_properties_of_their_own() -> None:
    assert counts(Rule(1, (0,), 2, SELF), LOOPS, 2, object_identity=True) == (1, 2)
    assert counts(Rule(0, (1,), SELF, 2), LOOPS, 2, object_identity=True) == (1, 1)
    assert counts(Rule(0, (0,), SELF, SELF), LOOPS, 2, object_identity=False) == (0, 0)
    assert counts(Rule(0, (2,), SELF, SELF), LOOPS, 2, object_identity=False) == (0, 0)
    assert counts(Rule(0, (1, 3), SELF, SELF), LOOPS, 2, object_identity=True) == (1, 1)  # out and back
    assert not any(0 in (rule.head_constant, rule.body_constant) for rule in mine(LOOPS, 2, 1) if rule.head == 0)


def test_zero_rules_are_counted_over_all_entities() -> None:
    facts = facts_of((0, 0, 1), (2, 0, 1), (3, 1, 0))
    assert counts(Rule(0, (), 1), facts, 2, object_identity=True) == (2, 3)
    assert mine(facts, 2, 1, 2, ["zero"]) == {Rule(0, (), 1): (2, 3)}


def test_mine_a_chain() -> None:
    assert mine(CHAIN, 2, 2, 1, ["cyclic"]) == {
        Rule(0, (1, 2)): (1, 1),
        Rule(0, (2, 1)): (1, 1),
        Rule(1, (0, 0)): (1, 1),
    }


@settings(max_examples=25, deadline=None)
@given(untyped())
def test_mine_misses_nothing_and_counts_right(graph: Oracle) -> None:
    facts, relations = frozenset(graph.facts), graph.num_relations
    entities, directed = [SELF, *range(graph.num_entities)], range(2 * relations)
    everything = [Rule(h, b) for h in range(relations) for b in bodies(facts, relations, 2)]
    if len(facts) <= 8:
        ends = [(r, e) for r in directed for e in entities if e != SELF or r < relations]
        everything += [Rule(h, (), c) for h, c in ends]
        everything += [Rule(h, (b,), c, d) for h, c in ends for b, d in [*ends, *((r, VARIABLE) for r in directed)]]
    for identity in (True, False):
        mined = mine(facts, relations, 2, object_identity=identity)
        assert {rule.kind for rule in mined} <= set(KINDS)
        for rule in everything:
            said = counts(rule, facts, relations, object_identity=identity)
            assert mined.get(rule, (0, said[1])) == said


def test_answers_of_each_kind() -> None:
    facts = facts_of((0, 0, 1), (1, 0, 2), (3, 1, 4), (5, 1, 4), (6, 0, 6))

    def asked(rule: Rule, source: int, relation: int) -> set[int]:
        return fired(rule, source, relation, facts, 2, object_identity=True)

    assert asked(Rule(1, (0, 0)), 0, 1) == {2}
    assert asked(Rule(1, (0, 0)), 2, 3) == {0}
    assert asked(Rule(1, (0, 0)), 0, 0) == set()
    assert asked(Rule(0, (1,), 2, 4), 3, 0) == {2}
    assert asked(Rule(0, (1,), 2, 4), 2, 2) == {3, 5}
    assert asked(Rule(0, (1,), 2, 4), 0, 2) == set()
    assert asked(Rule(0, (1,), 2), 2, 2) == {3, 5}
    assert asked(Rule(1, (0,), SELF, SELF), 6, 1) == {6}
    assert asked(Rule(1, (0,), SELF, SELF), 6, 3) == {6}
    assert asked(Rule(1, (0,), SELF, SELF), 0, 1) == set()
    assert asked(Rule(1, (), 4), 0, 1) == {4}
    assert asked(Rule(1, (), 4), 4, 1) == set()
    assert asked(Rule(1, (), 4), 4, 3) == set()


def test_scores() -> None:
    facts = facts_of((0, 0, 1), (0, 1, 1), (0, 2, 1), (0, 0, 2))
    rules = {Rule(3, (0,)): 0.5, Rule(3, (1,)): 0.25, Rule(3, (2,)): 0.5, Rule(3, (), 2): 0.5}

    def scores(how: str, k: int = 5) -> dict[int, tuple[float, ...]]:
        return {y: got[0] for y, got in answers(rules, 0, 3, facts, 4, how, k).items()}

    assert scores("max-plus") == {1: (0.5, 0.5, 0.25), 2: (0.5, 0.5)}
    assert scores("max-plus")[1] > scores("max-plus")[2]
    assert scores("noisy-or") == {1: (0.8125,), 2: (0.75,)}
    assert scores("noisy-or-k", 2) == {1: (0.75,), 2: (0.75,)}
    assert answers(rules, 0, 3, facts, 4, "max-plus")[2][1] == [Rule(3, (), 2), Rule(3, (0,))]
    assert edges(facts, 4)[2] == [(4, 0)]
