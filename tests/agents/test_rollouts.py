from __future__ import annotations

import copy
from itertools import pairwise

import numpy as np
import pytest
import torch

from kgwalk import ragged
from kgwalk._core import Graph
from kgwalk.agents.policies.path import PathPolicy, PathPolicyConfig
from kgwalk.agents.policies.split import SplitPolicy
from kgwalk.agents.rollouts import distinct_share, follow, roll_out, walk_log_probs
from kgwalk.agents.walker import walking_rules
from kgwalk.data import Dataset
from kgwalk.envs import KGWalkEnv
from kgwalk.protocols import Candidates, Moves

from .conftest import SPLITS, facts_of, split_policy

AnyPolicy = PathPolicy | SplitPolicy


@pytest.fixture(params=["edge-relation-only", "edge-with-entities", *(f"split-{name}" for name in SPLITS)])
def policy(request: pytest.FixtureRequest, small: Graph) -> AnyPolicy:
    """Those that make one choice a hop, and those that make two."""
    if request.param.startswith("split-"):
        return split_policy(small, SPLITS[request.param.removeprefix("split-")])
    width = 5 if request.param == "edge-with-entities" else 0
    config = PathPolicyConfig(relation_dim=6, entity_dim=width, hidden_dim=7, lstm_layers=2, mlp_dims=(8,))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return PathPolicy(small.num_entities, small.num_relations, config)


def one_walk_log_prob(policy: AnyPolicy, graph: Graph, query: np.ndarray, entities: list[int], relations: list[int]):
    """The slow and obvious way: one walker, one state, one move at a time."""
    rules = walking_rules(graph, 0, training=True)
    query = query[None]
    state, total = policy.begin(query), 0.0
    for hop, (at, relation) in enumerate(zip(entities, relations, strict=False)):
        last = hop == len(relations) - 1
        candidates = Candidates(*rules.candidates(np.array([at], np.int32), np.zeros(1, np.int32), query, last))
        log_probs = torch.log_softmax(policy.logits(state, candidates), 0)
        moves = list(zip(candidates.relations.tolist(), candidates.entities.tolist(), strict=True))
        total += log_probs[moves.index((relation, entities[hop + 1]))].item()
        state = policy.advance(state, Moves(np.array([relation], np.int32), np.array([entities[hop + 1]], np.int32)))
    return total


def roll(policy: AnyPolicy, graph: Graph, queries: np.ndarray, **kwargs):
    settings = {"hops": 3, "rollouts": 8, "seed": 1, "stream": 0} | kwargs
    return roll_out(policy, walking_rules(graph, 0, training=True), queries, **settings)


def test_distinct_states_give_each_walk_its_own_probability(small: Graph, policy: AnyPolicy) -> None:
    queries = facts_of(small)[:6]
    hops, walks = roll(policy, small, queries)
    for k, log_prob in enumerate(walk_log_probs(hops).tolist()):
        walked = one_walk_log_prob(
            policy, small, queries[walks.query[k]], walks.entities[k].tolist(), walks.relations[k].tolist()
        )
        assert log_prob == pytest.approx(walked, abs=1e-4)
    assert distinct_share(hops) < 1
    assert hops[0].num_states == len(queries)


def test_walks_are_walks_and_never_use_their_own_fact(small: Graph, policy: AnyPolicy) -> None:
    queries = facts_of(small)
    _, walks = roll(policy, small, queries)
    for query, entities, relations, hit in zip(
        queries[walks.query], walks.entities, walks.relations, walks.hit, strict=True
    ):
        source, asked, target = query.tolist()
        assert entities[0] == source
        assert hit == (entities[-1] == target)
        for (a, b), r in zip(pairwise(entities.tolist()), relations.tolist(), strict=True):
            if r == small.stay:
                assert a == b
                continue
            assert small.find(a, r, b) >= 0
            assert (a, r, b) != (source, asked, target)
            assert (a, r, b) != (target, small.inverse(asked), source)


def test_walks_depend_on_seed_and_stream_alone(small: Graph, policy: AnyPolicy) -> None:
    queries = facts_of(small)[:10]
    _, whole = roll(policy, small, queries, seed=3)
    _, again = roll(policy, small, queries, seed=3)
    _, other = roll(policy, small, queries, seed=4)
    _, second_half = roll(policy, small, queries[5:], seed=3, stream=5 * 8)
    np.testing.assert_array_equal(whole.entities, again.entities)
    assert (whole.entities != other.entities).any()
    np.testing.assert_array_equal(whole.entities[40:], second_half.entities)


