"""Training of recommenders: batches of pairs, their losses, and validation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kgwalk.data import Recommendation
from kgwalk.evaluation import RecommendationProtocol, evaluate_recommendations, roc_auc
from kgwalk.protocols import Ids
from kgwalk.scorers import RecommenderScorer

from ..training import first_of_valid
from .config import RecommenderTraining
from .pairs import Pairs, Positives, labelled_valid


class Learner:
    """Losses of training steps; what is random in one is drawn from (seed, epoch) and torch's generator.

    Args:
        scorer: whose model is trained.
        dataset: whose train it learns.
        config: of the training.
        seed: of the run.
        agent_of: the agent that is asked for lists when these select the model.
    """

    def __init__(
        self,
        scorer: RecommenderScorer,
        dataset: Recommendation,
        config: RecommenderTraining,
        seed: int,
        agent_of: Callable[[RecommenderScorer], Any],
    ) -> None:
        self.scorer = scorer
        self.dataset = dataset
        self.config = config
        self.seed = seed
        self.agent_of = agent_of
        self.positives = Positives(dataset, config.negatives == "fixed", seed)
        self.valid = labelled_valid(dataset, self.positives, seed) if config.select == "auc" else None
        self.some = first_of_valid(dataset, config.validate_users, seed) if config.select == "ndcg@10" else dataset
        scorer.model.learn_from(dataset, _entities(dataset, self.positives.negatives))
        rows = len(self.positives.rows)
        if config.objective == "clicks":
            rows += len(self.positives.negatives)
        self.batch = min(config.batch_size, rows)
        self.steps_in_epoch = rows // self.batch
        self._epoch = -1
        self._rows: dict[str, Tensor] = {}

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, float]]:
        """See ``Trainer``."""
        epoch, place = divmod(step, self.steps_in_epoch)
        if epoch != self._epoch:
            self._begin(epoch)
        rows = slice(place * self.batch, (place + 1) * self.batch)
        part = {key: values[rows] for key, values in self._rows.items()}
        model = self.scorer.model
        if self.config.objective == "clicks":
            loss = model.click_loss(part["users"], part["items"], part["labels"])
        elif self.config.objective == "pairs":
            loss = model.pair_loss(part["users"], part["items"], part["others"])
        else:
            loss = model.softmax_loss(part["users"], part["items"], self._known(part["users"]))
        return loss, {}

    def validate(self) -> float:
        """The measure on valid that the configuration selects by."""
        if self.valid is not None:
            users, items = (np.ascontiguousarray(column) for column in self.valid.pairs.T)
            return roc_auc(self.valid.labels, self.scorer.pair_scores(users, items))
        protocol = RecommendationProtocol(cutoffs=(10,), cold_cutoff=10)
        report = evaluate_recommendations(self.agent_of(self.scorer), self.some, "valid", protocol, progress=False)
        return float(report.metrics["ndcg@10"])

    def _begin(self, epoch: int) -> None:
        self._epoch = epoch
        self.scorer.model.begin_epoch(epoch, self.seed)
        pairs = self.positives.rows
        columns: dict[str, Any] = {}
        if self.config.objective == "clicks":
            pairs, columns["labels"] = self.positives.labelled(epoch)
        elif self.config.objective == "pairs":
            columns["others"] = self.positives.opposed(epoch)
        columns |= {"users": pairs[:, 0], "items": pairs[:, 1]}
        order = np.random.default_rng([self.seed, 5, epoch]).permutation(len(pairs))
        self._rows = {key: torch.from_numpy(np.ascontiguousarray(values[order])) for key, values in columns.items()}

    def _known(self, users: Tensor) -> tuple[Tensor, Tensor]:
        """Training items of users, as rows of the batch and items."""
        rows = self.positives.rows
        first, last = (np.searchsorted(rows[:, 0], users.numpy(), side) for side in ("left", "right"))
        sizes = last - first
        owner = np.repeat(np.arange(len(users)), sizes)
        place = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes - first, sizes)
        return torch.from_numpy(owner), torch.from_numpy(rows[place, 1])


def _entities(dataset: Recommendation, pairs: Pairs) -> Ids:
    entities: Ids = (pairs + np.array([dataset.users.first, dataset.items.first])).astype(np.int32)
    return entities
