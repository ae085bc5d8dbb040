"""RuleAgent: mined, saved, loaded; its scores are its rules' confidences, and its reasons are in the graph."""

from __future__ import annotations

import dataclasses
import itertools
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kgwalk.data
from kgwalk import _core, agents
from kgwalk.agents import RuleAgent, RulesConfig
from kgwalk.data import Dataset
from kgwalk.evaluation import evaluate
from kgwalk.explain import explain
from kgwalk.protocols import Agent, Evidence, Reasoner
from kgwalk.rules import count_kinds
from kgwalk.tensors import load_tensors, save_tensors
from tests.rules.oracle import Rule
from tests.rules.rule_sets import rule_set

SHORT = RulesConfig(max_length=2)


@pytest.fixture(scope="module")
def folder(family: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rules")
    RuleAgent.fit(family, SHORT, folder)
    return folder


@pytest.fixture
def agent(folder: Path, family: Dataset) -> RuleAgent:
    loaded = agents.load(folder, family)
    assert isinstance(loaded, RuleAgent)
    return loaded


@pytest.fixture
def damaged(folder: Path, tmp_path: Path) -> Callable[..., Path]:
    def make(tensors: dict[str, Any] | None = None, **note: Any) -> Path:
        arrays, told = load_tensors(folder / "agent.safetensors")
        save_tensors(tmp_path / "agent.safetensors", {**arrays, **(tensors or {})}, {**told, **note})
        return tmp_path

    return make


def planted(family: Dataset, config: RulesConfig) -> RuleAgent:
    """Three rules whose answers one can work out by hand."""
    name = family.relation
    counts = {
        Rule(name("uncle"), (name("father"), name("brother"))): (90, 95),
        Rule(name("uncle"), (name("mother"), name("brother"))): (45, 95),
        Rule(name("uncle"), (name("aunt"), name("brother"))): (1, 95),
    }
    rules = rule_set(counts, len(family.entities), len(family.relations))
    return RuleAgent.of_rules(rules, family, config)


def two_hops(family: Dataset, source: int, *names: str) -> set[int]:
    reached = {source}
    for relation in map(family.relation, names):
        reached = {int(t) for e in reached for r, t in family.graph.slice(e) if r == relation}
    return reached


def test_it_is_an_agent_with_reasons(agent: RuleAgent) -> None:
    assert isinstance(agent, Agent)
    assert isinstance(agent, Reasoner)
    assert agents.get("rules") is RuleAgent
    assert "rules" in agents.names()


def test_what_is_loaded_answers_as_what_was_saved(family: Dataset, tmp_path: Path, agent: RuleAgent) -> None:
    agent.save(tmp_path)
    again = agents.load(tmp_path, family)
    assert isinstance(again, RuleAgent)
    assert again.config == agent.config == SHORT
    assert again.made_by == agent.made_by
    queries = family.queries("test", "both")
    first, second = (one.answer(queries, family.graph) for one in (agent, again))
    for key in ("offsets", "entities", "scores"):
        assert np.array_equal(getattr(first, key), getattr(second, key))


def test_it_answers_what_family_was_made_by(agent: RuleAgent, family: Dataset) -> None:
    assert agent.made_by["stopped"] == "done"
    assert min(count_kinds(agent.rules).values()) > 0
    report = evaluate(agent, family, progress=False)
    assert report.metrics["both"]["mrr"] > 0.8
    assert report.metrics["tail"]["hits@10"] > 0.9


def test_scores_are_evidence_in_nats(family: Dataset) -> None:
    agent = planted(family, RulesConfig(smoothing=5, growth=1, discount=1))
    queries = family.queries("test")
    query = queries[queries[:, 1] == family.relation("uncle")][:1]
    ranked = agent.answer(query, family.graph)
    source = int(query[0, 0])
    expected: dict[int, float] = {}
    for confidence, via in ((0.9, "father"), (0.45, "mother"), (0.01, "aunt")):
        for entity in two_hops(family, source, via, "brother"):
            expected[entity] = expected.get(entity, 0.0) - np.log1p(-confidence)
    assert expected
    assert dict(zip(ranked.entities.tolist(), ranked.scores.tolist(), strict=True)) == pytest.approx(expected)


def test_the_configuration_says_what_rules_are_worth(family: Dataset) -> None:
    agent = planted(family, RulesConfig(smoothing=5, growth=2))
    assert agent.confidence.tolist() == pytest.approx([90 / 105, 45 / 105, 1 / 105])


def test_max_plus_puts_the_answer_of_the_best_rule_first(family: Dataset) -> None:
    agent = planted(family, RulesConfig(aggregation="max-plus"))
    best = {
        source: found
        for source in range(len(family.entities))
        if (found := two_hops(family, source, "father", "brother") - two_hops(family, source, "uncle"))
    }
    assert best
    queries = np.array([(source, family.relation("uncle"), -1) for source in best], np.int32)
    ranked = agent.answer(queries, family.graph)
    assert all(int(ranked.entities[ranked.offsets[row]]) in found for row, found in enumerate(best.values()))


def reasons(agent: RuleAgent, family: Dataset) -> list[tuple[tuple[int, int], int, Evidence]]:
    """Evidence for the two best answers of some queries of every relation, both ways round."""
    queries = family.queries("test", "both")
    asked = queries[np.unique(queries[:, 1], return_index=True)[1]]
    ranked = agent.answer(asked, family.graph)
    found = []
    for row, (source, relation, _) in enumerate(asked.tolist()):
        for entity in ranked.entities[ranked.offsets[row] :][: min(2, int(np.diff(ranked.offsets)[row]))].tolist():
            evidence = agent.evidence((source, relation), entity, family.graph, 3)
            assert evidence
            found += [((source, relation), entity, one) for one in evidence]
    return found


def test_groundings_are_walks_of_the_graph(agent: RuleAgent, family: Dataset) -> None:
    rules, kinds = agent.rules, set()
    for (source, relation), entity, evidence in reasons(agent, family):
        i = evidence.rule
        assert evidence.confidence == pytest.approx(float(agent.confidence[i]))
        assert rules.head[i] % len(family.relations) == relation % len(family.relations)
        atoms = int(rules.body_offsets[i + 1] - rules.body_offsets[i])
        cyclic, constant = rules.head_constant[i] == _core.VARIABLE, int(rules.body_constant[i])
        kinds.add("cyclic" if cyclic else "zero" if not atoms else "constant" if constant >= 0 else "existential")
        assert len(evidence.groundings) <= 3
        assert evidence.groundings or not atoms
        for entities, relations in evidence.groundings:
            assert len(entities) == len(relations) + 1 == atoms + 1
            for (head, tail), step in zip(itertools.pairwise(entities), relations, strict=True):
                assert family.graph.find(head, step, tail) >= 0
            if cyclic:
                ends = (source, entity) if relation == rules.head[i] else (entity, source)
                assert (entities[0], entities[-1]) == ends
            elif atoms:
                assert entities[0] in (source, entity)
                assert constant < 0 or entities[-1] == constant
    assert kinds >= {"cyclic", "constant"}


def test_evidence_adds_up_to_the_score(family: Dataset, folder: Path, agent: RuleAgent) -> None:
    whole = RuleAgent.of_rules(agent.rules, family, dataclasses.replace(SHORT, top_k=0, discount=1.0))
    for query in family.queries("test")[:5]:
        ranked = whole.answer(query[None], family.graph)
        best = int(ranked.entities[0])
        told = whole.evidence((int(query[0]), int(query[1])), best, family.graph, 1)
        confidence = [one.confidence for one in told]
        assert confidence == sorted(confidence, reverse=True)
        assert -np.log1p(-np.array(confidence)).sum() == pytest.approx(float(ranked.scores[0]))


def test_an_explanation_names_rules_and_shows_walks(agent: RuleAgent, family: Dataset) -> None:
    source, relation, _ = family.queries("test")[0].tolist()
    explained = explain(agent, family, source, relation, answers=2, paths=3)
    for answer in explained.answers:
        assert not answer.paths
        assert 1 <= len(answer.rules) <= 3
        confidence = [rule.confidence for rule in answer.rules]
        assert confidence == sorted(confidence, reverse=True)
    rule = explained.answers[0].rules[0]
    assert f"{rule.confidence:.3f}  {rule.words}\n" in f"{explained}\n"
    assert str(rule.groundings[0]) in str(explained)
    told = explained.to_json()["answers"][0]["rules"][0]
    assert told["text"] == rule.text
    assert told["groundings"][0]["hops"]
    assert explain(agent, family, source, relation, paths=0).answers[0].rules == ()


def test_a_finished_run_resumes_to_itself_and_is_not_overwritten(folder: Path, family: Dataset) -> None:
    path = folder / "agent.safetensors"
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="resume it"):
        RuleAgent.fit(family, SHORT, folder)
    RuleAgent.fit(family, SHORT, folder, resume=True)
    assert path.read_bytes() == before
    for config, seed in ((RulesConfig(max_length=1), 0), (SHORT, 1)):
        with pytest.raises(ValueError, match="another run"):
            RuleAgent.fit(family, config, folder, resume=True, seed=seed)


