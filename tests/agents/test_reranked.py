"""Agents whose answers a scorer puts in order, and walkers whose moves it caps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kgwalk import agents
from kgwalk.agents import Reranked, RuleAgent, RulesConfig
from kgwalk.agents.policies.path import PathPolicy, PathPolicyConfig
from kgwalk.agents.reinforce import Reinforce
from kgwalk.data import Dataset
from kgwalk.evaluation import evaluate
from kgwalk.explain import explain
from kgwalk.protocols import Agent, DenseAgent, Reasoner, RuleGuided
from kgwalk.rules import MiningConfig, mine
from kgwalk.search import Prune, rerank
from tests.scorers.fakes import TableScorer


@pytest.fixture
def walker(family: Dataset) -> Reinforce:
    policy = PathPolicy(family.graph.num_entities, family.graph.num_relations, PathPolicyConfig(8, 4, 8, 1, (8,)))
    return Reinforce(policy, dataset=family.name, fingerprint=family.fingerprint, hops=2, max_out_degree=64, beam=4096)


@pytest.fixture(scope="module")
def rules(family: Dataset) -> RuleAgent:
    found = mine(family.graph, MiningConfig(), rounds=8).rules
    return RuleAgent.of_rules(found, family, RulesConfig())


@pytest.fixture
def scorer(family: Dataset) -> TableScorer:
    return TableScorer(len(family.entities), len(family.relations))


class Oracle(TableScorer):
    """Knows every fact, held out or not."""

    name = "oracle"

    def __init__(self, dataset: Dataset) -> None:
        super().__init__(len(dataset.entities), len(dataset.relations))
        self.table[:] = 0
        for split in dataset.splits:
            source, relation, target = dataset.queries(split, "both").T
            self.table[source, relation, target] = 1


@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0])
def test_answers_are_the_agents_in_the_scorers_order(
    walker: Reinforce, rules: RuleAgent, scorer: TableScorer, family: Dataset, weight: float
) -> None:
    queries = family.queries("test")[:30]
    found: list[Agent] = [walker, rules]
    for agent in found:
        expected = rerank(agent.answer(queries, family.graph), queries, scorer, weight)
        got = Reranked(agent, scorer, weight).answer(queries, family.graph)
        np.testing.assert_array_equal(got.entities, expected.entities)
        np.testing.assert_array_equal(got.scores, expected.scores)


def test_a_scorer_that_knows_the_answers_lifts_both(walker: Reinforce, rules: RuleAgent, family: Dataset) -> None:
    found: list[Agent] = [walker, rules]
    for agent in found:
        plain = evaluate(agent, family, progress=False)
        better = evaluate(Reranked(agent, Oracle(family)), family, progress=False)
        assert better.agent == f"{agent.name}+oracle"
        assert better.tail.reached == plain.tail.reached
        assert better.metrics["tail"]["mrr"] == pytest.approx(plain.tail.reached / len(plain.tail.ranks))
        if agent is walker:  # mined rules know Family by heart
            assert better.metrics["tail"]["mrr"] > plain.metrics["tail"]["mrr"]


def test_names_tell_what_was_done(walker: Reinforce, scorer: TableScorer) -> None:
    class Nameless:
        score, top_k = scorer.score, scorer.top_k

    assert Reranked(walker, scorer).name == "reinforce+table"
    assert Reranked(walker, scorer, 0.25).name == "reinforce+0.25*table"
    assert Reranked(walker, Nameless()).name == "reinforce+Nameless"


def test_it_is_what_it_wraps(walker: Reinforce, rules: RuleAgent, scorer: TableScorer, family: Dataset) -> None:
    walker.directions = "tail"
    walked, reasoned = Reranked(walker, scorer), Reranked(rules, scorer)
    assert (walked.directions, reasoned.directions) == ("tail", "both")
    assert isinstance(walked, Agent)
    assert not isinstance(walked, Reasoner)
    assert not isinstance(walked, DenseAgent)
    assert isinstance(reasoned, Reasoner)
    assert isinstance(reasoned, RuleGuided)
    source, relation, _ = family.queries("test")[0].tolist()
    assert explain(walked, family, source, relation).answers[0].paths
    assert explain(reasoned, family, source, relation).answers[0].rules


def test_saving_saves_the_agent(walker: Reinforce, scorer: TableScorer, family: Dataset, tmp_path: Path) -> None:
    walker.prune = Prune(scorer, 4)
    walker.name = "reinforce (4 moves by table)"
    Reranked(walker, scorer).save(tmp_path)
    loaded = agents.load(tmp_path, family)
    assert isinstance(loaded, Reinforce)
    assert (loaded.name, loaded.prune) == ("reinforce", None)


@pytest.mark.parametrize("weight", [-1, 2, float("nan")])
def test_weights_out_of_range(walker: Reinforce, scorer: TableScorer, weight: float) -> None:
    with pytest.raises(ValueError, match=f"weight must be from 0 to 1, got {weight}"):
        Reranked(walker, scorer, weight)


def test_a_pruned_walker_reaches_less(walker: Reinforce, scorer: TableScorer, family: Dataset) -> None:
    queries = family.queries("test")[:30]
    before = walker.answer(queries, family.graph)
    walker.prune = Prune(scorer, 4)
    pruned = walker.answer(queries, family.graph)
    assert (np.diff(pruned.offsets) <= 16).all()
    assert len(pruned.entities) < len(before.entities)
    for row in range(len(queries)):
        few, many = (x.entities[x.offsets[row] : x.offsets[row + 1]] for x in (pruned, before))
        assert set(few.tolist()) <= set(many.tolist())
    walker.prune = None
    np.testing.assert_array_equal(walker.answer(queries, family.graph).entities, before.entities)
