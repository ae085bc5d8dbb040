"""Labelled candidate answers: two benchmarks ask an agent to order a given few instead of all entities."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kgwalk._core import Expand, Graph
from kgwalk.data.dataset import Dataset
from kgwalk.data.files import DamagedFileError, locate, read_text
from kgwalk.protocols import Ids


class CandidateTable(NamedTuple):
    """Candidates of queries, one a row.

    Attributes:
        sources: (n,) int32; ``num_entities`` for one that the dataset does not know.
        relations: (n,) int32.
        entities: (n,) int32, the candidate; ``num_entities`` for one that the dataset does not know.
        labels: (n,) bool, whether it is an answer.
        metric: What is made of their order: the mean of the queries' average precision, by relation, or the area under
            the precision-recall curve of all of them.
    """

    sources: Ids
    relations: Ids
    entities: Ids
    labels: NDArray[np.bool_]
    metric: Literal["map", "auc_pr"]


def candidates_for(dataset: Dataset, split: str) -> CandidateTable | None:
    """The candidates of a split's tail queries: NELL-995's ``test`` and the Countries sets have some."""
    if dataset.name.startswith("Countries-") and len(dataset.queries(split)):
        return region_candidates(dataset, split)
    return labelled_candidates(dataset) if split == "test" else None


def labelled_candidates(dataset: Dataset) -> CandidateTable | None:
    """The dataset's file of labelled candidates (NELL-995), or None if it has none.

    The protocol of DeepPath (Xiong et al., 2017, section 5) and MINERVA: every test pair (head, relation) comes with
    its true tails and with negatives of the right type, and mean average precision says how well they are ordered.

    Raises:
        DamagedFileError: If a line is not head, relation, tail, 0 or 1.
    """
    if not dataset.card.candidates or dataset.folder is None:
        return None
    path = locate(dataset.folder, dataset.card.candidates)
    if path is None:
        return None
    rows = [line.split("\t") for line in read_text(path).removesuffix("\n").split("\n")]
    for number, row in enumerate(rows, start=1):
        if len(row) != 4 or row[3] not in ("0", "1"):
            raise DamagedFileError(f"{path}:{number}: expected head, relation, tail and 0 or 1, tab-separated")
    heads, relations, tails, labels = zip(*rows, strict=True)
    relation_ids = dataset.relations.find_all(list(relations))
    if relation_ids.min() < 0:
        number = int(relation_ids.argmin())
        raise DamagedFileError(f"{path}:{number + 1}: {dataset.name} has no relation {relations[number]!r}")
    is_answer = np.array(labels) == "1"
    return CandidateTable(_entities(dataset, heads), relation_ids, _entities(dataset, tails), is_answer, "map")


def region_candidates(dataset: Dataset, split: str) -> CandidateTable:
    """The five regions of the world as candidates of every query of a Countries set.

    Bouchard et al. (2015) and Rocktäschel and Riedel (2017) score a country against the five regions, which are the
    entities that something lies in and that lie in nothing themselves; labels are all true facts of that kind. That
    holds for S2 as well, whose queries in MINERVA's copy name the subregion as the target of training and MRR.
    """
    known = dataset.known_for(split)
    pairs = np.unique(dataset.queries(split)[:, :2], axis=0)
    relation = int(pairs[0, 1])
    is_region = _has(known, relation, inverse=True) & ~_has(known, relation, inverse=False)
    regions = np.flatnonzero(is_region).astype(np.int32)

    sources, relations = (np.repeat(pairs[:, i], len(regions)) for i in (0, 1))
    entities = np.tile(regions, len(pairs))
    facts = np.column_stack([sources, relations, entities]).tolist()
    labels = np.array([known.find(*fact) >= 0 for fact in facts], dtype=np.bool_)
    return CandidateTable(sources, relations, entities, labels, "auc_pr")


def _entities(dataset: Dataset, names: tuple[str, ...]) -> Ids:
    found = dataset.entities.find_all(list(names))
    return np.where(found < 0, np.int32(dataset.graph.num_entities), found)


def _has(graph: Graph, relation: int, inverse: bool) -> NDArray[np.bool_]:
    """Whether an entity has an edge of the relation, or of its inverse."""
    followed = graph.inverse(relation) if inverse else relation
    everyone = np.arange(graph.num_entities, dtype=np.int32)
    offsets, _, _ = Expand(graph)(everyone, np.array([followed], dtype=np.int32), None, False)
    return np.diff(offsets) > 0
