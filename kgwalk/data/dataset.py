"""A loaded dataset: graphs, names and query splits under one vocabulary."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kgwalk._core import Expand, Graph, Names
from kgwalk.data.cards import Card
from kgwalk.data.labels import read_labels
from kgwalk.protocols import Ids

Directions = Literal["tail", "head", "both"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Everything an environment or an agent needs to know of a benchmark.

    Attributes:
        name: as in the environment id, for instance ``"WN18RR"``.
        graph: what one walks while training and on valid.
        splits: query facts by split name, (n, 3) int32: source, relation, target; forward relations only.
        test_graph: what one walks on test splits (NELL-995 adds its valid facts); usually ``graph``.
        fingerprint: hex digest of graph, splits and vocabulary; checkpoints carry it.
        card: what the set is, its defaults and its traps.
        entities: entity names by id; ids by first appearance, the graph's file first.
        relations: names of the forward relations by id.
        folder: where the files lie; None for a set that was generated.
        further_facts: (n, 3) int32, true facts that are in no split; they only filter rankings.
        graph_rows: rows of the walking graph's file, before equal ones were merged.
    """

    name: str
    graph: Graph
    splits: Mapping[str, Ids]
    test_graph: Graph
    fingerprint: str
    card: Card
    entities: Names
    relations: Names
    folder: Path | None = None
    further_facts: Ids = field(default_factory=lambda: np.empty((0, 3), np.int32))
    graph_rows: int = 0

    def queries(self, split: str, directions: Directions = "tail") -> Ids:
        """Queries of a split: tail ``(h, r, t)``, head ``(t, inverse of r, h)``, or tail then head.

        Raises:
            KeyError: the dataset has no such split.
            ValueError: ``directions`` is none of the three.
        """
        tail = self._rows(split)
        if directions == "tail":
            return tail
        if directions not in ("head", "both"):
            raise ValueError(f"directions is {directions!r}; expected tail, head or both")
        head = np.stack([tail[:, 2], tail[:, 1] + np.int32(self.graph.num_relations), tail[:, 0]], axis=1)
        return head if directions == "head" else np.concatenate([tail, head])

    def graph_for(self, split: str) -> Graph:
        """The graph to walk when answering this split's queries."""
        self._rows(split)
        return self.test_graph if split.startswith("test") else self.graph

    def expand_for(self, split: str, max_out_degree: int) -> Expand:
        """That graph with a cap on degrees, 0 for none."""
        return Expand(self.graph_for(split), max_out_degree=max_out_degree)

    def known_for(self, split: str) -> Graph:
        """All facts whose answers are filtered when ranking this split, with inverses: ``slice(source, relation)``.

        For train: graph and train. For valid: also the valid facts, but no test fact, so that model selection learns
        nothing of the test set. For test: everything that is known to be true.
        """
        self._rows(split)
        return self._known[split.split("_")[0]]

    def entity(self, name: str | int) -> int:
        """Id of an entity given by name, by readable label if only one entity has it, or by id.

        Raises:
            KeyError: unknown or ambiguous; the message names near matches.
            IndexError: an id out of range.
        """
        if not isinstance(name, str):
            return _checked(int(name), len(self.entities), "entity", self.name)
        found = self.entities.find(name)
        if found >= 0:
            return found
        bearers = self._by_label.get(name, ())
        if len(bearers) == 1:
            return bearers[0]
        if bearers:
            choice = ", ".join(self.entities[i] for i in bearers[:5])
            raise KeyError(f"{self.name}: {len(bearers)} entities are called {name!r}: {choice}; give one of these")
        raise KeyError(_unknown("entity", name, [*self.entities.to_list(), *self._by_label], self.name))

    def relation(self, name: str | int) -> int:
        """Id of a relation given by name or id; ``^name`` and ``name^-1`` are the inverse of ``name``.

        Raises:
            KeyError: unknown; the message names near matches.
            IndexError: an id outside [0, 2R].
        """
        if not isinstance(name, str):
            return _checked(int(name), 2 * len(self.relations) + 1, "relation", self.name)
        found = self.relations.find(name)
        if found >= 0:
            return found
        if name == STAY_NAME:
            return self.graph.stay
        plain = name.removeprefix(INVERSE) if name.startswith(INVERSE) else name.removesuffix("^-1")
        forward = self.relations.find(plain)
        if forward >= 0 and plain != name:
            return self.graph.inverse(forward)
        raise KeyError(_unknown("relation", plain, self.relations.to_list(), self.name))

    def relation_name(self, relation: int) -> str:
        """Name of a relation id: forward, inverse (``^name``) or STAY."""
        count = len(self.relations)
        _checked(relation, 2 * count + 1, "relation", self.name)
        if relation == 2 * count:
            return STAY_NAME
        return self.relations[relation] if relation < count else INVERSE + self.relations[relation - count]

    def label(self, entity: int) -> str:
        """A readable name of an entity: its label where the set has one, else its name."""
        _checked(entity, len(self.entities), "entity", self.name)
        return self.labels[entity] if self.labels is not None else self.entities[entity]

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles by where it was read from, not by its contents: processes read it again (see `load.recipe`)."""
        from kgwalk.data.load import recipe  # it stands on this module

        return recipe(self)

    @cached_property
    def facts_fingerprint(self) -> str:
        """Hex digest of the vocabulary and the facts of ``graph``: what a scorer was fitted on."""
        return fingerprint(self.graph, {}, self.entities, self.relations)

    @cached_property
    def labels(self) -> Sequence[str] | None:
        """Readable entity names by id, read on first use; None if the set has no other names than its keys."""
        return read_labels(self.card, self.folder, self.entities)

    @cached_property
    def _by_label(self) -> dict[str, list[int]]:
        table: dict[str, list[int]] = {}
        for entity, label in enumerate(self.labels or ()):
            table.setdefault(label, []).append(entity)
        return table

    @cached_property
    def _known(self) -> Mapping[str, Graph]:
        return _KnownGraphs(self)

    def _rows(self, split: str) -> Ids:
        if split not in self.splits:
            raise KeyError(f"{self.name} has no split {split!r}; it has {', '.join(self.splits)}")
        return self.splits[split]


#: Marks an inverse relation wherever one is written: on the command line, in files of queries, in rendered text.
INVERSE = "^"
STAY_NAME = "STAY"


class _KnownGraphs(dict[str, Graph]):
    """Filter graphs by kind of split, each made when first asked for."""

    def __init__(self, dataset: Dataset) -> None:
        super().__init__()
        self._dataset = dataset

    def __missing__(self, kind: str) -> Graph:
        data = self._dataset
        seen = {"train": ("train",), "valid": ("train", "valid")}.get(kind)
        parts = [facts_of(data.graph)]
        parts += [rows for split, rows in data.splits.items() if seen is None or split.split("_")[0] in seen]
        if seen is None:
            parts.append(data.further_facts)
        self[kind] = Graph.from_triples(np.concatenate(parts), len(data.entities), len(data.relations))
        return self[kind]


def facts_of(graph: Graph) -> Ids:
    """The distinct forward facts of a graph, (num_facts, 3) int32, sorted by head, relation, tail."""
    degrees = np.diff(graph.offsets)
    heads = np.repeat(np.arange(graph.num_entities, dtype=np.int32), degrees)
    forward = graph.edges[:, 0] < graph.num_relations
    return np.column_stack([heads[forward], graph.edges[forward]])


def contains(graph: Graph, rows: Ids) -> NDArray[np.bool_]:
    """Which forward facts (n, 3) are edges of the graph, (n,) bool."""

    def keys(triples: Ids) -> NDArray[np.int64]:
        wide: NDArray[np.int64] = triples.astype(np.int64)
        return (wide[:, 0] * graph.num_relations + wide[:, 1]) * graph.num_entities + wide[:, 2]

    return np.isin(keys(rows), keys(facts_of(graph)))


def fingerprint(graph: Graph, splits: Mapping[str, Ids], entities: Names, relations: Names) -> str:
    """Hex SHA-256 over the walking graph, the splits and both vocabularies."""
    digest = hashlib.sha256(b"kgwalk dataset 1")
    for array in (graph.offsets, graph.edges):
        digest.update(np.ascontiguousarray(array).data)
    for split in sorted(splits):
        digest.update(f"\0{split}\0".encode())
        digest.update(np.ascontiguousarray(splits[split]).data)
    for names in (entities, relations):
        digest.update("\0".join(names.to_list()).encode())
    return digest.hexdigest()


def _checked(value: int, count: int, what: str, dataset: str) -> int:
    if not 0 <= value < count:
        raise IndexError(f"{dataset}: {what} id {value} is outside [0, {count})")
    return value


def _unknown(what: str, name: str, known: Sequence[str], dataset: str) -> str:
    folded: dict[str, str] = {}
    for candidate in known:
        folded.setdefault(candidate.casefold(), candidate)
    near = [folded[key] for key in difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.6)]
    return f"{dataset} has no {what} {name!r}" + (f"; did you mean {' or '.join(near)}?" if near else "")
