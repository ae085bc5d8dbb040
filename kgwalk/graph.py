"""Graphs, the kernels over them, and the graph on disk: one file that holds graph and names, and that processes share.

Example:
    >>> from kgwalk.graph import open_graph, save_graph
    >>> save_graph("family.kgw", graph, entities=entities, relations=relations)  # doctest: +SKIP
    >>> stored = open_graph("family.kgw")  # doctest: +SKIP
    >>> stored.graph.slice(stored.entities.find("ada"))  # doctest: +SKIP
"""

from __future__ import annotations

import os
import pathlib
from dataclasses import dataclass

from kgwalk import _core
from kgwalk._core import (
    ActionSets,
    Expand,
    FormatError,
    Graph,
    Names,
    Overlay,
    extend_field,
    find_paths,
    num_threads,
    ripple_sets,
    sample_neighbours,
    sample_paths,
    set_num_threads,
)
from kgwalk.data.build import Built, build_graph, build_views

__all__ = [
    "ActionSets",
    "Built",
    "Expand",
    "FormatError",
    "Graph",
    "Names",
    "Overlay",
    "StoredGraph",
    "build_graph",
    "build_views",
    "extend_field",
    "find_paths",
    "fingerprint",
    "num_threads",
    "open_graph",
    "ripple_sets",
    "same_graph",
    "sample_neighbours",
    "sample_paths",
    "save_graph",
    "set_num_threads",
    "verify",
]

Path = str | os.PathLike[str]


@dataclass(frozen=True)
class StoredGraph:
    """What a graph file holds. Nothing is read until it is used, and nothing is copied: the arrays are the file.

    Attributes:
        graph: the graph.
        entities: names of the entities, ``graph.num_entities`` and all different, or None.
        relations: names of the forward relations, ``graph.num_relations`` and all different, or None.
        labels: names to show for the entities, which may repeat, or None.
        path: the file.
        checksum: of the file's header, which covers all of it.
    """

    graph: Graph
    entities: Names | None = None
    relations: Names | None = None
    labels: Names | None = None
    path: pathlib.Path | None = None
    checksum: int = 0

    def expand(self, max_out_degree: int = 0) -> Expand:
        """The graph with a degree cap: the view stored beside it if there is one, which costs nothing; else computed.

        Raises:
            FormatError: the stored view is damaged or of another graph.
        """
        if max_out_degree > 0 and self.path is not None:
            view = pathlib.Path(_core.view_path(self.path, max_out_degree))
            if view.is_file():
                return _core.open_view(view, self.graph, self.checksum, max_out_degree, None)
        return Expand(self.graph, max_out_degree=max_out_degree)


def save_graph(
    path: Path,
    graph: Graph,
    entities: Names | None = None,
    relations: Names | None = None,
    labels: Names | None = None,
) -> None:
    """Write a graph and its names to one file, whole or not at all (temporary name, fsync, rename).

    Args:
        path: the file; replaced if it is there. Processes that have the old one open keep it.
        graph: the graph.
        entities: one name for each entity, all different.
        relations: one name for each forward relation, all different.
        labels: one name to show for each entity.

    Raises:
        ValueError: names that repeat, or more or fewer of them than ids.
        OSError: the file cannot be written.
    """
    _core.save_graph(path, graph, entities, relations, labels)


def open_graph(path: Path, verify: bool | None = None) -> StoredGraph:
    """Map a graph file into memory, read-only; processes that open the same file share its pages.

    The header, its checksum and the section table are always verified, and every offset and id of a graph is
    range-checked when it is used.

    Args:
        path: a file that ``save_graph`` wrote. It must not be cut short while it is open; replacing it is safe.
        verify: whether to check all the rest too (block checksums, offsets, ids, order), which reads the whole
            file. None does so below 256 MB.

    Raises:
        FormatError: this is no graph file, or a damaged one; the message says which part.
        OSError: the file cannot be opened.
    """
    graph, entities, relations, labels, checksum = _core.open_graph(path, verify)
    return StoredGraph(graph, entities, relations, labels, pathlib.Path(path), checksum)


def verify(path: Path) -> None:
    """Read a whole graph file and check every part of it.

    Raises:
        FormatError: this is no graph file, or a damaged one; the message says which part.
        OSError: the file cannot be opened.
    """
    _core.open_graph(path, True)


def same_graph(one: Graph, other: Graph) -> bool:
    """Whether two handles are of one graph in memory, as ``Expand.graph`` is of the one it was made of."""
    return one is other or (
        one.num_entities == other.num_entities
        and one.edges.__array_interface__["data"] == other.edges.__array_interface__["data"]
        and one.offsets.__array_interface__["data"] == other.offsets.__array_interface__["data"]
    )


def fingerprint(graph: Graph) -> str:
    """32 hexadecimal digits that tell graphs apart: a hash of counts, types and edges.

    It finds accidents (a checkpoint of another graph), not forgeries.
    """
    return _core.fingerprint(graph)
