"""Small graphs, toy policies and a search in plain Python: what the kernels are held against."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import strategies as st

from kgwalk._core import ANY, ActionSets, Expand, Graph, num_threads, set_num_threads
from kgwalk.protocols import Candidates, Moves


@dataclass(frozen=True)
class World:
    """A graph with the facts it was made of."""

    graph: Graph
    facts: frozenset[tuple[int, int, int]]

    @property
    def actions(self) -> ActionSets:
        return ActionSets(Expand(self.graph))

    def queries(self) -> np.ndarray:
        """Every source with every relation, inverses too, and a target that nobody may read."""
        n, r = self.graph.num_entities, 2 * self.graph.num_relations
        return np.array([(s, q, (s + q) % n) for s in range(n) for q in range(r)], np.int32)

    def neighbours(self, entity: int) -> list[tuple[int, int]]:
        r = self.graph.num_relations
        forward = {(rel, t) for h, rel, t in self.facts if h == entity}
        return sorted(forward | {(rel + r, h) for h, rel, t in self.facts if t == entity})

    def moves(self, entity: int, query: np.ndarray, last: bool) -> list[tuple[int, int]]:
        """STAY and what may be followed; answers that the graph holds are no last move."""
        source, relation, _ = (int(x) for x in query)
        known = {t for rel, t in self.neighbours(source) if rel == relation} if last else set()
        return [(self.graph.stay, entity)] + [m for m in self.neighbours(entity) if m[1] not in known]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """An untyped graph, or users and items with interactions and item facts."""
    typed = draw(st.booleans())
    n, r = draw(st.integers(2, 6)), draw(st.integers(1, 3))
    if typed:
        users = draw(st.integers(1, n - 1))
        interaction = st.tuples(st.integers(0, users - 1), st.just(0), st.integers(users, n - 1))
        between_items = st.tuples(st.integers(users, n - 1), st.integers(0, r - 1), st.integers(users, n - 1))
        facts = draw(st.lists(interaction | between_items, min_size=1, max_size=9))
        offsets = [0, users, n]
    else:
        entity = st.integers(0, n - 1)
        facts = draw(st.lists(st.tuples(entity, st.integers(0, r - 1), entity), min_size=1, max_size=9))
        offsets = [0, n]
    return World(Graph.from_triples(np.array(facts, np.int32), n, r, offsets), frozenset(facts))


class TablePolicy:
    """Logits from tables of query relation, last relation, relation and entity.

    They are multiples of 1/4, so that sums are exact and ties are common. Unless it normalises, log_norm is 0.
    """

    def __init__(self, graph: Graph, seed: int = 0, *, normalise: bool = True, entities: bool = True) -> None:
        width = graph.stay + 1
        draw = np.random.default_rng(seed)
        self.start = width
        self.tables = draw.integers(-6, 7, (2, width + 1, width)).astype(np.float32) / 4
        self.entity = draw.integers(-6, 7, graph.num_entities).astype(np.float32) / 4 * entities
        self.factorises = not entities
        self.normalise = normalise
        self.states_scored = 0

    def begin(self, queries):
        return np.stack([queries[:, 1], np.full(len(queries), self.start, np.int32)], axis=1)

    def select(self, state, rows):
        return state[rows]

    def relation_logits(self, state):
        self.states_scored += len(state)
        return self.tables[0, state[:, 0]] + self.tables[1, state[:, 1]]

    def logits(self, state, candidates):
        rows = np.repeat(state, np.diff(candidates.offsets), axis=0)
        relation = self.tables[0, rows[:, 0], candidates.relations] + self.tables[1, rows[:, 1], candidates.relations]
        return relation + self.entity[candidates.entities]

    def log_norm(self, state, logits, candidates):
        if not self.normalise:
            return np.zeros(len(state), np.float32)
        return np.log(np.add.reduceat(np.exp(logits.astype(np.float64)), candidates.offsets[:-1]))

    def advance(self, state, moves):
        return np.stack([state[:, 0], moves.relations], axis=1)


def scored_moves(world, policy, query, path, last):
    """[(relation, entity, log-probability)] of one path's next moves, asked of the policy one state at a time."""
    moves = world.moves(path[-1][1], query, last)
    relations, entities = (np.array(column, np.int32) for column in zip(*moves, strict=True))
    candidates = Candidates(np.array([0, len(moves)]), relations, entities)
    state = policy.begin(query[None])
    for relation, entity in path[1:]:
        state = policy.advance(state, Moves(np.array([relation], np.int32), np.array([entity], np.int32)))
    logits = policy.logits(state, candidates)
    norm = float(policy.log_norm(state, logits, candidates)[0])
    return [(r, e, float(x) - norm) for (r, e), x in zip(moves, logits, strict=True)]


def slow_search(world, policy, layout, query):
    """One query's paths as {((relation, entity), ...): log-probability}, best first, and all its last expansion."""
    hops = layout.hops
    beam = [(((None, int(query[0])),), 0, 0.0)]  # path, layout node, log-probability
    ended, early, expanded = [], [], []
    for hop in range(hops):
        found = []
        for parent, (path, node, log_prob) in enumerate(beam):
            children = [c for c, p in enumerate(layout.parents) if p == node]
            for r, e, step in scored_moves(world, policy, query, path, hop == hops - 1) if children else []:
                for child in children:
                    if layout.relations[child] in (ANY, r):
                        group = (parent, child) if layout.per == "path" else (child,)
                        found.append((group, ((*path, (r, e)), child, log_prob + step)))
        if hop == hops - 1:
            expanded = [one for _, one in found]
        beam = []
        for group in sorted({g for g, _ in found}):
            best = sorted((one for g, one in found if g == group), key=lambda one: -one[2])  # stable
            beam += best[: layout.budgets[group[-1]]]
        ended += [one for one in beam if layout.ends[one[1]]]
        if hop < hops - 1:
            early = list(ended)
    return sorted(ended, key=lambda one: -one[2]), early + expanded


def pooled(paths):
    """{end entity: (log of summed probability, log of the greatest)} of [(path, node, log-probability)]."""
    by_entity: dict[int, list[float]] = {}
    for path, _, log_prob in paths:
        by_entity.setdefault(path[-1][1], []).append(log_prob)
    return {e: (math.log(math.fsum(map(math.exp, x))), max(x)) for e, x in by_entity.items()}


@pytest.fixture(scope="session")
def toys() -> SimpleNamespace:
    """Strategies, policies and references; a fixture because test modules share nothing else."""
    return SimpleNamespace(worlds=worlds(), World=World, TablePolicy=TablePolicy, search=slow_search, pooled=pooled)


@pytest.fixture(scope="session")
def town() -> World:
    """300 entities, 5 relations, 1,200 facts: enough for several threads to get work."""
    draw = np.random.default_rng(7)
    facts = np.stack([draw.integers(0, 300, 1200), draw.integers(0, 5, 1200), draw.integers(0, 300, 1200)], axis=1)
    graph = Graph.from_triples(facts.astype(np.int32), 300, 5)
    return World(graph, frozenset(map(tuple, facts.tolist())))


@pytest.fixture
def two_threads():
    """A callable that runs a function on one thread, then on two, and gives both results."""
    before = num_threads()

    def both(run):
        results = []
        for threads in (1, 2):
            set_num_threads(threads)
            results.append(run())
        return results

    yield both
    set_num_threads(before)
