"""The miner against brute force: every rule that there is, with its exact counts, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgwalk import Graph
from kgwalk._core import Expand, Overlay, RuleMiner, RuleSet, set_num_threads
from kgwalk.data import family
from kgwalk.data.family import RULES
from tests.core.oracle import Oracle, facts_array
from tests.rules import oracle
from tests.rules.graphs import crowded, forward_facts, random_graph
from tests.rules.oracle import Rule
from tests.rules.rule_sets import counts_of

Counts = dict[Rule, tuple[int, int]]


def mined(graph: Graph | Expand, **settings: object) -> Counts:
    """What the miner gives once it is through; its counts are exact then."""
    miner = RuleMiner(graph, **settings)  # type: ignore[arg-type]
    while miner.step():
        pass
    assert miner.rounds == miner.total_rounds
    assert not miner.step()
    rules, errors = miner.result()
    np.testing.assert_array_equal(errors, np.zeros(len(rules)))
    np.testing.assert_array_equal(rules.confidence, rules.support / rules.predictions)
    return counts_of(rules)


def expected(graph: Oracle, max_length: int, min_support: int, min_confidence: float, identity: bool) -> Counts:
    found = oracle.mine(frozenset(graph.facts), graph.num_relations, max_length, min_support, object_identity=identity)
    return {rule: (s, p) for rule, (s, p) in found.items() if s >= min_confidence * p}


@settings(max_examples=150)
@given(crowded(), st.integers(1, 3), st.integers(1, 3), st.sampled_from([0.0, 0.3, 0.5, 1.0]), st.booleans())
def test_finds_what_brute_force_finds(
    graph: Oracle, max_length: int, min_support: int, min_confidence: float, identity: bool
) -> None:
    found = mined(
        graph.graph(),
        max_length=max_length,
        min_support=min_support,
        min_confidence=min_confidence,
        object_identity=identity,
    )
    assert found == expected(graph, max_length, min_support, min_confidence, identity)


@settings(max_examples=25)
@given(crowded(4, 2, 7), st.integers(4, 5), st.booleans())
def test_finds_long_rules(graph: Oracle, max_length: int, identity: bool) -> None:
    found = mined(graph.graph(), max_length=max_length, min_support=1, min_confidence=0.0, object_identity=identity)
    assert found == expected(graph, max_length, 1, 0.0, identity)


@settings(max_examples=15)
@given(crowded())
def test_each_kind_can_be_had_alone(graph: Oracle) -> None:
    kinds = {"cyclic": "cyclic", "constants": "constant", "existential": "existential", "zero": "zero"}
    everything = mined(graph.graph(), max_length=2, min_support=1)
    for switch, kind in kinds.items():
        found = mined(graph.graph(), max_length=2, min_support=1, **{name: name == switch for name in kinds})
        assert found == {rule: counts for rule, counts in everything.items() if rule.kind == kind}


def test_a_fact_is_no_evidence_for_itself() -> None:
    """0 -0-> 1 alone: every rule that would explain it by itself has nothing to say."""
    for identity in (True, False):
        alone = Oracle([(0, 0, 1)], 2, 1)
        found = mined(alone.graph(), max_length=3, min_support=1, object_identity=identity)
        assert all(rule.kind == "zero" for rule in found)
    # 0 and 2 share 1 and 3: each of the four facts follows from the other three, 0 -0-> 1 by 3 and 2 only.
    square = Oracle([(0, 0, 1), (0, 0, 3), (2, 0, 1), (2, 0, 3)], 4, 1)
    found = mined(square.graph(), max_length=3, min_support=1, constants=False, existential=False, zero=False)
    assert found == {Rule(0, (0, 1, 0)): (4, 4)}
    less = Oracle([(0, 0, 1), (0, 0, 3), (2, 0, 1)], 4, 1)
    rules = mined(less.graph(), max_length=3, min_support=1, constants=False, existential=False, zero=False)
    assert rules == {}  # (2, 3) is predicted, but no fact follows from the others
    # A mirror image is another fact, and evidence.
    mirrored = Oracle([(0, 0, 1), (1, 0, 0)], 2, 1)
    assert mined(mirrored.graph(), max_length=1, min_support=1)[Rule(0, (1,))] == (2, 2)
    # So it is with one entity: that X has 0 to 1 is said by nothing but that.
    others = Oracle([(0, 0, 1), (2, 0, 1)], 3, 1)
    found = mined(others.graph(), min_support=1, cyclic=False, zero=False)
    assert not any(rule.head == 0 for rule in found)


@pytest.fixture(scope="module")
def planted() -> Graph:
    """A relation, one that follows it with three facts in five, one that turns round three in ten; and noise."""
    rng = np.random.default_rng(0)
    pairs = np.unique(rng.integers(0, 240, (1100, 2)), axis=0)
    kept = pairs[rng.random(len(pairs)) < 0.6]
    turned = pairs[rng.random(len(pairs)) < 0.3][:, ::-1]
    relations = [
        pairs,
        np.concatenate([kept, rng.integers(0, 240, (400, 2))]),
        np.concatenate([turned, rng.integers(0, 240, (700, 2))]),
    ]
    rows = [np.insert(ends, 1, relation, axis=1) for relation, ends in enumerate(relations)]
    return Graph.from_triples(np.concatenate(rows).astype(np.int32), 240, 3)


def after(graph: Graph, rounds: int, **settings: object) -> tuple[RuleSet, np.ndarray]:
    miner = RuleMiner(graph, **settings)  # type: ignore[arg-type]
    for _ in range(rounds):
        miner.step()
    assert miner.rounds == rounds
    return miner.result()


def as_lists(result: tuple[RuleSet, np.ndarray]) -> list[list[float]]:
    rules, errors = result
    arrays = (rules.head, rules.head_constant, rules.body_offsets, rules.body, rules.body_constant, rules.support)
    return [a.tolist() for a in (*arrays, rules.predictions, rules.confidence, errors)]


@pytest.mark.usefixtures("keep_num_threads")
@pytest.mark.parametrize("rounds", [1, 5])
def test_same_rules_on_any_number_of_threads(planted: Graph, rounds: int) -> None:
    results = []
    for threads in (1, 2, 4):
        set_num_threads(threads)
        results.append(as_lists(after(planted, rounds, slices=8, object_identity=True)))
    assert results[1:] == results[:-1]
    assert results[0] != as_lists(after(planted, rounds, slices=8, object_identity=True, seed=1))


@pytest.mark.parametrize("identity", [True, False])
def test_slices_and_seed_do_not_matter_in_the_end(planted: Graph, identity: bool) -> None:
    whole = mined(planted, slices=1, object_identity=identity)
    assert len(whole) > 1000
    assert mined(planted, slices=5, seed=3, object_identity=identity) == whole
    assert mined(planted, slices=64, object_identity=identity) == whole


def test_slices_add_up_to_what_brute_force_finds() -> None:
    """More facts than one slice holds."""
    graph = random_graph(0, 70, 2, 400)
    facts = frozenset((head, relation, tail) for head, relation, tail in forward_facts(graph).tolist())
    truth = oracle.mine(facts, 2, 2, 1, ["cyclic"], object_identity=True)
    settings = {"constants": False, "existential": False, "zero": False, "object_identity": True}
    assert mined(graph, max_length=2, min_support=1, min_confidence=0.0, slices=4, **settings) == truth


CYCLIC_ESTIMATES = {
    "max_length": 2,
    "constants": False,
    "existential": False,
    "zero": False,
    "min_support": 1,
    "min_confidence": 0.0,
    "slices": 8,
}


def test_estimates_are_right_on_average_and_as_far_off_as_they_say(planted: Graph) -> None:
    truth = mined(planted, **CYCLIC_ESTIMATES)
    often = [rule for rule, (support, _) in truth.items() if support >= 80]  # never missed, rounding does not show
    assert len(often) > 60
    true = np.array([truth[rule] for rule in often], float)
    true_confidence = true[:, 0] / true[:, 1]
    seeds = 80
    counts, deviations = np.empty((seeds, len(often), 2)), np.empty((seeds, len(often)))
    for seed in range(seeds):
        rules, errors = after(planted, 2, **CYCLIC_ESTIMATES, seed=seed)
        found = counts_of(rules)
        place = {rule: i for i, rule in enumerate(found)}
        chosen = [place[rule] for rule in often]
        counts[seed] = [found[rule] for rule in often]
        assert (errors[chosen] > 0).all()
        deviations[seed] = (rules.confidence[chosen] - true_confidence) / errors[chosen]
    counts[..., 1] -= counts[..., 0]  # support and wrong predictions are estimated each by itself
    true[:, 1] -= true[:, 0]
    off = (counts.mean(axis=0) - true) / (counts.std(axis=0) / seeds**0.5)
    assert np.abs(off).max() < 4.5
    assert np.sqrt((off**2).mean()) < 1.5
    # A standard error is one: deviations spread by 1, and few lie beyond two.
    assert 0.9 < deviations.std() < 1.15
    assert 0.92 < (np.abs(deviations) < 2).mean() < 0.98
    # So it is with rules that are often right, where facts must not count as wrong predictions.
    sure = true_confidence > 0.2
    assert sure.sum() > 3
    assert 0.85 < deviations[:, sure].std() < 1.15


def test_rare_rules_are_missed_as_often_as_makes_up_for_the_times_they_are_found(planted: Graph) -> None:
    truth = mined(planted, **CYCLIC_ESTIMATES)
    rare = [rule for rule, (support, _) in truth.items() if support < 80]
    runs = [counts_of(after(planted, 2, **CYCLIC_ESTIMATES, seed=seed)[0]) for seed in range(80)]
    assert any(rule not in run for run in runs for rule in rare)
    support = np.array([[run.get(rule, (0, 0))[0] for rule in rare] for run in runs], float)
    off = (support.mean(axis=0) - [truth[rule][0] for rule in rare]) / (support.std(axis=0) / len(runs) ** 0.5)
    assert np.abs(off).max() < 4


@pytest.mark.parametrize("complete", [False, True])
def test_family_gives_its_planted_rules_back(complete: bool) -> None:
    dataset = family()
    graph = dataset.graph
    if complete:  # valid and test, too: what is planted holds without exception
        every = np.concatenate([forward_facts(graph), dataset.splits["valid"], dataset.splits["test"]])
        graph = Graph.from_triples(every, graph.num_entities, graph.num_relations)
    facts: dict[int, set[tuple[int, int]]] = {r: set() for r in range(2 * graph.num_relations)}
    for head, relation, tail in forward_facts(graph).tolist():
        facts[relation].add((head, tail))
        facts[graph.inverse(relation)].add((tail, head))
    found = mined(graph, max_length=3, constants=False, existential=False, zero=False)
    for rule in RULES:
        body = tuple(
            graph.inverse(dataset.relations.find(name[1:])) if name.startswith("^") else dataset.relations.find(name)
            for name in rule.body
        )
        joined = facts[body[0]]
        for relation in body[1:]:
            joined = {(x, y) for x, a in joined for b, y in facts[relation] if a == b}
        head = dataset.relations.find(rule.head)
        support = len(joined & facts[head])
        assert found[Rule(head, body)] == (support, len(joined))
        assert (support == len(joined)) is complete


@settings(max_examples=40)
@given(crowded(most_facts=18), st.data())
def test_an_overlay_mines_as_the_graph_it_stands_for(graph: Oracle, data: st.DataObject) -> None:
    facts = sorted(set(graph.facts))
    hidden = data.draw(st.lists(st.sampled_from(facts), unique=True)) if facts else []
    new = data.draw(st.integers(0, 2))
    entity = st.integers(0, graph.num_entities + new - 1)
    drawn = data.draw(st.lists(st.tuples(entity, st.integers(0, graph.num_relations - 1), entity), max_size=6))
    added = [fact for fact in dict.fromkeys(drawn) if fact not in facts]
    base = graph.graph()
    overlay = Overlay(base, facts_array(hidden), facts_array(added), [0] * new)
    rest = [fact for fact in facts if fact not in hidden]
    rebuilt = Oracle([*rest, *added], graph.num_entities + new, graph.num_relations)
    for identity in (True, False):
        settings = {"max_length": 3, "min_support": 1, "object_identity": identity}
        capped = Expand(base, overlay, 1)  # a cap is for walkers: rules see the whole graph
        assert mined(capped, **settings) == mined(rebuilt.graph(), **settings)


def test_rounds_tell_how_far_it_is(planted: Graph) -> None:
    miner = RuleMiner(planted, slices=8)
    assert (miner.rounds, miner.total_rounds, miner.num_candidates) == (0, 16, 0)
    rules, errors = miner.result()
    assert (len(rules), len(errors)) == (0, 0)
    assert miner.step()
    assert miner.rounds == 1
    rules, errors = miner.result()
    assert 0 < len(rules) <= miner.num_candidates
    assert len(errors) == len(rules)
    order = [(head, -confidence) for head, confidence in zip(rules.head.tolist(), rules.confidence, strict=True)]
    assert order == sorted(order)
    assert not RuleMiner(planted, cyclic=False).step()  # exact after one round


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"max_length": 0}, "max_length"),
        ({"max_length": 17}, "max_length"),
        ({"min_support": 0}, "min_support"),
        ({"min_confidence": -0.1}, "min_confidence"),
        ({"min_confidence": float("nan")}, "min_confidence"),
        ({"slices": 0}, "slices"),
        ({"cyclic": False, "constants": False, "existential": False, "zero": False}, "kind"),
    ],
)
def test_senseless_settings_are_refused(planted: Graph, settings: dict[str, object], names: str) -> None:
    with pytest.raises(ValueError, match=names):
        RuleMiner(planted, **settings)  # type: ignore[arg-type]


def test_rules_too_long_for_their_codes_are_refused() -> None:
    graph = random_graph(0, 20, 237, 50)
    RuleMiner(graph, max_length=6)
    with pytest.raises(ValueError, match="do not fit in 64 bits"):
        RuleMiner(graph, max_length=7)
    RuleMiner(graph, max_length=7, cyclic=False)


@pytest.mark.parametrize("graph", [None, "graph"])
def test_what_is_no_graph_is_refused(graph: object) -> None:
    with pytest.raises(TypeError, match="expected a Graph or an Expand"):
        RuleMiner(graph)  # type: ignore[arg-type]


def test_a_graph_without_facts_has_no_rules() -> None:
    assert mined(Oracle([], 3, 2).graph()) == {}
    assert mined(Oracle([], 0, 0).graph()) == {}
