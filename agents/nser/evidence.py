"""Evidence: how many walks lead a user to an item, each counted by how telling its edges are."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kgwalk.data.dataset import facts_of
from kgwalk.data.recommendation.metapaths import EntityType, Metapath
from kgwalk.graph import Expand, Graph
from kgwalk.protocols import Ids, Offsets
from kgwalk.search.paths import row_numbers

Floats = NDArray[np.float32]


class Evidence:
    """Walks along metapaths, added up.

    An edge of a relation between an entity x that is described and what it is described by, y, weighs
    ``idf(y) / |x|``: idf(y) the logarithm of how rare y is, |x| the length of the vector of the idfs of all that
    describes x. It weighs the same both ways. A walk's weight is the product of its edges' but the first, by which the
    user's items are all alike. So the walks along ``interact r ^r`` add up to the cosines, by tf-idf, of an item with
    each of the user's, and those along ``interact ^interact interact`` to item-based collaborative filtering.

    Items are what is described, by users and facts alike; of a relation between others it is the head. Weights are
    those of the graph; an overlay (`through`) takes edges away and adds some, and changes no other's weight.

    Args:
        graph: what is walked.
        interact: relation from users to items; metapaths begin with it.
        items: type that metapaths end at.
        metapaths: relations hop by hop.

    Raises:
        ValueError: a metapath begins otherwise.
    """

    def __init__(self, graph: Graph, interact: int, items: EntityType, metapaths: Sequence[Metapath]) -> None:
        for metapath in metapaths:
            if metapath[0] != interact:
                raise ValueError(f"metapath {metapath} begins with relation {metapath[0]}, not with {interact}")
        self.items = items
        self.metapaths = tuple(metapaths)
        self.num_entities = graph.num_entities
        self._shape = graph.num_entities, graph.num_entities
        facts = facts_of(graph)
        self._steps: dict[int, sparse.csr_array] = {}
        self._units: dict[int, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
        for relation in sorted({relation for metapath in metapaths for relation in metapath[1:]}):
            forward = relation % graph.num_relations
            units, weights = self._weights(facts[facts[:, 1] == forward])
            # The weight of an edge is the product of what its two ends have.
            self._units[relation] = units if relation == forward else (units[1], units[0])
            self._steps[relation] = weights if relation == forward else weights.T.tocsr()

    def through(self, expand: Expand) -> Evidence:
        """What the graph says through an overlay, edges between its own entities only."""
        if expand.overlay is None:
            return self
        heads = expand.overlay.heads
        heads = heads[heads < self.num_entities]
        seen = copy(self)
        seen._steps = {relation: self._replaced(relation, heads, expand) for relation in self._steps}
        return seen

    def __call__(self, known: tuple[Offsets, Ids]) -> list[Floats]:
        """Summed weights of walks from users to items.

        Args:
            known: the users' items: offsets (n + 1,) and entities.

        Returns:
            For each metapath (n, number of items) float32; 0 where no walk leads, and at the users' own items.
        """
        offsets, entities = known
        count = len(offsets) - 1
        ones = np.ones(len(entities), np.float32)
        start = sparse.csr_array((ones, entities, offsets), shape=(count, self.num_entities))
        reached: dict[Metapath, sparse.csr_array] = {}
        found = []
        for metapath in self.metapaths:
            for hop in range(2, len(metapath) + 1):
                if metapath[:hop] not in reached:
                    before = start if hop == 2 else reached[metapath[: hop - 1]]
                    reached[metapath[:hop]] = before @ self._steps[metapath[hop - 1]]
            ends = reached[metapath] if len(metapath) > 1 else start
            dense = ends[:, self.items.first : self.items.last].toarray()
            rows = np.repeat(np.arange(count), np.diff(offsets))
            dense[rows, entities - self.items.first] = 0
            found.append(dense)
        return found

    def log_weights(self, metapath: Metapath, walks: Ids) -> NDArray[np.float64]:
        """Logs of the weights of walks along a metapath, (n, hops + 1) entities: (n,)."""
        total = np.zeros(len(walks))
        if not len(walks):  # scipy gives no array then
            return total
        for hop in range(1, len(metapath)):
            edges = self._steps[metapath[hop]][walks[:, hop], walks[:, hop + 1]]
            total += np.log(np.maximum(edges, np.finfo(np.float32).tiny))
        return total

    def _replaced(self, relation: int, heads: Ids, expand: Expand) -> sparse.csr_array:
        """A relation's edges, those from ``heads`` as an expansion has them."""
        offsets, _, tails = expand(heads, np.array([relation], np.int32), None, False)
        rows, inside = heads[row_numbers(offsets)], tails < self.num_entities
        rows, tails = rows[inside], tails[inside]
        of_heads, of_tails = self._units[relation]
        added = sparse.csr_array(((of_heads[rows] * of_tails[tails]).astype(np.float32), (rows, tails)), self._shape)
        kept = np.ones(self.num_entities, np.float32)
        kept[heads] = 0
        return sparse.csr_array(sparse.diags_array(kept) @ self._steps[relation] + added)

    def _weights(self, facts: Ids) -> tuple[tuple[NDArray[np.float64], NDArray[np.float64]], sparse.csr_array]:
        """What the ends of a relation's edges have, and the edges' weights at (head, tail)."""
        heads, tails = facts[:, 0], facts[:, 2]
        inverted = bool(self._is_item(tails).all() and not self._is_item(heads).any()) and len(facts) > 0
        described, by = (tails, heads) if inverted else (heads, tails)
        count = np.bincount(by, minlength=self.num_entities)
        described_at_all = len(np.unique(described))
        idf = np.log((1 + described_at_all) / np.maximum(count, 1))
        length = np.sqrt(np.bincount(described, idf[by] ** 2, minlength=self.num_entities))
        # Who is described first by what an overlay adds has no length yet.
        one_by = np.divide(1.0, length, out=np.ones_like(length), where=length > 0)
        units = (idf, one_by) if inverted else (one_by, idf)
        values = (units[0][heads] * units[1][tails]).astype(np.float32)
        return units, sparse.csr_array((values, (heads, tails)), shape=self._shape)

    def _is_item(self, entities: Ids) -> NDArray[np.bool_]:
        return (entities >= self.items.first) & (entities < self.items.last)
