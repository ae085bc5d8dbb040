"""How well a scorer tells interactions from sampled negatives: click-through rate."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kgwalk.data.recommendation.labelled import LabelledRecommendation
from kgwalk.evaluation.metrics import roc_auc
from kgwalk.files import write_atomically
from kgwalk.protocols import ClickScorer, Ids, Scorer
from kgwalk.scorers.calibration import Calibration, ScoreCounts

Floats = NDArray[np.float32]
Labels = NDArray[np.bool_]

#: An item is foretold to be taken up from this probability on.
THRESHOLD = 0.5
#: Place of the random numbers behind a dataset's seed that shuffle rows; its first two drew the dataset.
_SHUFFLE = 2


@dataclass(frozen=True)
class ClickReport:
    """What came of asking a scorer about labelled rows.

    Attributes:
        dataset: Name of the dataset.
        split: Name of the split.
        scorer: Name of the scorer, or of its class if it has none.
        protocol: What the numbers mean, as plain JSON values.
        metrics: ``auc`` and ``f1`` of the whole split, and ``auc_per_batch`` and ``f1_per_batch`` if batches were asked
            for; fractions.
        counts: ``positives`` and ``negatives`` of the split; with batches also how many were ``batches`` that count,
            how many ``batches_of_one_label`` were skipped, and ``rows_dropped`` after the last full one.
        seconds: Time the evaluation took.
    """

    dataset: str
    split: str
    scorer: str
    protocol: Mapping[str, Any]
    metrics: Mapping[str, float]
    counts: Mapping[str, int]
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON values."""
        return {
            "dataset": self.dataset,
            "split": self.split,
            "scorer": self.scorer,
            "protocol": dict(self.protocol),
            "metrics": dict(self.metrics),
            "counts": dict(self.counts),
            "seconds": round(self.seconds, 3),
        }

    def save(self, path: Path) -> None:
        """Write `to_json` to a file, whole or not at all."""
        write_atomically(path, (json.dumps(self.to_json(), allow_nan=False) + "\n").encode())


class _Rows(NamedTuple):
    """Rows of a split, positives first."""

    users: Ids
    items: Ids
    labels: Labels


def evaluate_clicks(
    scorer: Scorer, dataset: LabelledRecommendation, split: str = "test", *, batch: int | None = None
) -> ClickReport:
    """Measure how well a scorer tells the interactions of a split from its sampled negatives.

    A `ClickScorer` is asked for probabilities. Any other scorer is asked for scores: AUC is theirs, and F1 that of the
    logistic curve which is fitted to valid, also if valid is what is measured: a curve of a score's place among the
    scores of valid, which may be of any size and crowd anywhere.

    Args:
        scorer: Whatever scores interactions.
        dataset: With positives and negatives in each split.
        split: Name of one of its splits.
        batch: Rows of a batch, for means over batches as published code takes them: consecutive batches of the rows,
            shuffled by the dataset's seed; the last one is dropped if it is not full, and one of one label, which has
            no AUC, is skipped.

    Returns:
        ``auc``, the chance that a positive gets the higher score than a negative, ties half, and ``f1`` of the
        positives at a probability of .5 or more.

    Raises:
        KeyError: The dataset has no such split.
        ValueError: A split that is needed has no rows of one of the labels; a score is not finite, a probability
            outside [0, 1], or there are not as many as rows; no batch can be measured.
    """
    started = time.perf_counter()
    if batch is not None and batch < 1:
        raise ValueError(f"batch is {batch}; expected 1 or more")
    rows = _rows(dataset, split)
    own = isinstance(scorer, ClickScorer)
    scores = _scores(scorer, dataset, rows)
    probabilities = scores if own else _Curve(scorer, dataset)(scores)
    metrics = {"auc": roc_auc(rows.labels, scores), "f1": _f1(rows.labels, probabilities)}
    positives = int(rows.labels.sum())
    counts = {"positives": positives, "negatives": len(rows.labels) - positives}
    if batch is not None:
        means, found = _by_batch(rows.labels, scores, probabilities, batch, dataset.drawn_by)
        metrics, counts = {**metrics, **means}, {**counts, **found}
    return ClickReport(
        dataset=dataset.name,
        split=split,
        scorer=str(getattr(scorer, "name", type(scorer).__name__)),
        protocol=_protocol(dataset, own=own, batch=batch),
        metrics=metrics,
        counts=counts,
        seconds=time.perf_counter() - started,
    )


