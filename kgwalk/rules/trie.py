"""The bodies of cyclic rules as a prefix tree: which relations continue a rule, and with what confidence.

A walker that answers ``(source, relation, ?)`` starts at the relation's node and goes down with every hop:

    >>> trie = RuleTrie(rules, num_relations=graph.num_relations)  # doctest: +SKIP
    >>> nodes = trie.start(queries[:, 1])  # doctest: +SKIP
    >>> legal = trie.mask(nodes, candidates)  # doctest: +SKIP
    >>> nodes = trie.advance(nodes, moves.relations)  # doctest: +SKIP

All calls are batched; none loops over rows.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kgwalk._core import VARIABLE
from kgwalk.protocols import Candidates, Ids, Offsets
from kgwalk.rules.confidence import SMOOTHING, applied_confidence

if TYPE_CHECKING:
    from kgwalk._core import RuleSet

_DEAD = 0  # no rule's body begins like this


class Continuations(NamedTuple):
    """Ragged: the relations that continue a rule below node ``i`` are ``relations[offsets[i]:offsets[i + 1]]``.

    Attributes:
        offsets: (n + 1,) int64.
        relations: (total,) int32, rising within a row.
        best: (total,) float64, greatest confidence of any rule at or below.
    """

    offsets: Offsets
    relations: Ids
    best: NDArray[np.float64]


class RuleTrie:
    """A prefix tree over rule bodies for each of the ``2R`` query relations.

    A rule ``h(X, Y) <- b1, ..., bn`` answers ``(X, h, ?)`` along its body, and ``(Y, inverse of h, ?)`` along the
    body reversed and inverted. Rules that are not cyclic are left out: no walk of their body ends at an answer. Of
    rules with equal bodies the most confident counts. Waiting (STAY) is no step.

    Nodes are int32: 0 is dead (no rule begins like this walk), ``1 + r`` the start of query relation ``r``.

    Attributes:
        num_relations: R, of the graph.
        num_nodes: all nodes, the dead one and the starts included.
    """

    def __init__(
        self, rules: RuleSet, num_relations: int, *, smoothing: float = SMOOTHING, threshold: float = 0.0
    ) -> None:
        """Build the tree.

        Args:
            rules: in the vocabulary of a graph with ``num_relations`` forward relations.
            num_relations: R.
            smoothing: a rule's confidence is ``support / (predictions + smoothing)``; a rule without counts
                (``predictions`` 0, as from files that give none) has its raw confidence.
            threshold: rules of a lower confidence than this are left out, as are those of confidence 0.

        Raises:
            ValueError: a bad smoothing or threshold.
            IndexError: a rule has a relation outside ``[0, 2R)``.
        """
        if not (math.isfinite(threshold) and 0 <= threshold <= 1):
            raise ValueError(f"threshold: expected a confidence in [0, 1], got {threshold!r}")
        applied = applied_confidence(rules, smoothing)
        kept = np.flatnonzero((rules.head_constant == VARIABLE) & (applied >= threshold) & (applied > 0))
        self.num_relations = num_relations
        self._width = 2 * num_relations + 1  # so that no key of a node's STAY is another node's first relation
        heads, bodies, lengths = _both_ways(rules, kept, num_relations)
        node = heads.astype(np.int64) + 1
        levels = []
        self._num_starts = num_nodes = 1 + 2 * num_relations
        for depth in range(bodies.shape[1]):
            rows = np.flatnonzero(lengths > depth)
            keys, place = np.unique(node[rows] * self._width + bodies[rows, depth], return_inverse=True)
            node[rows] = num_nodes + place
            num_nodes += len(keys)
            levels.append(keys)
        # An edge's key is (parent, relation). Levels are numbered from the starts down, so keys rise throughout, and
        # edge i leads to node `_num_starts + i`.
        self._keys = np.concatenate([np.empty(0, np.int64), *levels])
        self._edges = np.searchsorted(self._keys, np.arange(num_nodes + 1) * self._width)
        self._relations = (self._keys % self._width).astype(np.int32)
        self.num_nodes = num_nodes
        self._confidence = np.zeros(num_nodes)
        np.maximum.at(self._confidence, node, np.tile(applied[kept], 2))
        self._best = self._confidence.copy()
        last = num_nodes
        for keys in reversed(levels):
            first = last - len(keys)
            np.maximum.at(self._best, keys // self._width, self._best[first:last])
            last = first

    def start(self, query_relations: Ids) -> Ids:
        """Nodes of walkers at their sources, (n,) int32.

        Args:
            query_relations: (n,), each in ``[0, 2R)``.

        Raises:
            IndexError: a relation out of range.
        """
        return _checked("query relations", query_relations, 2 * self.num_relations).astype(np.int32) + np.int32(1)

    def advance(self, nodes: Ids, relations: Ids) -> Ids:
        """Nodes after a hop, (n,) int32: STAY (``2R``) keeps the node, what continues no rule leads to node 0.

        Args:
            nodes: (n,).
            relations: (n,), each in ``[0, 2R]``.

        Raises:
            ValueError: shapes that differ.
            IndexError: a node or a relation out of range.
        """
        nodes, relations = self._nodes(nodes), _checked("relations", relations, self._width)
        if nodes.shape != relations.shape:
            raise ValueError(f"expected a relation for each of {len(nodes)} nodes, got {len(relations)}")
        return np.where(relations == self._width - 1, nodes, self._child(nodes, relations))

    def follow(self, query_relations: Ids, paths: Ids) -> Ids:
        """Nodes at the ends of whole paths, (n,) int32: `start`, then `advance` by every column.

        Args:
            query_relations: (n,).
            paths: (n, hops) relations; STAY may stand anywhere.

        Raises:
            ValueError: shapes that do not go together.
            IndexError: a relation out of range.
        """
        nodes = self.start(query_relations)
        for relations in np.asarray(paths).T:
            nodes = self.advance(nodes, relations)
        return nodes

    def confidence(self, nodes: Ids) -> NDArray[np.float64]:
        """Confidence of the rule whose body is exactly this walk, (n,); 0 where there is none."""
        return self._confidence[self._nodes(nodes)]

    def best(self, nodes: Ids) -> NDArray[np.float64]:
        """Greatest confidence of any rule whose body is this walk or begins with it, (n,); 0 where there is none."""
        return self._best[self._nodes(nodes)]

    def continuations(self, nodes: Ids) -> Continuations:
        """The relations that continue some rule, and the best confidence that can still be had behind each."""
        nodes = self._nodes(nodes)
        begins, counts = self._edges[nodes], self._edges[nodes.astype(np.int64) + 1] - self._edges[nodes]
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
        edges = np.repeat(begins - offsets[:-1], counts) + np.arange(offsets[-1])
        return Continuations(offsets, self._relations[edges], self._best[self._num_starts + edges])

    def mask(self, nodes: Ids, candidates: Candidates) -> NDArray[np.bool_]:
        """The candidates that rules allow, (num_candidates,) bool.

        A move is allowed if it continues a rule; STAY is where a rule ends. A row that this would leave without a
        move, that of a dead node among them, is left as it is: all its candidates are allowed.

        Raises:
            ValueError: not as many rows as nodes.
            IndexError: a node or a relation out of range.
        """
        worth, rows = self._worth(nodes, candidates)
        allowed = worth > 0
        left = np.bincount(rows[allowed], minlength=len(candidates.offsets) - 1) > 0
        result: NDArray[np.bool_] = allowed | ~left[rows]
        return result

    def prior(self, nodes: Ids, candidates: Candidates, floor: float = 0.01) -> NDArray[np.float32]:
        """Log-scores to add to a policy's logits, (num_candidates,) float32, not normalised.

        The log of the best confidence still to be had behind a move (for STAY: that of the rule that ends here), and
        no less than ``log(floor)``. So the rows of dead nodes are flat, and change no policy.

        Args:
            nodes: (n,).
            candidates: of n rows.
            floor: what a move counts that continues no rule; in (0, 1].

        Raises:
            ValueError: not as many rows as nodes, or a bad floor.
            IndexError: a node or a relation out of range.
        """
        if not 0 < floor <= 1:
            raise ValueError(f"floor: expected a confidence in (0, 1], got {floor!r}")
        worth, _ = self._worth(nodes, candidates)
        return np.log(np.maximum(worth, floor)).astype(np.float32)

    def _worth(self, nodes: Ids, candidates: Candidates) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Confidence behind each candidate, 0 where no rule is, and the row of each."""
        nodes, relations = self._nodes(nodes), _checked("candidate relations", candidates.relations, self._width)
        degrees = np.diff(candidates.offsets)
        if len(degrees) != len(nodes) or degrees.sum() != len(relations):
            raise ValueError(
                f"expected {len(nodes)} rows of candidates, one for each node, "
                f"got offsets of {len(degrees)} rows and {len(relations)} candidates"
            )
        rows = np.repeat(np.arange(len(nodes)), degrees)
        at = nodes[rows]
        ends_here = relations == self._width - 1
        return np.where(ends_here, self._confidence[at], self._best[self._child(at, relations)]), rows

    def _child(self, nodes: Ids, relations: Ids) -> Ids:
        if len(self._keys) == 0:
            return np.zeros(len(nodes), np.int32)
        keys = nodes.astype(np.int64) * self._width + relations
        edges = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.where(self._keys[edges] == keys, self._num_starts + edges, _DEAD).astype(np.int32)

    def _nodes(self, nodes: Ids) -> Ids:
        return _checked("nodes", nodes, self.num_nodes).astype(np.int32, copy=False)


