"""Results of an evaluation: numbers, JSON, and tables for people."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from kgwalk.evaluation.metrics import average_metrics, ranking_metrics
from kgwalk.evaluation.protocol import Protocol
from kgwalk.files import write_atomically


@dataclass(frozen=True)
class DirectionReport:
    """Results on the tail queries of a split, or on its head queries.

    Attributes:
        ranks: (n,) float64 in the split's order, infinity for a miss; the raw material of significance tests.
        relations: (n,) name of each query's relation, the forward one.
        hits: The k of hits@k.
        unseen: How many queries have a source or target without an edge in the walked graph.
    """

    ranks: NDArray[np.float64] = field(repr=False)
    relations: list[str] = field(repr=False)
    hits: tuple[int, ...]
    unseen: int

    @property
    def metrics(self) -> dict[str, float]:
        """``mrr`` and ``hits@k``."""
        return ranking_metrics(self.ranks, self.hits)

    @property
    def reached(self) -> int:
        """How many targets are in their query's list of answers."""
        return int(np.isfinite(self.ranks).sum())

    def per_relation(self) -> dict[str, dict[str, float]]:
        """Number of ``queries`` and the metrics of each relation, most frequent first."""
        names, codes, counts = np.unique(
            np.array(self.relations, dtype=object), return_inverse=True, return_counts=True
        )
        order = np.argsort(-counts, kind="stable")
        return {
            str(names[i]): {"queries": int(counts[i]), **ranking_metrics(self.ranks[codes == i], self.hits)}
            for i in order
        }


@dataclass(frozen=True)
class Report:
    """What `evaluate` found out.

    Attributes:
        dataset: Name of the dataset.
        split: Name of the split.
        agent: Name of the agent.
        protocol: What the numbers mean.
        tail: Results of the tail queries, None if they were not asked.
        head: Results of the head queries, None if they were not asked.
        map: Mean average precision over labelled candidates, a mean over relations; None without candidates.
        map_per_relation: Its parts, the means over each relation's queries.
        auc_pr: Area under the precision-recall curve (Countries); None elsewhere.
        seconds: Time the evaluation took.
    """

    dataset: str
    split: str
    agent: str
    protocol: Protocol
    tail: DirectionReport | None
    head: DirectionReport | None
    map: float | None = None
    map_per_relation: dict[str, float] = field(default_factory=dict)
    auc_pr: float | None = None
    seconds: float = 0.0

    @property
    def directions(self) -> dict[str, DirectionReport]:
        """What was asked, by name."""
        named = {"tail": self.tail, "head": self.head}
        return {name: part for name, part in named.items() if part is not None}

    @property
    def metrics(self) -> dict[str, Any]:
        """``tail``, ``head`` and ``both`` (the mean of the two; only where both were asked), ``map``, ``auc_pr``."""
        metrics: dict[str, Any] = {name: part.metrics for name, part in self.directions.items()}
        if self.tail is not None and self.head is not None:
            metrics["both"] = average_metrics(metrics["tail"], metrics["head"])
        if self.map is not None:
            metrics["map"] = self.map
        if self.auc_pr is not None:
            metrics["auc_pr"] = self.auc_pr
        return metrics

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON values; what could not be measured is null."""
        plain = {
            "dataset": self.dataset,
            "split": self.split,
            "agent": self.agent,
            "protocol": self.protocol.to_json(),
            "metrics": self.metrics,
            "counts": {
                name: {"queries": len(part.ranks), "reached": part.reached, "unseen": part.unseen}
                for name, part in self.directions.items()
            },
            "per_relation": {name: part.per_relation() for name, part in self.directions.items()},
            "map_per_relation": self.map_per_relation,
            "seconds": round(self.seconds, 3),
        }
        cleaned: dict[str, Any] = _without_nan(plain)
        return cleaned

    def save(self, path: Path) -> None:
        """Write `to_json` to a file, whole or not at all."""
        write_atomically(path, (json.dumps(self.to_json(), indent=2, allow_nan=False) + "\n").encode())

    def table(self) -> Table:
        """The metrics by direction, for ``rich.print``."""
        title = f"{self.agent} on {self.dataset} {self.split}" + ("" if self.protocol.filtered else " (raw)")
        table = Table(title=title, title_justify="left")
        table.add_column("")
        for name in ("MRR", *(f"H@{k}" for k in self.protocol.hits), "queries", "reached", "unseen"):
            table.add_column(name, justify="right")
        for name, values in self.metrics.items():
            if isinstance(values, dict):
                parts = list(self.directions.values()) if name == "both" else [self.directions[name]]
                counts = (
                    sum(len(part.ranks) for part in parts),
                    sum(part.reached for part in parts),
                    sum(part.unseen for part in parts),
                )
                table.add_row(name, *(_figure(value) for value in values.values()), *(f"{n:,}" for n in counts))
        singles = [("MAP", self.map), ("AUC-PR", self.auc_pr)]
        caption = "   ".join(f"{name} {_figure(value)}" for name, value in singles if value is not None)
        table.caption = caption or None
        table.caption_justify = "left"
        return table

    def relation_table(self, limit: int = 20) -> Table:
        """MRR and hits of the most frequent relations, for ``rich.print``."""
        table = Table(title=f"by relation, the {limit} most frequent", title_justify="left")
        table.add_column("relation", overflow="fold")
        table.add_column("")
        for name in ("queries", "MRR", *(f"H@{k}" for k in self.protocol.hits)):
            table.add_column(name, justify="right")
        parts = {name: part.per_relation() for name, part in self.directions.items()}
        for relation in list(next(iter(parts.values()), {}))[:limit]:
            for direction, rows in parts.items():
                count, *values = rows[relation].values()
                table.add_row(relation, direction, f"{count:,}", *(_figure(value) for value in values))
        return table


def _figure(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