def _protocol(dataset: LabelledRecommendation, *, own: bool, batch: int | None) -> dict[str, Any]:
    protocol: dict[str, Any] = {
        "name": "ctr",
        "split": "6:2:2 by row",
        "negatives": "one fixed per positive, drawn before the split from items the user has no interaction with in any"
        " split",
        "seed": dataset.drawn_by,
        "threshold": THRESHOLD if own else "by valid",
        "probabilities": "the scorer's own"
        if own
        else "logistic curve of a score's place among those of valid, fitted to valid, cut at .5",
    }
    if batch is not None:
        protocol["batch"] = batch
        protocol["per_batch"] = (
            "mean over batches of rows shuffled by the seed; the last one is dropped if not full, those of one label"
            " are skipped"
        )
    return protocol


def _rows(dataset: LabelledRecommendation, split: str) -> _Rows:
    positives, negatives = dataset.queries(split)[:, [0, 2]], dataset.negatives[split]
    for label, part in (("interactions", positives), ("sampled negatives", negatives)):
        if not len(part):
            raise ValueError(f"{dataset.name} has no {label} in {split}: nothing to tell apart")
    pairs = np.concatenate([positives, negatives])
    labels = np.arange(len(pairs)) < len(positives)
    return _Rows(np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1]), labels)


def _scores(scorer: Scorer, dataset: LabelledRecommendation, rows: _Rows) -> Floats:
    """Probabilities of a `ClickScorer`, scores of another, (n,) float32."""
    if isinstance(scorer, ClickScorer):
        what, least, most = "probability", 0.0, 1.0
        scores = scorer.clicks(rows.users, rows.items)
    else:
        what, least, most = "score", -np.inf, np.inf
        scores = scorer.score(rows.users, dataset.interact, rows.items)
    if scores.shape != rows.users.shape:
        raise ValueError(f"the scorer gave an array of shape {scores.shape}; expected {rows.users.shape}")
    wrong = ~np.isfinite(scores) | (scores < least) | (scores > most)
    if wrong.any():
        place = int(np.flatnonzero(wrong)[0])
        told = f"{dataset.entities[int(rows.users[place])]} with {dataset.entities[int(rows.items[place])]}"
        raise ValueError(f"the scorer gave {told} the {what} {scores[place]}")
    return scores


class _Curve:
    """From scores to probabilities, by way of a score's place among those of valid, 0 to 1."""

    def __init__(self, scorer: Scorer, dataset: LabelledRecommendation) -> None:
        rows = _rows(dataset, "valid")
        scores = _scores(scorer, dataset, rows)
        self.known, counts_of = np.unique(scores, return_counts=True)
        # Equal scores share the middle of their places.
        self.place = (np.cumsum(counts_of) - counts_of / 2) / len(scores)
        places = self._places(scores)
        counts = ScoreCounts(0.0, 1.0)
        counts.add(places[rows.labels], places[~rows.labels])
        self.curve: Calibration = counts.fit()

    def __call__(self, scores: Floats) -> Floats:
        return self.curve(self._places(scores))

    def _places(self, scores: Floats) -> Floats:
        places: Floats = np.interp(scores, self.known, self.place).astype(np.float32)
        return places


def _by_batch(
    labels: Labels, scores: Floats, probabilities: Floats, size: int, seed: int
) -> tuple[dict[str, float], dict[str, int]]:
    order = np.random.default_rng([seed, _SHUFFLE]).permutation(len(labels))
    full = len(order) // size
    batches = order[: full * size].reshape(full, size)
    mixed = labels[batches].any(axis=1) & ~labels[batches].all(axis=1)
    if not mixed.any():
        raise ValueError(f"no batch of {size} rows with both labels among {len(labels)} rows")
    found = [(roc_auc(labels[rows], scores[rows]), _f1(labels[rows], probabilities[rows])) for rows in batches[mixed]]
    auc, f1 = np.mean(found, axis=0).tolist()
    counts = {
        "batches": int(mixed.sum()),
        "batches_of_one_label": int((~mixed).sum()),
        "rows_dropped": len(order) - full * size,
    }
    return {"auc_per_batch": auc, "f1_per_batch": f1}, counts


def _f1(labels: Labels, probabilities: Floats) -> float:
    from sklearn.metrics import f1_score  # type: ignore[import-untyped]  # takes seconds to import

    return float(f1_score(labels, probabilities >= THRESHOLD))
