"""Training of embeddings that recommend: PGPR's and NSER's teacher, learnt on interactions and facts together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kgwalk.data import Dataset
from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.evaluation import RecommendationProtocol, evaluate_recommendations
from kgwalk.graph import Expand, Graph
from kgwalk.protocols import Ids, Ranked
from kgwalk.scorers import MODELS, EmbeddingScorer, ModelConfig, TypedSoftmax
from kgwalk.scorers.location import NAME
from kgwalk.search import known_items, top_items

from .embeddings import training_facts
from .saved import check_trained_on, reading
from .trainable import Trainable, check_seed, recommendation_for
from .training import Trainer, first_of_valid, plain


@dataclass(frozen=True)
class TypedEmbeddingConfig:
    """Everything that training such an embedding may be told.

    Attributes:
        model: sizes.
        negatives: entities of the target's type that it is told from; all of a type with no more than these.
        facts: how often a fact that is no interaction is learnt for each time an interaction is; 0 for never.
        inverses: how often an inverse fact is for each time the fact is.
        dropout: share of the numbers of a query's vector that are dropped in training.
        penalty: weight of the mean squared length of a fact's vectors.
        batch_size: facts in a step, all of one relation.
        learning_rate: of Adagrad.
        final_learning_rate: share of it that is left at the end; it falls linearly.
        epochs: times that each interaction is learnt.
        validations: how often the model is measured, each followed by a checkpoint.
        validate_queries: users of valid that select the model by NDCG@10; 0 for all.
        patience: validations without a better one after which training ends.
        answers: items listed for a user.
    """

    model: ModelConfig = field(default_factory=lambda: ModelConfig(dim=64))
    negatives: int = 1024
    facts: float = 1.0
    inverses: float = 1.0
    dropout: float = 0.0
    penalty: float = 0.0
    batch_size: int = 512
    learning_rate: float = 0.1
    final_learning_rate: float = 0.1
    epochs: float = 5.0
    validations: int = 8
    validate_queries: int = 3000
    patience: int = 3
    answers: int = 100

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with."""
        least = {"negatives": 1, "batch_size": 1, "validations": 1, "validate_queries": 0, "patience": 1, "answers": 1}
        for key, smallest in least.items():
            if type(getattr(self, key)) is not int or getattr(self, key) < smallest:
                raise ValueError(f"{key} must be a whole number from {smallest}, got {getattr(self, key)!r}")
        for key in ("facts", "inverses", "penalty"):
            if not 0 <= getattr(self, key) < math.inf:
                raise ValueError(f"{key} must be a finite number of 0 or more, got {getattr(self, key)!r}")
        for key in ("learning_rate", "epochs"):
            if not 0 < getattr(self, key) < math.inf:
                raise ValueError(f"{key} must be positive, got {getattr(self, key)!r}")
        if not 0 < self.final_learning_rate <= 1:
            raise ValueError(f"final_learning_rate must be above 0 and at most 1, got {self.final_learning_rate!r}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, got {self.dropout!r}")


class TypedEmbeddingAgent(Trainable[TypedEmbeddingConfig]):
    """Recommends items by an embedding model; it does not walk. Its scorer teaches, prunes and re-ranks.

    Args:
        scorer: trained.
        interact: id of the relation from users to items.
        item_type: place of the items among the types.
        answers: items listed for a user, and what is tied with the last of them.
    """

    name = "typed-embedding"
    Config = TypedEmbeddingConfig

    def __init__(self, scorer: EmbeddingScorer, interact: int, item_type: int, answers: int) -> None:
        self.scorer = scorer
        self.interact = interact
        self.items = slice(*scorer.type_offsets[item_type : item_type + 2])
        self.item_type = item_type
        self.answers = answers

    @classmethod
    def config_for(cls, dataset: str) -> TypedEmbeddingConfig:
        """The configuration that was chosen on a dataset's valid split; the defaults for an unknown name."""
        return TypedEmbeddingConfig(**_TUNED.get(dataset, {}))

    @classmethod
    def trainer(cls, dataset: Dataset, config: TypedEmbeddingConfig, folder: Path, *, seed: int = 0) -> Trainer:
        """What ``fit`` runs, before its first step; nothing is written yet.

        Raises:
            ValueError: the dataset is none of recommendation, or has no users in valid; a seed out of range.
        """
        check_seed(seed)
        dataset = recommendation_for(cls.name, dataset)
        kind = MODELS[cls.name]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = kind(dataset.graph.num_entities, dataset.graph.num_relations, config.model)
            model.initialize()
        item_type = dataset.types.index(dataset.items)
        recommends = {"interact": dataset.interact, "item_type": item_type, "answers": config.answers}
        made_by = {"seed": seed, "config": plain(config), "recommends": recommends}
        learner = _Learner(EmbeddingScorer.of(model, dataset, made_by), dataset, config, seed)
        steps = max(config.validations, math.ceil(config.epochs * learner.steps_in_epoch))
        return Trainer(
            model,
            torch.optim.Adagrad(model.parameters(), lr=config.learning_rate),
            folder,
            seed=seed,
            run_id={"agent": cls.name, "config": plain(config), "dataset": dataset.fingerprint, "seed": seed},
            loss=learner.loss,
            validate=learner.validate,
            keep=lambda: learner.keep(cls, folder),
            steps=steps,
            validate_every=math.ceil(steps / config.validations),
            learning_rate=lambda step: config.learning_rate * (1 - (1 - config.final_learning_rate) * step / steps),
            clip=None,
            patience=config.patience,
            score="NDCG@10",
        )

    @classmethod
    def load(cls, folder: Path, fingerprint: str | None = None) -> TypedEmbeddingAgent:
        """The agent in ``folder``.

        Raises:
            FileNotFoundError: there is none.
            ValueError: it is damaged, of another model, or ``fingerprint`` is given and is not that of its dataset.
        """
        path = folder / NAME
        scorer = EmbeddingScorer.load(path)
        if scorer.name != cls.name:
            raise ValueError(f"{path} holds a model {scorer.name}, not {cls.name}")
        with reading(path):
            check_trained_on(scorer.dataset, scorer.fingerprint, fingerprint)
        told = scorer.made_by.get("recommends")
        limits = {
            "interact": range(scorer.model.num_relations),
            "item_type": range(len(scorer.type_offsets) - 1),
            "answers": range(1, 1 << 31),
        }
        if not isinstance(told, dict) or any(
            type(told.get(key)) is not int or told[key] not in limit for key, limit in limits.items()
        ):
            raise ValueError(f"{path} does not tell what it recommends")
        return cls(scorer, **{key: told[key] for key in limits})

    def answer(self, queries: Ids, graph: Graph | Expand) -> Ranked:
        """See ``kgwalk.protocols.Agent``: items that the user does not interact with in ``graph``, best first.

        Scores are the model's own.

        Raises:
            ValueError: a query is not (user, interact, ...).
        """
        if (queries[:, 1] != self.interact).any():
            raise ValueError(f"{self.name} answers queries of interactions, relation {self.interact}, only")
        known = known_items(graph, queries[:, 0], self.interact)
        return top_items(self.scorer.scores(queries, self.items), self.items.start, known, self.answers)

    def save(self, folder: Path) -> None:
        """Write ``folder/agent.safetensors``."""
        self.scorer.save(folder / NAME)


