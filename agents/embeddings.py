"""Training of knowledge-graph embeddings: one agent for each model of ``kgwalk.scorers``."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kgwalk.data import Dataset
from kgwalk.evaluation import Protocol, evaluate
from kgwalk.graph import Expand
from kgwalk.protocols import Ids
from kgwalk.scorers import MODELS, Contrast, EmbeddingScorer, ModelConfig, has_bfloat16
from kgwalk.scorers.location import NAME
from kgwalk.scorers.losses import Loss

from .saved import check_trained_on, reading
from .scorer import ScorerAgent
from .trainable import Trainable, check_seed
from .training import ShuffledBatches, Trainer, first_of_valid, plain
from .tuned_embeddings import TUNED


@dataclass(frozen=True)
class EmbeddingConfig:
    """Everything that training an embedding model may be told.

    Attributes:
        model: sizes, of the class that the model has for them.
        loss: see ``kgwalk.scorers.Contrast``; ``margin`` and ``scale`` too.
        negatives: entities that each batch of facts is told from; 0 for all, which is 1-vs-all.
        hide_answers: other training answers of a query are no negatives of it.
        batch_size: facts in a step; inverse facts are facts of their own.
        learning_rate: of Adagrad, whose steps touch only the vectors that a batch has to do with.
        final_learning_rate: share of it that is left at the end; it falls linearly.
        n3: weight of the N3 penalty, for DistMult, ComplEx and RotatE.
        epochs: passes over the training facts and their inverses; what does not fill a batch is left for another pass.
        validate_every: epochs between validations, each followed by a checkpoint.
        validate_queries: facts of valid that select the model, asked in both directions; 0 for all.
        patience: validations without a better MRR after which training ends.
        rounded: make the matrix products of training in bfloat16; None where the processor has such arithmetic.
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    loss: Loss = "softmax"
    negatives: int = 4096
    margin: float = 0.0
    scale: float = 1.0
    hide_answers: bool = False
    batch_size: int = 512
    learning_rate: float = 0.1
    final_learning_rate: float = 1.0
    n3: float = 0.0
    epochs: int = 30
    validate_every: int = 5
    validate_queries: int = 0
    patience: int = 3
    rounded: bool | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with."""
        if self.loss not in get_args(Loss):
            raise ValueError(f"loss must be {', '.join(get_args(Loss))}, got {self.loss!r}")
        # ConvE normalises over a batch: one fact alone has no variance.
        least = {
            "batch_size": 2,
            "epochs": 1,
            "validate_every": 1,
            "patience": 1,
            "negatives": 0,
            "validate_queries": 0,
        }
        for key, smallest in least.items():
            if type(getattr(self, key)) is not int or getattr(self, key) < smallest:
                raise ValueError(f"{key} must be a whole number from {smallest}, got {getattr(self, key)!r}")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate must be positive, got {self.learning_rate!r}")
        if not 0 < self.final_learning_rate <= 1:
            raise ValueError(f"final_learning_rate must be above 0 and at most 1, got {self.final_learning_rate!r}")
        if not 0 <= self.n3 < math.inf:
            raise ValueError(f"n3 must be a finite number of 0 or more, got {self.n3!r}")
        if not 0 < self.scale < math.inf:
            raise ValueError(f"scale must be a positive number, got {self.scale!r}")
        if not math.isfinite(self.margin):
            raise ValueError(f"margin must be a finite number, got {self.margin!r}")


class EmbeddingAgent(ScorerAgent, Trainable[EmbeddingConfig]):
    """An embedding model trained on a dataset's training facts, and on nothing else."""

    Config = EmbeddingConfig
    name = "embedding"

    @classmethod
    def config_for(cls, dataset: str) -> EmbeddingConfig:
        """The configuration for a dataset (``tuned_embeddings``); the model's own for an unknown name."""
        settings: dict[str, Any] = {**TUNED[cls.name].get("", {}), **TUNED[cls.name].get(dataset, {})}
        sizes = settings.pop("model", {})
        return EmbeddingConfig(model=MODELS[cls.name].Config(**sizes), **settings)

    @classmethod
    def trainer(cls, dataset: Dataset, config: EmbeddingConfig, folder: Path, *, seed: int = 0) -> Trainer:
        """What ``fit`` runs, before its first step; nothing is written yet.

        Raises:
            ValueError: a seed out of range, sizes of another model, a penalty that the model does not have; no facts
                to train on, or none of valid.
        """
        check_seed(seed)
        if not dataset.graph.num_facts:
            raise ValueError(f"{dataset.name} has no training facts")
        if config.rounded is None:  # settled here: a run that is resumed elsewhere keeps its arithmetic, or is refused
            config = dataclasses.replace(config, rounded=has_bfloat16())
        kind = MODELS[cls.name]
        if type(config.model) is not kind.Config:
            raise ValueError(f"{cls.name} has sizes of {kind.Config.__name__}, got {type(config.model).__name__}")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = kind(dataset.graph.num_entities, dataset.graph.num_relations, config.model)
            model.initialize()
        if config.n3:  # of a model without the penalty: refused now, not in the first step
            model.penalty(model.entities[:1], model.relations[:1], model.entities[:1])
        scorer = EmbeddingScorer.of(model, dataset, {"seed": seed, "config": plain(config)})
        learner = _Learner(scorer, dataset, config, seed)
        return Trainer(
            model,
            torch.optim.Adagrad(model.parameters(), lr=config.learning_rate),
            folder,
            seed=seed,
            run_id={"agent": cls.name, "config": plain(config), "dataset": dataset.fingerprint, "seed": seed},
            loss=learner.loss,
            validate=learner.validate,
            keep=lambda: learner.keep(folder),
            steps=config.epochs * learner.steps_in_epoch,
            validate_every=config.validate_every * learner.steps_in_epoch,
            learning_rate=learner.learning_rate,
            clip=None,
            patience=config.patience,
        )

    @classmethod
    def load(cls, folder: Path, fingerprint: str | None = None) -> EmbeddingAgent:
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
        return cls(scorer)


