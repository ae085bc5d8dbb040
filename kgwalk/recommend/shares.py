"""The coarse explanation: how much of a list's weight goes by each metapath, and the layout tree that these make."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.data.recommendation.metapaths import Metapath
from kgwalk.recommend.phrases import step_words
from kgwalk.recommend.sentences import kind_reached
from kgwalk.recommend.templates import Templates
from kgwalk.recommend.words import LayoutNode, MetapathShare
from kgwalk.search import MetapathTree, metapath_tree


def metapath_shares(
    dataset: Recommendation,
    templates: Templates,
    metapaths: Sequence[Metapath],
    weights: NDArray[np.float64],
    walks: NDArray[np.int64],
) -> dict[Metapath, MetapathShare]:
    """Shares of metapaths in a list, the greatest first; those that lead nowhere are left out.

    Args:
        dataset: Whose metapaths these are.
        templates: What to call them.
        metapaths: Relations hop by hop.
        weights: (items, metapaths), what each metapath weighs for each item of the list, in their order.
        walks: (items, metapaths), how many walks there are.
    """
    total, by_metapath = weights.sum(), weights.sum(0)
    best = weights.argmax(1)
    order = [m for m in np.argsort(-by_metapath, kind="stable").tolist() if by_metapath[m] > 0]
    return {
        metapaths[m]: MetapathShare(
            metapath=tuple(map(dataset.relation_name, metapaths[m])),
            words=templates.words(metapaths[m]),
            share=float(by_metapath[m] / total),
            walks=int(walks[:, m].sum()),
            items=int((weights[:, m] > 0).sum()),
            leads=tuple((np.flatnonzero(best == m) + 1).tolist()),
        )
        for m in order
    }


def layout_of(dataset: Recommendation, shares: dict[Metapath, MetapathShare], user: str) -> LayoutNode:
    """The prefix tree of metapaths, each node with the share of all that pass through it.

    Args:
        dataset: Whose metapaths these are.
        shares: At least one.
        user: What stands at the root.
    """
    return _node(metapath_tree(list(shares)), 0, dataset, shares, user)


def _node(
    tree: MetapathTree, node: int, dataset: Recommendation, shares: dict[Metapath, MetapathShare], kind: str
) -> LayoutNode:
    below = np.flatnonzero(tree.parents == node).tolist()
    made = [_node(tree, child, dataset, shares, kind_reached(dataset, int(tree.relations[child]))) for child in below]
    children = tuple(sorted(made, key=lambda child: -child.share))
    which = int(tree.metapath_of[node])
    metapath = None if which < 0 else shares[tree.metapaths[which]]
    return LayoutNode(
        step=step_words(dataset, int(tree.relations[node])) if node else "",
        kind=kind,
        share=metapath.share if metapath is not None else sum(child.share for child in children),
        children=children,
        metapath=metapath,
    )
