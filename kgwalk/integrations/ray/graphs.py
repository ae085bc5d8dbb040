"""Graphs on the nodes of a cluster: one mapped file a node, made there and shared by its workers."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path

from kgwalk.data import Dataset
from kgwalk.data.load import recipe
from kgwalk.graph import StoredGraph, fingerprint, open_graph, save_graph

#: Where a node keeps its files; a private folder among the temporary files by default.
VARIABLE = "KGWALK_RAY_DIR"

Reload = Callable[[], Dataset]


@dataclass(frozen=True)
class GraphFile:
    """How a worker comes to a graph: what travels instead of one, about a kilobyte.

    Attributes:
        key: names the file; other graphs, and the same one with other names in it, have other keys.
        fingerprint: ``kgwalk.graph.fingerprint`` of the graph.
        make: makes the graph where the node has no file of it; can be pickled.
    """

    key: str
    fingerprint: str
    make: Callable[[], StoredGraph] = field(compare=False)

    @classmethod
    def walked(cls, dataset: Dataset, split: str = "train") -> GraphFile:
        """What a split walks, with the names of entities and relations.

        Raises:
            TypeError: the dataset was made in memory; no other process could load it.
        """
        graph, names = dataset.graph_for(split), dataset.facts_fingerprint  # the graph's own knows no names
        key = names if graph is dataset.graph else f"{names}-{fingerprint(graph)}"
        return cls(key, fingerprint(graph), partial(_walked, _reload(dataset), split))

    @classmethod
    def known(cls, dataset: Dataset, split: str) -> GraphFile:
        """The facts that are filtered when a split is ranked.

        Raises:
            TypeError: as ``walked``.
        """
        graph = dataset.known_for(split)
        return cls(fingerprint(graph), fingerprint(graph), partial(_known, _reload(dataset), split))

    def open(self) -> StoredGraph:
        """The graph, mapped from this node's file, which is written first if there is none. Once in a process.

        Raises:
            ValueError: what is there, or what was made, is another graph or a damaged one.
            OSError: the node's folder cannot be written to.
        """
        return _opened(self)


def node_folder() -> Path:
    """Where this node keeps its files: ``$KGWALK_RAY_DIR``, or a private folder among the temporary files.

    Raises:
        PermissionError: the private folder is somebody else's, or others may write to it.
    """
    if chosen := os.environ.get(VARIABLE):
        folder = Path(chosen)
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    folder = Path(tempfile.gettempdir()) / f"kgwalk-ray-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o022 or folder.is_symlink():
        raise PermissionError(f"{folder} is not a private folder of this user: delete it, or set {VARIABLE} to another")
    return folder


def on_node(dataset: Dataset) -> Dataset:
    """The same dataset over this node's mapped graphs: processes that do this share one copy of them.

    Raises:
        TypeError, ValueError, OSError: as ``GraphFile``.
    """
    walked = GraphFile.walked(dataset)
    _write(walked, lambda: StoredGraph(dataset.graph, dataset.entities, dataset.relations))
    graph = walked.open().graph
    if dataset.test_graph is dataset.graph:
        return replace(dataset, graph=graph, test_graph=graph)
    return replace(dataset, graph=graph, test_graph=GraphFile.walked(dataset, "test").open().graph)


@cache
def _opened(file: GraphFile) -> StoredGraph:
    path = _write(file, file.make)
    stored = open_graph(path)
    if fingerprint(stored.graph) != file.fingerprint:
        raise ValueError(f"{path} holds another graph than {file.fingerprint}: delete it")
    return stored


def _write(file: GraphFile, make: Callable[[], StoredGraph]) -> Path:
    """This node's file, whole: workers that want it at once wait for the first."""
    path = node_folder() / f"{file.key}.kgw"
    if path.exists():
        return path
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a worker that is killed lets go of it
        if not path.exists():
            stored = make()
            if fingerprint(stored.graph) != file.fingerprint:
                raise ValueError(
                    f"the data on this node make the graph {fingerprint(stored.graph)}, not {file.fingerprint}: "
                    "give every node the same files"
                )
            save_graph(path, stored.graph, stored.entities, stored.relations)
    return path


def _reload(dataset: Dataset) -> Reload:
    """Loads the dataset again; unlike a pickled dataset, not before it is called."""
    load, arguments = recipe(dataset)
    return partial(load, *arguments)


def _walked(load: Reload, split: str) -> StoredGraph:
    dataset = load()
    return StoredGraph(dataset.graph_for(split), dataset.entities, dataset.relations)


def _known(load: Reload, split: str) -> StoredGraph:
    return StoredGraph(load().known_for(split))
