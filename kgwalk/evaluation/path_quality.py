"""What the paths behind recommendations are like: recent, popular, varied (Balloccu et al., SIGIR 2022, ECIR 2023)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.evaluation.top_k import cut
from kgwalk.protocols import Ranked
from kgwalk.search.paths import Paths

Floats = NDArray[np.float64]
#: In the order in which they are reported.
NAMES = ("lir", "sep", "lid", "sed", "ptd", "ptc", "ppt")


class Explained(NamedTuple):
    """One recommended item with the path that explains it, STAY left out.

    Attributes:
        row: Place of the user.
        user: Entity.
        entities: What the path visits, the user first.
        relations: What it follows.
    """

    row: int
    user: int
    entities: tuple[int, ...]
    relations: tuple[int, ...]


def path_quality(
    ranked: Ranked,
    dataset: Recommendation,
    k: int = 10,
    *,
    days: NDArray[np.int64] | None = None,
    num_patterns: int = 0,
) -> dict[str, Floats]:
    """Quality of the explanations of each user's first k items, an item's being the best path to it.

    - ``lir``, recency of the linked interaction: interactions of the user in the order of their time, smoothed by an
      exponentially weighted mean whose span is their number, and stretched to [0, 1]; the value of the path's first
      item, 0 if the path does not begin with an interaction; the mean over the paths. Without ``days`` it is NaN.
    - ``sep``, popularity of the shared entity, the last before the item: entities of its type in the order of their
      degree, smoothed and stretched likewise.
    - ``lid``, ``sed``: distinct first items, and distinct shared entities, over the number of paths.
    - ``ptd``: distinct last relations over the number of paths, or of relations if these are fewer. A relation and its
      inverse are one.
    - ``ptc``, concentration of last relations: ``1 - sum_t n_t (n_t - 1) / (N (N - 1))``; NaN for fewer than two paths.
    - ``ppt``: distinct patterns, that is whole sequences of directed relations, over the number of paths, or of
      patterns if these are fewer.

    Args:
        ranked: Lists of items with their paths; items without a path are passed over.
        dataset: Whose graph the paths walk.
        k: Items of each list that count.
        days: (n,) when the interactions of ``dataset.splits["train"]`` took place, in any unit; see
            ``kgwalk.data.recommendation.dates.interaction_days``.
        num_patterns: Patterns that there can be; by default the set's metapaths, or those that occur if it has none.

    Returns:
        Each metric by user, (num_users,) float64; NaN for a user without a path.

    Raises:
        ValueError: If the lists have no paths, or ``days`` are not as many as training interactions.
    """
    explained = explanations(ranked, k)
    if days is not None and len(days) != len(dataset.splits["train"]):
        raise ValueError(f"{len(days)} days for {len(dataset.splits['train'])} training interactions")
    count = len(ranked.offsets) - 1
    by_user: list[list[Explained]] = [[] for _ in range(count)]
    for one in explained:
        by_user[one.row].append(one)
    recency = None if days is None else _Recency(dataset, days)
    popularity = _popularity(dataset)
    num_patterns = num_patterns or len(dataset.metapaths) or len({one.relations for one in explained})
    metrics = {name: np.full(count, np.nan) for name in NAMES}
    for row, some in enumerate(by_user):
        if not some:
            continue
        number = len(some)
        firsts, shared = [one.entities[1] for one in some], [one.entities[-2] for one in some]
        kinds = [one.relations[-1] % dataset.graph.num_relations for one in some]
        if recency is not None:
            metrics["lir"][row] = np.mean([recency(one) for one in some])
        metrics["sep"][row] = np.mean(popularity[shared])
        metrics["lid"][row] = len(set(firsts)) / number
        metrics["sed"][row] = len(set(shared)) / number
        metrics["ptd"][row] = len(set(kinds)) / min(number, dataset.graph.num_relations)
        if number > 1:
            sizes = np.unique(kinds, return_counts=True)[1]
            metrics["ptc"][row] = 1 - (sizes * (sizes - 1)).sum() / (number * (number - 1))
        metrics["ppt"][row] = len({one.relations for one in some}) / min(number, num_patterns)
    return metrics


def explanations(ranked: Ranked, k: int) -> list[Explained]:
    """The best path to each of the first k items of each list, in the order of the lists.

    Raises:
        ValueError: If the lists have no paths.
    """
    paths: Paths | None = ranked.paths
    if paths is None:
        raise ValueError("these lists have no paths")
    best: dict[tuple[int, int], int] = {}
    ends = zip(paths.query.tolist(), paths.entities[:, -1].tolist(), strict=True)
    for place, end in enumerate(ends):  # the best path of a query comes first
        best.setdefault(end, place)
    top = cut(ranked, k)
    found = []
    for row, (begin, end) in enumerate(zip(top.offsets[:-1].tolist(), top.offsets[1:].tolist(), strict=True)):
        for item in top.entities[begin:end].tolist():
            place = best.get((row, item), -1)
            if place >= 0:
                found.append(_without_waits(paths, row, place))
    return found


def _without_waits(paths: Paths, row: int, place: int) -> Explained:
    entities, relations = paths.entities[place].tolist(), paths.relations[place].tolist()
    moved = [hop for hop, relation in enumerate(relations) if relation != paths.stay]
    visited = (entities[0], *(entities[hop + 1] for hop in moved))
    return Explained(row, entities[0], visited, tuple(relations[hop] for hop in moved))


class _Recency:
    """How recent a user's interactions are, in [0, 1], each user's worked out when first asked for."""

    def __init__(self, dataset: Recommendation, days: NDArray[np.int64]) -> None:
        train = dataset.splits["train"]
        order = np.lexsort((train[:, 2], days, train[:, 0]))
        self.interact = dataset.interact
        self.users = train[order, 0]
        self.items = train[order, 2]
        self.days = days[order].astype(np.float64)
        self.known: dict[int, dict[int, float]] = {}

    def __call__(self, one: Explained) -> float:
        if one.relations[0] != self.interact:
            return 0.0
        if one.user not in self.known:
            first, last = np.searchsorted(self.users, [one.user, one.user + 1])
            values = smoothed(self.days[first:last])
            self.known[one.user] = dict(zip(self.items[first:last].tolist(), values.tolist(), strict=True))
        return self.known[one.user].get(one.entities[1], 0.0)


def _popularity(dataset: Recommendation) -> Floats:
    """How popular each entity is among those of its type, (num_entities,) in [0, 1]."""
    degrees = np.diff(dataset.graph.offsets)
    values = np.zeros(len(degrees))
    for kind in dataset.types:
        order = kind.first + np.argsort(degrees[kind.first : kind.last], kind="stable")
        values[order] = smoothed(degrees[order].astype(np.float64))
    return values


def smoothed(rising: Sequence[float] | Floats) -> Floats:
    """Exponentially weighted means of rising numbers, stretched to [0, 1].

    The mean up to the i-th of n is ``sum_j (1 - a)^(i - j) x_j / sum_j (1 - a)^(i - j)`` with ``a = 2 / (n + 1)``.
    Equal numbers are replaced by their places; a single one gives 0.
    """
    numbers = np.asarray(rising, np.float64)
    if len(numbers) < 2:
        return np.zeros(len(numbers))
    from scipy.signal import lfilter  # takes seconds to import

    if numbers[0] == numbers[-1]:
        numbers = np.arange(len(numbers), dtype=np.float64)
    numbers = numbers - numbers[0]
    kept = 1 - 2 / (len(numbers) + 1)
    means: Floats = lfilter([1.0], [1.0, -kept], numbers) / lfilter([1.0], [1.0, -kept], np.ones(len(numbers)))
    stretched: Floats = (means - means[0]) / (means[-1] - means[0])
    return stretched
