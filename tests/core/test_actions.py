"""Legal moves against their definition: no leak in training, STAY always."""

from __future__ import annotations

from itertools import groupby, pairwise
from operator import itemgetter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgwalk._core import ActionSets, Expand, Overlay
from kgwalk.protocols import Ids
from tests.core.oracle import Edge, Fact, Oracle, capped, facts_array, ids, oracles, rows_of


def legal_moves(
    oracle: Oracle, rows: dict[int, list[Edge]], at: int, query: Fact, hide: tuple[bool, bool], last: bool
) -> list[Edge]:
    """The definition; `hide` is (the query's own fact, other answers at the last hop)."""
    source, relation, target = query
    own = {(source, relation, target), (target, oracle.inverse(relation), source)}
    answers = {t for r, t in oracle.edges()[source] if r == relation}
    moves = [(oracle.stay, at)]
    for r, t in rows[at]:
        if hide[0] and target >= 0 and (at, r, t) in own:
            continue
        if hide[1] and last and t in answers and t != target:
            continue
        moves.append((r, t))
    return moves


def draw_queries(oracle: Oracle, data: st.DataObject) -> list[Fact]:
    """One to five, facts and others, with a target and without."""
    entity = st.integers(0, oracle.num_entities - 1)
    drawn = st.tuples(entity, st.integers(0, oracle.stay - 1), st.one_of(st.just(-1), entity))
    if oracle.facts:
        drawn = st.one_of(drawn, st.sampled_from(oracle.facts))
    return data.draw(st.lists(drawn, min_size=1, max_size=5))


def draw_overlay(oracle: Oracle, data: st.DataObject) -> Overlay | None:
    """None, or one that hides some facts and adds others, and an entity."""
    if not oracle.facts or data.draw(st.booleans()):
        return None
    hidden = data.draw(st.lists(st.sampled_from(oracle.facts), max_size=4))
    entity = st.integers(0, oracle.num_entities)
    added = st.lists(st.tuples(entity, st.integers(0, oracle.num_relations - 1), entity), max_size=12)
    return Overlay(oracle.graph(), facts_array(hidden), facts_array(data.draw(added)), [0])


def everywhere(num_entities: int, num_queries: int) -> tuple[Ids, Ids]:
    """Every query at every entity."""
    at = np.tile(np.arange(num_entities, dtype=np.int32), num_queries)
    return at, np.repeat(np.arange(num_queries, dtype=np.int32), num_entities)


@given(oracles(), st.integers(0, 4), st.booleans(), st.booleans(), st.booleans(), st.data())
def test_candidates_are_stay_and_the_legal_edges(
    oracle: Oracle, cap: int, hide_fact: bool, hide_answers: bool, last: bool, data: st.DataObject
) -> None:
    queries = draw_queries(oracle, data)
    at, query_of = everywhere(oracle.num_entities, len(queries))
    actions = ActionSets(Expand(oracle.graph(), None, cap), hide_fact, hide_answers)
    got = rows_of(actions.candidates(at, query_of, ids(queries), last))
    rows = capped(oracle, cap)
    hide = (hide_fact, hide_answers)
    walkers = zip(at.tolist(), query_of.tolist(), strict=True)
    assert got == [legal_moves(oracle, rows, e, queries[q], hide, last) for e, q in walkers]


def check_runs(actions: ActionSets, at: Ids, query_of: Ids, queries: list[Fact], last: bool) -> None:
    """relations() and tails() against the runs of candidates()."""
    moves = rows_of(actions.candidates(at, query_of, ids(queries), last))
    runs = [[(r, len(list(run))) for r, run in groupby(row, key=itemgetter(0))] for row in moves]
    assert rows_of(actions.relations(at, query_of, ids(queries), last)) == runs
    for relation in range(actions.graph.stay + 1):
        along = np.full(len(at), relation, np.int32)
        offsets, entities = actions.tails(at, along, query_of, ids(queries), last)
        found = [entities[a:b].tolist() for a, b in pairwise(offsets)]
        assert found == [[e for r, e in row if r == relation] for row in moves]


