"""Layouts of metapaths with a budget per user: NSER's abstract meta-layout (Xian et al. 2020, Algorithm 1).

All users share one prefix tree; a layout is that tree with a budget at every node. ``allocate`` says how many paths a
user shall have of each metapath, ``metapath_layout`` turns that into budgets of nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from kgwalk._core import ragged_sample
from kgwalk.protocols import Ids

Allocation = Literal["uniform", "prior", "heuristic"]
Repair = Literal["none", "largest-remainder"]
Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class MetapathTree:
    """The prefix tree of metapaths; made by `metapath_tree`.

    Node 0 is the root; parents come before their children; every metapath has a leaf of its own. Two children of a node
    may share a relation: where one metapath begins another, its last hop is apart from the hop that goes on. Nodes are
    numbered alike whatever the order of the metapaths.

    Attributes:
        metapaths: relations hop by hop, in the order given.
        parents: (num_nodes,) int32, -1 at the root.
        relations: (num_nodes,) int32, relation that leads to the node; 0 at the root, where it means nothing.
        leaves: (num_metapaths,) int32, node at which each metapath ends.
        metapath_of: (num_nodes,) int32, metapath that ends at the node; -1 inside the tree.
    """

    metapaths: tuple[tuple[int, ...], ...]
    parents: Ids
    relations: Ids
    leaves: Ids
    metapath_of: Ids

    @property
    def num_nodes(self) -> int:
        """Nodes, root included."""
        return len(self.parents)

    @property
    def hops(self) -> int:
        """Length of the longest metapath."""
        return max(map(len, self.metapaths))


def metapath_tree(metapaths: Sequence[Sequence[int]]) -> MetapathTree:
    """The prefix tree of metapaths: hops that they share are one node.

    Raises:
        ValueError: there is no metapath, one is empty, or two are the same.
    """
    given = tuple(tuple(int(relation) for relation in metapath) for metapath in metapaths)
    if not given or not all(given):
        raise ValueError("a layout needs metapaths of at least one hop each")
    parents, relations = [-1], [0]
    inner: dict[tuple[int, ...], int] = {}
    leaves = np.zeros(len(given), np.int32)
    for which in sorted(range(len(given)), key=given.__getitem__):
        metapath, node = given[which], 0
        for hop, relation in enumerate(metapath, 1):
            prefix, parent = metapath[:hop], node
            if hop < len(metapath) and prefix in inner:
                node = inner[prefix]
                continue
            node = len(parents)
            parents.append(parent)
            relations.append(relation)
            if hop < len(metapath):
                inner[prefix] = node
        leaves[which] = node
    if len(set(given)) < len(given):
        raise ValueError("a layout has each metapath once, but some are given twice")
    metapath_of = np.full(len(parents), -1, np.int32)
    metapath_of[leaves] = np.arange(len(given))
    return MetapathTree(given, np.array(parents, np.int32), np.array(relations, np.int32), leaves, metapath_of)


def allocate(
    kind: Allocation,
    total: int,
    prior: NDArray[np.floating],
    *,
    value: NDArray[np.floating] | None = None,
    users: NDArray[np.integer] | None = None,
    exact: bool = False,
    seed: int = 0,
) -> Counts:
    """How many paths of each metapath a user shall have, never more than ``total`` together.

    * ``"uniform"``: ``total`` draws of a metapath, each as likely as any other. A user's draws depend on the seed and
      the user's id alone.
    * ``"prior"``: ``ceil(total * k_j / sum of k)`` of metapath j, in the order of falling ``k`` as long as ``total``
      lasts; the paper's table 2 rounds up and so may spend a little more.
    * ``"heuristic"``: the paper's ``max sum of y_j v_j`` with ``0 <= y_j <= k_j``, as its code and its intent have it:
      spend ``total`` exactly where the ``k_j`` allow, on the metapaths of greatest value. (The values are
      log-probabilities, so that the sum as written is greatest for no path at all.)

    Args:
        kind: one of these.
        total: K, paths of a user.
        prior: (n, num_metapaths), k_j(u): how many paths of the metapath a user has to good items, for instance the
            mean count over train items. ``"heuristic"`` rounds it down; ``"uniform"`` reads its shape alone.
        value: (n, num_metapaths), v(u, j) of ``"heuristic"``: mean log-probability of such paths. Ties go to the
            metapath that comes first; minus infinity comes last.
        users: (n,) ids, for ``"uniform"``; 0 to n - 1 unless given.
        exact: ``"heuristic"`` spends ``total`` whole: what the ``k_j`` leave of it is dealt out among the metapaths
            whose value is finite, one path each in the order of value, again and again.
        seed: of ``"uniform"``.

    Returns:
        (n, num_metapaths) int64, y_j(u).

    Raises:
        ValueError: an unknown kind, a total that is not positive or past 32 bits, arrays that do not fit, a ``prior``
            that is negative or no finite number, a ``value`` that is missing or not a number.
    """
    if kind not in get_args(Allocation):
        raise ValueError(f"kind must be one of {', '.join(get_args(Allocation))}, got {kind!r}")
    if not 1 <= total < 2**31:
        raise ValueError(f"total must be positive and fit 32 bits, got {total}")
    if prior.ndim != 2 or prior.shape[1] == 0:
        raise ValueError(f"prior: expected shape (n, num_metapaths), got {prior.shape}")
    if not np.all(np.isfinite(prior) & (prior >= 0)):
        raise ValueError("prior: expected counts of paths, finite and not negative")
    if kind == "uniform":
        return _draw(total, np.arange(len(prior)) if users is None else users, prior.shape, seed)
    if kind == "prior":
        together = prior.sum(axis=1, keepdims=True)
        share = total * (prior / np.where(together > 0, together, 1))
        rounded_up = np.ceil(share - 1e-9)  # 5 of 15 paths is 5, whatever the division made of it
        return _fill(total, rounded_up, prior)
    if value is None or value.shape != prior.shape:
        raise ValueError(f"value: expected shape {prior.shape}, got {None if value is None else value.shape}")
    if np.isnan(value).any():
        raise ValueError("value: not a number")
    filled = _fill(total, np.floor(prior), value)
    return _deal_out(total, filled, value) if exact else filled


@dataclass(frozen=True, eq=False)
class MetapathLayout:
    """Budgets of users over one tree; n users.

    Attributes:
        tree: what may be walked.
        budgets: (n, num_nodes) int32: neighbours that a path at the node's parent goes on to. 1 at the root;
            where it is 0 the branch is pruned.
        asked: (n, num_metapaths) int64, paths that were asked for.
    """

    tree: MetapathTree
    budgets: Ids
    asked: Counts

    @property
    def paths(self) -> Counts:
        """Paths that each metapath may have, (n, num_metapaths): the product of the budgets down its branch."""
        return _paths(self.tree, self.budgets)

    @property
    def lost(self) -> Counts:
        """Paths that were asked for but have no room in the budgets, (n,)."""
        lost: Counts = self.asked.sum(axis=1) - self.paths.sum(axis=1)
        return lost

    def take(self, rows: NDArray[np.integer] | slice) -> MetapathLayout:
        """The layouts of some users, in that order, repeats allowed."""
        return replace(self, budgets=self.budgets[rows], asked=self.asked[rows])


def metapath_layout(tree: MetapathTree, asked: Counts, repair: Repair = "none") -> MetapathLayout:
    """Algorithm 1 of NSER.

    Leaves get y_j, an inner node the least of its children's that is not 0, by which these are divided and rounded
    down; the root divides nothing.

    A metapath's paths, the product of the budgets down its branch, so never exceed its y_j, but may fall short of it:
    of ``y = (5, 3)`` under one node the budgets 3 and 1 and 1 leave room for 6 paths of 8.

    Args:
        tree: over which metapaths.
        asked: (n, num_metapaths) int64, y_j of each user.
        repair: ``"largest-remainder"`` gives lost paths back: the nodes with the greatest remainder of that division,
            ties by lower node, get one neighbour more each, where all paths together still do not exceed those asked
            for. A metapath may then have more than its y_j.

    Raises:
        ValueError: ``asked`` does not fit the tree, is negative or adds up to 2^31 or more, or ``repair`` is unknown.
    """
    if repair not in get_args(Repair):
        raise ValueError(f"repair must be one of {', '.join(get_args(Repair))}, got {repair!r}")
    if asked.ndim != 2 or asked.shape[1] != len(tree.metapaths):
        raise ValueError(f"asked: expected shape (n, {len(tree.metapaths)}), got {asked.shape}")
    if (asked < 0).any() or (asked.astype(np.float64).sum(axis=1) >= 2**31).any():
        raise ValueError("asked: expected numbers of paths that are not negative and add up to less than 2^31")
    asked = asked.astype(np.int64)
    budgets = np.zeros((len(asked), tree.num_nodes), np.int64)
    budgets[:, tree.leaves] = asked
    remainder = np.zeros_like(budgets)
    for node in range(tree.num_nodes - 1, 0, -1):
        children = np.flatnonzero(tree.parents == node)
        if len(children) == 0:
            continue
        below = budgets[:, children]
        least = np.where(below > 0, below, np.iinfo(np.int64).max).min(axis=1)
        budgets[:, node] = np.where(below.any(axis=1), least, 0)
        divisor = np.maximum(budgets[:, node], 1)[:, None]
        budgets[:, children], remainder[:, children] = below // divisor, below % divisor
    budgets[:, 0] = 1
    if repair == "largest-remainder":
        _give_back(tree, budgets, remainder, asked.sum(axis=1))
    return MetapathLayout(tree, budgets.astype(np.int32), asked)


def _give_back(tree: MetapathTree, budgets: Counts, remainder: Counts, limit: Counts) -> None:
    """Adds one to the budgets with a remainder, greatest first, where the paths stay within the limit."""
    by_remainder = np.argsort(-remainder, axis=1, kind="stable")
    for nodes in by_remainder.T[: int((remainder > 0).sum(axis=1).max(initial=0))]:
        at = (np.arange(len(budgets)), nodes)
        trial = budgets.copy()
        trial[at] += remainder[at] > 0
        fits = _paths(tree, trial).sum(axis=1) <= limit
        budgets[fits] = trial[fits]


def _paths(tree: MetapathTree, budgets: NDArray[np.integer]) -> Counts:
    reach = np.ones(budgets.shape, np.int64)
    for node in range(1, tree.num_nodes):
        reach[:, node] = reach[:, tree.parents[node]] * budgets[:, node]
    return reach[:, tree.leaves]


def _fill(total: int, caps: NDArray[np.floating], value: NDArray[np.floating]) -> Counts:
    """Spends ``total`` on the columns of greatest value, in each no more than its cap; ties to the lower column."""
    order = np.argsort(-value, axis=1, kind="stable")
    room = np.take_along_axis(np.minimum(caps, total).astype(np.int64), order, axis=1)
    spent_before = np.cumsum(room, axis=1) - room
    filled = np.empty_like(room)
    np.put_along_axis(filled, order, np.clip(total - spent_before, 0, room), axis=1)
    return filled


def _deal_out(total: int, spent: Counts, value: NDArray[np.floating]) -> Counts:
    """``spent`` and what it leaves of ``total``: rounds over the columns of finite value, greatest first."""
    order = np.argsort(-value, axis=1, kind="stable")
    open_to = np.take_along_axis(np.isfinite(value), order, axis=1)
    count = open_to.sum(axis=1, keepdims=True)
    rest = np.where(count > 0, total - spent.sum(axis=1, keepdims=True), 0)
    rounds, last = np.divmod(rest, np.maximum(count, 1))
    place = np.cumsum(open_to, axis=1)
    dealt = np.empty_like(spent)
    np.put_along_axis(dealt, order, np.where(open_to, rounds + (place <= last), 0), axis=1)
    return spent + dealt


def _draw(total: int, users: NDArray[np.integer], shape: tuple[int, ...], seed: int) -> Counts:
    num_users, num_metapaths = shape
    if users.shape != (num_users,):
        raise ValueError(f"users: expected shape ({num_users},), got {users.shape}")
    row, alike = np.array([0, num_metapaths], np.int64), np.zeros(num_metapaths, np.float32)
    streams, every = users.astype(np.uint64), np.zeros(num_users, np.int64)
    drawn = np.zeros((num_users, num_metapaths), np.int64)
    for draw in range(total):
        chosen = ragged_sample(alike, row, every, seed, streams, draw)
        drawn[np.arange(num_users), chosen] += 1
    return drawn
