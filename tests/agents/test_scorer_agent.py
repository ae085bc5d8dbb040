"""A trained embedding as an agent, and in every role that a scorer has."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import kgwalk
from kgwalk import agents, scorers
from kgwalk.agents import Reinforce, Reranked, RuleAgent, RulesConfig, ScorerAgent
from kgwalk.agents.policies.path import PathPolicy, PathPolicyConfig
from kgwalk.data import Dataset
from kgwalk.evaluation import evaluate
from kgwalk.protocols import Agent, DenseAgent, Ids, Ranked, Scorer
from kgwalk.rules import MiningConfig, mine
from kgwalk.scorers import EmbeddingScorer
from kgwalk.search import Prune
from tests.agents.test_embeddings import config_of


@pytest.fixture(scope="module")
def run(family: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    config = config_of("complex", negatives=0, batch_size=128, epochs=6, validate_every=3)
    agents.get("complex").fit(family, config, folder)
    return folder


@pytest.fixture(scope="module")
def scorer(run: Path, family: Dataset) -> EmbeddingScorer:
    return scorers.load(run, family)


@pytest.fixture(scope="module")
def agent(run: Path, family: Dataset) -> ScorerAgent:
    loaded = agents.load(run, family)
    assert isinstance(loaded, ScorerAgent)
    return loaded


class Listed:
    """The same agent with its ``answer`` alone."""

    name = "listed"

    def __init__(self, agent: ScorerAgent) -> None:
        self.inner = agent

    def answer(self, queries: Ids, graph: Any) -> Ranked:
        return self.inner.answer(queries, graph)

    def save(self, folder: Path) -> None:
        raise NotImplementedError("nothing here asks for it")


def test_answers_are_all_entities_by_score(agent: ScorerAgent, family: Dataset) -> None:
    queries = family.queries("test", "both")[:20]
    ranked, scores = agent.answer(queries, family.graph), agent.scores(queries, family.graph)
    assert ranked.offsets.tolist() == [219 * row for row in range(21)]
    assert ranked.entities.dtype == np.int32
    assert ranked.paths is None
    for row, expected in enumerate(scores):
        part = slice(219 * row, 219 * (row + 1))
        assert ranked.entities[part].tolist() == sorted(range(219), key=lambda e: (-expected[e], e))
        np.testing.assert_array_equal(ranked.scores[part], expected[ranked.entities[part]])


@pytest.mark.parametrize("filtered", [True, False])
def test_both_ways_of_being_measured_agree(agent: ScorerAgent, family: Dataset, filtered: bool) -> None:
    protocol = kgwalk.evaluation.Protocol(filtered=filtered)
    reports = [evaluate(one, family, protocol=protocol, progress=False) for one in (agent, Listed(agent))]
    assert reports[0].metrics == reports[1].metrics
    assert reports[0].metrics["both"]["mrr"] > 0.2


def test_ties_are_measured_alike(family: Dataset, scorer: EmbeddingScorer) -> None:
    class Coarse(ScorerAgent):
        def scores(self, queries: Ids, graph: Any) -> np.ndarray:
            targets = np.arange(219, dtype=np.int64)
            drawn: np.ndarray = (targets * 7 + queries[:, :1] * 3 + queries[:, 1:2]) % 5
            return drawn.astype(np.float32)

    agent = Coarse(scorer)
    reports = [evaluate(one, family, progress=False) for one in (agent, Listed(agent))]
    assert reports[0].metrics == reports[1].metrics


def test_it_is_a_dense_agent_and_a_scorer(agent: ScorerAgent, scorer: EmbeddingScorer) -> None:
    assert isinstance(agent, Agent)
    assert isinstance(agent, DenseAgent)
    assert isinstance(scorer, Scorer)
    assert agent.directions == "both"


def test_it_is_saved_as_it_was(agent: ScorerAgent, run: Path, tmp_path: Path) -> None:
    agent.save(tmp_path)
    assert (tmp_path / "agent.safetensors").read_bytes() == (run / "agent.safetensors").read_bytes()


@pytest.fixture
def walker(family: Dataset) -> Reinforce:
    policy = PathPolicy(family.graph.num_entities, family.graph.num_relations, PathPolicyConfig(8, 4, 8, 1, (8,)))
    return Reinforce(policy, dataset=family.name, fingerprint=family.fingerprint, hops=2, max_out_degree=64, beam=4096)


def test_it_reranks_a_walker_and_rules(walker: Reinforce, scorer: EmbeddingScorer, family: Dataset) -> None:
    rules = RuleAgent.of_rules(mine(family.graph, MiningConfig(), rounds=2).rules, family, RulesConfig())
    found: list[Agent] = [walker, rules]
    for one in found:
        reranked = Reranked(one, scorer)
        assert reranked.name == f"{one.name}+complex"
        queries = family.queries("test")[:10]
        ranked = reranked.answer(queries, family.graph)
        for row, (source, relation, _) in enumerate(queries.tolist()):
            entities = ranked.entities[ranked.offsets[row] : ranked.offsets[row + 1]]
            facts = np.column_stack([np.full((len(entities), 2), (source, relation), np.int32), entities])
            assert (np.diff(scorer.score_facts(facts)) <= 1e-6).all()
    plain, better = (evaluate(one, family, progress=False) for one in (walker, Reranked(walker, scorer)))
    assert better.metrics["tail"]["mrr"] > 2 * plain.metrics["tail"]["mrr"]


def test_it_prunes_a_walker(walker: Reinforce, scorer: EmbeddingScorer, family: Dataset) -> None:
    queries = family.queries("test")[:30]
    before = walker.answer(queries, family.graph)
    walker.prune = Prune(scorer, 4)
    pruned = walker.answer(queries, family.graph)
    assert 0 < len(pruned.entities) < len(before.entities)


def test_it_shapes_a_reward(run: Path, scorer: EmbeddingScorer) -> None:
    """By the path of a run, as one writes it: what it pays is the probability of the end."""
    envs = gym.make_vec("KGWalk-Family", num_envs=64, reward={"shaped": 1}, shaped=str(run))
    inner: Any = envs.unwrapped
    envs.reset(seed=1)
    for _ in range(inner.task.horizon):
        rewards = envs.step(inner.sample_actions())[1]
    walks = inner.finished_walks()
    ends = np.column_stack([inner.queries[walks.query][:, :2], walks.entities[:, -1]])
    assert 0 < walks.hit.sum() < 64
    np.testing.assert_allclose(rewards, np.where(walks.hit, 1, scorer.score_facts(ends)), rtol=1e-5)

    env = gym.make("KGWalk-Family", reward={"shaped": 1}, shaped=run)
    env.reset(seed=0)
    total = sum(float(env.step(0)[1]) for _ in range(3))
    assert 0 <= total <= 1


def test_other_facts_are_refused_in_every_role(run: Path, family: Dataset) -> None:
    graph = type(family.graph).from_triples(family.splits["train"][1:], 219, 15)
    other = dataclasses.replace(family, graph=graph)
    with pytest.raises(ValueError, match="fitted on facts of Family"):
        scorers.load(run, other)
    with pytest.raises(ValueError, match="fitted on facts of Family"):
        kgwalk.envs.ScorerReward.make(other, run)


def test_scorers_are_imported_without_torch() -> None:
    code = "import sys, kgwalk, kgwalk.scorers; kgwalk.scorers.score_facts; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_the_package_does_not_hold_is_named() -> None:
    with pytest.raises(AttributeError, match=r"kgwalk\.scorers.*'nothing'"):
        scorers.nothing  # noqa: B018
    for name in set(scorers.__all__) - {"from_pykeen"}:  # which needs PyKEEN
        assert getattr(scorers, name) is not None
