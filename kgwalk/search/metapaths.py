"""Beam search along layouts of metapaths, in one C++ call, for policies that score an entity by user and node alone.

NSER's chain (Xian et al. 2020) feeds each relation module the vector that the module before it predicted, not the
entity that was reached. So all of a user's paths at one node of the layout share one query vector, and what is left of
the search is products with neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from kgwalk._core import Expand, metapath_search, pool_entities, rank_order
from kgwalk.protocols import Ids, Offsets, Ranked
from kgwalk.search.beam import as_floats
from kgwalk.search.metapath_layout import MetapathLayout
from kgwalk.search.paths import Paths

How = Literal["last", "max", "sum", "noisy-or"]
Doubles = NDArray[np.float64]

#: Below this log-probability ``-log(1 - P)`` is P to the last bit.
_SMALL = -40.0


@dataclass(frozen=True, eq=False)
class FoundMetapaths:
    """What `search_metapaths` found; everything in the order of the paths.

    Attributes:
        paths: grouped by row of ``users``, best first; a path that is shorter than the longest metapath is filled up
            with STAY. An entity that several paths end at keeps them all.
        metapaths: (num_paths,) int32, which of the layout's metapaths each follows.
        last_log_prob: (num_paths,) float64, log-probability of the last hop alone.
    """

    paths: Paths
    metapaths: Ids
    last_log_prob: Doubles


def search_metapaths(
    expand: Expand,
    layout: MetapathLayout,
    users: Ids,
    node_queries: Any,
    entity_table: Any,
    *,
    entity_bias: Any = None,
    log_norm: Any = None,
    interact: int = -1,
    closed: tuple[Offsets, Ids] | None = None,
) -> FoundMetapaths:
    """The paths that a layout has room for: each path at a node goes on to the neighbours that score highest.

    The score of entity ``e`` at node ``x`` is ``<node_queries[u, x], entity_table[e]> + entity_bias[e]``, the
    log-probability of the hop that less ``log_norm[u, x]``, and a path's the sum over its hops. Among equals the lower
    entity counts. No path visits an entity twice. Nothing depends on threads or on which users are searched together.

    Arrays may be numpy or torch; float32 and contiguous they are not copied.

    Args:
        expand: graph and overlay; rows are not cut at a degree cap.
        layout: of these users; budgets count per path at the parent.
        users: (n,) int32, entities to start from; with an overlay also added ones.
        node_queries: (n, num_nodes, d) float32; the root's are not read, nor those of pruned nodes.
        entity_table: (E, d) float32, a row for every entity that a path may come to.
        entity_bias: (E,) float32; minus infinity closes an entity.
        log_norm: (n, num_nodes) float32. Where it is NaN, or for None everywhere, a hop is normalised over the
            neighbours that are open to the path.
        interact: relation whose tails, the user's train items, are closed at the ends of metapaths; -1 closes none.
            They are stations on the way all the same.
        closed: offsets (n + 1,) int64 and entities int32: what else is closed to each user at the ends.

    Raises:
        ValueError: arrays that do not fit, a vector or score that is not finite, budgets that are negative or allow a
            user 2^31 paths or more.
        IndexError: an id out of range, or a neighbour without a row in ``entity_table``.
    """
    tree = layout.tree
    if log_norm is None:
        log_norm = np.full(layout.budgets.shape, np.nan, np.float32)
    rows, nodes, entities, relations, log_prob, last = metapath_search(
        expand,
        tree.parents,
        tree.relations,
        users,
        layout.budgets,
        as_floats(node_queries),
        as_floats(entity_table),
        as_floats(log_norm),
        None if entity_bias is None else as_floats(entity_bias),
        interact,
        *(closed or (None, None)),
    )
    paths = Paths(rows, entities, relations, log_prob, expand.graph.stay)
    return FoundMetapaths(paths, tree.metapath_of[nodes], last)


def rank_paths(found: FoundMetapaths, num_users: int, how: How = "sum") -> Ranked:
    """The entities that each user's paths end at, best first, ties by id; all paths go along.

    Args:
        found: of users ``0 .. num_users - 1``; one without paths gets an empty row.
        num_users: rows of the answer.
        how: an entity's score, from the paths P that end at it:

            * ``"last"``: the greatest log-probability of a last hop, as in the published code of NSER. It compares hops
              that start from different nodes, and forgets how a path came there.
            * ``"max"``: the log-probability of the best path, all hops summed.
            * ``"sum"``: the log of the paths' summed probability.
            * ``"noisy-or"``: the log of the probability that at least one path is good, were they independent:
              ``log(1 - prod(1 - P))``. Little less than ``"sum"`` as long as probabilities are small.

    Raises:
        ValueError: for an unknown ``how``.
        IndexError: if the paths belong to more users.
    """
    if how not in get_args(How):
        raise ValueError(f"how must be one of {', '.join(get_args(How))}, got {how!r}")
    paths = found.paths
    if len(paths) and paths.query[-1] >= num_users:
        raise IndexError(f"paths are of users 0 to {paths.query[-1]}, not of {num_users} users")
    offsets = np.searchsorted(paths.query, np.arange(num_users + 1)).astype(np.int64)
    ends = np.ascontiguousarray(paths.entities[:, -1])
    values = found.last_log_prob if how == "last" else paths.log_prob
    if how == "noisy-or":
        values = _log_weight(values)
    offsets, ends, summed, best = pool_entities(offsets, ends, values)
    scores = {"sum": summed, "noisy-or": _log_any(summed)}.get(how, best)
    order = rank_order(offsets, ends, scores)
    return Ranked(offsets, ends[order], scores[order], paths)


def _log_weight(log_prob: Doubles) -> Doubles:
    """``log(-log(1 - P))``: what paths add to the evidence that not all of them fail."""
    weight = np.minimum(log_prob, -np.finfo(np.float64).eps)  # P = 1 would leave no order among those that have one
    large = weight > _SMALL
    weight[large] = np.log(-np.log1p(-np.exp(weight[large])))
    return weight


def _log_any(log_weight: Doubles) -> Doubles:
    """``log P`` of at least one path, from the log of the summed weights: the way back."""
    log_prob = log_weight.copy()
    large = log_weight > _SMALL
    log_prob[large] = np.log(-np.expm1(-np.exp(log_weight[large])))
    return log_prob
