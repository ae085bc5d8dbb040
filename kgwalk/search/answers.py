"""From paths to ranked answers."""

from __future__ import annotations

from typing import Literal

from kgwalk._core import rank_order
from kgwalk.protocols import Ranked
from kgwalk.search.paths import Paths, Reached

Pool = Literal["logsumexp", "max"]


def rank(paths: Paths, num_queries: int, pool: Pool = "logsumexp") -> Ranked:
    """The entities that each query's paths end at, best first.

    Where the search scored more than the paths it kept (``paths.reached``), all of that is ranked.

    Args:
        paths: of queries ``0 .. num_queries - 1``; a query without paths gets an empty row.
        num_queries: rows of the answer.
        pool: an entity's score: the log of the summed probability of the action sequences that end there, or the
            log-probability of the best of them.

    Returns:
        Scores falling within a row, equal ones by entity id; the paths go along.

    Raises:
        ValueError: for an unknown pool.
        IndexError: if the paths belong to more queries.
    """
    if pool not in ("logsumexp", "max"):
        raise ValueError(f"pool must be logsumexp or max, got {pool!r}")
    reached = Reached.of_paths(paths, num_queries) if paths.reached is None else paths.reached
    if len(reached.offsets) != num_queries + 1:
        raise IndexError(f"paths are of {len(reached.offsets) - 1} queries, not of {num_queries}")
    scores = reached.logsumexp if pool == "logsumexp" else reached.max
    order = rank_order(reached.offsets, reached.entities, scores)
    return Ranked(reached.offsets, reached.entities[order], scores[order], paths)
