"""Walks along metapaths: whether the types fit, how many walks there are, where they end, and some of them.

A metapath is a tuple of relation ids, hop by hop, inverses included. Every walk here is simple, it visits no entity
twice: *user, item, brand, the same item* explains nothing. Walks see whole rows, with an overlay and without a degree
cap.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kgwalk import _core
from kgwalk._core import Expand, Graph
from kgwalk.protocols import Ids, Offsets

Metapath = Sequence[int]


class MetapathWalks(NamedTuple):
    """Walks of some pairs along one metapath.

    Attributes:
        pairs: (num_walks,) int32, the pair each belongs to, rising.
        entities: (num_walks, hops + 1) int32, source first.
    """

    pairs: Ids
    entities: Ids


class MetapathEnds(NamedTuple):
    """Where the walks of some sources end; row ``i`` belongs to source ``i``.

    Attributes:
        offsets: (num_sources + 1,) int64.
        entities: (num_ends,) int32, distinct and rising within a row.
        counts: (num_ends,) int64, walks that end there.
    """

    offsets: Offsets
    entities: Ids
    counts: NDArray[np.int64]


def check_metapath(graph: Graph, metapath: Metapath, *, source_type: int = -1, target_type: int = -1) -> None:
    """Check that each hop of a metapath can begin where the one before ended, by the types of what its edges join.

    Args:
        graph: where walks would go.
        metapath: relations hop by hop.
        source_type: type of entity, by its place in ``graph``'s types, that the first hop must leave from; -1 for any.
        target_type: likewise what the last hop must lead to.

    Raises:
        ValueError: the metapath is empty or longer than 16 hops, or the types of two hops disagree; hops count from 1.
        IndexError: a relation or a type is none of the graph's.
    """
    check_metapaths(graph, [metapath], source_type=source_type, target_type=target_type)


def check_metapaths(
    graph: Graph, metapaths: Sequence[Metapath], *, source_type: int = -1, target_type: int = -1
) -> None:
    """`check_metapath` for several, with one look at the graph.

    Raises:
        ValueError: as `check_metapath`.
        IndexError: as `check_metapath`.
    """
    heads = head_types(graph)
    num_types = heads.shape[1]
    for kind in (source_type, target_type):
        if not -1 <= kind < num_types:
            raise IndexError(f"type {kind}: the graph has {num_types} types")
    for metapath in metapaths:
        offsets, relations = _side_by_side([metapath])
        none = np.empty(0, np.int32)
        _core.count_metapaths(Expand(graph), offsets, relations, none, none)  # checks its length and ids
        reached = _one_or_any(source_type, num_types)
        for hop, relation in enumerate(relations.tolist(), 1):
            if not (reached & heads[relation]).any():
                before = "the source's type" if hop == 1 else f"what hop {hop - 1} leads to"
                raise ValueError(
                    f"metapath {tuple(metapath)} does not type-check: hop {hop}, relation {relation}, leaves from "
                    f"types {_numbers(heads[relation])}, but {before} is {_numbers(reached)}"
                )
            reached = heads[graph.inverse(relation)]
        if not (reached & _one_or_any(target_type, num_types)).any():
            raise ValueError(
                f"metapath {tuple(metapath)} does not type-check: hop {len(metapath)}, relation {metapath[-1]}, leads "
                f"to types {_numbers(reached)}, but the target's type is [{target_type}]"
            )


def head_types(graph: Graph) -> NDArray[np.bool_]:
    """Which types of entity the edges of each relation leave from, (2R, num_types); its tails are its inverse's heads.

    A look at every edge.
    """
    num_types = len(graph.type_offsets) - 1
    found = np.zeros((2 * graph.num_relations, num_types), np.bool_)
    for kind in range(num_types):
        first, last = graph.offsets[[graph.type_offsets[kind], graph.type_offsets[kind + 1]]]
        found[np.unique(graph.edges[first:last, 0]), kind] = True
    return found


def sample_metapath(
    expand: Expand,
    metapath: Metapath,
    sources: Ids,
    targets: Ids,
    count: int = 1,
    *,
    seed: int = 0,
    hidden: int = -1,
    max_fan_out: int = 0,
) -> MetapathWalks:
    """Up to ``count`` different walks from each source to its target, every one as likely as any other.

    A pair's own fact ``(source, hidden, target)`` and its inverse are out of sight. What is drawn depends on the seed
    and the pair's place, not on threads.

    Args:
        expand: graph and overlay.
        metapath: relations hop by hop.
        sources: (n,) int32.
        targets: (n,) int32; a pair whose target is its source has no walk.
        count: walks of each pair; all of them where there are no more.
        seed: of all that is drawn.
        hidden: relation of the pairs' own facts, -1 for none.
        max_fan_out: neighbours followed per node before the last two hops, evenly spaced from a random start; 0 for
            all. It bounds the work at crowded nodes, and walks through those are drawn less often.

    Raises:
        ValueError: an empty or too long metapath, arrays that do not fit, ``count`` below 1 or a negative fan-out.
        IndexError: an id out of range.
    """
    relations = np.asarray(metapath, np.int32)
    return MetapathWalks(*_core.sample_metapath(expand, relations, sources, targets, count, seed, hidden, max_fan_out))


def count_metapaths(
    expand: Expand, metapaths: Sequence[Metapath], sources: Ids, targets: Ids, *, hidden: int = -1
) -> NDArray[np.int64]:
    """How many walks each pair has along each metapath, exactly.

    Args:
        expand: graph and overlay.
        metapaths: any number of them.
        sources: (n,) int32.
        targets: (n,) int32.
        hidden: relation of the pairs' own facts, which are out of sight; -1 for none.

    Returns:
        (n, num_metapaths) int64.

    Raises:
        ValueError: an empty or too long metapath, or arrays that do not fit.
        IndexError: an id out of range.
    """
    return _core.count_metapaths(expand, *_side_by_side(metapaths), sources, targets, hidden)


def metapath_ends(expand: Expand, metapath: Metapath, sources: Ids) -> MetapathEnds:
    """Every entity that walks from each source end at, and how many do.

    Raises:
        ValueError: an empty or too long metapath, or sources that are not (n,) int32.
        IndexError: an id out of range.
    """
    return MetapathEnds(*_core.metapath_ends(expand, np.asarray(metapath, np.int32), sources))


def _side_by_side(metapaths: Sequence[Metapath]) -> tuple[Offsets, Ids]:
    offsets = np.cumsum([0, *(len(metapath) for metapath in metapaths)], dtype=np.int64)
    return offsets, np.array([relation for metapath in metapaths for relation in metapath], np.int32)


def _one_or_any(kind: int, num_types: int) -> NDArray[np.bool_]:
    return np.arange(num_types) == kind if kind >= 0 else np.ones(num_types, np.bool_)


def _numbers(flags: NDArray[np.bool_]) -> list[int]:
    return np.flatnonzero(flags).tolist()
