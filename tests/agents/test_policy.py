from __future__ import annotations

import numpy as np
import pytest
import torch

from kgwalk._core import Graph
from kgwalk.agents.policies.path import PathPolicy, PathPolicyConfig
from kgwalk.agents.walker import walking_rules
from kgwalk.protocols import Candidates, Moves

from .conftest import facts_of


def candidates_of(graph: Graph, queries: np.ndarray) -> Candidates:
    rows = np.arange(len(queries), dtype=np.int32)
    at = np.ascontiguousarray(queries[:, 0])
    return Candidates(*walking_rules(graph, 0, training=True).candidates(at, rows, queries, False))


def test_select_then_advance_is_advance_then_select(small: Graph, policy: PathPolicy) -> None:
    queries = facts_of(small)[:5]
    moves = Moves(np.array([0, 4, 2, 6, 1], np.int32), np.array([3, 9, 1, 1, 8], np.int32))
    rows = np.array([4, 0, 0, 2])
    taken = Moves(moves.relations[rows], moves.entities[rows])
    first = policy.advance(policy.select(policy.begin(queries), rows), taken)
    second = policy.select(policy.advance(policy.begin(queries), moves), rows)
    for a, b in zip(first, second, strict=True):
        torch.testing.assert_close(a, b)


def test_a_state_may_be_selected_more_often_than_there_are_states(small: Graph, policy: PathPolicy) -> None:
    queries = facts_of(small)[:2]
    rows = np.array([1, 0, 1, 1, 0])
    many = policy.select(policy.begin(queries), rows)
    repeated = np.ascontiguousarray(queries[rows])
    candidates = candidates_of(small, repeated)
    torch.testing.assert_close(
        policy.logits(many, candidates), policy.logits(policy.begin(repeated), candidates), rtol=1e-5, atol=1e-5
    )


def test_relation_only_policy_is_blind_to_entities(small: Graph) -> None:
    policy = PathPolicy(small.num_entities, small.num_relations, PathPolicyConfig(entity_dim=0))
    queries = facts_of(small)[:5]
    candidates = candidates_of(small, queries)
    state = policy.begin(queries)
    scores = policy.relation_logits(state)
    rows = np.repeat(np.arange(5), np.diff(candidates.offsets))
    torch.testing.assert_close(policy.logits(state, candidates), scores[rows, candidates.relations.astype(np.int64)])
    elsewhere = queries.copy()
    elsewhere[:, 0] = (elsewhere[:, 0] + 7) % small.num_entities
    torch.testing.assert_close(policy.relation_logits(policy.begin(elsewhere)), scores)


def test_a_policy_with_entities_sees_them(small: Graph) -> None:
    policy = PathPolicy(small.num_entities, small.num_relations, PathPolicyConfig(entity_dim=8))
    queries = facts_of(small)[:5]
    candidates = candidates_of(small, queries)
    moved = candidates._replace(entities=(candidates.entities + 1) % np.int32(small.num_entities))
    state = policy.begin(queries)
    assert not torch.allclose(policy.logits(state, candidates), policy.logits(state, moved))
    with pytest.raises(ValueError, match="relation-only"):
        policy.relation_logits(state)


def test_the_target_is_not_read(small: Graph, policy: PathPolicy) -> None:
    queries = facts_of(small)[:5]
    untold = queries.copy()
    untold[:, 2] = -1
    for a, b in zip(policy.begin(queries), policy.begin(untold), strict=True):
        torch.testing.assert_close(a, b)


def test_sizes_are_the_published_ones_when_asked() -> None:
    sizes = PathPolicyConfig(200, 200, 200, lstm_layers=3, mlp_dims=(400,))
    policy = PathPolicy(50, 4, sizes)
    shapes = {name: tuple(p.shape) for name, p in policy.named_parameters()}
    assert shapes["entities"] == (50, 200)
    assert shapes["mlp.0.weight"] == (400, 600)
    assert shapes["mlp.3.weight"] == (400, 400)
    assert shapes["lstm.2.weight_hh"] == (800, 200)
