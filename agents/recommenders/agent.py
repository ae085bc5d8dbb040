"""RecommenderAgent: training, answering, files; one class for all recommender models."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from kgwalk.data import Dataset
from kgwalk.graph import Expand, Graph
from kgwalk.protocols import Ids, Ranked
from kgwalk.scorers import RECOMMENDERS, Recommender, RecommenderScorer
from kgwalk.scorers.location import NAME
from kgwalk.search import known_items, top_items
from kgwalk.search.paths import take_rows

from ..saved import check_numbers, check_trained_on, reading
from ..trainable import Trainable, check_seed, recommendation_for
from ..training import Trainer, plain
from .config import RecommenderTraining
from .learner import Learner
from .tuned import FULL_SOFTMAX, LISTS, TUNED


class RecommenderAgent(Trainable[RecommenderTraining]):
    """Recommends items by a model of users, items and what is known of these; it does not walk.

    Its scorer teaches walkers, shapes rewards and re-ranks.

    Args:
        scorer: trained.
        answers: items listed for a user, and what is tied with the last of them.
    """

    Config: ClassVar[type[RecommenderTraining]] = RecommenderTraining

    def __init__(self, scorer: RecommenderScorer, answers: int) -> None:
        self.scorer = scorer
        self.answers = answers

    @classmethod
    def model_class(cls) -> type[Recommender]:
        """The model of this name."""
        return RECOMMENDERS[cls.name]

    @classmethod
    def config_for(cls, dataset: str) -> RecommenderTraining:
        """The configuration for a dataset: as published where it is, else chosen on valid; defaults for others."""
        kind = cls.model_class()
        settings: dict[str, Any] = {"objective": kind.objective}
        model: dict[str, Any] = {}
        for told in (TUNED.get(cls.name, {}).get("", {}), TUNED.get(cls.name, {}).get(dataset, {})):
            settings |= {key: value for key, value in told.items() if key != "model"}
            model |= told.get("model", {})
        return RecommenderTraining(model=kind.Config(**model), **settings)

    @classmethod
    def settings_for_lists(cls, num_items: int) -> tuple[str, ...]:
        """``key=value`` that are better than the defaults where the model learns to list some of so many items."""
        return LISTS.get(cls.name, ()) if num_items <= FULL_SOFTMAX else ()

    @classmethod
    def trainer(cls, dataset: Dataset, config: RecommenderTraining, folder: Path, *, seed: int = 0) -> Trainer:
        """What ``fit`` runs, before its first step; nothing is written yet.

        Raises:
            ValueError: the dataset is none of recommendation, or has nothing in train or valid; a seed out of range;
                a configuration of another model.
        """
        check_seed(seed)
        dataset = recommendation_for(cls.name, dataset)
        kind = cls.model_class()
        if type(config.model) is not kind.Config:
            raise ValueError(f"{cls.name} has a {kind.Config.__name__}, got {type(config.model).__name__}")
        model = kind.of(dataset, config.model, seed)
        made_by = {"seed": seed, "config": plain(config), "answers": config.answers}
        scorer = RecommenderScorer.of(model, config.objective, dataset, made_by)
        learner = Learner(scorer, dataset, config, seed, lambda scorer: cls(scorer, 10))

        def keep() -> None:
            scorer.calibrate(dataset)
            cls(scorer, config.answers).save(folder)

        return Trainer(
            model,
            torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=True),
            folder,
            seed=seed,
            run_id={"agent": cls.name, "config": plain(config), "dataset": dataset.fingerprint, "seed": seed},
            loss=learner.loss,
            validate=learner.validate,
            keep=keep,
            steps=config.epochs * learner.steps_in_epoch,
            validate_every=config.validate_epochs * learner.steps_in_epoch,
            learning_rate=lambda step: config.learning_rate,
            clip=None,
            patience=config.patience,
            score={"auc": "AUC", "ndcg@10": "NDCG@10"}[config.select],
        )

    @classmethod
    def load(cls, folder: Path, fingerprint: str | None = None) -> RecommenderAgent:
        """The agent in ``folder``.

        Raises:
            FileNotFoundError: there is none.
            ValueError: it is damaged, of another model, or ``fingerprint`` is given and is not that of its dataset.
        """
        path = folder / NAME
        scorer = RecommenderScorer.load(path)
        if scorer.name != cls.name:
            raise ValueError(f"{path} holds a model {scorer.name}, not {cls.name}")
        with reading(path):
            check_trained_on(scorer.dataset, scorer.fingerprint, fingerprint)
        answers = scorer.made_by.get("answers")
        if type(answers) is not int or answers < 1:
            raise ValueError(f"{path} does not tell how many items it lists")
        return cls(scorer, answers)

    def answer(self, queries: Ids, graph: Graph | Expand) -> Ranked:
        """See ``kgwalk.protocols.Agent``: items that the user does not interact with in ``graph``, best first.

        Scores are the model's own.

        Raises:
            ValueError: a query is not (user, interact, ...); its user was not there in training, and the model has a
                table of users.
        """
        interact = self.scorer.numbers["interact"]
        if (queries[:, 1] != interact).any():
            raise ValueError(f"{self.name} answers queries of interactions, relation {interact}, only")
        users = np.ascontiguousarray(queries[:, 0])
        known = known_items(graph, users, interact)
        new = users >= self.scorer.numbers["num_entities"]
        table = np.empty((len(users), self.scorer.num_items), np.float32)
        table[~new] = self.scorer.item_table(users[~new])
        if new.any():
            base = graph.graph if isinstance(graph, Expand) else graph
            offsets, rows = take_rows(known[0], np.flatnonzero(new))
            table[new] = self.scorer.newcomer_table(base, offsets, known[1][rows])
        return top_items(table, self.scorer.numbers["first_item"], known, self.answers)

    def check_fits(self, dataset: Dataset) -> None:
        """Refuse a file whose users, items and relations are not those of its dataset.

        Raises:
            ValueError: they differ.
        """
        check_numbers(dataset, self.scorer.numbers, self.scorer.model.sizes)

    def save(self, folder: Path) -> None:
        """Write ``folder/agent.safetensors``."""
        self.scorer.save(folder / NAME)


def _agent_class(name: str) -> type[RecommenderAgent]:
    words = "".join(part.capitalize() for part in name.split("-"))
    return type(
        words, (RecommenderAgent,), {"name": name, "__doc__": RECOMMENDERS[name].__doc__, "__module__": __name__}
    )


RECOMMENDER_AGENTS: dict[str, type[RecommenderAgent]] = {name: _agent_class(name) for name in sorted(RECOMMENDERS)}
