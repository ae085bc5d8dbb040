"""Explanations in words: paths merged, arrows the right way, names resolved."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgwalk.data import Dataset
from kgwalk.explain import explain
from kgwalk.predict import predict
from kgwalk.protocols import Evidence, Reasoner, RuleGuided
from kgwalk.search.merge import merge_waits
from kgwalk.search.paths import Paths
from tests.rules.oracle import Rule

ADA, TOM, ANN, BOB, EVE, ZOE = range(6)
PARENT, SISTER = range(2)
INVERSE, STAY = 2, 4
Make = Callable[..., Any]


def paths_of(*walks: tuple[int, list[int], list[int], float]) -> Paths:
    """Walks of (query, entities, relations, probability)."""
    return Paths(
        query=np.array([walk[0] for walk in walks], dtype=np.int32),
        entities=np.array([walk[1] for walk in walks], dtype=np.int32),
        relations=np.array([walk[2] for walk in walks], dtype=np.int32),
        log_prob=np.log([walk[3] for walk in walks]),
        stay=STAY,
    )


BOB_TO_ANN = paths_of(
    (0, [BOB, BOB, TOM, ANN], [STAY, PARENT, SISTER], 0.2),
    (0, [BOB, TOM, TOM, ANN], [PARENT, STAY, SISTER], 0.1),
    (0, [BOB, TOM, ADA, ANN], [PARENT, PARENT, PARENT + INVERSE], 0.15),
    (0, [BOB, TOM, ANN, ANN], [PARENT, SISTER, STAY], 0.05),
)


def test_waiting_is_stripped_and_equal_paths_add_up() -> None:
    merged = merge_waits(BOB_TO_ANN)
    assert merged.relations.tolist() == [[PARENT, SISTER, STAY], [PARENT, PARENT, PARENT + INVERSE]]
    assert merged.entities.tolist() == [[BOB, TOM, ANN, ANN], [BOB, TOM, ADA, ANN]]
    assert np.exp(merged.log_prob).tolist() == pytest.approx([0.35, 0.15])
    assert BOB_TO_ANN.relations[0].tolist() == [STAY, PARENT, SISTER]


def test_same_moves_of_two_queries_stay_apart() -> None:
    merged = merge_waits(paths_of((0, [TOM, ANN], [SISTER], 0.5), (1, [TOM, ANN], [SISTER], 0.25)))
    assert merged.query.tolist() == [0, 1]
    assert np.exp(merged.log_prob).tolist() == pytest.approx([0.5, 0.25])


def test_no_paths_merge_to_no_paths() -> None:
    empty = Paths(np.zeros(0, np.int32), np.zeros((0, 3), np.int32), np.zeros((0, 2), np.int32), np.zeros(0), STAY)
    assert merge_waits(empty).entities.shape == (0, 3)


moves = st.lists(st.tuples(st.sampled_from([0, 1, STAY]), st.integers(0, 2)), min_size=3, max_size=3)


@given(st.lists(st.tuples(st.integers(0, 1), moves, st.floats(0.01, 1.0)), min_size=1, max_size=12))
def test_merging_equals_a_dictionary(walks: list[tuple[int, list[tuple[int, int]], float]]) -> None:
    told: dict[tuple[int, tuple[tuple[int, int], ...]], float] = {}
    raw = []
    for query, hops, probability in walks:
        entities = [7]
        for relation, entity in hops:
            entities.append(entities[-1] if relation == STAY else entity)
        stripped = tuple(hop for hop in hops if hop[0] != STAY)
        told[query, stripped] = told.get((query, stripped), 0.0) + probability
        raw.append((query, entities, [relation for relation, _ in hops], probability))
    merged = merge_waits(paths_of(*sorted(raw)))
    got = {}
    for query, entities, relations, log_prob in zip(
        merged.query.tolist(), merged.entities.tolist(), merged.relations.tolist(), merged.log_prob, strict=True
    ):
        hops = tuple((r, e) for r, e in zip(relations, entities[1:], strict=True) if r != STAY)
        got[query, hops] = float(np.exp(log_prob))
        assert entities[-1] == (hops[-1][1] if hops else 7)
    assert got == {key: pytest.approx(value) for key, value in told.items()}
    assert (np.diff(merged.query) >= 0).all()
    assert all((np.diff(merged.log_prob[merged.query == query]) <= 0).all() for query in np.unique(merged.query))


def test_explanation_in_words(tiny: Dataset, agent_of: Make) -> None:
    agent = agent_of({(BOB, SISTER): [(ANN, -0.7), (TOM, -2.0)]}, BOB_TO_ANN)
    explanation = explain(agent, tiny, "bob", "sister")
    assert str(explanation).splitlines() == [
        "bob, sister: ?",
        "  1. ann  score -0.700",
        "       0.350  bob --parent--> tom --sister--> ann",
        "       0.150  bob --parent--> tom --parent--> ada <--parent-- ann",
        "  2. tom  score -2.000",
    ]
    assert agent.asked == [[BOB, SISTER, -1]]


def test_labels_are_shown_where_the_dataset_has_them(tiny: Dataset, agent_of: Make) -> None:
    tiny.__dict__["labels"] = [f"{name} smith" for name in tiny.entities]
    explanation = explain(agent_of({(BOB, SISTER): [(ANN, -0.7)]}, BOB_TO_ANN), tiny, "bob smith", "sister", paths=1)
    assert str(explanation.answers[0].paths[0]) == "bob smith --parent--> tom smith --sister--> ann smith"
    assert explanation.to_json()["answers"][0]["entity"] == "ann"


def test_explanation_as_json(tiny: Dataset, agent_of: Make) -> None:
    agent = agent_of({(BOB, SISTER): [(ANN, -0.7), (ADA, -np.inf)]}, BOB_TO_ANN)
    told = json.loads(json.dumps(explain(agent, tiny, "bob", "sister").to_json(), allow_nan=False))
    assert told["query"] == {"source": "bob", "label": "bob", "relation": "sister"}
    best, second = told["answers"]
    assert (best["rank"], best["entity"], best["known"]) == (1, "ann", False)
    assert best["paths"][0]["probability"] == pytest.approx(0.35)
    assert best["paths"][1]["hops"][2] == {"relation": "parent", "inverse": True, "entity": "ann", "label": "ann"}
    assert second["score"] is None
    assert second["paths"] == []


AUNT = Rule(SISTER, (PARENT, SISTER)), 12, 40, 0.25
SIBLINGS = Rule(SISTER, (PARENT, PARENT, PARENT + INVERSE)), 3, 4, 0.5


def test_the_rules_of_a_path_stand_below_it(tiny: Dataset, guided_of: Make) -> None:
    unused = Rule(SISTER, (PARENT, SISTER, SISTER)), 9, 9, 0.9
    agent = guided_of({(BOB, SISTER): [(ANN, -0.7)]}, BOB_TO_ANN, AUNT, unused, SIBLINGS)
    assert isinstance(agent, RuleGuided)
    assert not isinstance(agent, Reasoner)
    explanation = explain(agent, tiny, "bob", "sister")
    assert str(explanation).splitlines()[1:] == [
        "  1. ann  score -0.700",
        "       0.350  bob --parent--> tom --sister--> ann",
        "              by rule 0.250  X sister Y if X parent A and A sister Y",
        "       0.150  bob --parent--> tom --parent--> ada <--parent-- ann",
        "              by rule 0.500  X sister Y if X parent A and A parent B and Y parent B",
    ]
    told = json.loads(json.dumps(explanation.to_json(), allow_nan=False))["answers"][0]
    assert told["paths"][0]["rules"] == [
        {
            "words": "X sister Y if X parent A and A sister Y",
            "text": "sister(X,Y) <= parent(X,A), sister(A,Y)",
            "confidence": 0.25,
            "support": 12,
            "predictions": 40,
        }
    ]
    assert told["rules"] == []


def test_a_path_shows_its_most_confident_rules_and_none_that_the_agent_does_not_use(
    tiny: Dataset, guided_of: Make
) -> None:
    walk = paths_of((0, [BOB, TOM, EVE, ANN], [PARENT, PARENT + INVERSE, SISTER], 0.5))
    cyclic = Rule(SISTER, (PARENT, PARENT + INVERSE, SISTER)), 1, 2, 0.1
    constant = Rule(SISTER, (PARENT,), ANN, TOM), 2, 3, 0.4
    agent = guided_of({(BOB, SISTER): [(ANN, -0.7)]}, walk, cyclic, constant)
    words = [rule.words for rule in explain(agent, tiny, "bob", "sister").answers[0].paths[0].rules]
    assert words == ["X sister ann if X parent tom", "X sister Y if X parent A and B parent A and B sister Y"]
    agent.confidence[0] = 0
    (rule,) = explain(agent, tiny, "bob", "sister").answers[0].paths[0].rules
    assert (rule.confidence, rule.support, rule.predictions) == (0.4, 2, 3)


def test_the_inverse_query_has_the_rules_of_the_walk_turned_round(tiny: Dataset, guided_of: Make) -> None:
    back = paths_of((0, [ANN, TOM, BOB], [SISTER + INVERSE, PARENT + INVERSE], 0.5))
    agent = guided_of({(ANN, SISTER + INVERSE): [(BOB, -0.7)]}, back, AUNT)
    (path,) = explain(agent, tiny, "ann", "^sister").answers[0].paths
    assert [rule.words for rule in path.rules] == ["X sister Y if X parent A and A sister Y"]


def test_evidence_stays_beside_paths(tiny: Dataset, guided_of: Make) -> None:
    agent = guided_of({(BOB, SISTER): [(ANN, -0.7)]}, BOB_TO_ANN, AUNT, SIBLINGS)
    agent.evidence = lambda query, entity, graph, groundings: [Evidence(1, 0.5, [([BOB, TOM], [PARENT])])]
    assert isinstance(agent, Reasoner)
    lines = str(explain(agent, tiny, "bob", "sister", paths=1)).splitlines()
    assert lines[2:] == [
        "       0.350  bob --parent--> tom --sister--> ann",
        "              by rule 0.250  X sister Y if X parent A and A sister Y",
        "       0.500  X sister Y if X parent A and A parent B and Y parent B",
        "                bob --parent--> tom",
    ]


def test_predictions_have_the_rule_of_their_path(tiny: Dataset, guided_of: Make, tmp_path: Path) -> None:
    agent = guided_of({(BOB, SISTER): [(ANN, -0.7), (ADA, -0.9)]}, BOB_TO_ANN, AUNT)
    (tmp_path / "queries.tsv").write_text("bob\tsister\n")
    predict(agent, tiny, tmp_path / "queries.tsv", tmp_path / "out.tsv")
    first, second = (tmp_path / "out.tsv").read_text().splitlines()[1:]
    path, _, rule, confidence = first.split("\t")[-4:]
    expected = ("bob --parent--> tom --sister--> ann", "X sister Y if X parent A and A sister Y", "0.25")
    assert (path, rule, confidence) == expected
    assert second.split("\t")[-4:] == [""] * 4


def test_facts_of_the_graph_are_marked(tiny: Dataset, agent_of: Make) -> None:
    explanation = explain(agent_of({(TOM, SISTER): [(ANN, 0.9), (EVE, 0.1)]}), tiny, "tom", "sister")
    assert [answer.known for answer in explanation.answers] == [True, False]
    assert "ann  score 0.900  (a fact of the graph)" in str(explanation)


def test_a_walker_that_never_moved_says_so(tiny: Dataset, agent_of: Make) -> None:
    agent = agent_of({(BOB, SISTER): [(BOB, -0.1)]}, paths_of((0, [BOB, BOB], [STAY], 0.9)))
    path = explain(agent, tiny, "bob", "sister").answers[0].paths[0]
    assert str(path) == "bob (stays)"
    assert path.to_json()["hops"] == []


def test_limits_are_kept(tiny: Dataset, agent_of: Make) -> None:
    agent = agent_of({(BOB, SISTER): [(ANN, -0.7), (ADA, -1.0)]}, BOB_TO_ANN)
    explanation = explain(agent, tiny, "bob", "sister", answers=1, paths=1)
    assert [len(answer.paths) for answer in explanation.answers] == [1]


def test_inverse_query_and_no_answer(tiny: Dataset, agent_of: Make) -> None:
    agent = agent_of({})
    explanation = explain(agent, tiny, "ada", "^parent")
    assert agent.asked == [[ADA, PARENT + INVERSE, -1]]
    assert str(explanation) == "ada, ^parent: ?\n  no answer was reached"


def test_unknown_names_get_near_matches(tiny: Dataset, agent_of: Make) -> None:
    with pytest.raises(KeyError, match=r"no entity 'tomm'; did you mean tom"):
        explain(agent_of({}), tiny, "tomm", "sister")
    for relation in ("sitser", "^sitser"):
        with pytest.raises(KeyError, match=r"no relation 'sitser'; did you mean sister"):
            explain(agent_of({}), tiny, "tom", relation)
    with pytest.raises(IndexError):
        explain(agent_of({}), tiny, 99, "sister")
