"""A dataset over a graph file: nothing is read until it is walked, and processes share the pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kgwalk import _core
from kgwalk._core import Expand, FormatError, Graph
from kgwalk.data.cards import Card
from kgwalk.data.dataset import Dataset, Directions
from kgwalk.protocols import Ids

SUFFIX = ".kgw"
#: Facts drawn for split ``train`` where no queries are given.
DRAWN = 1 << 20


@dataclass(frozen=True, eq=False)
class StoredDataset(Dataset):
    """A `Dataset` over a graph file. Its ``fingerprint`` is the checksum of the file's header, which covers all of it.

    Attributes:
        path: the graph file.
        given: whether the queries were given, not drawn.
    """

    path: Path = Path()
    given: bool = True

    def queries(self, split: str, directions: Directions = "tail") -> Ids:
        """As of every dataset; a query whose target is not known has no other direction."""
        rows = super().queries(split, directions)
        return rows if directions == "tail" else np.ascontiguousarray(rows[rows[:, 0] >= 0])

    def expand_for(self, split: str, max_out_degree: int) -> Expand:
        """The view that is stored beside the file, if there is one of this cap; else it is computed, as elsewhere."""
        view = Path(_core.view_path(self.path, max_out_degree))
        if max_out_degree > 0 and view.is_file():
            return _core.open_view(view, self.graph, int(self.fingerprint, 16), max_out_degree, None)
        return super().expand_for(split, max_out_degree)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles by the path and the queries."""
        return _again, (self.path.absolute(), dict(self.splits) if self.given else None, self.fingerprint)


def open_dataset(path: str | Path, queries: Mapping[str, Ids] | Ids | None = None) -> StoredDataset:
    """A dataset over a graph file, as `kgwalk data build` makes it.

    Args:
        path: the graph file.
        queries: (n, 3) int32: source, relation, target (-1 if unknown), or such arrays by split; one array is split
            ``train``. None: ``train`` is up to 2 ** 20 facts of the graph, drawn by a fixed seed.

    Raises:
        FormatError: it is no graph file, a damaged one, or one without names.
        ValueError: queries of another shape or dtype.
        IndexError: an id out of range.
        OSError: the file cannot be opened.
    """
    file = Path(path)
    graph, entities, relations, _, checksum = _core.open_graph(file, None)
    if entities is None or relations is None:
        entities, relations = _numbers(graph.num_entities), _numbers(graph.num_relations)
    if queries is None:
        splits = {"train": _drawn_facts(graph)}
    else:
        given = queries if isinstance(queries, Mapping) else {"train": queries}
        splits = {split: _checked(graph, split, rows) for split, rows in given.items()}
    return StoredDataset(
        name=file.name,
        graph=graph,
        splits=splits,
        test_graph=graph,
        fingerprint=f"{checksum:016x}",
        card=Card(
            name=file.name,
            folder=file.name,
            title=f"Graph file {file.name}",
            splits=tuple((split, file.name) for split in splits),
            entities=graph.num_entities,
            relations=graph.num_relations,
            facts=graph.num_facts,
        ),
        entities=entities,
        relations=relations,
        graph_rows=graph.num_facts,
        path=file,
        given=queries is not None,
    )


def _again(path: Path, splits: Mapping[str, Ids] | None, fingerprint: str) -> StoredDataset:
    dataset = open_dataset(path, splits)
    if dataset.fingerprint != fingerprint:
        raise ValueError(f"{path} is no longer the graph that was pickled (fingerprints differ)")
    return dataset


def _numbers(count: int) -> _core.Names:
    return _core.Names([str(number) for number in range(count)])


def _checked(graph: Graph, split: str, rows: Ids) -> Ids:
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.shape[1] != 3 or rows.dtype != np.int32:
        found = f"{rows.shape} {rows.dtype}" if isinstance(rows, np.ndarray) else type(rows).__name__
        raise ValueError(f"queries of {split!r}: expected (n, 3) int32, got {found}")
    for column, low, high in ((0, 0, graph.num_entities), (1, 0, graph.num_relations), (2, -1, graph.num_entities)):
        outside = np.flatnonzero((rows[:, column] < low) | (rows[:, column] >= high))
        if len(outside):
            row = int(outside[0])
            raise IndexError(f"queries of {split!r}: {rows[row, column]} in row {row} is not in [{low}, {high})")
    own = np.array(rows, order="C")
    own.flags.writeable = False
    return own


def _drawn_facts(graph: Graph) -> Ids:
    """Distinct facts of a graph, sorted: all if there are few."""
    if graph.num_edges == 0:
        raise FormatError("the graph has no facts to ask about: give queries")
    places = np.arange(graph.num_edges)
    if graph.num_facts > DRAWN:
        # Half of the edges are inverses: twice as many are drawn.
        places = np.unique(np.random.default_rng(0).integers(graph.num_edges, size=2 * DRAWN))
    edges = graph.edges[places]
    heads = np.searchsorted(graph.offsets, places, "right").astype(np.int32) - 1
    forward = edges[:, 0] < graph.num_relations
    facts = np.column_stack([heads, edges])[forward].astype(np.int32)[:DRAWN]
    facts.flags.writeable = False
    return facts