def _both_ways(rules: RuleSet, chosen: NDArray[np.int64], num_relations: int) -> tuple[Ids, Ids, NDArray[np.int64]]:
    """Query relation (2n,), body (2n, longest) and length (2n,) of n cyclic rules: as they are, then turned round."""
    _checked("heads of rules", rules.head, 2 * num_relations)
    _checked("bodies of rules", rules.body, 2 * num_relations)
    lengths = np.diff(rules.body_offsets)[chosen]
    place = np.arange(lengths.max(initial=0))
    inside = place < lengths[:, None]
    begins = rules.body_offsets[chosen][:, None]
    body = np.zeros(inside.shape, np.int32)
    turned = np.zeros(inside.shape, np.int32)
    body[inside] = rules.body[(begins + place)[inside]]
    turned[inside] = _inverse(rules.body[(begins + lengths[:, None] - 1 - place)[inside]], num_relations)
    heads = rules.head[chosen]
    return (
        np.concatenate([heads, _inverse(heads, num_relations)]),
        np.concatenate([body, turned]),
        np.tile(lengths, 2),
    )


def _inverse(relations: Ids, num_relations: int) -> Ids:
    return np.where(relations < num_relations, relations + num_relations, relations - num_relations).astype(np.int32)


def _checked(what: str, values: Any, limit: int) -> Ids:
    """One-dimensional ids in [0, limit)."""
    ids = np.asarray(values)
    if ids.ndim != 1 or not np.issubdtype(ids.dtype, np.integer):
        raise ValueError(f"{what}: expected integers of shape (n,), got {ids.dtype} of shape {ids.shape}")
    if ids.size and not (ids.min() >= 0 and ids.max() < limit):
        raise IndexError(f"{what}: expected ids in [0, {limit}), got {ids.min()} to {ids.max()}")
    return ids
