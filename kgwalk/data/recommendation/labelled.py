"""Interactions split by row, with sampled negatives: the click-through protocol of KGCN and its kin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from kgwalk._core import FormatError, Graph
from kgwalk.data.dataset import facts_of, fingerprint
from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.data.recommendation.files import read_every_interaction
from kgwalk.data.recommendation.metapaths import EntityType
from kgwalk.data.split import Shares, split_rows
from kgwalk.protocols import Ids

_SHARES = Shares(0.6, 0.2, 0.2)
#: Places of the random numbers behind a seed, one for each purpose.
_NEGATIVES, _SPLIT = range(2)


@dataclass(frozen=True, eq=False)
class LabelledRecommendation(Recommendation):
    """A recommendation set whose rows, interactions and as many sampled negatives, are split by row; see `labelled`.

    ``splits`` holds the interactions, label 1. The graph holds what is known of the items and those of train.

    Attributes:
        negatives: by split, (n, 2) int32, read-only, sorted: users and items that they interact with in no split,
            label 0.
        drawn_by: the seed of the negatives and the split.
    """

    negatives: Mapping[str, Ids] = field(default_factory=dict)
    drawn_by: int = 0


def labelled(dataset: Recommendation, seed: int = 0) -> LabelledRecommendation:
    """All interactions of a dataset and as many negatives, shuffled together and cut 6:2:2 by row.

    Every user gets once, before the split, as many items without an interaction in any split as he has interactions,
    drawn uniformly without replacement; all of them if there are not so many. A split is random by row, not by user:
    some users have rows in one split only, and a split's positives and negatives are equal in number on average only.

    Where the card names a file of every interaction and the folder has it, its interactions count, and the entities
    are numbered anew; else the union of the splits counts. A dataset that is labelled already is labelled anew.

    Args:
        dataset: where interactions and knowledge come from.
        seed: 0 or more; the same dataset and seed give the same rows. The fingerprint covers the negatives, so it tells
            seeds apart.

    Raises:
        DamagedFileError, FormatError: the file of every interaction cannot be used, or lacks one of the splits.
        ValueError: too few interactions to split, or a negative seed.
    """
    whole = read_every_interaction(dataset) or dataset
    positives = np.unique(np.concatenate(list(whole.splits.values())), axis=0)
    if whole is not dataset:
        _check_holds(whole, positives, dataset)
    negatives = _draw(positives, whole.items, np.random.default_rng([seed, _NEGATIVES]))
    parts = split_rows(len(positives) + len(negatives), _SHARES, [seed, _SPLIT])
    splits, others = {}, {}
    for split, rows in zip(("train", "valid", "test"), parts, strict=True):
        splits[split] = positives[rows[rows < len(positives)]]
        others[split] = negatives[rows[rows >= len(positives)] - len(positives)]
        splits[split].flags.writeable = others[split].flags.writeable = False
    facts = facts_of(whole.graph)
    facts = np.concatenate([facts[facts[:, 1] != whole.interact], splits["train"]])
    names, relations = whole.entities, whole.relations
    graph = Graph.from_triples(facts, len(names), len(relations), whole.graph.type_offsets)
    parted = {**splits, **{f"{split} negatives": rows for split, rows in others.items()}}
    made = {entry.name: getattr(whole, entry.name) for entry in fields(Recommendation)}
    made |= {
        "graph": graph,
        "test_graph": graph,
        "splits": splits,
        "fingerprint": fingerprint(graph, parted, names, relations),
        "graph_rows": whole.graph_rows - len(whole.splits["train"]) + len(splits["train"]),
    }
    return LabelledRecommendation(**made, negatives=others, drawn_by=seed)


def _draw(positives: Ids, items: EntityType, rng: np.random.Generator) -> Ids:
    """Negatives, (n, 2) sorted, of ``positives`` (m, 3), which are sorted and distinct."""
    users, first, counts = np.unique(positives[:, 0], return_index=True, return_counts=True)
    known = positives[:, 2].astype(np.int64) - items.first
    drawn: list[NDArray[np.int64]] = []
    for begin, count in zip(first.tolist(), counts.tolist(), strict=True):
        free = len(items) - count
        places = np.sort(rng.choice(free, min(count, free), replace=False, shuffle=False))
        # The place-th item that is free has as many known ones before it as there are with fewer free ones before them.
        before = known[begin : begin + count] - np.arange(count)
        drawn.append(places + np.searchsorted(before, places, side="right"))
    owners = np.repeat(users, [len(part) for part in drawn])
    return np.column_stack([owners, np.concatenate(drawn) + items.first]).astype(np.int32)


def _check_holds(whole: Recommendation, positives: Ids, dataset: Recommendation) -> None:
    """Refuse a file of every interaction that does not hold those of the splits."""
    width = np.int64(len(whole.entities))
    held = positives[:, 0] * width + positives[:, 2]
    for split, rows in dataset.splits.items():
        users, items = (
            whole.entities.find_all([dataset.entities[i] for i in rows[:, column].tolist()]).astype(np.int64)
            for column in (0, 2)
        )
        lacks = (users < 0) | (items < 0) | ~np.isin(users * width + items, held)
        if lacks.any():
            user, _, item = rows[np.flatnonzero(lacks)[0]].tolist()
            told = f"{dataset.entities[user]!r} with {dataset.entities[item]!r}"
            raise FormatError(f"{dataset.name}: {dataset.card.every_interaction} lacks {told}, which stands in {split}")
