"""Evaluation over two nodes with a worker killed: the ranks of one process."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch

from kgwalk import agents, data
from kgwalk.agents.policies.path import PathPolicy, PathPolicyConfig
from kgwalk.data import Dataset
from kgwalk.evaluation import Protocol, Report, evaluate
from kgwalk.integrations import ray
from kgwalk.rules import MiningConfig, mine
from tests.ray.conftest import Killer, TwoNodes


def assert_same(found: Report, expected: Report) -> None:
    for name, part in expected.directions.items():
        np.testing.assert_array_equal(found.directions[name].ranks, part.ranks)
        assert found.directions[name].unseen == part.unseen
    assert found.metrics == expected.metrics
    assert found.map_per_relation == expected.map_per_relation


@pytest.fixture(scope="module")
def benchmark() -> Dataset:
    if "KGWALK_DATA" not in os.environ:
        pytest.skip("needs the benchmark data: set KGWALK_DATA")
    return data.load("FB15k-237")


def test_ranks_of_fb15k237_are_those_of_one_process_though_a_worker_was_killed(
    cluster: TwoNodes, benchmark: Dataset, killer: Killer
) -> None:
    kind = agents.get("rules")
    rules = mine(benchmark.graph, MiningConfig(max_length=2, constants=False), rounds=4).rules
    agent = kind.of_rules(rules, benchmark, kind.config_for(benchmark.name))
    expected = evaluate(agent, benchmark)
    assert expected.metrics["both"]["mrr"] > 0.1
    runner = ray.cluster_runner(agent, agents.load, benchmark, progress=killer)
    assert_same(evaluate(agent, benchmark, runner=runner), expected)


@pytest.mark.parametrize("filtered", [True, False])
def test_a_walker_that_was_not_trained_is_measured_alike(cluster: TwoNodes, filtered: bool) -> None:
    family = data.load("Family")
    kind = agents.get("reinforce")
    torch.manual_seed(5)
    policy = PathPolicy(family.graph.num_entities, family.graph.num_relations, PathPolicyConfig())
    own = {"dataset": family.name, "fingerprint": family.fingerprint, "max_out_degree": 64}
    agent = kind(policy, hops=3, beam=32, **own)
    protocol = Protocol(filtered=filtered, batch_size=100)
    runner = ray.cluster_runner(agent, agents.load, family, "valid", filtered=filtered)
    assert_same(evaluate(agent, family, "valid", protocol, runner=runner), evaluate(agent, family, "valid", protocol))


def test_labelled_candidates_are_scored_too(cluster: TwoNodes) -> None:
    if "KGWALK_DATA" not in os.environ:
        pytest.skip("needs the benchmark data: set KGWALK_DATA")
    countries = data.load("Countries-S1")
    kind = agents.get("rules")
    agent = kind.of_rules(mine(countries.graph).rules, countries, kind.config_for(countries.name))
    found = evaluate(agent, countries, runner=ray.cluster_runner(agent, agents.load, countries))
    expected = evaluate(agent, countries)
    assert found.auc_pr is not None
    assert found.auc_pr == expected.auc_pr
    assert_same(found, expected)
