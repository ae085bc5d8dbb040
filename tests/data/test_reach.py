"""Hops to the answer against breadth-first search, with hidden edges and capped nodes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgwalk._core import ANY, Expand, Graph
from kgwalk.data import reach
from kgwalk.data.reach import hops_to_answer


@st.composite
def graphs(draw):
    entities = draw(st.integers(2, 12))
    relations = draw(st.integers(1, 3))
    fact = st.tuples(st.integers(0, entities - 1), st.integers(0, relations - 1), st.integers(0, entities - 1))
    facts = draw(st.lists(fact, min_size=1, max_size=30))
    return np.array(facts, dtype=np.int32), entities, relations


def search(expand, source, target, hidden, max_hops):
    """Level by level, looking at one node's visible edges at a time."""
    if source == target:
        return 1
    level = {source}
    for hops in range(1, max_hops + 1):
        further = set()
        for node in level:
            exclude = None if hidden is None else np.array([hidden], dtype=np.int32)
            _, _, tails = expand(np.array([node], np.int32), np.array([ANY], np.int32), exclude)
            further |= set(tails.tolist())
        if target in further:
            return hops
        level = further
    return 0


@given(graphs(), st.booleans(), st.integers(0, 3), st.integers(1, 4), st.sampled_from([3, 10**6]))
def test_hops_equal_breadth_first_search(drawn, hide, cap, max_hops, chunk):
    facts, entities, relations = drawn
    expand = Expand(Graph.from_triples(facts, entities, relations), None, cap)
    strangers = np.array([(h, 0, t) for h in range(entities) for t in range(0, entities, 3)], dtype=np.int32)
    queries = facts if hide else np.concatenate([facts, strangers])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reach, "_CHUNK", chunk)
        hops = hops_to_answer(expand, queries, hide_fact=hide, max_hops=max_hops)
    expected = [search(expand, q[0], q[2], q if hide else None, max_hops) for q in queries.tolist()]
    assert hops.tolist() == expected


def test_progress_ends_with_all_queries_and_bad_lengths_are_refused():
    expand = Expand(Graph.from_triples(np.array([[0, 0, 1], [1, 0, 2]], np.int32), 3, 1))
    seen = []
    queries = np.array([[0, 0, 2], [0, 0, 1]], np.int32)
    assert hops_to_answer(expand, queries, progress=lambda *step: seen.append(step)).tolist() == [2, 1]
    assert seen[-1] == (2, 2)
    for bad in (0, 5):
        with pytest.raises(ValueError, match="1 to 4"):
            hops_to_answer(expand, queries, max_hops=bad)
