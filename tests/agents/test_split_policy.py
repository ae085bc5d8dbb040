"""SplitPolicy against itself written out: one walker, one move at a time, plain torch in float64."""

from __future__ import annotations

import copy
import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from kgwalk import Graph
from kgwalk._core import ActionSets, Expand
from kgwalk.agents.policies.split import SplitPolicy, SplitPolicyConfig, SplitState
from kgwalk.agents.rollouts import follow, roll_out, walk_log_probs
from kgwalk.protocols import Candidates, Moves
from kgwalk.rules import RuleGuide, RuleTrie
from kgwalk.search import ANY, chain, propagate_split, search
from tests.core.oracle import Oracle, untyped
from tests.rules.oracle import Rule
from tests.rules.rule_sets import rule_set

from .conftest import SPLITS, facts_of, split_policy

Move = tuple[int, int]
Guidance = Literal["none", "prior", "mask"]


class World(NamedTuple):
    graph: Graph
    policy: SplitPolicy
    queries: np.ndarray

    @property
    def actions(self) -> ActionSets:
        return ActionSets(Expand(self.graph))


def guided(policy: SplitPolicy, guidance: Guidance) -> SplitPolicy:
    """With rules for every relation, one of them two hops long."""
    count = 2 * policy.num_relations
    rules = {Rule(0, (1 % count,)): (8, 10), Rule(0, (count - 1, 1 % count)): (3, 10)}
    rules |= {Rule(r, (r, count - 1 - r, 0)): (5, 9) for r in range(policy.num_relations)}
    if guidance != "none":
        trie = RuleTrie(rule_set(rules, policy.num_entities, policy.num_relations), policy.num_relations)
        policy.relation_agent.guide = RuleGuide(trie, guidance)
    return policy


def configs(**fixed: Any) -> st.SearchStrategy[SplitPolicyConfig]:
    sight = st.sampled_from(["relations", "places", "history"])
    drawn = {"entity_dim": st.sampled_from([0, 3]), "sight": sight, "independent": st.booleans()}
    return st.builds(lambda **kwargs: SplitPolicyConfig(4, hidden_dim=5, mlp_dims=(6,), **kwargs), **(drawn | fixed))


@st.composite
def worlds(draw: st.DrawFn, config: st.SearchStrategy[SplitPolicyConfig]) -> World:
    oracle: Oracle = draw(untyped().filter(lambda o: o.facts))
    graph = oracle.graph()
    policy = split_policy(graph, draw(config), draw(st.integers(0, 9)))
    facts = facts_of(graph)
    inverse = facts[:, [2, 1, 0]] + np.array([0, graph.num_relations, 0], np.int32)
    queries = np.concatenate([facts, inverse])[: draw(st.integers(1, 8))]
    world = World(graph, guided(policy.eval(), draw(st.sampled_from(["none", "prior", "mask"]))), queries)
    return world._replace(queries=np.ascontiguousarray(queries))


def candidates_of(actions: ActionSets, at: np.ndarray, queries: np.ndarray, last: bool) -> Candidates:
    rows = np.arange(len(queries), dtype=np.int32)
    return Candidates(*actions.candidates(np.ascontiguousarray(at, np.int32), rows, queries, last))


