"""Ask an agent for lists of items for every user of a split, and measure them."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.data.recommendation.labelled import LabelledRecommendation
from kgwalk.evaluation.catalogue import cold_items, coverage, diversity, fact_neighbours
from kgwalk.evaluation.ranking import check_finite
from kgwalk.evaluation.recommendation_report import Excluded, ListReport, RecommendationProtocol, RecommendationReport
from kgwalk.evaluation.top_k import Relevant, are_among, cut, first_places, join_rows, select, top_k_metrics
from kgwalk.protocols import Agent, DenseAgent, Ids, Offsets, Ranked, Scorer
from kgwalk.search.items import fill_up, top_items
from kgwalk.search.paths import row_numbers

Known = tuple[Offsets, Ids]


def evaluate_recommendations(
    agent: Agent,
    dataset: Recommendation,
    split: str = "test",
    protocol: RecommendationProtocol | None = None,
    *,
    fill: Scorer | None = None,
    progress: bool = True,
) -> RecommendationReport:
    """Measure the lists that an agent recommends to the users of a split.

    The agent is asked once for every user, with a query (user, interact, -1). Of what it answers, items that the user
    is not known to interact with are candidates: neither in train nor, on a test split, in valid, unless the protocol
    excludes others. Where an agent has
    paths, only items that a path ends at are measured; its other items are left to the row ``filled``.

    Args:
        agent: Whatever answers queries. A `DenseAgent` is asked for its scores of all entities.
        dataset: Where the users come from.
        split: Name of one of the dataset's splits; every user with a query in it counts, unless the protocol draws
            some.
        protocol: What the numbers shall mean; ``RecommendationProtocol()`` by default.
        fill: Fills up lists that are short, for the row ``filled``; asked about all items.
        progress: Show a progress bar where stderr is a terminal.

    Raises:
        KeyError: If the dataset has no such split.
        ValueError: If the split is empty or none of its users is in train where users are drawn, the protocol excludes
            rows of train that the dataset has not, or the agent gave another number of lists than it was asked for, or
            a score that is NaN.
    """
    started = time.perf_counter()
    protocol = protocol or RecommendationProtocol()
    users, relevant = relevant_items(dataset, split)
    if not len(users):
        raise ValueError(f"{dataset.name} has no users in {split}")
    left_out = _left_out(dataset, split, protocol.excluded)
    if protocol.users:
        in_train = left_out if protocol.excluded == "train-rows" else _pairs(dataset, "train")
        users, relevant = _drawn(users, relevant, in_train, protocol)
        if not len(users):
            raise ValueError(f"{dataset.name} has no users of {split} in train")
    longest = max(*protocol.cutoffs, protocol.cold_cutoff)
    parts, has_paths = [], False
    console = Console(stderr=True)
    begins = range(0, len(users), protocol.batch_size)
    hidden = not (progress and console.is_terminal)
    for begin in track(begins, "recommending", console=console, transient=True, disable=hidden):
        block = users[begin : begin + protocol.batch_size]
        known = _known(left_out, block)
        ranked = _candidates(agent, dataset, split, block, known)
        has_paths |= ranked.paths is not None
        backed = first_places(ranked if ranked.paths is None else select(ranked, _have_paths(ranked)), longest)
        ranked = first_places(ranked, longest)
        if fill is not None:
            ranked = _filled(ranked, dataset, block, fill, longest, known)
        parts.append((backed, ranked))
    measure = _Measure(dataset, relevant, protocol)
    counted, everything = (join_rows(side) for side in zip(*parts, strict=True))
    has_more = fill is not None or len(everything.entities) > len(counted.entities)
    return RecommendationReport(
        dataset=dataset.name,
        split=split,
        agent=agent.name,
        protocol=protocol,
        users=users,
        lists=measure(counted, explained=has_paths),
        filled=measure(everything, explained=False) if has_more else None,
        seconds=time.perf_counter() - started,
        labelled=dataset.drawn_by if isinstance(dataset, LabelledRecommendation) else None,
    )


def relevant_items(dataset: Recommendation, split: str) -> tuple[Ids, Relevant]:
    """The users of a split, rising, and the items that each of them interacts with in it.

    Raises:
        KeyError: If the dataset has no such split.
    """
    rows = np.unique(dataset.queries(split)[:, [0, 2]], axis=0)
    users, counts = np.unique(rows[:, 0], return_counts=True)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    return users.astype(np.int32), Relevant(offsets, rows[:, 1].astype(np.int32))


class _Measure:
    """Everything that is measured of lists of all users."""

    def __init__(self, dataset: Recommendation, relevant: Relevant, protocol: RecommendationProtocol) -> None:
        self.dataset = dataset
        self.relevant = relevant
        self.protocol = protocol
        self.cold = relevant.only(np.isin(relevant.items, cold_items(dataset)))
        self.neighbours = fact_neighbours(dataset)

    def __call__(self, ranked: Ranked, *, explained: bool) -> ListReport:
        k, cold_k = self.protocol.cutoffs[0], self.protocol.cold_cutoff
        by_user = top_k_metrics(ranked, self.relevant, self.protocol.cutoffs)
        by_user[f"cold_recall@{cold_k}"] = top_k_metrics(ranked, self.cold, [cold_k])[f"recall@{cold_k}"]
        shown = cut(ranked, k)
        items = self.dataset.items
        by_user[f"diversity@{k}"] = diversity(shown, self.neighbours, items.first)
        share = np.diff(shown.offsets) / k
        by_user[f"explained@{k}"] = share if explained else np.zeros_like(share)
        return ListReport(by_user, {f"coverage@{k}": coverage(shown, len(items))}, np.diff(shown.offsets))


def _candidates(agent: Agent, dataset: Recommendation, split: str, users: Ids, known: Known) -> Ranked:
    """What the agent answers, without what is no item or known of the user."""
    graph, items = dataset.graph_for(split), dataset.items
    queries = np.full((len(users), 3), -1, np.int32)
    queries[:, 0], queries[:, 1] = users, dataset.interact
    if isinstance(agent, DenseAgent):
        block = agent.scores(queries, graph)
        shape = len(users), graph.num_entities
        if block.shape != shape:
            raise ValueError(f"agent {agent.name!r} gave scores of shape {block.shape}; expected {shape}")
        check_finite(block, queries)
        return top_items(block[:, items.first : items.last], items.first, known, len(items))
    ranked = agent.answer(queries, graph)
    if len(ranked.offsets) != len(users) + 1:
        raise ValueError(f"agent {agent.name!r} gave {len(ranked.offsets) - 1} lists for {len(users)} users")
    is_item = (ranked.entities >= items.first) & (ranked.entities < items.last)
    return select(ranked, is_item & ~are_among(ranked.offsets, ranked.entities, *known))


def _left_out(dataset: Recommendation, split: str, excluded: Excluded) -> Ids:
    """Users and items that are no candidates when a split is asked about, (n, 2)."""
    parts = [_pairs(dataset, "train")]
    if excluded == "known" and split.startswith("test"):
        parts.append(_pairs(dataset, "valid"))
    if excluded == "train-rows":
        if not isinstance(dataset, LabelledRecommendation):
            raise ValueError(f"{dataset.name} has no sampled negatives: excluded='train-rows' is for labelled sets")
        parts.append(dataset.negatives["train"])
    return np.concatenate(parts)


def _pairs(dataset: Recommendation, split: str) -> Ids:
    return dataset.splits[split][:, [0, 2]]


def _drawn(users: Ids, relevant: Relevant, in_train: Ids, protocol: RecommendationProtocol) -> tuple[Ids, Relevant]:
    """The users that the protocol draws among those with a row in ``in_train``, rising, and their items."""
    able = np.flatnonzero(np.isin(users, in_train[:, 0]))
    rng = np.random.default_rng(protocol.user_seed)
    chosen = np.sort(rng.choice(able, min(protocol.users, len(able)), replace=False)) if len(able) else able
    sizes = np.diff(relevant.offsets)[chosen]
    kept = np.isin(row_numbers(relevant.offsets), chosen)
    return users[chosen], Relevant(np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)]), relevant.items[kept])


def _known(left_out: Ids, users: Ids) -> Known:
    """What is no candidate of each of ``users``, which rise."""
    pairs = np.unique(left_out[np.isin(left_out[:, 0], users)], axis=0)
    return np.searchsorted(pairs[:, 0], np.append(users, users[-1] + 1)).astype(np.int64), np.ascontiguousarray(
        pairs[:, 1]
    )


def _have_paths(ranked: Ranked) -> NDArray[np.bool_]:
    """Which answers a path of their own query ends at."""
    paths = ranked.paths
    if paths.reached is not None:
        return are_among(ranked.offsets, ranked.entities, paths.reached.offsets, paths.reached.entities)
    offsets = np.searchsorted(paths.query, np.arange(len(ranked.offsets))).astype(np.int64)
    return are_among(ranked.offsets, ranked.entities, offsets, np.ascontiguousarray(paths.entities[:, -1]))


def _filled(ranked: Ranked, dataset: Recommendation, users: Ids, scorer: Scorer, k: int, known: Known) -> Ranked:
    place, count = dataset.types.index(dataset.items), len(dataset.items)
    return fill_up(ranked, users, dataset.interact, scorer, k, known=known, item_type=place, num_items=count)
