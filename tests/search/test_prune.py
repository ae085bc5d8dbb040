"""A scorer caps the candidates of a node."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgwalk.protocols import Candidates
from kgwalk.search import ANY, Prune, chain, rank, search
from tests.scorers.fakes import BrokenScorer, TableScorer


def kept_of(moves, query, scorer, max_actions):
    """STAY and the best of the other moves [(relation, entity)], in the order they had."""
    source, relation, _ = (int(x) for x in query)
    best = sorted(range(1, len(moves)), key=lambda i: (-scorer.of(source, relation, moves[i][1]), i))
    return [moves[i] for i in sorted([0, *best[: max_actions - 1]])]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_each_row_keeps_stay_and_the_best(toys, data):
    world = data.draw(toys.worlds)
    n, queries = world.graph.num_entities, world.queries()
    queries[:, 2] = -1
    scorer = TableScorer(n, world.graph.num_relations, data.draw(st.integers(0, 9)))
    max_actions, last = data.draw(st.integers(1, 6)), data.draw(st.booleans())
    at = np.array([data.draw(st.integers(0, n - 1)) for _ in queries], np.int32)
    rows = np.arange(len(queries), dtype=np.int32)
    moves = Candidates(*world.actions.candidates(at, rows, queries, last))
    pruned = Prune(scorer, max_actions)(moves, queries)
    assert [x.dtype for x in pruned] == [x.dtype for x in moves]
    scored = set()
    for i, query in enumerate(queries):
        all_moves = world.moves(int(at[i]), query, last)
        row = slice(*pruned.offsets[i : i + 2])
        got = list(zip(pruned.relations[row].tolist(), pruned.entities[row].tolist(), strict=True))
        assert got == kept_of(all_moves, query, scorer, max_actions)
        if len(all_moves) > max_actions:
            scored |= {(int(query[0]), int(query[1]), entity) for _, entity in all_moves[1:]}
    assert sorted(scorer.asked) == sorted(scored), "each distinct fact of a crowded row once, and nothing else"


class Pruned:
    """A world whose moves are pruned: what a pruned search must find without pruning."""

    def __init__(self, world, scorer, max_actions):
        self.graph, self.world, self.scorer, self.max_actions = world.graph, world, scorer, max_actions

    def moves(self, entity, query, last):
        return kept_of(self.world.moves(entity, query, last), query, self.scorer, self.max_actions)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_pruned_search_is_a_search_of_the_pruned_moves(toys, data):
    world = data.draw(toys.worlds)
    scorer = TableScorer(world.graph.num_entities, world.graph.num_relations, data.draw(st.integers(0, 9)))
    prune = Prune(scorer, data.draw(st.integers(1, 5)))
    policy = toys.TablePolicy(world.graph, data.draw(st.integers(0, 99)), normalise=data.draw(st.booleans()))
    hops, final = data.draw(st.integers(1, 3)), data.draw(st.sampled_from(["keep", "expand"]))
    layout, queries = chain(ANY, 10**6, hops, final=final), world.queries()
    limits = {"batch": data.draw(st.integers(1, 40)), "max_candidates": data.draw(st.integers(1, 60))}
    paths = search(world.actions, policy, layout, queries, prune=prune, **limits)
    small = Pruned(world, scorer, prune.max_actions)
    ranked = rank(paths, len(queries))
    for i, query in enumerate(queries):
        kept, _ = toys.search(small, policy, layout, query)
        own = paths.of(i)
        got = {
            (tuple(r), tuple(e)): x
            for r, e, x in zip(own.relations.tolist(), own.entities.tolist(), own.log_prob, strict=True)
        }
        want = {(tuple(r for r, _ in p[1:]), tuple(e for _, e in p)): x for p, _, x in kept}
        assert got == pytest.approx(want, abs=1e-5)
        row = slice(*ranked.offsets[i : i + 2])
        answers = dict(zip(ranked.entities[row].tolist(), ranked.scores[row], strict=True))
        assert answers == pytest.approx({e: x[0] for e, x in toys.pooled(kept).items()}, abs=1e-5)
        if policy.normalise:
            assert math.fsum(np.exp(own.log_prob)) == pytest.approx(1, abs=1e-5), "normalised over what is left"


def test_a_hop_scores_each_distinct_entity_of_a_query_once(toys, town):
    scorer, queries = TableScorer(300, 5), town.queries()[:12]
    search(town.actions, toys.TablePolicy(town.graph), chain(ANY, 64, 1), queries, prune=Prune(scorer, 2))
    assert scorer.asked
    assert len(scorer.asked) == len(set(scorer.asked))
    hops, scorer.asked = 3, []
    paths = search(town.actions, toys.TablePolicy(town.graph), chain(ANY, 64, hops), queries, prune=Prune(scorer, 2))
    assert max(map(scorer.asked.count, scorer.asked)) <= hops
    assert np.bincount(paths.query).tolist() == [2**hops] * len(queries)


def test_rows_with_room_cost_nothing(toys, town):
    layout, queries = chain(ANY, 16, 3, final="expand"), town.queries()[::50]
    scorer = TableScorer(300, 5)
    plain, roomy = (
        search(town.actions, toys.TablePolicy(town.graph), layout, queries, prune=prune)
        for prune in (None, Prune(scorer, 1000))
    )
    assert scorer.asked == []
    np.testing.assert_array_equal(plain.entities, roomy.entities)
    np.testing.assert_array_equal(plain.log_prob, roomy.log_prob)


def test_nothing_depends_on_threads_batches_or_pieces(toys, town, two_threads):
    policy, queries, prune = toys.TablePolicy(town.graph, 1), town.queries()[::7], Prune(TableScorer(300, 5), 4)
    layout = chain(ANY, 16, 3, final="expand")

    def run(**limits):
        paths = search(town.actions, policy, layout, queries, prune=prune, **limits)
        return [paths.query, paths.entities, paths.relations, paths.log_prob, *paths.reached]

    one, two = two_threads(run)
    for other in (two, run(batch=5), run(max_candidates=1), run(max_candidates=2000)):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_one_action_is_to_wait(toys, town):
    queries = town.queries()[:9]
    prune = Prune(TableScorer(300, 5), 1)
    paths = search(town.actions, toys.TablePolicy(town.graph), chain(ANY, 9, 2), queries, prune=prune)
    assert (paths.relations == town.graph.stay).all()
    assert paths.log_prob.tolist() == [0.0] * 9


@pytest.mark.parametrize("max_actions", [0, -3, 2.5, True, "3", None])
def test_what_is_no_number_of_actions(max_actions):
    with pytest.raises(ValueError, match=f"max_actions must be a whole number from 1, got {max_actions!r}"):
        Prune(TableScorer(2, 1), max_actions)


def test_a_scorer_that_gives_no_scores_is_named(toys, town):
    with pytest.raises(ValueError, match=r"BrokenScorer\.score: .* got nan"):
        search(
            *(town.actions, toys.TablePolicy(town.graph), chain(ANY, 4, 2), town.queries()[:30]),
            prune=Prune(BrokenScorer(np.nan), 2),
        )
    with pytest.raises(IndexError, match="out of bounds"):
        search(
            *(town.actions, toys.TablePolicy(town.graph), chain(ANY, 4, 2), town.queries()[-30:]),
            prune=Prune(TableScorer(10, 5), 2),
        )
