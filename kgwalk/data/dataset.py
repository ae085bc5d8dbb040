"""A loaded dataset: graphs, names and query splits under one vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from kgwalk._core import Graph
from kgwalk.protocols import Ids

Directions = Literal["tail", "head", "both"]


@dataclass(frozen=True)
class Dataset:
    """Everything an environment or an agent needs to know of a benchmark.

    Attributes:
        name: as in the environment id, for instance ``"WN18RR"``.
        graph: what one walks while training and on valid.
        splits: query facts by split name, (n, 3) int32: source, relation, target; forward relations only.
        test_graph: what one walks on test splits (NELL-995 adds its valid facts); usually ``graph``.
        fingerprint: hex digest of graph, splits and vocabulary; checkpoints carry it.
    """

    name: str
    graph: Graph
    splits: Mapping[str, Ids]
    test_graph: Graph
    fingerprint: str

    def queries(self, split: str, directions: Directions = "tail") -> Ids:
        """Queries of a split: tail ``(h, r, t)``, head ``(t, inverse of r, h)``, or tail then head."""
        if split not in self.splits:
            raise KeyError(f"{self.name} has no split {split!r}; it has {', '.join(self.splits)}")
        tail = self.splits[split]
        if directions == "tail":
            return tail
        head = np.stack([tail[:, 2], tail[:, 1] + np.int32(self.graph.num_relations), tail[:, 0]], axis=1)
        return head if directions == "head" else np.concatenate([tail, head])

    def graph_for(self, split: str) -> Graph:
        """The graph to walk when answering this split's queries."""
        return self.test_graph if split.startswith("test") else self.graph
