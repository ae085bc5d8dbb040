"""Names against a list."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgwalk._core import Names

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


@given(st.lists(text), st.lists(text, max_size=5))
def test_names_are_a_list_that_can_be_searched(names: list[str], others: list[str]) -> None:
    table = Names(names)
    assert len(table) == len(names)
    assert table.to_list() == list(table) == [table[i] for i in range(len(names))] == names
    wanted = names + others
    expected = [names.index(name) if name in names else -1 for name in wanted]
    assert table.find_all(wanted).tolist() == [table.find(name) for name in wanted] == expected


@pytest.mark.parametrize("bad", [2, -1, 2**31 - 1])
def test_an_id_out_of_range_is_an_index_error(bad: int) -> None:
    with pytest.raises(IndexError, match=str(bad)):
        Names(["a", "b"])[bad]


def test_only_strings_are_names() -> None:
    with pytest.raises(TypeError):
        Names([1])  # type: ignore[list-item]
    with pytest.raises(UnicodeEncodeError):
        Names(["\ud800"])
    assert Names([]).find("") == -1
    assert Names([""]).find("") == 0