@given(oracles(), st.integers(0, 4), st.booleans(), st.booleans(), st.booleans(), st.data())
def test_relations_and_tails_are_the_runs_of_the_candidates(
    oracle: Oracle, cap: int, hide_fact: bool, hide_answers: bool, last: bool, data: st.DataObject
) -> None:
    expand = Expand(oracle.graph(), draw_overlay(oracle, data), cap)
    queries = draw_queries(oracle, data)
    at, query_of = everywhere(expand.num_entities, len(queries))
    check_runs(ActionSets(expand, hide_fact, hide_answers), at, query_of, queries, last)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("answers", [1, 3, 40, 700])
def test_relations_and_tails_of_hubs(answers: int, last: bool) -> None:
    """Long runs, where few answers are searched for and many are looked up: both count alike."""
    rng = np.random.default_rng(answers)
    size, n = (900, 60, 1, 500), 1000
    hub = [(0, r, int(t)) for r in range(4) for t in rng.choice(n, size[r], replace=False)]
    asked = [(1, 4, int(t)) for t in rng.choice(n, answers, replace=False)]
    oracle = Oracle([*hub, *asked, (1, 4, 0), (1, 4, 1), (0, 4, 1)], n, 5)
    queries = [(1, 4, asked[0][2]), (1, 4, -1), (1, 4, 1), (0, 0, hub[5][2]), (0, 4, 1), (1, 9, 0)]
    actions = ActionSets(Expand(oracle.graph()))
    some = np.array([0, 1, hub[5][2], asked[0][2]], np.int32)
    at, query_of = np.tile(some, len(queries)), np.repeat(np.arange(len(queries), dtype=np.int32), len(some))
    check_runs(actions, at, query_of, queries, last)


def test_the_last_hop_masks_other_answers_and_leaves_the_target() -> None:
    #     0 -likes-> 1, 2, 3; 4 -knows-> 1, 2, 3
    oracle = Oracle([(0, 0, 1), (0, 0, 2), (0, 0, 3), (4, 1, 1), (4, 1, 2), (4, 1, 3)], 5, 2)
    actions = ActionSets(Expand(oracle.graph()))

    def tails(target: int, last: bool) -> list[int]:
        _, _, entities = actions.candidates(ids([4]), ids([0]), ids([[0, 0, target]]), last)
        return entities.tolist()

    assert tails(2, last=False) == [4, 1, 2, 3]
    assert tails(2, last=True) == [4, 2]
    assert tails(-1, last=True) == [4]  # STAY alone is still a move


def test_ids_out_of_range_and_bad_arrays_are_refused() -> None:
    actions = ActionSets(Expand(Oracle([(0, 0, 1)], 3, 1).graph()))
    zero = ids([0])
    query = ids([[0, 0, 1]])
    for at, query_of, queries in (
        (ids([3]), zero, query),
        (ids([-1]), zero, query),
        (zero, ids([1]), query),
        (zero, ids([-1]), query),
        (zero, zero, ids([[3, 0, 1]])),
        (zero, zero, ids([[0, 2, 1]])),
        (zero, zero, ids([[0, -1, 1]])),
        (zero, zero, ids([[0, 0, 3]])),
        (zero, zero, ids([[0, 0, -2]])),
    ):
        for ask in (actions.candidates, actions.relations, lambda at, *rest: actions.tails(at, zero, *rest)):
            with pytest.raises(IndexError):
                ask(at, query_of, queries, True)
    for relation in (-1, 3):
        with pytest.raises(IndexError, match=f"relation id {relation} "):
            actions.tails(zero, ids([relation]), zero, query, True)
    with pytest.raises(ValueError, match=r"relations: expected shape \(1\,\), got \(2,\)"):
        actions.tails(zero, ids([0, 0]), zero, query, True)
    with pytest.raises(ValueError, match=r"query_of: expected shape \(1\,\), got \(2,\)"):
        actions.candidates(zero, ids([0, 0]), query, True)
    with pytest.raises(ValueError, match="queries: expected dtype int32, got int64"):
        actions.candidates(zero, zero, query.astype(np.int64), True)  # type: ignore[arg-type]
