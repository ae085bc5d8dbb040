"""Lists of items: against sorting everything, and filled up without repeats."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgwalk.protocols import Ids, Ranked
from kgwalk.search import fill_up, top_items

FIRST = 3


def offsets_of(rows: list[list[int]]) -> tuple[Any, Ids]:
    flat = np.array([item for row in rows for item in row], np.int32)
    return np.cumsum([0, *map(len, rows)], dtype=np.int64), flat


@given(
    st.lists(st.lists(st.integers(0, 3), min_size=5, max_size=5), min_size=1, max_size=3),
    st.data(),
    st.integers(1, 6),
)
def test_top_items_are_those_of_a_full_sort(scores: list[list[int]], data: st.DataObject, k: int) -> None:
    known = [data.draw(st.lists(st.integers(0, 9), unique=True)) for _ in scores]  # some are no items
    found = top_items(np.array(scores, np.float32), FIRST, offsets_of(known), k)
    for row, values in enumerate(scores):
        free = [(-score, FIRST + item) for item, score in enumerate(values) if FIRST + item not in known[row]]
        wanted = sorted(free)
        wanted = [pair for pair in wanted if pair[0] <= wanted[min(k, len(wanted)) - 1][0]] if wanted else []
        begin, end = found.offsets[row : row + 2]
        assert found.entities[begin:end].tolist() == [item for _, item in wanted]
        assert found.scores[begin:end].tolist() == [-score for score, _ in wanted]


def test_what_scores_minus_infinity_is_not_listed_and_nan_refused() -> None:
    scores = np.array([[-np.inf, 1.0]], np.float32)
    assert top_items(scores, FIRST, offsets_of([[]]), 2).entities.tolist() == [FIRST + 1]
    with pytest.raises(ValueError, match="NaN"):
        top_items(np.array([[np.nan]], np.float32), FIRST, offsets_of([[]]), 1)
    with pytest.raises(ValueError, match="at least 1"):
        top_items(scores, FIRST, offsets_of([[]]), 0)


class InOrder:
    """Scores items in the order of their ids."""

    def score(self, sources: Ids, relation: int, targets: Ids) -> Any:
        raise NotImplementedError

    def top_k(self, sources: Ids, relation: int, k: int, *, entity_type: int | None = None) -> tuple[Ids, Any]:
        best = np.tile(np.arange(FIRST, FIRST + k, dtype=np.int32), (len(sources), 1))
        return best, np.tile(np.linspace(1, 0.5, k, dtype=np.float32), (len(sources), 1))


def test_filled_lists_have_no_repeats_and_falling_scores() -> None:
    lists = Ranked(*offsets_of([[5], [], [4, 3]]), np.array([-7.0, -1.0, -1.5]))
    known = offsets_of([[3], [3, 4, 5, 6], []])
    users = np.zeros(3, np.int32)
    found = fill_up(lists, users, 0, InOrder(), 3, known=known, item_type=1, num_items=5)
    rows = [found.entities[a:b].tolist() for a, b in zip(found.offsets[:-1], found.offsets[1:], strict=True)]
    assert rows == [[5, 4, 6], [7], [4, 3, 5]]  # there are items 3 to 7 alone
    for a, b in zip(found.offsets[:-1], found.offsets[1:], strict=True):
        assert (np.diff(found.scores[a:b]) < 0).all()
    assert fill_up(lists, users, 0, InOrder(), 1, known=known, item_type=1, num_items=5).entities.tolist() == [
        5,
        7,
        4,
        3,
    ]
    with pytest.raises(ValueError, match="3 lists for 2 users"):
        fill_up(lists, users[:2], 0, InOrder(), 3, known=known, item_type=1, num_items=5)
