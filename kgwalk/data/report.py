"""What one should know of a dataset before training on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgwalk._core import Expand, Graph
from kgwalk.data.dataset import Dataset, contains, facts_of
from kgwalk.data.reach import hops_to_answer
from kgwalk.protocols import Ids

MAX_HOPS = 4
#: Share of reversed pairs from which two relations are reported as inverses of each other.
INVERSE_SHARE = 0.8

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class SplitReport:
    """One split, its queries in tail direction.

    Attributes:
        rows: of the split.
        duplicates: rows that repeat an earlier one.
        relations: distinct ones.
        self_loops: rows whose head is their tail.
        in_graph: rows that are edges of the graph one walks for this split; 0 is clean, except for train.
        unseen: rows with an entity that has no edge in that graph: no walker can answer them.
        within: share of queries whose answer is at most 1, 2, 3, 4 hops away, train queries without their own edge.
        within_capped: the same when nodes show ``max_out_degree`` edges at most.
    """

    rows: int
    duplicates: int
    relations: int
    self_loops: int
    in_graph: int
    unseen: int
    within: tuple[float, ...]
    within_capped: tuple[float, ...]


@dataclass(frozen=True)
class InversePair:
    """Two relations of which the second holds mostly reversed pairs of the first; equal ones are symmetric.

    Attributes:
        relation: the first one's name.
        inverse: the second one's name.
        share: of the first one's facts (self loops left out) whose reversed pair the second one holds.
    """

    relation: str
    inverse: str
    share: float


@dataclass(frozen=True)
class DatasetReport:
    """Counts and traps of a dataset; `report` makes it, `to_dict` makes it JSON.

    Attributes:
        name: of the dataset.
        fingerprint: of the dataset.
        entities: in the vocabulary.
        connected: entities with an edge in the walking graph; the others are isolated.
        relations: forward ones.
        facts: distinct facts of the walking graph.
        duplicates: rows of its file that repeat an earlier one.
        self_loops: facts whose head is their tail.
        degree_mean: edges per connected entity, inverses included.
        degree_median: likewise.
        degree_max: likewise.
        max_out_degree: the cap that was asked about, 0 for none.
        capped_entities: entities with more edges than the cap shows.
        edges_lost: share of the directed edges (inverses included) that the cap hides.
        inverse_pairs: relations that undo each other, by falling share.
        splits: by name.
    """

    name: str
    fingerprint: str
    entities: int
    connected: int
    relations: int
    facts: int
    duplicates: int
    self_loops: int
    degree_mean: float
    degree_median: float
    degree_max: int
    max_out_degree: int
    capped_entities: int
    edges_lost: float
    inverse_pairs: tuple[InversePair, ...]
    splits: dict[str, SplitReport]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def report(
    dataset: Dataset,
    max_out_degree: int | None = None,
    splits: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> DatasetReport:
    """Measure a dataset.

    Args:
        dataset: a loaded one.
        max_out_degree: the cap to ask about; the card's default if None, 0 for none.
        splits: which to measure; all but train if None, whose reachability takes longest.
        progress: called with (what, queries done, queries).

    Raises:
        KeyError: the dataset has no such split.
    """
    cap = dataset.card.max_out_degree if max_out_degree is None else max_out_degree
    graph = dataset.graph
    facts = facts_of(graph)
    degree = np.diff(graph.offsets)
    connected = degree[degree > 0]
    chosen = [split for split in dataset.splits if split != "train"] if splits is None else list(splits)
    return DatasetReport(
        name=dataset.name,
        fingerprint=dataset.fingerprint,
        entities=graph.num_entities,
        connected=len(connected),
        relations=graph.num_relations,
        facts=graph.num_facts,
        duplicates=dataset.graph_rows - graph.num_facts,
        self_loops=int((facts[:, 0] == facts[:, 2]).sum()),
        degree_mean=float(connected.mean()),
        degree_median=float(np.median(connected)),
        degree_max=int(connected.max()),
        max_out_degree=cap,
        capped_entities=int((degree > cap).sum()) if cap else 0,
        edges_lost=float(np.maximum(degree - cap, 0).sum() / degree.sum()) if cap else 0.0,
        inverse_pairs=tuple(_inverse_pairs(dataset, facts)),
        splits={split: _split_report(dataset, split, cap, progress) for split in chosen},
    )


def _split_report(dataset: Dataset, split: str, cap: int, progress: Progress | None) -> SplitReport:
    queries, graph = dataset.queries(split), dataset.graph_for(split)
    degree = np.diff(graph.offsets)
    full = _within(graph, 0, queries, split, progress)
    return SplitReport(
        rows=len(queries),
        duplicates=len(queries) - len(np.unique(queries, axis=0)),
        relations=len(np.unique(queries[:, 1])),
        self_loops=int((queries[:, 0] == queries[:, 2]).sum()),
        in_graph=int(contains(graph, queries).sum()),
        unseen=int(((degree[queries[:, 0]] == 0) | (degree[queries[:, 2]] == 0)).sum()),
        within=full,
        within_capped=_within(graph, cap, queries, split, progress) if 0 < cap < degree.max() else full,
    )


def _within(graph: Graph, cap: int, queries: Ids, split: str, progress: Progress | None) -> tuple[float, ...]:
    what = f"{split}, {cap} edges a node at most" if cap else split

    def step(done: int, total: int) -> None:
        if progress is not None:
            progress(what, done, total)

    train = split.startswith("train")
    hops = hops_to_answer(Expand(graph, None, cap), queries, hide_fact=train, max_hops=MAX_HOPS, progress=step)
    return tuple(
        float(((hops > 0) & (hops <= length)).mean()) if len(hops) else 0.0 for length in range(1, MAX_HOPS + 1)
    )


def _inverse_pairs(dataset: Dataset, facts: Ids) -> list[InversePair]:
    """For every fact (h, r, t) look up the relations that join t to h; count by pair of relations."""
    graph = dataset.graph
    count = graph.num_relations
    proper = facts[facts[:, 0] != facts[:, 2]]
    pairs = _pair_keys(proper[:, 0], proper[:, 2], graph)
    order = np.argsort(pairs, kind="stable")
    pairs, relation = pairs[order], proper[order, 1].astype(np.int64)
    reversed_pairs = _pair_keys(proper[order, 2], proper[order, 0], graph)
    first = np.searchsorted(pairs, reversed_pairs, "left")
    matches = np.searchsorted(pairs, reversed_pairs, "right") - first
    fact = np.repeat(np.arange(len(pairs)), matches)
    other = first[fact] + np.arange(len(fact)) - np.repeat(np.cumsum(matches) - matches, matches)
    keys, both = np.unique(relation[fact] * count + relation[other], return_counts=True)
    share = both / np.bincount(relation, minlength=count)[keys // count]
    found = [
        InversePair(dataset.relation_name(int(key // count)), dataset.relation_name(int(key % count)), float(part))
        for key, part in zip(keys, share, strict=True)
        if part >= INVERSE_SHARE
    ]
    return sorted(found, key=lambda pair: (-pair.share, pair.relation, pair.inverse))


def _pair_keys(heads: Ids, tails: Ids, graph: Graph) -> NDArray[np.int64]:
    return heads.astype(np.int64) * graph.num_entities + tails
