"""The best items of users, and the walks that speak most for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kgwalk.data.recommendation.metapath_walks import sample_metapath
from kgwalk.protocols import Ids, Ranked, Reasons
from kgwalk.search import Paths
from kgwalk.search.paths import join_offsets, take_rows

from .mixture import Mixture
from .scores import ItemScores

#: Walks of an item that are drawn, to list the weightiest of.
_DRAWN = 32


def best_items(scores: ItemScores, mixture: Mixture, users: Ids, count: int, explained: int) -> Ranked:
    """At most ``count`` items of each user that walks lead to, with the weightiest ``explained`` walks of each.

    An item's score is the log of its share in the weight of all walks of its user, a walk's log-probability likewise.
    Equal scores come by id.
    """
    known = scores.known(users)
    likely, found = scores(users, known)
    first = scores.evidence.items.first
    with torch.inference_mode():
        parts = [mixture(m, likely[m], found[m]) for m in range(len(found))]
        total = torch.stack(parts).sum(0)
        weight = total.double().sum(1, keepdim=True).log().numpy()
        best, items = total.topk(min(count, total.shape[1]), 1)
    rows, places = np.nonzero((best > 0).numpy())
    entities = (items.numpy()[rows, places] + first).astype(np.int32)
    values = np.log(best.double().numpy()[rows, places]) - weight[rows, 0]
    order = np.lexsort((entities, -values, rows))
    rows, entities, values = rows[order], entities[order], values[order]
    offsets = np.searchsorted(rows, np.arange(len(users) + 1)).astype(np.int64)
    paths = None
    if explained:
        shares, begin = _of_pairs(mixture, parts, likely, weight, rows, entities - first)
        paths = _weightiest(scores, users[rows], rows, entities, shares, begin, explained)
    return Ranked(offsets, entities, values, paths)


def weigh_reasons(scores: ItemScores, mixture: Mixture, users: Ids, items: Ids, count: int) -> Reasons:
    """What each metapath weighs for pairs of user and item, and the weightiest ``count`` walks of each pair.

    Weights are shares in the weight of all walks of the user: those of an item add up to the exponential of its score.
    """
    distinct, rows = np.unique(users, return_inverse=True)
    known = scores.known(distinct)
    likely, found = scores(distinct, known)
    with torch.inference_mode():
        parts = [mixture(m, likely[m], found[m]) for m in range(len(found))]
        weight = torch.stack(parts).sum(0).double().sum(1, keepdim=True).log().numpy()
    shares, begin = _of_pairs(mixture, parts, likely, weight, rows, items - scores.evidence.items.first)
    paths = _weightiest(scores, users, np.arange(len(users)), items, shares, begin, count)
    weights = shares / np.exp(weight[rows])
    return Reasons(scores.evidence.metapaths, np.where(shares > 0, weights, 0.0), paths)


def _of_pairs(
    mixture: Mixture,
    parts: Sequence[Tensor],
    likely: Sequence[Tensor],
    weight: NDArray[np.float64],
    rows: NDArray[np.int64],
    columns: NDArray[np.integer],
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """What each metapath's walks weigh for pairs (row, column), and the log of what one weighs but for its edges."""
    at = torch.from_numpy(rows), torch.from_numpy(columns.astype(np.int64))
    shares = torch.stack([part[at] for part in parts], 1).numpy()
    logs = torch.stack([one[at] for one in likely], 1)
    return shares, (mixture.log_weights + mixture.likelihood_weight * logs).numpy() - weight[rows]


def _weightiest(
    scores: ItemScores,
    users: Ids,
    rows: NDArray[np.int64],
    items: Ids,
    shares: NDArray[np.float32],
    begin: NDArray[np.float64],
    count: int,
) -> Paths:
    """The weightiest walks of pairs of user and item, as far as they are among those drawn.

    Args:
        scores: of the graph that is walked.
        users: (p,) of each pair.
        rows: (p,) the query of each pair.
        items: (p,) of each pair.
        shares: (p, metapaths), what the metapath's walks weigh; walks are drawn of the ``count`` greatest.
        begin: (p, metapaths), log of what a walk weighs but for its edges.
        count: walks kept of a pair.
    """
    metapaths, stay = scores.evidence.metapaths, scores.expand.graph.stay
    hops = max(map(len, metapaths))
    chosen = np.argsort(-shares, 1, kind="stable")[:, :count]
    pair, entities, relations, logs = [], [], [], []
    for number, metapath in enumerate(metapaths):
        of = np.flatnonzero(((chosen == number) & (np.take_along_axis(shares, chosen, 1) > 0)).any(1))
        steps = np.array(metapath, np.int32)
        drawn, walks = sample_metapath(scores.expand, metapath, users[of], items[of], _DRAWN)
        pair.append(of[drawn])
        logs.append(begin[of[drawn], number] + scores.evidence.log_weights(metapath, walks))
        rest = hops - len(metapath)
        entities.append(np.concatenate([walks, np.repeat(walks[:, -1:], rest, 1)], 1))
        padded = np.concatenate([steps, np.full(rest, stay, np.int32)])
        relations.append(np.broadcast_to(padded, (len(walks), hops)))
    pairs, weights = np.concatenate(pair), np.concatenate(logs)
    order = np.lexsort((-weights, pairs))
    place = np.arange(len(order)) - np.searchsorted(pairs[order], pairs[order])
    order = order[place < count]
    order = order[np.lexsort((-weights[order], rows[pairs[order]]))]
    return Paths(
        rows[pairs[order]].astype(np.int32),
        np.concatenate(entities)[order],
        np.concatenate(relations)[order],
        weights[order],
        stay,
    )


def deal_out(parts: Sequence[Ranked], which: NDArray[np.int64]) -> Ranked:
    """The lists of batches one after the other; row ``i`` is then list ``which[i]`` of them."""
    bounds = join_offsets([part.offsets for part in parts])
    offsets, index = take_rows(bounds, which)
    paths = None
    if parts and parts[0].paths is not None:
        firsts = np.cumsum([0, *(len(part.offsets) - 1 for part in parts[:-1])]).tolist()
        paths = Paths.concatenate([part.paths for part in parts], firsts).for_queries(which)
    return Ranked(
        offsets,
        np.concatenate([np.empty(0, np.int32), *(part.entities for part in parts)])[index],
        np.concatenate([np.empty(0), *(part.scores for part in parts)])[index],
        paths,
    )