class TransEDotAgent(TypedEmbeddingAgent):
    """``(user + interact) . item``, with vectors that have learnt every fact (PGPR's "TransE", NSER's teacher)."""

    name = "transe-dot"


class _Learner:
    """Batches of one relation each, their losses, and validation."""

    def __init__(
        self, scorer: EmbeddingScorer, dataset: Recommendation, config: TypedEmbeddingConfig, seed: int
    ) -> None:
        self.scorer = scorer
        self.dataset = first_of_valid(dataset, config.validate_queries, seed)
        self.config = config
        self.seed = seed
        self.loss_of = TypedSoftmax(
            scorer.model,
            dataset.graph.type_offsets,
            config.negatives,
            dropout=config.dropout,
            penalty=config.penalty,
        )
        self.groups, weights = _groups(training_facts(dataset), dataset, config)
        if not weights.sum() > 0:
            raise ValueError(f"{dataset.name} has no training interactions")
        self.share = weights / weights.sum()
        self.steps_in_epoch = weights.sum() / config.batch_size

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, float]]:
        generator = np.random.default_rng([self.seed, step])
        facts = self.groups[int(generator.choice(len(self.groups), p=self.share))]
        rows = generator.integers(0, len(facts), min(self.config.batch_size, len(facts)))
        loss = self.loss_of(torch.from_numpy(facts[rows].astype(np.int64)))
        return loss, {"train/loss": loss.item()}

    def validate(self) -> float:
        agent = self.agent(TypedEmbeddingAgent, 10)
        protocol = RecommendationProtocol(cutoffs=(10,), cold_cutoff=10)
        report = evaluate_recommendations(agent, self.dataset, "valid", protocol, progress=False)
        return float(report.metrics["ndcg@10"])

    def keep(self, kind: type[TypedEmbeddingAgent], folder: Path) -> None:
        self.scorer.calibrate(self.dataset)
        self.agent(kind, self.config.answers).save(folder)

    def agent(self, kind: type[TypedEmbeddingAgent], answers: int) -> TypedEmbeddingAgent:
        return kind(self.scorer, self.dataset.interact, self.dataset.types.index(self.dataset.items), answers)


def _groups(facts: Ids, dataset: Recommendation, config: TypedEmbeddingConfig) -> tuple[list[Ids], NDArray[np.float64]]:
    """Facts of one relation and one type of target each, and how many of each are learnt in an epoch."""
    graph = dataset.graph
    kinds = np.searchsorted(graph.type_offsets, facts[:, 2], side="right") - 1
    key = facts[:, 1].astype(np.int64) * len(graph.type_offsets) + kinds
    order = np.argsort(key, kind="stable")
    groups = np.split(facts[order], np.flatnonzero(np.diff(key[order])) + 1)
    weights = np.zeros(len(groups))
    for i, group in enumerate(groups):
        relation = int(group[0, 1]) if len(group) else 0
        forward = relation % graph.num_relations
        weights[i] = len(group) * (1.0 if forward == dataset.interact else config.facts)
        weights[i] *= 1.0 if relation == forward else config.inverses
    return groups, weights


# Chosen on valid.
_TUNED: dict[str, dict[str, Any]] = {
    "LastFM": {"epochs": 20.0, "facts": 0.1, "validate_queries": 0},
    "MovieLens-1M": {"epochs": 6.0, "facts": 0.1},
}
