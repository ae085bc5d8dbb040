"""Metapaths: the relations, hop by hop, of walks from a user to an item; read, checked, made where a set has none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kgwalk._core import Graph, Names
from kgwalk.data.dataset import INVERSE, facts_of
from kgwalk.protocols import Ids

if TYPE_CHECKING:
    from kgwalk.data.recommendation.dataset import Recommendation

Metapath = tuple[int, ...]


class EntityType(NamedTuple):
    """Entities of one kind have the ids ``first .. last - 1``."""

    name: str
    first: int
    last: int

    def __len__(self) -> int:
        """How many there are."""
        return self.last - self.first


class Signature(NamedTuple):
    """A relation between two kinds of entities, by their places among the types; inverse relations have their own."""

    head: int
    relation: int
    tail: int


def signatures(graph: Graph, types: Sequence[EntityType]) -> frozenset[Signature]:
    """Which kinds of entities each relation of the graph joins, inverses included."""
    degrees = np.diff(graph.offsets)
    of_entity = np.repeat(np.arange(len(types)), [len(kind) for kind in types])
    heads = np.repeat(of_entity, degrees)
    relations, tails = graph.edges[:, 0].astype(np.int64), of_entity[graph.edges[:, 1]]
    shape = (len(types), graph.stay, len(types))
    there = np.bincount(np.ravel_multi_index((heads, relations, tails), shape), minlength=int(np.prod(shape)))
    return frozenset(Signature(*row) for row in np.argwhere(there.reshape(shape)).tolist())


def as_inverse(word: str, relations: Names) -> str:
    """``rev_name``, as others write an inverse, as ``^name``; a relation of that very name stays."""
    return INVERSE + word.removeprefix("rev_") if word.startswith("rev_") and relations.find(word) < 0 else word


def relation_words(text: str, relations: Names) -> list[str]:
    """The relations of a metapath in words. A name may itself have blanks: the longest that is a relation counts."""
    words, found = text.split(), []
    while words:
        size = next((n for n in range(len(words), 1, -1) if _is_relation(" ".join(words[:n]), relations)), 1)
        found.append(as_inverse(" ".join(words[:size]), relations))
        words = words[size:]
    return found


def knows_relations(text: str, relations: Names) -> bool:
    """Whether a set has all relations of a metapath in words."""
    return all(_is_relation(word, relations) for word in relation_words(text, relations))


def _is_relation(word: str, relations: Names) -> bool:
    word = as_inverse(word, relations)
    return relations.find(word) >= 0 or relations.find(word.removeprefix(INVERSE)) >= 0


def check_metapath(dataset: Recommendation, metapath: Metapath) -> None:
    """Refuse relations that no walk from a user to an item can follow in this order.

    Raises:
        ValueError: there are none, one does not start where the one before ends, or the last ends at no item.
        IndexError: a relation id out of range.
    """
    words = " ".join(dataset.relation_name(relation) for relation in metapath)
    if not metapath:
        raise ValueError(f"{dataset.name}: a metapath has at least one relation")
    at = {dataset.types.index(dataset.users)}
    for relation in metapath:
        after = {s.tail for s in dataset.signatures if s.relation == relation and s.head in at}
        if not after:
            starts = sorted({dataset.types[s.head].name for s in dataset.signatures if s.relation == relation})
            ends = " or ".join(sorted(dataset.types[kind].name for kind in at))
            raise ValueError(
                f"{dataset.name}: metapath {words!r} does not type-check: it stands at {ends}, but "
                f"{dataset.relation_name(relation)} starts at {' or '.join(starts) or 'nothing'}"
            )
        at = after
    if dataset.types.index(dataset.items) not in at:
        ends = " or ".join(sorted(dataset.types[kind].name for kind in at))
        raise ValueError(f"{dataset.name}: metapath {words!r} does not type-check: it ends at {ends}, not at an item")


def default_metapaths(dataset: Recommendation) -> tuple[Metapath, ...]:
    """The short ways from a user by way of an item to another item, for a set that states none.

    They are ``interact ^interact interact`` (what others with the same item have), and for every relation of items
    ``interact r ^r`` (what shares a neighbour) and, between items, ``interact r``; ``r`` may be an inverse. Those that
    only lead back to the item they came by are left out.
    """
    graph, interact, items = dataset.graph, dataset.interact, dataset.items
    facts = facts_of(graph)
    seen = np.zeros(graph.num_entities, np.bool_)
    seen[facts[facts[:, 1] == interact, 2]] = True
    made: list[Metapath] = [(interact, graph.inverse(interact), interact)]
    for relation in range(graph.num_relations):
        if relation == interact:
            continue
        pairs = facts[facts[:, 1] == relation][:, [0, 2]]
        for step, ends in ((relation, pairs), (graph.inverse(relation), pairs[:, ::-1])):
            ends = ends[_among(ends[:, 0], items)]
            if _leads_on(ends[_among(ends[:, 1], items)], seen):
                made.append((interact, step))
            if _leads_round(ends, seen):
                made.append((interact, step, graph.inverse(step)))
    return tuple(made)


def _among(entities: Ids, kind: EntityType) -> NDArray[np.bool_]:
    return (entities >= kind.first) & (entities < kind.last)


def _leads_on(pairs: Ids, seen: NDArray[np.bool_]) -> bool:
    """Whether some interacted item has another item beside it; pairs are (n, 2) items."""
    return bool((seen[pairs[:, 0]] & (pairs[:, 0] != pairs[:, 1])).any())


def _leads_round(pairs: Ids, seen: NDArray[np.bool_]) -> bool:
    """Whether an interacted item shares a neighbour with another item; pairs (n, 2) are distinct: item, neighbour."""
    neighbours, of_pair, count = np.unique(pairs[:, 1], return_inverse=True, return_counts=True)
    from_seen = np.bincount(of_pair[seen[pairs[:, 0]]], minlength=len(neighbours))
    return bool(((count > 1) & (from_seen > 0)).any())
