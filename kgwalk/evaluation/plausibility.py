"""How good a scorer's probabilities are, apart from the order of its answers."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.table import Table
from scipy.special import entr

from kgwalk.data.dataset import Dataset, contains
from kgwalk.evaluation.metrics import roc_auc
from kgwalk.protocols import Ids

if TYPE_CHECKING:
    from kgwalk.scorers import EmbeddingScorer

#: Bins of probability of the calibration error, equally wide.
_BINS = 15
#: Queries whose probabilities of all entities are held at once.
_BLOCK = 128


@dataclass(frozen=True)
class Plausibility:
    """What `judge` found out.

    All but ``auc`` are over *judgements*: each entity as an answer to a query, known answers left out but for the
    query's own target. Nearly all of them are wrong, so a scorer that calls everything improbable has a small loss and
    a small calibration error too: hold the loss against ``base_log_loss``.

    Attributes:
        auc: area under the ROC curve, facts of the split against the same with tails drawn uniformly from the entities
            that are not known to answer: the chance that a fact gets the higher score.
        log_loss: mean of ``-log`` of the probability given to what is the case, in nats; probabilities closer to 0 or 1
            than 1e-7 count as that.
        base_log_loss: the same of a scorer that always says ``base_rate``.
        calibration_error: expected calibration error: probability less share of true answers, absolute, in 15 bins of
            equal width, weighted by their counts.
        base_rate: share of the judgements that are true.
        mean_true: mean probability of the queries' own targets.
        mean_other: mean probability of the other entities.
        facts: how many facts ``auc`` is of.
        queries: how many queries the rest is of.
    """

    auc: float
    log_loss: float
    base_log_loss: float
    calibration_error: float
    base_rate: float
    mean_true: float
    mean_other: float
    facts: int
    queries: int

    def to_json(self) -> dict[str, float | None]:
        """All numbers by name; None for what there was nothing to measure by."""
        return {key: None if math.isnan(value) else value for key, value in asdict(self).items()}

    def table(self) -> Table:
        """The numbers, for ``rich.print``."""
        table = Table(title="probabilities", title_justify="left")
        table.add_column("")
        table.add_column("value", justify="right")
        table.add_column("of")
        pairs = f"{self.facts:,} facts and as many with another tail"
        judgements = f"every entity as an answer to {self.queries:,} queries"
        table.add_row("AUC", f"{self.auc:.3f}", pairs)
        table.add_row("log-loss", f"{self.log_loss:.3g}", judgements)
        table.add_row("  of the base rate alone", f"{self.base_log_loss:.3g}", f"base rate {self.base_rate:.2g}")
        table.add_row("calibration error", f"{self.calibration_error:.2g}", judgements)
        table.add_row("mean, right answers", f"{self.mean_true:.3f}", "")
        table.add_row("mean, other entities", f"{self.mean_other:.2g}", "")
        return table


def judge(
    scorer: EmbeddingScorer, dataset: Dataset, split: str = "test", *, queries: int = 500, seed: int = 0
) -> Plausibility:
    """Measure a scorer's probabilities on a split.

    Args:
        scorer: of the dataset's vocabulary.
        dataset: where facts and known answers come from.
        split: name of one of the dataset's splits.
        queries: how many are drawn, of both directions, for all but ``auc``; all where there are fewer.
        seed: of that draw and of the other tails.

    Raises:
        KeyError: the dataset has no such split.
        ValueError: the split is empty, or ``queries`` is below 1.
    """
    facts = dataset.queries(split)
    if not len(facts):
        raise ValueError(f"{dataset.name}: split {split} is empty, there is nothing to judge by")
    if queries < 1:
        raise ValueError(f"queries must be 1 or more, got {queries}")
    rng = np.random.default_rng(seed)
    facts, others = _with_other_tails(dataset, split, facts, rng)
    scores = scorer.score_facts(np.concatenate([facts, others]))
    auc = roc_auc(np.arange(len(scores)) < len(facts), scores) if len(facts) else float("nan")
    asked = dataset.queries(split, "both")
    asked = asked[np.sort(rng.permutation(len(asked))[:queries])]
    true, other = _judgements(scorer, dataset, split, asked)
    labels = np.arange(len(true) + len(other)) < len(true)
    base = float(labels.mean())
    return Plausibility(
        auc=auc,
        log_loss=_log_loss(true, other),
        base_log_loss=float(entr(base) + entr(1 - base)),
        calibration_error=calibration_error(np.concatenate([true, other]), labels),
        base_rate=base,
        mean_true=float(true.mean()),
        mean_other=float(other.mean()) if len(other) else float("nan"),
        facts=len(facts),
        queries=len(asked),
    )


def calibration_error(probabilities: NDArray[np.floating], labels: NDArray[np.bool_], bins: int = _BINS) -> float:
    """Expected calibration error (Guo et al. 2017, equation 3): how far off probabilities are, in bins of equal width.

    Args:
        probabilities: (n,) in [0, 1]; not none.
        labels: (n,) whether it is true.
        bins: how many.
    """
    place = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(place, probabilities, bins) - np.bincount(place, labels, bins)
    return float(np.abs(gaps).sum() / len(probabilities))


def _log_loss(true: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Mean surprise; what float32 calls certain counts as certain up to its precision."""
    least = float(np.finfo(np.float32).eps)
    surprise = -np.log(np.maximum(true, least, dtype=np.float64)).sum()
    surprise -= np.log1p(-np.minimum(other, 1 - least, dtype=np.float64)).sum()
    return float(surprise / (len(true) + len(other)))


def _with_other_tails(dataset: Dataset, split: str, facts: Ids, rng: np.random.Generator) -> tuple[Ids, Ids]:
    """Facts, and each with a tail that makes it none; the few whose every draw is a known answer are left out."""
    known = dataset.known_for(split)
    others = facts.copy()
    wrong = np.arange(len(facts))
    for _ in range(100):
        others[wrong, 2] = rng.integers(0, known.num_entities, len(wrong))
        wrong = wrong[contains(known, others[wrong])]
        if not len(wrong):
            break
    return np.delete(facts, wrong, 0), np.delete(others, wrong, 0)


def _judgements(
    scorer: EmbeddingScorer, dataset: Dataset, split: str, queries: Ids
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Probabilities of the queries' targets, and of all entities that are not known to answer them."""
    known = dataset.known_for(split)
    true, other = [], []
    for begin in range(0, len(queries), _BLOCK):
        block = queries[begin : begin + _BLOCK]
        probabilities = scorer.calibration(scorer.scores(block))
        true.append(probabilities[np.arange(len(block)), block[:, 2]])
        for row, (source, relation, _) in zip(probabilities, block.tolist(), strict=True):
            other.append(np.delete(row, known.slice(source, relation)[:, 1]))
    return np.concatenate(true), np.concatenate(other)
