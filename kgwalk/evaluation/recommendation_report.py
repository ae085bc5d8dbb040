"""Results of an evaluation of recommendations, and what they mean."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from kgwalk.files import write_atomically
from kgwalk.protocols import Ids

Floats = NDArray[np.float64]
Excluded = Literal["known", "train", "train-rows"]
_CANDIDATES: dict[Excluded, str] = {
    "known": "items that the user interacts with neither in train nor, on test, in valid",
    "train": "items that the user does not interact with in train; those of valid stay in, on test too",
    "train-rows": "items that the user has in no row of train, neither as an interaction nor as a sampled negative",
}
_LABELS = {"ndcg": "NDCG", "recall": "recall", "hr": "HR", "precision": "precision"}


@dataclass(frozen=True)
class RecommendationProtocol:
    """Settings of an evaluation of recommendations. What is not here is fixed, and named in `to_json`.

    Attributes:
        cutoffs: The k of NDCG, recall, hit ratio and precision; coverage, diversity and the share of explained items
            are those of the first.
        cold_cutoff: The k of the recall of items that nobody interacts with in train.
        batch_size: Users put to the agent at once; changes no result.
        name: What the figures go by; of records that say none, ``unseen``.
        excluded: What is no candidate of a user: ``known``, the interactions of train and, on test, those of valid;
            ``train``, those of train alone; ``train-rows``, the rows of train, sampled negatives among them, which only
            a `LabelledRecommendation` has.
        users: How many users are drawn among those that are in train and in the split, all if there are not so many;
            0 for all of the split. A user is in train by an interaction, or by any row with ``train-rows``.
        user_seed: Draws them.
    """

    cutoffs: tuple[int, ...] = (10,)
    cold_cutoff: int = 20
    batch_size: int = 512
    name: str = "unseen"
    excluded: Excluded = "known"
    users: int = 0
    user_seed: int = 0

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing."""
        if not self.cutoffs or min(self.cutoffs) < 1:
            raise ValueError(f"cutoffs is {self.cutoffs}; expected numbers of 1 or more")
        for key in ("cold_cutoff", "batch_size"):
            if getattr(self, key) < 1:
                raise ValueError(f"{key} is {getattr(self, key)}; expected 1 or more")
        for key in ("users", "user_seed"):
            if getattr(self, key) < 0:
                raise ValueError(f"{key} is {getattr(self, key)}; expected 0 or more")
        if self.excluded not in _CANDIDATES:
            raise ValueError(f"excluded is {self.excluded!r}; expected {', '.join(_CANDIDATES)}")

    def to_json(self) -> dict[str, Any]:
        """The settings and the fixed rules, for the file of results; no name if nothing but the cutoffs is set."""
        named = {"name": self.name, "excluded": self.excluded} if self._is_named else {}
        return {
            **named,
            "cutoffs": list(self.cutoffs),
            "cold_cutoff": self.cold_cutoff,
            "candidates": _CANDIDATES[self.excluded],
            "users": self._who,
            "lists": "short ones stay short, without a list all is 0; of agents with paths, items with a path count",
            "ties": "expected over their orders",
        }

    @property
    def _is_named(self) -> bool:
        return (self.name, self.excluded, self.users) != ("unseen", "known", 0)

    @property
    def _who(self) -> str:
        if not self.users:
            return "all of the split"
        has = "a row" if self.excluded == "train-rows" else "an interaction"
        return (
            f"{self.users} drawn by seed {self.user_seed} among those of the split with {has} in train, or all of these"
        )


#: Ranks for every user of the split, and leaves out training interactions alone: those of valid are candidates, which
#: are misses on test.
TOPK_ALL = RecommendationProtocol(cutoffs=(10, 2, 5, 20, 50, 100), name="topk-all", excluded="train")
#: As KGCN's published code measures: 100 users, and no candidate that has a row in train, a sampled negative or not.
TOPK_100_USERS = replace(TOPK_ALL, name="topk-100users", excluded="train-rows", users=100)


