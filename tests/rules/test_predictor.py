"""The predictor against brute force: answers, their order and scores, and what they rest on."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgwalk import Graph
from kgwalk._core import Expand, Overlay, RulePredictor, RuleSet, set_num_threads
from tests.core.oracle import Fact, Oracle, facts_array, ids
from tests.rules import oracle
from tests.rules.graphs import crowded, random_graph
from tests.rules.oracle import SELF, Rule
from tests.rules.rule_sets import rules_of

Ranked = list[tuple[int, float]]

#: What counts of a confidence of 1, and more exact than float32 would have it.
SURE = 1 - 1e-7
CONFIDENCES = (0.0, 0.125, 0.25, 0.25, 0.5, 0.75, 0.9, 1.0)


@dataclass
class Case:
    """A graph, rules that may come twice, and their confidence either way."""

    graph: Oracle
    rules: list[Rule]
    along: list[float]
    against: list[float]
    identity: bool

    def predictor(self, aggregation: str = "noisy-or", top_k: int = 10, discount: float = 1.0) -> RulePredictor:
        return RulePredictor(
            self.graph.graph(),
            rules_of(self.rules, self.graph.num_entities, self.graph.num_relations),
            np.array(self.along, float),
            against=np.array(self.against, float),
            object_identity=self.identity,
            aggregation=aggregation,
            top_k=top_k,
            discount=discount,
        )

    def queries(self) -> list[Fact]:
        """All that can be asked, in both directions."""
        return [(e, r, 0) for e in range(self.graph.num_entities) for r in range(2 * self.graph.num_relations)]

    def known(self, source: int, relation: int) -> set[int]:
        return {tail for r, tail in self.graph.edges()[source] if r == relation}

    def fired(self, source: int, relation: int) -> dict[int, list[tuple[float, int]]]:
        """By answer: the rules that give it, (confidence, place in the set), best first, equal ones by place."""
        facts, num_relations = frozenset(self.graph.facts), self.graph.num_relations
        found: dict[int, list[tuple[float, int]]] = defaultdict(list)
        for i, rule in enumerate(self.rules):
            # What is said of X and itself is no other rule from the other end.
            along = rule.head == relation or rule.head_constant == SELF
            confidence = self.along[i] if along else self.against[i]
            if confidence > 0:
                for y in oracle.fired(rule, source, relation, facts, num_relations, object_identity=self.identity):
                    found[y].append((confidence, i))
        return {y: sorted(rules, key=lambda rule: -rule[0]) for y, rules in found.items()}


@st.composite
def rules_over(draw: st.DrawFn, num_entities: int, num_relations: int) -> Rule:
    directed = st.integers(0, 2 * num_relations - 1)
    constant = st.integers(0, num_entities - 1) | st.just(SELF)
    body = tuple(draw(st.lists(directed, min_size=1, max_size=3)))
    kind = draw(st.sampled_from(oracle.KINDS))
    if kind == "cyclic":
        return Rule(draw(st.integers(0, num_relations - 1)), body)
    if kind == "zero":
        return Rule(draw(directed), (), draw(constant))
    end = draw(constant) if kind == "constant" else oracle.VARIABLE
    return Rule(draw(directed), body, draw(constant), end)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    graph = draw(crowded(6, 3, 12))
    rules = draw(st.lists(rules_over(graph.num_entities, graph.num_relations), max_size=12))
    if rules:
        rules += draw(st.lists(st.sampled_from(rules), max_size=3))  # some twice

    def confidences() -> list[float]:
        return draw(st.lists(st.sampled_from(CONFIDENCES), min_size=len(rules), max_size=len(rules)))

    along = confidences()
    return Case(graph, rules, along, confidences() if draw(st.booleans()) else along, draw(st.booleans()))


def answers_of(result: tuple[np.ndarray, np.ndarray, np.ndarray]) -> list[Ranked]:
    offsets, entities, scores = (array.tolist() for array in result)
    return [list(zip(entities[a:b], scores[a:b], strict=True)) for a, b in pairwise(offsets)]


@settings(max_examples=150)
@given(
    cases(),
    st.sampled_from([(0, 1.0), (1, 1.0), (2, 1.0), (10, 1.0), (2, 0.5), (10, 0.7)]),
    st.sampled_from([0, 0, 1, 2]),
    st.booleans(),
)
def test_noisy_or(case: Case, counted: tuple[int, float], limit: int, skip_known: bool) -> None:
    top_k, discount = counted
    predictor = case.predictor("noisy-or", top_k, discount)
    queries = case.queries()
    for (source, relation, _), got in zip(
        queries, answers_of(predictor.answer(ids(queries), limit, skip_known)), strict=True
    ):
        hidden = case.known(source, relation) if skip_known else set()
        expected = {}
        for y, rules in case.fired(source, relation).items():
            best = [min(c, SURE) for c, _ in rules][: top_k or None]
            expected[y] = sum(-math.log1p(-c) * discount**k for k, c in enumerate(best))
        want = {y: score for y, score in expected.items() if y not in hidden}
        # Equal sums of equal rules are equal to the last bit: the order says so, ties by entity.
        order = sorted(want, key=lambda y: (-round(want[y], 4), y))
        assert [y for y, _ in got] == order[: limit or None]
        assert [score for _, score in got] == pytest.approx([want[y] for y, _ in got], rel=1e-6)
        assert all(a >= b for (_, a), (_, b) in pairwise(got))


@settings(max_examples=150)
@given(cases(), st.sampled_from([1, 2, 5]), st.sampled_from([0, 0, 1, 2]), st.booleans())
def test_max_plus(case: Case, top_k: int, limit: int, skip_known: bool) -> None:
    predictor = case.predictor("max-plus", top_k)
    queries = case.queries()
    for (source, relation, _), got in zip(
        queries, answers_of(predictor.answer(ids(queries), limit, skip_known)), strict=True
    ):
        hidden = case.known(source, relation) if skip_known else set()
        want = {
            y: tuple(min(c, SURE) for c, _ in rules[:top_k])
            for y, rules in case.fired(source, relation).items()
            if y not in hidden
        }
        # Lexicographic; nothing is less than anything, so that the shorter of two that begin alike comes after.
        order = sorted(want, key=lambda y: ([-c for c in want[y]] + [0.0] * top_k, y))
        assert [y for y, _ in got] == order[: limit or None]
        assert [score for _, score in got] == pytest.approx([want[y][0] for y, _ in got], abs=1e-6)
        for (y, better), (z, worse) in pairwise(got):
            assert better > worse if want[y] > want[z] else better == worse


@settings(max_examples=60)
@given(cases(), st.integers(0, 3))
def test_evidence_is_every_rule_that_fires_and_walks_of_it(case: Case, most: int) -> None:
    predictor = case.predictor()
    facts, num_relations = frozenset(case.graph.facts), case.graph.num_relations
    for source, relation, _ in case.queries():
        fired = case.fired(source, relation)
        for answer in range(case.graph.num_entities):
            found = predictor.evidence(source, relation, answer, most)
            assert [rule for rule, _ in found] == [rule for _, rule in fired.get(answer, [])]
            for place, groundings in found:
                rule = case.rules[place]
                x, y = (source, answer) if rule.head == relation else (answer, source)
                walks = {
                    (walk.entities, walk.relations)
                    for walk in oracle.bindings_to(rule, facts, num_relations, x, y, object_identity=case.identity)
                }
                got = {(tuple(entities), tuple(relations)) for entities, relations in groundings}
                assert got <= walks
                assert len(got) == len(groundings) == min(most, len(walks))


def test_scores_by_hand() -> None:
    """0 is joined to 1 by three relations and to 2 by one: the fourth follows from each of them."""
    graph = Graph.from_triples(facts_array([(0, 0, 1), (0, 1, 1), (0, 2, 1), (0, 0, 2)]), 4, 4)
    rules = rules_of([Rule(3, (0,)), Rule(3, (1,)), Rule(3, (2,)), Rule(3, (), 2)], 4, 4)
    confidence = np.array([0.5, 0.25, 0.5, 0.5])

    def ranked(aggregation: str, top_k: int) -> Ranked:
        predictor = RulePredictor(graph, rules, confidence, aggregation=aggregation, top_k=top_k)
        return answers_of(predictor.answer(ids([[0, 3, 0]])))[0]

    noisy = dict(ranked("noisy-or", 0))
    assert noisy[1] == pytest.approx(-math.log(0.5 * 0.75 * 0.5))
    assert noisy[2] == pytest.approx(-math.log(0.25))
    two = ranked("noisy-or", 2)
    assert [y for y, _ in two] == [1, 2]
    assert two[0][1] == two[1][1] == pytest.approx(-math.log(0.25))
    (first, best), (second, next_best) = ranked("max-plus", 3)
    assert (first, second) == (1, 2)
    assert best > next_best == pytest.approx(0.5)
    assert [score for _, score in ranked("max-plus", 2)] == [best, best]


def test_a_rule_may_be_read_one_way_only() -> None:
    graph = Graph.from_triples(facts_array([(0, 0, 1)]), 2, 2)
    rules = rules_of([Rule(1, (0,))], 2, 2)
    queries = ids([[0, 1, 0], [1, 3, 0]])
    both = RulePredictor(graph, rules, np.array([0.5])).answer(queries)
    assert [len(got) for got in answers_of(both)] == [1, 1]
    for along, against in ((0.5, 0.0), (0.0, 0.5)):
        predictor = RulePredictor(graph, rules, np.array([along]), against=np.array([against]))
        assert [len(got) for got in answers_of(predictor.answer(queries))] == [along > 0, against > 0]
        assert len(predictor.evidence(0, 1, 1)) == (along > 0)
        assert len(predictor.evidence(1, 3, 0)) == (against > 0)


def test_more_places_than_rules_take_no_memory() -> None:
    graph = Graph.from_triples(facts_array([(0, 0, 1)]), 2, 2)
    predictor = RulePredictor(graph, rules_of([Rule(1, (0,))], 2, 2), np.array([0.5]), top_k=2**31 - 1)
    assert answers_of(predictor.answer(ids([[0, 1, 0]])))[0][0][0] == 1


@settings(max_examples=30)
@given(cases(), st.data())
def test_an_overlay_answers_as_the_graph_it_stands_for(case: Case, data: st.DataObject) -> None:
    facts = sorted(set(case.graph.facts))
    hidden = data.draw(st.lists(st.sampled_from(facts), unique=True)) if facts else []
    rebuilt = Oracle([f for f in facts if f not in hidden], case.graph.num_entities, case.graph.num_relations)
    base = case.graph.graph()
    rules = rules_of(case.rules, base.num_entities, base.num_relations)
    queries, results = ids(case.queries()), []
    for graph in (Expand(base, Overlay(base, facts_array(hidden), facts_array([])), 1), rebuilt.graph()):
        predictor = RulePredictor(graph, rules, np.array(case.along, float), object_identity=case.identity)
        results.append(answers_of(predictor.answer(queries)))
    assert results[0] == results[1]


@pytest.mark.usefixtures("keep_num_threads")
@pytest.mark.parametrize(("aggregation", "top_k"), [("noisy-or", 0), ("noisy-or", 3), ("max-plus", 3)])
def test_same_answers_on_any_number_of_threads(aggregation: str, top_k: int) -> None:
    graph = random_graph(1, 60, 3, 400)
    bodies = [(a, b) for a in range(6) for b in range(6)]
    rules = rules_of([*(Rule(h, body) for h in range(3) for body in bodies), Rule(0, (1,), 4), Rule(1, (), 5)], 60, 3)
    confidence = np.random.default_rng(0).random(len(rules))
    predictor = RulePredictor(graph, rules, confidence, object_identity=True, aggregation=aggregation, top_k=top_k)
    queries = ids([(e, r, 0) for e in range(60) for r in range(6)])
    results = []
    for threads in (1, 2, 4):
        set_num_threads(threads)
        results.append([array.tolist() for array in predictor.answer(queries)])
    assert results[1:] == results[:-1]
    assert len(results[0][1]) > 10 * len(queries)


@pytest.fixture(scope="module")
def graph() -> Graph:
    return random_graph(0, 10, 2, 30)


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    return rules_of([Rule(0, (1,)), Rule(0, (1,), 2, 9)], 10, 2)


HALF = np.array([0.5, 0.5])


@pytest.mark.parametrize(
    ("confidence", "settings", "names"),
    [
        (HALF[:1], {}, "confidence: expected length 2, got 1"),
        (HALF.reshape(1, 2), {}, "confidence: expected shape"),
        (HALF.astype(np.float32), {}, "confidence: expected dtype float64"),
        (np.array([0.5, np.nan]), {}, "confidence: .* for rule 1"),
        (np.array([1.1, 0.5]), {}, "confidence: .* for rule 0"),
        (HALF, {"against": HALF[:1]}, "against: expected length 2"),
        (HALF, {"against": np.array([0.5, -0.1])}, "against: .* for rule 1"),
        (HALF, {"against": np.array([1, 1])}, "against: expected dtype float64"),
        (HALF, {"aggregation": "max"}, "aggregation"),
        (HALF, {"top_k": -1}, "top_k"),
        (HALF, {"discount": 0.0}, "discount"),
        (HALF, {"discount": float("nan")}, "discount"),
        (HALF, {"discount": 0.5, "top_k": 0}, "discount"),
        (HALF, {"aggregation": "max-plus", "top_k": 0}, "top_k"),
    ],
)
def test_senseless_settings_are_refused(
    graph: Graph, rules: RuleSet, confidence: np.ndarray, settings: dict[str, object], names: str
) -> None:
    with pytest.raises(ValueError, match=names):
        RulePredictor(graph, rules, confidence, **settings)  # type: ignore[arg-type]


def test_rules_of_another_vocabulary_are_refused(rules: RuleSet) -> None:
    with pytest.raises(IndexError, match="body_constant"):
        RulePredictor(random_graph(0, 9, 2, 30), rules, HALF)
    with pytest.raises(IndexError, match="head"):
        RulePredictor(random_graph(0, 10, 1, 30), rules_of([Rule(2, (0,), 1)], 10, 2), HALF[:1])
    with pytest.raises(IndexError, match="body"):
        RulePredictor(random_graph(0, 10, 1, 30), rules_of([Rule(0, (3,))], 10, 2), HALF[:1])


@pytest.mark.parametrize("foreign", [None, "rules"])
def test_what_is_no_graph_or_no_rule_set_is_refused(graph: Graph, rules: RuleSet, foreign: object) -> None:
    with pytest.raises(TypeError):
        RulePredictor(graph, foreign, HALF)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected a Graph or an Expand"):
        RulePredictor(foreign, rules, HALF)  # type: ignore[arg-type]


@pytest.mark.parametrize("query", [(10, 0, 0), (-1, 0, 0), (0, 4, 0), (0, -1, 0), (2**31 - 1, 0, 0)])
def test_ids_out_of_range_are_refused(graph: Graph, rules: RuleSet, query: Fact) -> None:
    predictor = RulePredictor(graph, rules, HALF)
    with pytest.raises(IndexError):
        predictor.answer(ids([(0, 0, 0), query]))
    with pytest.raises(IndexError):
        predictor.evidence(*query)
    with pytest.raises(IndexError):
        predictor.evidence(0, 0, 10)


def test_bad_queries_are_refused(graph: Graph, rules: RuleSet) -> None:
    predictor = RulePredictor(graph, rules, HALF)
    with pytest.raises(ValueError, match="shape"):
        predictor.answer(ids([(0, 0)]))
    with pytest.raises(ValueError, match="dtype int32"):
        predictor.answer(np.zeros((1, 3), np.int64))
    with pytest.raises(ValueError, match="limit"):
        predictor.answer(ids([(0, 0, 0)]), -1)
    with pytest.raises(ValueError, match="max_groundings"):
        predictor.evidence(0, 0, 1, -1)


def test_nothing_asked_and_no_rules(graph: Graph, rules: RuleSet) -> None:
    assert answers_of(RulePredictor(graph, rules, HALF).answer(facts_array([]))) == []
    silent = RulePredictor(graph, rules_of([], 10, 2), np.empty(0))
    assert answers_of(silent.answer(ids([(0, 0, 0)]))) == [[]]
    assert silent.evidence(0, 0, 1) == []


def test_long_bodies_are_not_walked_with_object_identity() -> None:
    graph, rules = Graph.from_triples(ids([(0, 0, 1)]), 2, 1), rules_of([Rule(0, (0, 1) * 5)], 2, 1)
    RulePredictor(graph, rules, np.array([0.5]))
    with pytest.raises(ValueError, match="rule 0 has 10 atoms; with object identity at most 8"):
        RulePredictor(graph, rules, np.array([0.5]), object_identity=True)
