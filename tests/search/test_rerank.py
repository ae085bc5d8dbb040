"""A scorer puts answers in another order."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgwalk.protocols import Ranked
from kgwalk.search import ANY, chain, rank, rerank, search
from tests.scorers.fakes import BrokenScorer, TableScorer

QUERIES = np.array([(0, 0, -1), (1, 3, -1), (2, 1, -1)], np.int32)


def rows_of(ranked):
    return [
        list(zip(ranked.entities[a:b].tolist(), ranked.scores[a:b].tolist(), strict=True))
        for a, b in zip(ranked.offsets, ranked.offsets[1:], strict=False)
    ]


def ranked_of(rows):
    """Rows of (entity, score) as a ranking, put in its order."""
    rows = [sorted(row, key=lambda x: (-x[1], x[0])) for row in rows]
    flat = [x for row in rows for x in row]
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    return Ranked(offsets, np.array([e for e, _ in flat], np.int32), np.array([s for _, s in flat], np.float64))


def slow_rerank(rows, queries, scorer, weight):
    result = []
    for row, (source, relation, _) in zip(rows, queries.tolist(), strict=True):
        new = []
        for entity, old in row:
            worth = math.log(max(scorer.of(source, relation, entity), 1e-12))
            score = worth if weight == 1 else (1 - weight) * old + weight * worth
            new.append((-score, -old if weight == 1 else 0.0, entity))
        result.append([(entity, -score) for score, _, entity in sorted(new)])
    return result


ANSWERS = st.dictionaries(st.integers(0, 7), st.integers(-8, 0).map(lambda x: x / 4), max_size=8)


@settings(deadline=None)
@given(rows=st.lists(ANSWERS, min_size=3, max_size=3), weight=st.sampled_from([0.25, 0.5, 1.0]), seed=st.integers(0, 9))
def test_scores_and_order_are_those_of_plain_python(rows, weight, seed):
    before, scorer = ranked_of([list(row.items()) for row in rows]), TableScorer(8, 2, seed)
    after = rerank(before, QUERIES, scorer, weight)
    assert after.offsets.tolist() == before.offsets.tolist()
    assert (after.entities.dtype, after.scores.dtype) == (np.int32, np.float64)
    for got, want in zip(rows_of(after), slow_rerank(rows_of(before), QUERIES, scorer, weight), strict=True):
        assert [entity for entity, _ in got] == [entity for entity, _ in want]
        assert [score for _, score in got] == pytest.approx([score for _, score in want])
    assert len(scorer.asked) == len(set(scorer.asked)) == len(after.entities)


def test_weight_0_changes_nothing_and_asks_nothing():
    before, scorer = ranked_of([[(3, -1.0), (1, -2.0)], [], [(5, 0.0)]]), TableScorer(8, 2)
    assert rerank(before, QUERIES, scorer, 0) is before
    assert scorer.asked == []


def test_with_weight_1_equal_ones_keep_their_old_order():
    scorer = TableScorer(8, 2)
    scorer.table[:] = 0.5
    scorer.table[0, 0, 2] = 1
    before = ranked_of([[(7, -1.0), (3, -2.0), (6, -2.0), (1, -3.0), (2, -9.0)], [], []])
    assert rerank(before, QUERIES, scorer).entities.tolist() == [2, 7, 3, 6, 1]


def test_scores_of_zero_and_infinite_old_ones_stay_in_order():
    scorer = TableScorer(8, 2)
    scorer.table[0, 0] = np.linspace(0, 1, 8)
    before = ranked_of([[(0, np.inf), (7, 2.0)], [], []])
    after = rerank(before, QUERIES, scorer)
    assert after.entities.tolist() == [7, 0]
    assert after.scores.tolist() == [0.0, math.log(1e-12)]
    assert rerank(before, QUERIES, scorer, 0.5).scores[0] == np.inf


def test_paths_go_along(toys, town):
    queries = town.queries()[:20]
    before = rank(search(town.actions, toys.TablePolicy(town.graph), chain(ANY, 32, 2), queries), len(queries))
    after = rerank(before, queries, TableScorer(300, 5), 0.5)
    assert after.paths is before.paths
    assert after.entities.tolist() != before.entities.tolist()
    for old, new in zip(rows_of(before), rows_of(after), strict=True):
        assert {entity for entity, _ in old} == {entity for entity, _ in new}


@pytest.mark.parametrize("weight", [-0.1, 1.1, math.nan])
def test_weights_out_of_range(weight):
    with pytest.raises(ValueError, match=f"weight must be from 0 to 1, got {weight}"):
        rerank(ranked_of([[], [], []]), QUERIES, TableScorer(8, 2), weight)


def test_wrong_queries_and_scorers():
    before = ranked_of([[(3, -1.0)], [(1, -1.0)], []])
    with pytest.raises(ValueError, match="ranked answers 3 queries, not 2"):
        rerank(before, QUERIES[:2], TableScorer(8, 2))
    with pytest.raises(ValueError, match=r"queries: expected \(n, 3\) int32"):
        rerank(before, QUERIES.astype(np.int64), TableScorer(8, 2))
    with pytest.raises(ValueError, match=r"BrokenScorer\.score: .* got 2\.0"):
        rerank(before, QUERIES, BrokenScorer(2.0))
