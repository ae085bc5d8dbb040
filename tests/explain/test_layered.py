"""The layout of pictures: everything has its own place, and edges go to the right."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgwalk.explain.layered import layered


@st.composite
def merged_paths(draw: st.DrawFn) -> tuple[list[tuple[str, str]], list[str]]:
    """Edges of walks from "s" in order of first use, and where the walks end; loops and ways back among them."""
    walks = draw(st.lists(st.lists(st.sampled_from("sabcdefgh"), min_size=1, max_size=4), min_size=1, max_size=8))
    edges = dict.fromkeys(edge for walk in walks for edge in pairwise(["s", *walk]))
    return list(edges), list(dict.fromkeys(walk[-1] for walk in walks))


@settings(deadline=None)
@given(merged_paths())
def test_nothing_lies_on_anything_else(drawn: tuple[list[tuple[str, str]], list[str]]) -> None:
    edges, ends = drawn
    spots, routes = layered("s", edges, ends)
    assert set(spots) == {"s", *ends, *(node for edge in edges for node in edge)}
    assert spots["s"][0] == 0
    assert [node for node, (x, _) in spots.items() if x == 0] == ["s"]
    # Ways back, and only those, have no route: with them there would be a circle.
    for edge in edges:
        if edge not in routes:
            assert edge[0] == edge[1] or leads(routes, edge[1], edge[0])
    columns = defaultdict(list)
    for node, (x, y) in spots.items():
        columns[x].append((y, node))
    for (start, end), route in routes.items():
        assert (route[0], route[-1]) == (spots[start], spots[end])
        assert [x for x, _ in route] == list(range(int(spots[start][0]), int(spots[end][0]) + 1))
        for x, y in route[1:-1]:
            columns[x].append((y, (start, end)))
    for column in columns.values():
        for (low, _), (high, above) in pairwise(sorted(column, key=lambda place: place[0])):
            assert high - low >= (1 if above in spots else 0.5) - 1e-9


def leads(routes: dict[tuple[str, str], object], start: str, end: str) -> bool:
    return start == end or any(leads(routes, b, end) for a, b in routes if a == start)


def test_ends_stand_on_the_right_from_top_to_bottom() -> None:
    edges = [("s", "a"), ("a", "y"), ("s", "b"), ("b", "x"), ("s", "z")]
    spots, routes = layered("s", edges, ["x", "y", "z"])
    assert [spots[end][0] for end in "xyz"] == [2, 2, 2]
    assert spots["x"][1] > spots["y"][1] > spots["z"][1]
    assert spots["b"][1] > spots["a"][1], "crossed for nothing"
    assert len(routes["s", "z"]) == 3


def test_an_end_that_goes_on_stands_where_that_begins() -> None:
    spots, _ = layered("s", [("s", "x"), ("x", "y")], ["x", "y"])
    assert [spots[node][0] for node in "sxy"] == [0, 1, 2]


@pytest.mark.parametrize("ends", [["x"], []])
def test_no_edges(ends: list[str]) -> None:
    spots, routes = layered("s", [], ends)
    assert set(spots) == {"s", *ends}
    assert routes == {}
