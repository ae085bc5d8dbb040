"""Agents side by side on labelled sets, over seeds: a table, figures by seed, and what a picture is drawn of."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich import box
from rich.table import Table

from kgwalk.files import write_atomically


class Column(NamedTuple):
    """A metric in the table: which protocol's, under which name, and what to call it."""

    protocol: str
    metric: str
    label: str


COLUMNS = (
    Column("ctr", "auc", "AUC"),
    Column("ctr", "f1", "F1"),
    Column("topk-all", "recall@10", "R@10"),
    Column("topk-all", "recall@20", "R@20"),
    Column("topk-all", "recall@100", "R@100"),
    Column("topk-all", "ndcg@10", "N@10"),
    Column("topk-all", "cold_recall@20", "cold R@20"),
    Column("topk-all", "coverage@10", "coverage"),
    Column("topk-all", "diversity@10", "diversity"),
)
#: What is compared with the references.
DIFFERENCE = Column("topk-all", "recall@10", "R@10")
_NOTES = (
    "`ctr`: labelled rows are told apart. `topk-all`: items are ranked for every user of the split, those of train "
    "left out; R is recall, N is NDCG, coverage and diversity are those of 10 items.",
    "± is the standard deviation over seeds (n - 1); a seed draws negatives, split and training. Differences are "
    "taken seed by seed.",
)


@dataclass(frozen=True)
class Measured:
    """An agent of one seed.

    Attributes:
        model: Name of the agent.
        seed: Of the labelled split and the training.
        figures: Metrics by name of the protocol, see ``LabelledReport.metrics``.
        made_by: JSON-able: where its run is and how it came about; ``altered``, settings that others of its name have
            not, stands below the table.
    """

    model: str
    seed: int
    figures: Mapping[str, Mapping[str, float]]
    made_by: Mapping[str, Any] = field(default_factory=dict)


class Spread(NamedTuple):
    """A number over seeds.

    Attributes:
        mean: NaN if no seed has the number.
        deviation: Standard deviation, of n - 1; NaN of fewer than two.
    """

    mean: float
    deviation: float

    def words(self, between: str = " ± ", *, signed: bool = False) -> str:
        """Mean and, of several seeds, standard deviation; "-" if there is neither."""
        if math.isnan(self.mean):
            return "-"
        mean = f"{self.mean:+.4f}" if signed else f"{self.mean:.4f}"
        return mean if math.isnan(self.deviation) else f"{mean}{between}{self.deviation:.4f}"

    def to_json(self) -> dict[str, float | None]:
        """Plain JSON values."""
        return {
            key: None if math.isnan(value) else value
            for key, value in (("mean", self.mean), ("deviation", self.deviation))
        }