class Plain:
    """The probability of a walker's moves by the text of the module, in float64."""

    def __init__(self, policy: SplitPolicy) -> None:
        self.guide = policy.relation_agent.guide
        self.config = policy.config
        policy = copy.deepcopy(policy).double()
        self.relation, self.entity = policy.relation_agent, policy.entity_agent

    def moves(self, query: np.ndarray, path: list[Move], open_: list[Move]) -> dict[Move, float]:
        """Log-probability of each open move of a walker that has made the moves of ``path``."""
        r, asked = self.relation, self.relation.table[int(query[1])]
        memory = self.lstm(r.lstm, r.table[r.start], None)
        for relation, _ in path:
            memory = self.lstm(r.lstm, r.table[relation], memory)
        by_relation: dict[int, list[int]] = defaultdict(list)
        for relation, entity in open_:
            by_relation[relation].append(entity)
        relations = list(by_relation)
        logits = r.table[relations] @ r.mlp(torch.cat([memory[0], asked]))
        share = torch.log_softmax(logits + self.rules(query, path, relations), 0)
        log_probs = {}
        for relation, log_prob in zip(relations, share.tolist(), strict=True):
            entities = by_relation[relation]
            among = self.among(query, path, entities, memory, relation, asked)
            for entity, picked in zip(entities, torch.log_softmax(among, 0).tolist(), strict=True):
                log_probs[relation, entity] = log_prob + picked
        return log_probs

    def among(
        self, query: np.ndarray, path: list[Move], entities: list[int], memory: Any, relation: int, asked: Tensor
    ) -> Tensor:
        if self.entity is None:
            return torch.zeros(len(entities), dtype=torch.float64)
        known = (
            memory if self.config.independent else self.lstm(self.relation.lstm, self.relation.table[relation], memory)
        )
        seen = [known[0], asked]
        table = self.entity.table
        visited = [int(query[0]), *(entity for _, entity in path)]
        if self.config.sight != "relations":
            seen += [table[visited[-1]], table[visited[0]]]
        if self.config.sight == "history":
            remembered = None
            for entity in visited:
                remembered = self.lstm(self.entity.lstm, table[entity], remembered)
            assert remembered is not None
            seen.append(remembered[0])
        return table[entities] @ self.entity.mlp(torch.cat(seen))

    def rules(self, query: np.ndarray, path: list[Move], relations: list[int]) -> Tensor:
        if self.guide is None:
            return torch.zeros(len(relations), dtype=torch.float64)
        trie, ids = self.guide.trie, np.array(relations, np.int32)
        nodes = trie.follow(query[1:2], np.array([[relation for relation, _ in path]], np.int32).reshape(1, -1))
        row = Candidates(np.array([0, len(ids)]), ids, ids)
        if self.guide.kind == "prior":
            return torch.from_numpy(trie.prior(nodes, row)).double()
        return torch.from_numpy(np.where(trie.mask(nodes, row), 0.0, -100.0))

    @staticmethod
    def lstm(cell: nn.LSTMCell, x: Tensor, state: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
        before = None if state is None else (state[0][None], state[1][None])
        hidden, memory = cell(x[None], before)
        return hidden[0], memory[0]


def wander(world: World, draw: np.random.Generator, hops: int) -> Iterator[tuple[SplitState, list[Any], Candidates]]:
    """Walkers of every query, twice, on random moves: state, paths and candidates at each hop."""
    queries = np.ascontiguousarray(np.repeat(world.queries, 2, axis=0))
    state, paths = world.policy.begin(queries), [[] for _ in queries]
    at = queries[:, 0]
    for hop in range(hops):
        candidates = candidates_of(world.actions, at, queries, hop == hops - 1)
        yield state, list(zip(queries, paths, strict=True)), candidates
        sizes = np.diff(candidates.offsets)
        chosen = candidates.offsets[:-1] + (draw.random(len(sizes)) * sizes).astype(np.int64)
        moves = Moves(candidates.relations[chosen], candidates.entities[chosen])
        at = moves.entities
        order = draw.integers(0, len(queries), len(queries))  # a beam re-indexes, and repeats
        taken = Moves(moves.relations[order], moves.entities[order])
        state = world.policy.advance(world.policy.select(state, order), taken)
        made = [(*paths[k], (r, e)) for k, r, e in zip(order, *(m.tolist() for m in taken), strict=True)]
        queries, at, paths = np.ascontiguousarray(queries[order]), at[order], made


def row_moves(candidates: Candidates, row: int) -> list[Move]:
    part = slice(*candidates.offsets[row : row + 2])
    return list(zip(candidates.relations[part].tolist(), candidates.entities[part].tolist(), strict=True))


@settings(max_examples=40, deadline=None)
@given(world=worlds(configs()), seed=st.integers(0, 99))
@torch.no_grad()
def test_its_logits_are_the_plain_log_probabilities(world: World, seed: int) -> None:
    """Whoever shares a row of ``prefixes``: a walker's probabilities are those it would have alone, and sum to 1."""
    plain = Plain(world.policy)
    for state, walkers, candidates in wander(world, np.random.default_rng(seed), 3):
        logits = world.policy.logits(state, candidates)
        assert not world.policy.log_norm(state, logits, candidates).any()
        for row, (query, path) in enumerate(walkers):
            got = logits[slice(*candidates.offsets[row : row + 2])]
            expected = plain.moves(query, path, row_moves(candidates, row))
            assert got.tolist() == pytest.approx(list(expected.values()), abs=2e-4)
            assert got.double().exp().sum().item() == pytest.approx(1, abs=1e-5)


@settings(max_examples=15, deadline=None)
@given(world=worlds(configs()), seed=st.integers(0, 99))
@torch.no_grad()
def test_in_float64_sharing_prefixes_changes_nothing(world: World, seed: int) -> None:
    plain = Plain(world.policy)
    double = world._replace(policy=world.policy.double())
    for state, walkers, candidates in wander(double, np.random.default_rng(seed), 3):
        logits = double.policy.logits(state, candidates)
        for row, (query, path) in enumerate(walkers):
            expected = plain.moves(query, path, row_moves(candidates, row))
            got = logits[slice(*candidates.offsets[row : row + 2])].tolist()
            assert got == pytest.approx(list(expected.values()), abs=1e-6 if plain.guide else 1e-12)


@settings(max_examples=15, deadline=None)
@given(world=worlds(configs()), seed=st.integers(0, 99))
@torch.no_grad()
def test_two_steps_are_one(world: World, seed: int) -> None:
    """What environments with two choices a hop ask for, multiplied, is what the beam asks for."""
    policy = world.policy
    for state, walkers, candidates in wander(world, np.random.default_rng(seed), 2):
        logits = policy.logits(state, candidates)
        scores = policy.relation_logits(state)
        for row in range(len(walkers)):
            moves = row_moves(candidates, row)
            open_ = sorted({r for r, _ in moves}, key=[r for r, _ in moves].index)
            chosen = torch.log_softmax(scores[row, open_], 0)
            ragged = policy.open_relation_logits(
                policy.select(state, np.array([row])), np.array([0, len(open_)]), np.array(open_, np.int32)
            )
            torch.testing.assert_close(torch.log_softmax(ragged, 0), chosen)
            expected = []
            for relation, log_prob in zip(open_, chosen.tolist(), strict=True):
                entities = np.array([e for r, e in moves if r == relation], np.int32)
                after = policy.follow(policy.select(state, np.array([row])), np.array([relation], np.int32))
                picked = policy.entity_logits(after, np.array([0, len(entities)]), entities)
                expected += (log_prob + torch.log_softmax(picked, 0)).tolist()
            got = logits[slice(*candidates.offsets[row : row + 2])]
            assert got.tolist() == pytest.approx(expected, abs=1e-4)


def every_walk(world: World, plain: Plain, query: np.ndarray, hops: int) -> dict[tuple[Move, ...], float]:
    """Log-probability of each walk that may be made when answering."""
    walks: dict[tuple[Move, ...], float] = {}
    actions = ActionSets(Expand(world.graph), hide_fact=False)
    untold = np.array([[*query[:2], -1]], np.int32)

    def go(path: tuple[Move, ...], log_prob: float) -> None:
        if len(path) == hops:
            walks[path] = log_prob
            return
        at = np.array([path[-1][1] if path else query[0]])
        open_ = row_moves(candidates_of(actions, at, untold, len(path) == hops - 1), 0)
        for move, step in plain.moves(query, list(path), open_).items():
            go((*path, move), log_prob + step)

    go((), 0.0)
    return walks


@settings(max_examples=12, deadline=None)
@given(world=worlds(configs()))
@torch.no_grad()
def test_beam_and_propagation_find_all_walks(world: World) -> None:
    hops, plain = 2, Plain(world.policy)
    actions, queries = ActionSets(Expand(world.graph), hide_fact=False), world.queries[:2]
    paths = search(actions, world.policy, chain(ANY, 100_000, hops=hops, per="query"), queries)
    found: list[dict[tuple[Move, ...], float]] = [{} for _ in queries]
    for q, entities, relations, log_prob in zip(
        *(x.tolist() for x in (paths.query, paths.entities, paths.relations, paths.log_prob)), strict=True
    ):
        found[q][tuple(zip(relations, entities[1:], strict=True))] = log_prob
    walks = [every_walk(world, plain, query, hops) for query in queries]
    for got, expected in zip(found, walks, strict=True):
        assert got == pytest.approx(expected, abs=5e-4)
    if not world.policy.factorises:
        with pytest.raises(ValueError, match="factorises"):
            propagate_split(actions, world.policy, queries, hops)
        return
    spread = propagate_split(actions, world.policy, queries, hops)
    assert spread.dropped.tolist() == [0] * len(queries)
    for row, expected in enumerate(walks):
        ends: dict[int, float] = defaultdict(float)
        for path, log_prob in expected.items():
            ends[path[-1][1]] += math.exp(log_prob)
        part = slice(*spread.ranked.offsets[row : row + 2])
        got_ends = dict(zip(spread.ranked.entities[part].tolist(), np.exp(spread.ranked.scores[part]), strict=True))
        likely = {e for e, p in ends.items() if p > 1e-9}  # behind a mask hardly anything is left
        assert {e: got_ends[e] for e in likely} == pytest.approx({e: ends[e] for e in likely}, abs=1e-4)
        assert sum(got_ends.values()) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("sight", ["relations", "places", "history"])
@torch.no_grad()
def test_what_each_sight_sees(small: Graph, sight: Any) -> None:
    """Where walkers were changes their choice of an entity, unless they see relations only; never of a relation."""
    policy = split_policy(small, SplitPolicyConfig(6, 5, 7, (8,), sight=sight)).eval()
    queries = facts_of(small)[:5]
    elsewhere = queries.copy()
    elsewhere[:, 0] = (elsewhere[:, 0] + 7) % small.num_entities
    over = np.arange(5, 10, dtype=np.int32)
    states = []
    for start, through in ((queries, over), (elsewhere, over), (queries, over + 9)):
        state = policy.advance(policy.begin(start), Moves(np.zeros(5, np.int32), through))
        state = policy.advance(state, Moves(np.ones(5, np.int32), over + 3))
        states.append((policy.relation_logits(state), policy.entity_queries(policy.follow(state, over % 6))))
    for other in states[1:]:
        torch.testing.assert_close(other[0], states[0][0])
    same_source, same_way = (torch.allclose(other[1], states[0][1]) for other in states[1:])
    assert (same_source, same_way) == {
        "relations": (True, True),
        "places": (False, True),
        "history": (False, False),
    }[sight]
    assert policy.factorises == (sight == "relations")


def test_an_independent_entity_agent_does_not_know_the_relation_of_its_hop(small: Graph) -> None:
    queries = np.repeat(facts_of(small)[:1], 2, axis=0)
    after = np.array([0, 4], np.int32)
    for independent in (True, False):
        policy = split_policy(small, SplitPolicyConfig(6, 5, 7, (8,), independent=independent)).eval()
        first = policy.entity_queries(policy.follow(policy.begin(queries), after))
        assert first is not None
        assert torch.allclose(first[0], first[1]) == independent
        moved = policy.advance(policy.begin(queries), Moves(after, np.zeros(2, np.int32)))
        later = policy.entity_queries(policy.follow(moved, np.array([1, 1], np.int32)))
        assert later is not None
        assert not torch.allclose(later[0], later[1])


def test_walkers_with_the_same_relations_behind_them_share_a_row(small: Graph, split: SplitPolicy) -> None:
    queries = np.ascontiguousarray(np.repeat(facts_of(small)[:4], 3, axis=0))
    state = split.begin(queries)
    assert len(state.prefixes.asked) == len(np.unique(queries[:, 1]))
    followed = np.tile(np.array([0, 0, 5], np.int32), 4)
    state = split.advance(state, Moves(followed, np.arange(12, dtype=np.int32)))
    assert len(state.prefixes.asked) == 2 * len(np.unique(queries[:, 1]))


def test_select_then_advance_is_advance_then_select(small: Graph, split: SplitPolicy) -> None:
    queries = facts_of(small)[:5]
    moves = Moves(np.array([0, 4, 2, 6, 1], np.int32), np.array([3, 9, 1, 1, 8], np.int32))
    rows = np.array([4, 0, 0, 2])
    first = split.advance(split.select(split.begin(queries), rows), Moves(moves.relations[rows], moves.entities[rows]))
    second = split.select(split.advance(split.begin(queries), moves), rows)
    at, asked = moves.entities[rows], np.ascontiguousarray(queries[rows])
    candidates = candidates_of(ActionSets(Expand(small)), at, asked, False)
    torch.testing.assert_close(split.logits(first, candidates), split.logits(second, candidates))


def test_the_target_is_not_read(small: Graph, split: SplitPolicy) -> None:
    queries = facts_of(small)[:5]
    untold = queries.copy()
    untold[:, 2] = -1
    candidates = candidates_of(ActionSets(Expand(small)), queries[:, 0], untold, False)
    torch.testing.assert_close(
        split.logits(split.begin(queries), candidates), split.logits(split.begin(untold), candidates)
    )


@pytest.mark.parametrize("guidance", ["none", "prior", "mask"])
def test_gradients_reach_all_that_was_used(small: Graph, split: SplitPolicy, guidance: Guidance) -> None:
    policy, queries = guided(split, guidance), facts_of(small)
    actions = ActionSets(Expand(small))
    choices, walks = roll_out(policy, actions, queries, hops=3, rollouts=4, seed=0, stream=0)
    weights = torch.linspace(-1, 1, len(walks.hit))
    (weights * walk_log_probs(choices)).sum().backward()
    for name, parameter in policy.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name
    table = policy.relation_agent.table.grad
    assert table is not None
    assert (table.abs().sum(dim=1) > 0).all()  # inverses, STAY and the beginning too


def test_guidance_weighs_the_relations_that_rules_follow(small: Graph, split: SplitPolicy) -> None:
    queries = facts_of(small)
    actions = ActionSets(Expand(small))
    hits = {}
    for guidance in ("none", "prior", "mask"):
        policy = guided(copy.deepcopy(split), guidance)  # type: ignore[arg-type]
        _, walks = roll_out(policy, actions, queries, hops=3, rollouts=8, seed=0, stream=0)
        guide = guided(copy.deepcopy(split), "prior").relation_agent.guide
        assert guide is not None
        nodes = guide.trie.follow(queries[walks.query, 1], walks.relations)
        hits[guidance] = (guide.trie.confidence(nodes) > 0).mean()
    assert hits["none"] < hits["prior"]
    assert hits["none"] < hits["mask"]


def test_dropout_is_in_training_only(small: Graph) -> None:
    config = replace(SPLITS["places"], embedding_dropout=0.5, hidden_dropout=0.5)
    policy, queries = split_policy(small, config), facts_of(small)[:5]
    candidates = candidates_of(ActionSets(Expand(small)), queries[:, 0], queries, False)

    def logits() -> Tensor:
        return policy.logits(policy.begin(queries), candidates)

    policy.train()
    assert not torch.equal(logits(), logits())
    policy.eval()
    assert torch.equal(logits(), logits())


def test_an_empty_batch(small: Graph, split: SplitPolicy) -> None:
    none = np.empty((0, 3), np.int32)
    choices, walks = roll_out(split, ActionSets(Expand(small)), none, hops=2, rollouts=3, seed=0, stream=0)
    assert walks.entities.shape == (0, 3)
    assert walk_log_probs(choices).shape == (0,)
    assert walk_log_probs(
        follow(split, ActionSets(Expand(small)), none, np.empty(0, np.int64), walks.entities, walks.relations)
    ).shape == (0,)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"relation_dim": 0}, "widths"),
        ({"hidden_dim": 2.0}, "widths"),
        ({"mlp_dims": (8, 1 << 20)}, "widths"),
        ({"entity_dim": -1}, "entity_dim must be 0 or a width"),
        ({"entity_dim": True}, "entity_dim"),
        ({"sight": "all"}, "sight must be one of relations, places, history"),
        ({"embedding_dropout": 1.0}, "dropout"),
        ({"hidden_dropout": float("nan")}, "dropout"),
    ],
)
def test_sizes_that_make_no_network_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SplitPolicyConfig(**changes)


@pytest.mark.parametrize("counts", [(-1, 2), (3, "2"), (None, 1)])
def test_counts_that_make_no_graph_are_refused(counts: tuple[Any, Any]) -> None:
    with pytest.raises(ValueError, match="counts of entities and relations"):
        SplitPolicy(*counts, SplitPolicyConfig())
