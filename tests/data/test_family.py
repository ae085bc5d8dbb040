"""Family's planted rules against brute force over its facts."""

from collections import defaultdict

import numpy as np
import pytest

from kgwalk.data import family
from kgwalk.data.family import BASE, COMPOSED, RULES, SYMMETRIC


@pytest.fixture(scope="module")
def facts_by_relation():
    """Relation name -> set of (head, tail) over all splits."""
    data = family()
    pairs = defaultdict(set)
    for rows in data.splits.values():
        for head, relation, tail in rows.tolist():
            pairs[data.relation_name(relation)].add((head, tail))
    return pairs


def joined(pairs, body):
    """Pairs that a rule's body joins, by nested loops."""
    result = None
    for relation in body:
        step = {(t, h) for h, t in pairs[relation[1:]]} if relation.startswith("^") else pairs[relation]
        if result is None:
            result = set(step)
        else:
            tails = defaultdict(set)
            for a, b in step:
                tails[a].add(b)
            result = {(x, y) for x, a in result for y in tails[a]}
    return result


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_planted_rule_has_the_confidence_it_states(facts_by_relation, rule):
    body = joined(facts_by_relation, rule.body)
    assert body
    assert len(body & facts_by_relation[rule.head]) / len(body) == rule.confidence
    assert len(rule.body) <= 3
    assert {relation.removeprefix("^") for relation in rule.body} <= set(BASE)


@pytest.mark.parametrize("head", COMPOSED)
def test_the_rules_of_a_relation_give_all_its_facts_and_no_other(facts_by_relation, head):
    bodies = [joined(facts_by_relation, rule.body) for rule in RULES if rule.head == head]
    assert set.union(*bodies) == facts_by_relation[head]


def test_nobody_is_their_own_relative_and_parents_are_unique(facts_by_relation):
    for pairs in facts_by_relation.values():
        assert all(head != tail for head, tail in pairs)
    for relation in ("mother", "father", "spouse"):
        heads = [head for head, _ in facts_by_relation[relation]]
        assert len(heads) == len(set(heads))
    assert facts_by_relation["sister"].isdisjoint(facts_by_relation["spouse"])
    assert facts_by_relation["cousin"].isdisjoint(facts_by_relation["spouse"])


def test_valid_and_test_hold_composed_facts_that_the_graph_does_not_show():
    data = family()
    for split in ("valid", "test"):
        rows = data.splits[split]
        names = {data.relation_name(r) for r in rows[:, 1].tolist()}
        assert names == set(COMPOSED)
        for head, relation, tail in rows.tolist():
            assert data.graph.find(head, relation, tail) < 0
            if data.relation_name(relation) in SYMMETRIC:
                assert data.graph.find(tail, relation, head) < 0
        assert len(rows) > 200


def test_rules_learned_from_train_rank_the_test_answers_first():
    """All bodies of up to 3 base steps, confidence on train alone, noisy-or: what a walker of 3 hops can reach."""
    data = family()
    people, relations = data.graph.num_entities, data.graph.num_relations
    step = np.zeros((2 * relations, people, people), dtype=np.float32)
    for head in range(people):
        row = data.graph.slice(head)
        step[row[:, 0], head, row[:, 1]] = 1
    base = [data.relation(name) for name in BASE]
    base += [data.relation(name) for name in ("^mother", "^father")]
    doubt = np.ones((relations, people, people), dtype=np.float32)
    facts = step[:relations].reshape(relations, -1)

    def learn(body, reach):
        confidence = facts @ reach.ravel() / (reach.sum() + 5)
        for relation in np.flatnonzero(confidence > 0.1):
            if body != (relation,):
                doubt[relation] *= 1 - confidence[relation] * reach
        for relation in base if len(body) < 3 else ():
            further = np.minimum(reach @ step[relation], 1)
            if further.any():
                learn((*body, relation), further)

    for relation in base:
        learn((relation,), step[relation])
    known = data.known_for("test")
    reciprocal = []
    for source, relation, target in data.queries("test").tolist():
        score = 1 - doubt[relation, source]
        wrong = np.setdiff1d(np.arange(people), known.slice(source, relation)[:, 1])
        better, ties = (score[wrong] > score[target]).sum(), (score[wrong] == score[target]).sum()
        reciprocal.append(1 / (1 + better + ties / 2) if score[target] > 0 else 0)
    assert np.mean(reciprocal) > 0.95


def test_the_same_seed_gives_the_same_village_and_another_another():
    assert family.__wrapped__(3).fingerprint == family.__wrapped__(3).fingerprint
    assert family(3).fingerprint != family(4).fingerprint
    # Pinned: a change of the default set changes every result measured on it.
    assert family().fingerprint.startswith("6b43859a300b80b5")


def test_people_have_readable_distinct_names():
    names = family().entities.to_list()
    assert len(set(names)) == len(names)
    assert all(len(name.split()) == 2 for name in names)


@pytest.mark.parametrize("arguments", [{"founders": 1}, {"founders": 41}, {"generations": 3}])
def test_arguments_out_of_range_are_refused(arguments):
    with pytest.raises(ValueError, match="founders"):
        family(**arguments)


def test_the_default_cap_loses_no_edge():
    data = family()
    assert data.card.max_out_degree >= np.diff(data.graph.offsets).max()