@dataclass(frozen=True)
class Comparison:
    """Agents that were measured on the same labelled sets, one for each seed.

    Attributes:
        dataset: Name of the dataset.
        split: Name of the split.
        measured: In any order; every model has every seed once.
        references: Models that the others are held against.
    """

    dataset: str
    split: str
    measured: Sequence[Measured]
    references: Sequence[str] = ()

    @property
    def models(self) -> list[str]:
        """Names of the models, the best recall of 10 first."""
        names = dict.fromkeys(one.model for one in self.measured)
        return sorted(names, key=lambda name: -np.nan_to_num(self.spread(name, DIFFERENCE).mean, nan=-1.0))

    @property
    def seeds(self) -> list[int]:
        """Seeds, rising."""
        return sorted({one.seed for one in self.measured})

    def by_seed(self, model: str, protocol: str, metric: str) -> dict[int, float]:
        """A metric of a model by seed, of those seeds that have it."""
        return {
            one.seed: one.figures[protocol][metric]
            for one in self.measured
            if one.model == model and metric in one.figures.get(protocol, {})
        }

    def spread(self, model: str, column: Column) -> Spread:
        """A metric of a model over seeds."""
        return spread_of(list(self.by_seed(model, column.protocol, column.metric).values()))

    def difference(self, model: str, reference: str) -> Spread:
        """How much better a model's recall of 10 is than a reference's, seed by seed."""
        own, other = (self.by_seed(name, DIFFERENCE.protocol, DIFFERENCE.metric) for name in (model, reference))
        return spread_of([own[seed] - other[seed] for seed in own if seed in other])

    @property
    def altered(self) -> list[str]:
        """Models that were trained with settings of their own, and which, in a line each."""
        return [
            f"{one.model}, seed {one.seed}: {' '.join(one.made_by['altered'])}"
            for one in self.measured
            if one.made_by.get("altered")
        ]

    @property
    def heading(self) -> str:
        """What was compared."""
        seeds = self.seeds
        told = f"seed {seeds[0]}" if len(seeds) == 1 else f"{len(seeds)} seeds"
        return f"{self.dataset}, labelled split, {self.split}, {told}"

    def table(self) -> Table:
        """Models by metrics, for ``rich.print``; standard deviations stand below the means."""
        table = Table(title=self.heading, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for number, title in enumerate(self._titles("\n")):
            table.add_column(title, justify="right" if number else "left", no_wrap=True)
        for model in self.models:
            table.add_row(model, *self._row(model, "\n±"))
        return table

    def markdown(self) -> str:
        """The table and what it means."""
        titles = self._titles(" ")
        rows = [titles, ["---", *["---:"] * (len(titles) - 1)]]
        rows += [[model, *self._row(model, " ± ")] for model in self.models]
        lines = [f"# {self.heading}", "", *("| " + " | ".join(row) + " |" for row in rows), ""]
        altered = [f"Not as configured: {'; '.join(self.altered)}."] if self.altered else []
        return "\n".join([*lines, *(f"{note}\n" for note in (*_NOTES, *altered))])

    def to_json(self) -> dict[str, Any]:
        """All figures by seed and protocol, and the table's over seeds; plain JSON values."""
        return {
            "dataset": self.dataset,
            "split": self.split,
            "seeds": self.seeds,
            "references": list(self.references),
            "models": {
                model: {
                    "seeds": {
                        str(one.seed): {"made_by": dict(one.made_by), "protocols": _plain(one.figures)}
                        for one in sorted(self.measured, key=lambda one: one.seed)
                        if one.model == model
                    },
                    "over_seeds": {f"{c.protocol} {c.metric}": self.spread(model, c).to_json() for c in COLUMNS},
                    "differences": {
                        f"{DIFFERENCE.protocol} {DIFFERENCE.metric} to {name}": self.difference(model, name).to_json()
                        for name in self.references
                        if name != model
                    },
                }
                for model in self.models
            },
        }

    def save(self, folder: Path) -> None:
        """Write ``compare.md`` and ``compare.json``."""
        write_atomically(folder / "compare.md", self.markdown().encode())
        write_atomically(folder / "compare.json", (json.dumps(self.to_json(), allow_nan=False) + "\n").encode())

    def _titles(self, between: str) -> list[str]:
        own = [f"{column.protocol}{between}{column.label}" for column in COLUMNS]
        told = f"{DIFFERENCE.protocol}{between}{DIFFERENCE.label}{between}"
        return ["model", *own, *(f"{told}- {name}" for name in self.references)]

    def _row(self, model: str, between: str) -> list[str]:
        own = [self.spread(model, column).words(between) for column in COLUMNS]
        differences = [(name, self.difference(model, name)) for name in self.references]
        return own + ["" if name == model else told.words(between, signed=True) for name, told in differences]


def spread_of(values: Sequence[float]) -> Spread:
    """Mean and standard deviation of what is not NaN.

    >>> spread_of([0.5, 0.5])
    Spread(mean=0.5, deviation=0.0)
    """
    known = np.array([value for value in values if not math.isnan(value)])
    mean = float(known.mean()) if len(known) else math.nan
    return Spread(mean, float(known.std(ddof=1)) if len(known) > 1 else math.nan)


def _plain(figures: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    return {
        protocol: {name: value for name, value in metrics.items() if not math.isnan(value)}
        for protocol, metrics in figures.items()
    }
