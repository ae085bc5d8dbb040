"""A tiny world in which every answer takes two hops, and agents small enough to train in a test."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

import kgwalk.data
from kgwalk._core import Graph
from kgwalk.agents.policies.path import PathPolicy, PathPolicyConfig
from kgwalk.agents.policies.split import SplitPolicy, SplitPolicyConfig
from kgwalk.data import Dataset


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Networks this small are slower on two threads, and much slower where another test wants the other core."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def family() -> Dataset:
    return kgwalk.data.load("Family")


@pytest.fixture(scope="session")
def small() -> Graph:
    """30 entities, 3 relations, 80 facts."""
    rng = np.random.default_rng(5)
    facts = np.stack([rng.integers(0, 30, 80), rng.integers(0, 3, 80), rng.integers(0, 30, 80)], axis=1)
    return Graph.from_triples(facts.astype(np.int32), 30, 3)


@pytest.fixture(params=[0, 5], ids=["relation-only", "with-entities"])
def policy(request: pytest.FixtureRequest, small: Graph) -> PathPolicy:
    config = PathPolicyConfig(relation_dim=6, entity_dim=request.param, hidden_dim=7, lstm_layers=2, mlp_dims=(8,))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return PathPolicy(small.num_entities, small.num_relations, config)


#: By what a split policy sees: nothing of entities at all, those it chooses from, where it stands, where it was.
SPLITS = {
    "relation-only": SplitPolicyConfig(6, 0, 7, (8,)),
    "entities": SplitPolicyConfig(6, 5, 7, (8,)),
    "places": SplitPolicyConfig(6, 5, 7, (8,), sight="places"),
    "independent": SplitPolicyConfig(6, 5, 7, (8,), sight="history", independent=True),
}


def split_policy(graph: Graph, config: SplitPolicyConfig, seed: int = 0) -> SplitPolicy:
    """Weights large enough that no choice is near uniform."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        policy = SplitPolicy(graph.num_entities, graph.num_relations, config)
        with torch.no_grad():
            for parameter in policy.parameters():
                parameter.mul_(2)
    return policy


@pytest.fixture(params=[f"split-{name}" for name in SPLITS])
def split(request: pytest.FixtureRequest, small: Graph) -> SplitPolicy:
    return split_policy(small, SPLITS[request.param.removeprefix("split-")])


def facts_of(graph: Graph) -> np.ndarray:
    """(n, 3) forward facts of a graph."""
    heads = np.repeat(np.arange(graph.num_entities), np.diff(graph.offsets))
    triples = np.column_stack([heads, graph.edges])
    return np.ascontiguousarray(triples[triples[:, 1] < graph.num_relations], dtype=np.int32)