def test_ctrl_c_keeps_an_agent_that_a_resumed_run_makes_whole(
    folder: Path, family: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(_core.RuleMiner):
        after = 2

        def step(self) -> bool:
            more = super().step()
            if self.rounds == self.after:
                signal.raise_signal(signal.SIGINT)
            return more

    with monkeypatch.context() as patched:
        patched.setattr(_core, "RuleMiner", Interrupted)
        stopped = RuleAgent.fit(family, SHORT, tmp_path)
        Interrupted.after = 1
        again = RuleAgent.fit(family, SHORT, tmp_path, resume=True)
    assert (stopped.made_by["stopped"], stopped.made_by["rounds"]) == ("interrupted", 2)
    assert again.made_by == stopped.made_by  # fewer rounds do not replace more
    assert len(stopped.answer(family.queries("test"), family.graph).entities)
    whole = RuleAgent.fit(family, SHORT, tmp_path, resume=True)
    assert whole.made_by["stopped"] == "done"


def test_another_dataset_is_refused(folder: Path) -> None:
    other = dataclasses.replace(kgwalk.data.load("Family"), fingerprint="0" * 64)
    with pytest.raises(ValueError, match="its ids mean other things"):
        agents.load(folder, other)


@pytest.mark.parametrize(
    "change",
    [
        {"num_entities": 3},
        {"num_entities": "many"},
        {"num_relations": -1},
        {"num_relations": 1 << 40},
        {"config": {}, "made_by": []},
        {"config": {"unheard_of": 1}},
        {"config": {"top_k": -1}},
        {"config": {"smoothing": "much"}},
        {"config": {"aggregation": "sum"}},
        {"config": 3},
        {"agent": "reinforce"},
    ],
    ids=str,
)
def test_a_hostile_note_is_refused(damaged: Callable[..., Path], family: Dataset, change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"agent\.safetensors"):
        agents.load(damaged(**change), family)


def test_damaged_arrays_are_refused(damaged: Callable[..., Path], family: Dataset, folder: Path) -> None:
    tensors, _ = load_tensors(folder / "agent.safetensors")
    for key, wrong in (
        ("head", tensors["head"] + 10_000),
        ("body", tensors["body"] * -1 - 1),
        ("body_offsets", tensors["body_offsets"] + 1),
        ("support", tensors["support"][1:]),
        ("confidence", tensors["confidence"].float()),
        ("extra", tensors["head"]),
    ):
        with pytest.raises(ValueError, match=r"agent\.safetensors"):
            agents.load(damaged({key: wrong}), family)


@pytest.mark.parametrize(
    "setting",
    [
        {"rounds": 0},
        {"seconds": 0.0},
        {"seconds": float("nan")},
        {"aggregation": "sum"},
        {"top_k": -1},
        {"top_k": 1 << 31},
        {"top_k": 0, "aggregation": "max-plus"},
        {"smoothing": -1.0},
        {"growth": float("inf")},
        {"zero_weight": 1.1},
        {"existential_weight": -0.1},
        {"max_length": 0},
    ],
    ids=str,
)
def test_a_configuration_that_means_nothing_is_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(setting))):
        RulesConfig(**setting)


def test_seeds_are_checked_before_anything_is_written(family: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="seed must be from 0"):
        RuleAgent.fit(family, SHORT, tmp_path / "run", seed=-1)
    assert not (tmp_path / "run").exists()
