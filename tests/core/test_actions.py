"""Legal moves against their definition: no leak in training, STAY always."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgwalk._core import ActionSets, Expand
from tests.core.oracle import Edge, Fact, Oracle, capped, ids, oracles, rows_of


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


@given(oracles(), st.integers(0, 4), st.booleans(), st.booleans(), st.booleans(), st.data())
def test_candidates_are_stay_and_the_legal_edges(
    oracle: Oracle, cap: int, hide_fact: bool, hide_answers: bool, last: bool, data: st.DataObject
) -> None:
    entity = st.integers(0, oracle.num_entities - 1)
    relation = st.integers(0, oracle.stay - 1)
    drawn = st.tuples(entity, relation, st.one_of(st.just(-1), entity))
    if oracle.facts:
        drawn = st.one_of(drawn, st.sampled_from(oracle.facts))
    queries = data.draw(st.lists(drawn, min_size=1, max_size=5))
    at = [e for _ in queries for e in range(oracle.num_entities)]
    query_of = [q for q in range(len(queries)) for _ in range(oracle.num_entities)]
    actions = ActionSets(Expand(oracle.graph(), None, cap), hide_fact, hide_answers)
    got = rows_of(actions.candidates(ids(at), ids(query_of), ids(queries), last))
    rows = capped(oracle, cap)
    hide = (hide_fact, hide_answers)
    assert got == [legal_moves(oracle, rows, e, queries[q], hide, last) for e, q in zip(at, query_of, strict=True)]


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
        with pytest.raises(IndexError):
            actions.candidates(at, query_of, queries, True)
    with pytest.raises(ValueError, match=r"query_of: expected shape \(1\,\), got \(2,\)"):
        actions.candidates(zero, ids([0, 0]), query, True)
    with pytest.raises(ValueError, match="queries: expected dtype int32, got int64"):
        actions.candidates(zero, zero, query.astype(np.int64), True)  # type: ignore[arg-type]