def training_facts(dataset: Dataset) -> Ids:
    """What embeddings are fitted on: the facts of the training graph and their inverses, (n, 3) int32.

    No fact of valid or test is among them, unless the training graph holds it too: NELL-995's ``test_graph``, which
    adds the facts of valid, is not looked at.
    """
    graph = dataset.graph
    sources = np.repeat(np.arange(graph.num_entities, dtype=np.int32), np.diff(graph.offsets))
    return np.column_stack([sources, graph.edges])


class _Learner:
    """Batches, their losses, and validation."""

    def __init__(self, scorer: EmbeddingScorer, dataset: Dataset, config: EmbeddingConfig, seed: int) -> None:
        self.scorer = scorer
        self.agent = ScorerAgent(scorer)
        self.dataset = dataset
        self.valid = first_of_valid(dataset, config.validate_queries, seed)
        self.config = config
        self.facts = torch.from_numpy(training_facts(dataset).astype(np.int64))
        self.answers = Expand(dataset.graph) if config.hide_answers else None
        model = scorer.model
        negatives = config.negatives if config.negatives < model.num_entities else 0
        self.contrast = Contrast(
            model, config.loss, negatives, margin=config.margin, scale=config.scale, rounded=bool(config.rounded)
        )
        size = config.batch_size
        self.batches: Callable[[int], NDArray[np.int64]]
        if model.projects:
            by_relation = RelationBatches(self.facts[:, 1].numpy(), size, seed)
            self.batches, self.steps_in_epoch = by_relation, len(by_relation)
        else:
            self.batches = ShuffledBatches(np.arange(len(self.facts)), size, seed)
            self.steps_in_epoch = max(1, len(self.facts) // size)

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, float]]:
        facts = self.facts[torch.from_numpy(self.batches(step))]
        loss = self.contrast(facts, self.config.n3, self._other_answers(facts))
        return loss, {"train/loss": loss.item()}

    def learning_rate(self, step: int) -> float:
        c = self.config
        done = step / (c.epochs * self.steps_in_epoch)
        return c.learning_rate * (1 - (1 - c.final_learning_rate) * done)

    def validate(self) -> float:
        report = evaluate(self.agent, self.valid, "valid", Protocol(directions="both"), progress=False)
        return float(report.metrics["both"]["mrr"])

    def keep(self, folder: Path) -> None:
        self.scorer.calibrate(self.dataset)
        self.agent.save(folder)

    def _other_answers(self, facts: Tensor) -> tuple[Tensor, Tensor] | None:
        if self.answers is None:
            return None
        sources, relations = (facts[:, column].numpy().astype(np.int32) for column in (0, 1))
        offsets, _, tails = self.answers(sources, relations, None, False)
        rows = np.repeat(np.arange(len(facts)), np.diff(offsets))
        return torch.from_numpy(rows), torch.from_numpy(tails.astype(np.int64))


class RelationBatches:
    """Endless passes over facts in batches of one relation each, in an order drawn from the pass's number.

    Args:
        relations: (n,) int64, of each fact.
        size: most facts in a batch.
        seed: of the orders.
    """

    def __init__(self, relations: NDArray[np.int64], size: int, seed: int) -> None:
        order = np.argsort(relations, kind="stable")
        self.rows = np.split(order, np.flatnonzero(np.diff(relations[order])) + 1)
        self.size = size
        self.seed = seed
        self._batches: tuple[int, list[NDArray[np.int64]]] = (-1, [])

    def __len__(self) -> int:
        """Batches in a pass."""
        return sum(-(-len(rows) // self.size) for rows in self.rows)

    def __call__(self, step: int) -> NDArray[np.int64]:
        """The batch of a step: indices of facts."""
        epoch, place = divmod(step, len(self))
        if self._batches[0] != epoch:
            generator = np.random.default_rng([self.seed, epoch])
            shuffled = [generator.permutation(rows) for rows in self.rows]
            batches = [rows[i : i + self.size] for rows in shuffled for i in range(0, len(rows), self.size)]
            self._batches = (epoch, [batches[i] for i in generator.permutation(len(batches))])
        return self._batches[1][place]


class ComplExAgent(EmbeddingAgent):
    """ComplEx (Trouillon et al. 2016) with reciprocal relations and N3 (Lacroix et al. 2018)."""

    name = "complex"


class ConvEAgent(EmbeddingAgent):
    """ConvE (Dettmers et al. 2018)."""

    name = "conve"


class DistMultAgent(EmbeddingAgent):
    """DistMult (Yang et al. 2015)."""

    name = "distmult"


class RotatEAgent(EmbeddingAgent):
    """RotatE (Sun et al. 2019)."""

    name = "rotate"


class TransEAgent(EmbeddingAgent):
    """TransE (Bordes et al. 2013)."""

    name = "transe"


class TransRAgent(EmbeddingAgent):
    """TransR (Lin et al. 2015)."""

    name = "transr"


#: By name.
EMBEDDINGS: dict[str, type[EmbeddingAgent]] = {
    agent.name: agent for agent in (ComplExAgent, ConvEAgent, DistMultAgent, RotatEAgent, TransEAgent, TransRAgent)
}
