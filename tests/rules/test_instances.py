"""RuleInstances against a look at every rule."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgwalk.rules import MiningConfig, RuleInstances, RuleTrie, instances, mine
from tests.rules.graphs import random_graph
from tests.rules.oracle import SELF, VARIABLE, Rule, inverse
from tests.rules.rule_sets import rules_of

R = 2
ENTITIES = 4
STAY = 2 * R
Walk = tuple[list[int], list[int]]  # relations, entities


def is_instance(rule: Rule, query: int, relations: list[int], entities: list[int]) -> bool:
    """Whether a walk without STAY, taken from X on, is one that the rule can be read off."""
    if rule.head != query:
        return False
    if rule.kind == "cyclic":
        return tuple(relations) == rule.body
    if rule.kind != "constant" or SELF in (rule.head_constant, rule.body_constant):
        return False
    back = tuple(inverse(step, R) for step in reversed(rule.body))
    if tuple(relations) != (*rule.body, *back, rule.head):
        return False
    x, example, shared = entities[0], entities[-2], entities[len(rule.body)]
    constants = {rule.head_constant, rule.body_constant}
    right_ends = entities[-1] == rule.head_constant and shared == rule.body_constant
    return right_ends and x != example and x not in constants and example not in constants


def expected(rules: list[Rule], query: int, relations: list[int], entities: list[int]) -> list[int]:
    moved = [i for i, step in enumerate(relations) if step != STAY]
    steps, seen = [relations[i] for i in moved], [entities[0], *(entities[i + 1] for i in moved)]
    turned = [inverse(step, R) for step in reversed(steps)]
    return [
        i
        for i, rule in enumerate(rules)
        if is_instance(rule, query, steps, seen) or is_instance(rule, inverse(query, R), turned, seen[::-1])
    ]


relation = st.integers(0, 2 * R - 1)
entity = st.integers(0, ENTITIES - 1)
bodies = st.lists(relation, max_size=3).map(tuple)
constant = entity | st.just(SELF)
some_body, variable = bodies.filter(len), st.just(VARIABLE)
rule = st.builds(Rule, st.integers(0, R - 1), some_body, variable, variable)
rule |= st.builds(Rule, relation, bodies, constant, variable)
rule |= st.builds(Rule, relation, some_body, constant, constant)


@st.composite
def walks(draw: st.DrawFn, rules: list[Rule]) -> tuple[int, list[int], list[int]]:
    """A query relation and a walk: any, or one along a rule, turned round or not, with waits."""
    if rules and draw(st.integers(0, 5)):
        chosen = draw(st.sampled_from(rules))
        query, steps = chosen.head, list(chosen.body)
        seen = [draw(entity) for _ in range(len(steps) + 1)]
        if chosen.kind != "cyclic":
            steps += [*(inverse(step, R) for step in reversed(steps)), query]
            seen = [draw(entity) for _ in range(len(steps) + 1)]
            if draw(st.booleans()):
                seen[len(chosen.body)], seen[-1] = chosen.body_constant % ENTITIES, chosen.head_constant % ENTITIES
        if draw(st.booleans()):
            query, steps, seen = inverse(query, R), [inverse(step, R) for step in reversed(steps)], seen[::-1]
    else:
        query, steps = draw(relation), draw(st.lists(relation, max_size=4))
        seen = [draw(entity) for _ in range(len(steps) + 1)]
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(steps)))
        steps.insert(at, STAY)
        seen.insert(at, seen[at])
    return query, steps, seen


@pytest.mark.parametrize("factor", [instances._FACTOR, np.uint64(1)], ids=["hashed", "colliding"])
def test_every_walk_finds_the_rules_that_a_look_at_all_finds(
    factor: np.uint64, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instances, "_FACTOR", factor)
    met = set()

    @settings(deadline=None, max_examples=300, derandomize=True)  # chance once drew no instance of a constant rule
    @given(st.data())
    def check(data: st.DataObject) -> None:
        rules = data.draw(st.lists(rule, max_size=12))
        index = RuleInstances(rules_of(rules, ENTITIES, R), R)
        for _ in range(4):
            query, relations, entities = data.draw(walks(rules))
            found = index.of(query, relations, entities)
            assert found == expected(rules, query, relations, entities)
            met.update(rules[i].kind for i in found)

    check()
    assert met == {"cyclic", "constant"}


COUSIN, LIVES = range(2)
X, TOWN, OTHER, ANSWER = range(4)


def test_a_shared_attribute_is_an_instance_both_ways_round() -> None:
    rules = [
        Rule(COUSIN, (LIVES,), ANSWER, TOWN),
        Rule(COUSIN, (LIVES,), ANSWER, OTHER),
        Rule(COUSIN, (LIVES,), X, TOWN),
    ]
    index = RuleInstances(rules_of(rules, ENTITIES, R), R)
    walk, seen = [LIVES, LIVES + R, COUSIN], [X, TOWN, OTHER, ANSWER]
    assert index.of(COUSIN, walk, seen) == [0]
    turned = [inverse(step, R) for step in reversed(walk)]
    assert index.of(COUSIN + R, turned, seen[::-1]) == [0]
    assert index.of(LIVES, walk, seen) == []
    # The example must be another than X: otherwise the walk ends with the very fact that is asked for.
    assert index.of(COUSIN, walk, [X, TOWN, X, ANSWER]) == []


def test_the_trie_knows_the_best_of_the_same_rules() -> None:
    graph = random_graph(seed=2, num_entities=12, num_relations=3, num_facts=40)
    rules = mine(graph, MiningConfig(max_length=3, min_support=1)).rules
    index, trie = RuleInstances(rules, graph.num_relations), RuleTrie(rules, graph.num_relations, smoothing=0)
    cyclic = rules.head_constant == VARIABLE
    rng = np.random.default_rng(0)
    walks = rng.integers(0, graph.stay + 1, (3000, 3), dtype=np.int32)
    queries = rng.integers(0, graph.stay, len(walks), dtype=np.int32)
    best = trie.confidence(trie.follow(queries, walks))
    assert np.count_nonzero(best) > 100
    for query, walk, confidence in zip(queries.tolist(), walks.tolist(), best.tolist(), strict=True):
        found = [i for i in index.of(query, walk, [0, 1, 2, 3]) if cyclic[i]]
        assert max((rules.confidence[i] for i in found), default=0.0) == confidence


def test_waiting_is_no_step() -> None:
    index = RuleInstances(rules_of([Rule(COUSIN, (LIVES, COUSIN))], ENTITIES, R), R)
    assert index.of(COUSIN, [STAY, LIVES, STAY, COUSIN], [X, X, TOWN, TOWN, ANSWER]) == [0]
    assert index.of(COUSIN, [STAY], [X, X]) == []


def test_no_rules_have_no_instances() -> None:
    assert RuleInstances(rules_of([], ENTITIES, R), R).of(COUSIN, [LIVES], [X, TOWN]) == []


def test_what_is_no_walk_is_refused() -> None:
    index = RuleInstances(rules_of([], ENTITIES, R), R)
    with pytest.raises(ValueError, match="one entity more"):
        index.of(COUSIN, [LIVES], [X])
    with pytest.raises(IndexError, match=r"query relation in \[0, 4\)"):
        index.of(STAY, [LIVES], [X, TOWN])
    with pytest.raises(IndexError, match=r"relations in \[0, 4\]"):
        index.of(COUSIN, [STAY + 1], [X, TOWN])
