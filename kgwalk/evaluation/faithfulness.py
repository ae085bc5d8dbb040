"""Whether an agent needs the path that explains a recommendation: the path's facts are hidden, and it is asked again.

What others call fidelity, the share of items that have an explanation, is in every report as ``explained@k``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kgwalk._core import Expand, Overlay
from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.evaluation.path_quality import Explained, explanations
from kgwalk.evaluation.top_k import are_among, select
from kgwalk.protocols import Ids, Offsets, Ranked
from kgwalk.search.items import known_items

Floats = NDArray[np.float64]


class OverlayAgent(Protocol):
    """An agent that walks what an ``Expand`` shows: a graph, less what an overlay hides, plus what it adds."""

    def answer(self, queries: Ids, graph: Expand) -> Ranked:
        """As ``kgwalk.protocols.Agent.answer``, moves taken from ``ActionSets(graph)`` instead of a whole graph's."""
        ...


@dataclass(frozen=True)
class Faithfulness:
    """What hiding the paths of recommendations did, one path a row.

    Attributes:
        users: (n,) int32.
        items: (n,) int32, what was recommended.
        rank: (n,) place of the item in the user's list, from 1.
        rank_without: (n,) its place once the facts of its path are hidden; infinity if it is not listed any more.
        score: (n,) the agent's score of the item.
        score_without: (n,) likewise; minus infinity if it is not listed any more.
        others: (n,) how many places the user's other top items fell on average meanwhile, those that are gone not
            counted; NaN if none is left. An explanation says something if its own item falls farther.
    """

    users: Ids = field(repr=False)
    items: Ids = field(repr=False)
    rank: Floats = field(repr=False)
    rank_without: Floats = field(repr=False)
    score: Floats = field(repr=False)
    score_without: Floats = field(repr=False)
    others: Floats = field(repr=False)

    @property
    def metrics(self) -> dict[str, float]:
        """Means over the paths that were hidden.

        ``gone``: share of items no longer listed; ``fell``: share that are gone or lower; ``rank_change`` and
        ``score_change``: of those still listed; ``reciprocal_rank_change``: of all, 0 standing for what is gone;
        ``others_rank_change``: of the users' other items. NaN for what applies to none.
        """
        listed = np.isfinite(self.rank_without)
        return {
            "gone": _mean((~listed).astype(np.float64)),
            "fell": _mean((self.rank_without > self.rank).astype(np.float64)),
            "rank_change": _mean((self.rank_without - self.rank)[listed]),
            "score_change": _mean((self.score_without - self.score)[listed]),
            "reciprocal_rank_change": _mean(1 / self.rank_without - 1 / self.rank),
            "others_rank_change": _mean(self.others[~np.isnan(self.others)]),
        }


def faithfulness(
    agent: OverlayAgent,
    dataset: Recommendation,
    users: Ids,
    k: int = 10,
    *,
    paths: int = 200,
    max_out_degree: int = 0,
    seed: int = 0,
) -> Faithfulness:
    """Hide the facts of paths behind recommendations, one path at a time, and recommend again.

    Inverses of a hidden fact are hidden with it. Items that the user is known to interact with in train stay out of
    the lists when the fact that tells so is hidden.

    Args:
        agent: Asked once for all users, and once for every path.
        dataset: Whose training graph is walked.
        users: (n,) int32, distinct.
        k: Items of each list whose paths may be hidden.
        paths: How many are hidden at most, drawn among all of them.
        max_out_degree: Edges a node shows, 0 for all: what the agent was trained with.
        seed: Of the draw.

    Raises:
        ValueError: If the agent's lists have no paths.
    """
    queries = np.full((len(users), 3), -1, np.int32)
    queries[:, 0], queries[:, 1] = users, dataset.interact
    known = known_items(dataset.graph, users, dataset.interact)
    before = _unknown(agent.answer(queries, Expand(dataset.graph, None, max_out_degree)), known)
    explained = explanations(before, k)
    drawn = np.sort(np.random.default_rng(seed).permutation(len(explained))[:paths])
    rows = [_hide(agent, dataset, queries, before, explained[i], known, k, max_out_degree) for i in drawn.tolist()]
    columns = np.array(rows, np.float64).reshape(-1, 5).T
    chosen = [explained[i] for i in drawn.tolist()]
    return Faithfulness(
        np.array([one.user for one in chosen], np.int32),
        np.array([one.entities[-1] for one in chosen], np.int32),
        *columns,
    )


def _hide(
    agent: OverlayAgent,
    dataset: Recommendation,
    queries: Ids,
    before: Ranked,
    one: Explained,
    known: tuple[Offsets, Ids],
    k: int,
    max_out_degree: int,
) -> tuple[float, float, float, float, float]:
    """Rank, rank without the path, score, score without it, and how far the user's other top items fell."""
    overlay = Overlay(dataset.graph, facts_of_path(one, dataset.graph.num_relations), np.empty((0, 3), np.int32))
    told = known[0][one.row : one.row + 2]
    own = (told - told[0], known[1][told[0] : told[1]])
    query = np.ascontiguousarray(queries[one.row : one.row + 1])
    after = _unknown(agent.answer(query, Expand(dataset.graph, overlay, max_out_degree)), own)
    begin, end = before.offsets[one.row], before.offsets[one.row + 1]
    then, now = before.entities[begin:end], after.entities
    places = {item: place for place, item in enumerate(now.tolist(), 1)}
    item = one.entities[-1]
    rank = int(np.flatnonzero(then == item)[0]) + 1
    moved = [
        places[other] - place for place, other in enumerate(then[:k].tolist(), 1) if other in places and other != item
    ]
    place = places.get(item, 0)
    return (
        float(rank),
        float(place) if place else np.inf,
        float(before.scores[begin + rank - 1]),
        float(after.scores[place - 1]) if place else -np.inf,
        float(np.mean(moved)) if moved else np.nan,
    )


def facts_of_path(one: Explained, num_relations: int) -> Ids:
    """The distinct facts that a path walks, forwards, (m, 3) int32."""
    facts = []
    for hop, relation in enumerate(one.relations):
        head, tail = one.entities[hop : hop + 2]
        facts.append((head, relation, tail) if relation < num_relations else (tail, relation - num_relations, head))
    return np.array(sorted(set(facts)), np.int32).reshape(-1, 3)


def _unknown(ranked: Ranked, known: tuple[Offsets, Ids]) -> Ranked:
    return select(ranked, ~are_among(ranked.offsets, ranked.entities, *known))


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else float("nan")