@dataclass(frozen=True)
class ListReport:
    """What was measured of one list for each user.

    Attributes:
        by_user: Each metric's value by user, (num_users,) float64 in the order of ``RecommendationReport.users``; NaN
            where it does not apply. The raw material of significance tests.
        overall: Metrics of all lists together.
        lengths: (num_users,) items within the first cutoff.
    """

    by_user: Mapping[str, Floats] = field(repr=False)
    overall: Mapping[str, float]
    lengths: NDArray[np.int64] = field(repr=False)

    @property
    def metrics(self) -> dict[str, float]:
        """Means over the users a metric applies to, NaN if there are none, and what is of all lists together."""
        means = {name: _mean(values) for name, values in self.by_user.items()}
        return {**means, **self.overall}


@dataclass(frozen=True)
class RecommendationReport:
    """What came of evaluating an agent's recommendations on a split.

    Attributes:
        dataset: Name of the dataset.
        split: Name of the split.
        agent: Name of the agent.
        protocol: What the numbers mean.
        users: (num_users,) int32, rising: every user of the split, or those that the protocol draws.
        lists: The lists that count: of an agent with paths, items that have one.
        filled: The same lists with what the agent or a scorer added without a path; None if nothing was.
        seconds: Time the evaluation took.
        labelled: The seed of the labelled split; None of the dataset's own.
    """

    dataset: str
    split: str
    agent: str
    protocol: RecommendationProtocol
    users: Ids = field(repr=False)
    lists: ListReport
    filled: ListReport | None = None
    seconds: float = 0.0
    labelled: int | None = None

    @property
    def metrics(self) -> dict[str, Any]:
        """The metrics by name, and under ``filled`` those of the filled lists where there are any.

        What applies to no user, such as the recall of cold items where there are none, is left out.
        """
        metrics: dict[str, Any] = _without_nan(self.lists.metrics)
        if self.filled is not None:
            metrics["filled"] = _without_nan(self.filled.metrics)
        return metrics

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON values, figures by user included."""
        cold = self.lists.by_user[f"cold_recall@{self.protocol.cold_cutoff}"]
        return {
            "dataset": self.dataset,
            "split": self.split,
            "agent": self.agent,
            **({} if self.labelled is None else {"labelled": self.labelled}),
            "protocol": self.protocol.to_json(),
            "metrics": self.metrics,
            "counts": {
                "users": len(self.users),
                "without_list": int((self.lists.lengths == 0).sum()),
                "short_lists": int((self.lists.lengths < self.protocol.cutoffs[0]).sum()),
                "users_with_cold_items": int((~np.isnan(cold)).sum()),
            },
            "users": self.users.tolist(),
            "by_user": {name: _plain(values) for name, values in self.lists.by_user.items()},
            "filled_by_user": (
                {} if self.filled is None else {name: _plain(v) for name, v in self.filled.by_user.items()}
            ),
            "seconds": round(self.seconds, 3),
        }

    def save(self, path: Path) -> None:
        """Write `to_json` to a file, whole or not at all."""
        write_atomically(path, (json.dumps(self.to_json(), allow_nan=False) + "\n").encode())

    def table(self) -> Table:
        """The metrics, for ``rich.print``; a second column for lists that were filled up."""
        title = f"{self.agent} on {self.dataset} {self.split}"
        if self.labelled is not None:
            title += f", labelled by seed {self.labelled}"
        table = Table(title=title, title_justify="left")
        columns = [("", self.lists)] if self.filled is None else [("explained", self.lists), ("filled", self.filled)]
        table.add_column("")
        for title, _ in columns:
            table.add_column(title, justify="right")
        for name in self.lists.metrics:
            table.add_row(_label(name), *(_figure(part.metrics[name]) for _, part in columns))
        table.add_section()
        cutoff = self.protocol.cutoffs[0]
        counts = [
            (len(self.users), int((part.lengths < cutoff).sum()), int((part.lengths == 0).sum())) for _, part in columns
        ]
        for name, values in zip(("users", "short lists", "empty lists"), zip(*counts, strict=True), strict=True):
            table.add_row(name, *(f"{value:,}" for value in values))
        return table


def _label(metric: str) -> str:
    name, at, k = metric.partition("@")
    return _LABELS.get(name, name.replace("_", " ")) + at + k


def _mean(values: Floats) -> float:
    applies = values[~np.isnan(values)]
    return float(applies.mean()) if len(applies) else float("nan")


def _figure(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"


def _plain(values: Floats) -> list[float | None]:
    return [None if math.isnan(value) else round(value, 6) for value in values.tolist()]


def _without_nan(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if not math.isnan(value)}
