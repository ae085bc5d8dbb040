"""Paths as people read them: without waiting, and each told once."""

from __future__ import annotations

import numpy as np

from kgwalk.search.paths import Paths


def merge_waits(paths: Paths) -> Paths:
    """Strip STAY and merge the paths that are equal then, adding up their probabilities.

    A walker that reaches its answer in two of three hops may wait before, between or after them: three action
    sequences, one explanation.

    Args:
        paths: What a search found; not changed.

    Returns:
        Distinct paths in the same layout, moves first; places past a path's last move hold STAY and the end entity.
        Grouped by query in rising order, most probable first.
    """
    waits = paths.relations == paths.stay
    order = np.argsort(waits, axis=1, kind="stable")
    relations = np.take_along_axis(paths.relations, order, axis=1)
    tails = np.take_along_axis(paths.entities[:, 1:], order, axis=1)
    tails = np.where(relations == paths.stay, paths.entities[:, -1:], tails)

    # Sorted so that equal paths are neighbours; the hops of one query's paths start at one entity.
    keys = np.column_stack([paths.query, relations, tails])
    by_key = np.lexsort(keys.T[::-1])
    keys = keys[by_key]
    first = np.flatnonzero(np.r_[np.ones(min(len(keys), 1), dtype=bool), (keys[1:] != keys[:-1]).any(axis=1)])
    log_prob = np.logaddexp.reduceat(paths.log_prob[by_key], first) if len(first) else paths.log_prob[:0]

    kept = by_key[first]
    best_first = np.lexsort((-log_prob, paths.query[kept]))
    kept = kept[best_first]
    return Paths(
        query=paths.query[kept],
        entities=np.column_stack([paths.entities[kept, :1], tails[kept]]),
        relations=relations[kept],
        log_prob=log_prob[best_first],
        stay=paths.stay,
    )
