"""Recommendation as published: a layout of metapaths for each user, and the walks that it has room for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kgwalk.data.recommendation.metapath_walks import count_metapaths
from kgwalk.protocols import Ids, Offsets, Ranked
from kgwalk.search import MetapathLayout, MetapathTree, allocate, metapath_layout, rank_paths, search_metapaths
from kgwalk.search.paths import row_numbers

from ..saved import still
from .config import NserConfig
from .scores import ItemScores

Doubles = NDArray[np.float64]


def walk_layouts(scores: ItemScores, tree: MetapathTree, users: Ids, config: NserConfig) -> Ranked:
    """The items at the ends of the walks that each user's layout has room for, with all of these walks.

    A hop inside is normalised over the neighbours it may go to, the last one over all items.
    """
    known = scores.known(users)
    with torch.inference_mode(), still(scores.network):
        places = _places(scores, tree, scores.vectors(users, known))
        kind = scores.evidence.items
        norms = torch.full(places.shape[:2], torch.nan)
        likely = []
        for leaf in tree.leaves.tolist():
            logits = scores.network.logits(places[:, leaf], kind.first, kind.last)
            norms[:, leaf] = logits.logsumexp(1)
            likely.append(logits - norms[:, leaf, None])
        layout = _layout(scores, tree, users, known, likely, config)
        network = scores.network
        table = torch.zeros(network.first + len(network.entities), network.entities.shape[1])
        table[network.first :] = network.entities
        bias = torch.zeros(len(table))
        bias[network.first :] = network.bias
        found = search_metapaths(
            scores.expand,
            layout,
            users,
            network.scaled(places),
            table,
            entity_bias=bias,
            log_norm=norms,
            interact=int(scores.interact[0]),
        )
    return rank_paths(found, len(users), config.ranking)


def _places(scores: ItemScores, tree: MetapathTree, vectors: Tensor) -> Tensor:
    """What the network predicts at each node of the tree for users (n, dim): (n, nodes, dim)."""
    places = torch.zeros(len(vectors), tree.num_nodes, vectors.shape[1])
    places[:, 0] = vectors
    for node in range(1, tree.num_nodes):
        module = scores.network.relations[str(int(tree.relations[node]))]
        places[:, node] = module(places[:, tree.parents[node]].clone(), vectors)
    return places


def _layout(
    scores: ItemScores,
    tree: MetapathTree,
    users: Ids,
    known: tuple[Offsets, Ids],
    likely: list[Tensor],
    config: NserConfig,
) -> MetapathLayout:
    """Budgets: k_j the mean number of walks to the user's own items, v_j the mean log-likelihood of those items.

    An item's own edge is hidden while its walks are counted. k_j is at most ``config.cap``, and v_j minus infinity
    where no walk leads to an item of the user, as in the published code.
    """
    prior = np.zeros((len(users), len(tree.metapaths)))
    value = np.full(prior.shape, -np.inf)
    if config.allocation != "uniform":
        owner, items = row_numbers(known[0]), known[1]
        counts = count_metapaths(scores.expand, tree.metapaths, users[owner], items, hidden=int(scores.interact[0]))
        per_user = np.maximum(np.diff(known[0]), 1)[:, None]
        np.add.at(prior, owner, counts)
        prior = np.minimum(prior / per_user, config.cap)
        column = items - scores.evidence.items.first
        logs = np.stack([part.numpy()[owner, column] for part in likely], 1)
        reached = np.zeros(prior.shape)
        np.add.at(reached, owner, counts > 0)
        total = np.zeros(prior.shape)
        np.add.at(total, owner, np.where(counts > 0, logs, 0.0))
        np.divide(total, reached, out=value, where=reached > 0)
    asked = allocate(config.allocation, config.budget, prior, value=value, users=users, exact=config.exact)
    layout = metapath_layout(tree, asked, "largest-remainder" if config.repair else "none")
    if not config.breadth:
        return layout
    inner = np.ones(tree.num_nodes, np.bool_)
    inner[[0, *tree.leaves.tolist()]] = False
    budgets = np.where(inner & (layout.budgets > 0), config.breadth, layout.budgets)
    budgets[:, tree.leaves] = asked
    return replace(layout, budgets=budgets.astype(np.int32))