def test_following_rolled_out_walks_gives_their_probability(small: Graph, policy: AnyPolicy) -> None:
    queries = facts_of(small)[:9]
    hops, walks = roll(policy, small, queries)
    rules = walking_rules(small, 0, training=True)
    followed = follow(policy, rules, queries, walks.query, walks.entities, walks.relations)
    torch.testing.assert_close(walk_log_probs(followed), walk_log_probs(hops))


def test_following_an_illegal_move_is_an_error(small: Graph, policy: AnyPolicy) -> None:
    queries = facts_of(small)[:9]
    _, walks = roll(policy, small, queries)
    rules = walking_rules(small, 0, training=True)
    closed, relation = next(
        (walk, r)
        for walk, source in enumerate(walks.entities[:, 1].tolist())
        for r in range(2 * small.num_relations)
        if len(small.slice(source, r)) == 0
    )
    crooked = walks.relations.copy()
    crooked[closed, 1] = relation
    with pytest.raises(ValueError, match="illegal move at hop 1"):
        follow(policy, rules, queries, walks.query, walks.entities, crooked)
    if isinstance(policy, SplitPolicy) and policy.entity_agent is None:
        return  # it leaves entities to chance, and does not look at them
    astray = walks.entities.copy()
    astray[0, 1] = (astray[0, 1] + 1) % small.num_entities
    with pytest.raises(ValueError, match="illegal move at hop 0"):
        follow(policy, rules, queries, walks.query, astray, walks.relations)


def test_action_dropout_is_in_the_distribution_that_is_sampled(small: Graph, policy: AnyPolicy) -> None:
    torch.manual_seed(0)
    hops, _ = roll(policy, small, facts_of(small), action_dropout=0.5)
    dropped, expected, candidates = 0, 0.0, 0
    for hop in hops:
        offsets = hop.offsets
        torch.testing.assert_close(ragged.log_sum_exp(hop.log_probs, offsets), torch.zeros(len(offsets) - 1))
        assert torch.isfinite(hop.log_probs[torch.from_numpy(hop.chosen)]).all()
        dropped += int(torch.isinf(hop.log_probs).sum())
        sizes = np.diff(offsets)
        expected += (sizes * (0.5 - 0.5**sizes)).sum()  # a state that would lose every option keeps them all
        candidates += len(hop.log_probs)
    assert dropped == pytest.approx(expected, abs=5 * np.sqrt(candidates / 4))


def test_gradient_is_the_plain_one(small: Graph, policy: AnyPolicy) -> None:
    """Shared states, C++ kernels and gradients added straight into ``grad`` change nothing: torch in float64 agrees."""
    queries = facts_of(small)[:12]
    rules = walking_rules(small, 0, training=True)
    hops, walks = roll(policy, small, queries)
    weights = torch.linspace(-1, 1, len(walks.hit))
    (weights * walk_log_probs(hops)).sum().backward()
    plain = copy.deepcopy(policy).double()
    plain.zero_grad()
    followed = follow(plain, rules, queries, walks.query, walks.entities, walks.relations)
    (weights * walk_log_probs(followed)).sum().backward()
    expected = {name: p.grad.float() for name, p in plain.named_parameters() if p.grad is not None}
    assert expected.keys() == {name for name, p in policy.named_parameters() if p.grad is not None}
    for name, parameter in policy.named_parameters():
        assert expected[name].abs().max() > 0
        torch.testing.assert_close(parameter.grad, expected[name], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("seen", SPLITS)
def test_walks_are_those_of_the_split_environment(family: Dataset, seen: str) -> None:
    """Every choice is among the environment's candidates, and it pays for the same walks."""
    env = KGWalkEnv(family, decision="split", horizon=3, max_out_degree=0)
    rows = np.random.default_rng(0).permutation(len(env.queries))[:6]
    policy = split_policy(family.graph, SPLITS[seen])
    _, walks = roll(policy, family.graph, np.ascontiguousarray(env.queries[rows]), rollouts=4)
    assert 0 < walks.hit.sum() < len(walks.hit)
    for query, entities, relations, hit in zip(
        rows[walks.query].tolist(), walks.entities.tolist(), walks.relations.tolist(), walks.hit.tolist(), strict=True
    ):
        seen_now, _ = env.reset(options={"query": query})
        reward, ended = 0.0, False
        for relation, entity in zip(relations, entities[1:], strict=True):
            for phase, (key, wanted) in enumerate((("relations", relation), ("entities", entity))):
                assert not ended
                assert seen_now["phase"].item() == phase
                open_ = seen_now[key][: seen_now["action_mask"].sum()].tolist()
                assert wanted in open_
                seen_now, reward, ended, _, info = env.step(np.int64(open_.index(wanted)))
                assert not info["illegal_action"]
            assert seen_now["entity"].item() == entity
        assert ended
        assert reward == float(hit)
        assert info["hit"] == hit
