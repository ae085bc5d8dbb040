"""Places for a graph that is read from left to right: columns by distance from the source, few crossings.

After Sugiyama, Tagawa and Toda (1981): layers, empty places where an edge crosses a column, sweeps that put each node
at the mean of its neighbours.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import combinations, pairwise
from typing import NamedTuple

import networkx as nx  # type: ignore[import-untyped, unused-ignore]
import numpy as np

Node = Hashable
Edge = tuple[Node, Node]
Columns = list[list[Node]]

_SWEEPS = 12
_GAP = 0.5  # below an edge that passes by, where that below a node, under which its name stands, is 1


class Layered(NamedTuple):
    """Where things go: x is the column from 0, y grows upwards; below a node there is room of 1.

    Attributes:
        spots: place of each node.
        routes: for each edge that goes from left to right the places it leads through, both ends included. Edges that
            go back, and loops, have none.
    """

    spots: dict[Node, tuple[float, float]]
    routes: dict[Edge, list[tuple[float, float]]]


def layered(source: Node, edges: Sequence[Edge], last: Sequence[Node]) -> Layered:
    """Lay out what is reached from ``source``.

    Args:
        source: stands alone in column 0.
        edges: in such an order that each begins where an earlier one ended, or at the source.
        last: nodes for the last column, from top to bottom; those with an edge to go on stand where that wants them.
    """
    graph = nx.DiGraph()
    graph.add_node(source)
    for start, end in edges:
        if start != end and not (graph.has_node(end) and nx.has_path(graph, end, start)):
            graph.add_edge(start, end)
    layer: dict[Node, int] = {}
    for node in nx.topological_sort(graph):
        layer[node] = max((layer[before] + 1 for before in graph.predecessors(node)), default=0)
    ends = [node for node in last if node != source and not (node in graph and graph.out_degree(node))]
    end = max(*layer.values(), 1 if ends else 0)
    layer.update(dict.fromkeys(ends, end))

    columns: Columns = [[] for _ in range(end + 1)]
    for node, column in layer.items():
        if node not in ends:
            columns[column].append(node)
    columns[end] += ends
    # Places that an edge passes through on its way are nodes as well: (edge, column).
    routes = {}
    for edge in graph.edges:
        first, final = layer[edge[0]], layer[edge[1]]
        passed: list[Node] = [(edge, column) for column in range(first + 1, final)]
        for column, place in enumerate(passed, start=first + 1):
            columns[column].append(place)
        routes[edge] = [edge[0], *passed, edge[1]]
    links = [link for route in routes.values() for link in pairwise(route)]
    columns = _untangled(columns, links)
    heights = _heights(columns, links, frozenset(layer))
    spots = {node: (float(x), heights[node]) for x, column in enumerate(columns) for node in column}
    return Layered(
        {node: spots[node] for node in layer},
        {edge: [spots[place] for place in route] for edge, route in routes.items()},
    )


def _neighbours(links: Sequence[Edge]) -> tuple[dict[Node, list[Node]], dict[Node, list[Node]]]:
    before: dict[Node, list[Node]] = {}
    after: dict[Node, list[Node]] = {}
    for start, end in links:
        before.setdefault(end, []).append(start)
        after.setdefault(start, []).append(end)
    return before, after


def _untangled(columns: Columns, links: Sequence[Edge]) -> Columns:
    """The order within each column but the first and the last, whose order is given, that gave the fewest crossings."""
    before, after = _neighbours(links)
    best, fewest = columns, _crossings(columns, links)
    for sweep in range(_SWEEPS):
        inner = range(1, len(columns) - 1)
        columns = [list(column) for column in columns]
        for at in inner if sweep % 2 == 0 else reversed(inner):
            place = {node: i for column in columns for i, node in enumerate(column)}
            beside = before if sweep % 2 == 0 else after

            def mean(node: Node, place: Mapping[Node, int] = place, beside: dict[Node, list[Node]] = beside) -> float:
                near = [place[other] for other in beside.get(node, ())]
                return sum(near) / len(near) if near else place[node]

            columns[at].sort(key=mean)
        crossings = _crossings(columns, links)
        if crossings < fewest:
            best, fewest = columns, crossings
    return best


def _crossings(columns: Columns, links: Sequence[Edge]) -> int:
    place = {node: (x, i) for x, column in enumerate(columns) for i, node in enumerate(column)}
    ends = [(place[start], place[end]) for start, end in links]
    return sum(
        a[0] == c[0] and (a[1] - c[1]) * (b[1] - d[1]) < 0  # both leave the same column, in orders that differ
        for (a, b), (c, d) in combinations(ends, 2)
    )


def _heights(columns: Columns, links: Sequence[Edge], nodes: frozenset[Node]) -> dict[Node, float]:
    """Heights near those of the neighbours, in the order of each column and no closer than may be."""
    # Takes seconds to import, and pictures are rare.
    from sklearn.isotonic import isotonic_regression  # type: ignore[import-untyped, unused-ignore]

    before, after = _neighbours(links)
    # Depth below the top of each column, if all stand as close as they may; what is wanted may only spread them.
    depths = []
    for column in columns:
        gaps = [1.0 if node in nodes else _GAP for node in column[:-1]]
        depths.append(np.concatenate([[0.0], np.cumsum(gaps)]))
    heights: dict[Node, float] = {}
    for column, depth in zip(columns, depths, strict=True):
        heights.update(zip(column, (depth[-1] / 2 - depth).tolist(), strict=True))
    for sweep in range(_SWEEPS):
        beside = before if sweep % 2 == 0 else after
        for column, depth in zip(columns, depths, strict=True):
            near = [[heights[other] for other in beside.get(node, [node])] for node in column]
            wanted = np.array([sum(values) / len(values) for values in near])
            spread = isotonic_regression(wanted + depth, increasing=False) - depth
            heights.update(zip(column, spread.tolist(), strict=True))
    return heights
