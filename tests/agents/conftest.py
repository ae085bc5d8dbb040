"""A tiny world in which every answer takes two hops, and agents small enough to train in a test."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import kgwalk.data
from kgwalk._core import Graph
from kgwalk.agents.policies.path import PathPolicy, PathPolicyConfig
from kgwalk.data import Dataset


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


def facts_of(graph: Graph) -> np.ndarray:
    """(n, 3) forward facts of a graph."""
    heads = np.repeat(np.arange(graph.num_entities), np.diff(graph.offsets))
    triples = np.column_stack([heads, graph.edges])
    return np.ascontiguousarray(triples[triples[:, 1] < graph.num_relations], dtype=np.int32)
