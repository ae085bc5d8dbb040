"""Baselines that count interactions: item-based collaborative filtering, and what is most popular."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from kgwalk.data import Dataset
from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.graph import Expand, Graph
from kgwalk.protocols import Ids, Ranked
from kgwalk.scorers import LinearScorer, cosine_weights, training_profiles
from kgwalk.scorers.location import NAME
from kgwalk.search import known_items, top_items
from kgwalk.tensors import load_tensors

from .checkpoint import check_run
from .saved import check_trained_on, reading
from .trainable import Trainable, recommendation_for
from .training import plain


@dataclass(frozen=True)
class MostPopularConfig:
    """What ``MostPopular.fit`` may be told.

    Attributes:
        answers: items listed for a user.
    """

    answers: int = 100

    def __post_init__(self) -> None:
        """Refuse what cannot be answered with."""
        if type(self.answers) is not int or self.answers < 1:
            raise ValueError(f"answers must be a whole number from 1, got {self.answers!r}")


@dataclass(frozen=True)
class ItemCFConfig(MostPopularConfig):
    """What ``ItemCF.fit`` may be told; see ``kgwalk.scorers.linear.cosine_weights``.

    Attributes:
        power: how much a popular item is marked down; with ``history_power`` a half each it is the cosine.
        history_power: how much less an interaction with a popular item says.
        shrinkage: takes from what few users say.
        neighbours: how many other items an item speaks for at most; 0 for all.
    """

    power: float = 0.5
    history_power: float = 0.5
    shrinkage: float = 0.0
    neighbours: int = 0

    def __post_init__(self) -> None:
        """Refuse what is no similarity."""
        super().__post_init__()
        for key in ("power", "history_power", "shrinkage"):
            if not 0 <= getattr(self, key) < math.inf:
                raise ValueError(f"{key} must be a finite number of 0 or more, got {getattr(self, key)!r}")
        if type(self.neighbours) is not int or self.neighbours < 0:
            raise ValueError(f"neighbours must be a whole number from 0, got {self.neighbours!r}")


class LinearAgent(Trainable[Any]):
    """Recommends items by a ``LinearScorer``, to users by what the graph says they interact with. It does not walk.

    Args:
        scorer: fitted.
        answers: items listed for a user, and what is tied with the last of them.
    """

    Config: ClassVar[type[MostPopularConfig]]

    def __init__(self, scorer: LinearScorer, answers: int) -> None:
        self.scorer = scorer
        self.answers = answers

    @classmethod
    def config_for(cls, dataset: str) -> Any:
        """The configuration that was chosen on a dataset's valid split; the defaults for an unknown name."""
        return cls.Config(**_TUNED.get(cls.name, {}).get(dataset, {}))

    @classmethod
    def trainer(cls, dataset: Dataset, config: Any, folder: Path, *, seed: int = 0) -> LinearTrainer:
        """What ``fit`` runs, before it counts."""
        dataset = recommendation_for(cls.name, dataset)
        if type(config) is not cls.Config:
            raise ValueError(f"{cls.name} has a {cls.Config.__name__}, got {type(config).__name__}")
        note = {"config": plain(config), "dataset": dataset.fingerprint, "seed": seed}
        return LinearTrainer(lambda: cls._fitted(dataset, config, note), folder, note)

    @classmethod
    def load(cls, folder: Path, fingerprint: str | None = None) -> Any:
        """The agent in ``folder``.

        Raises:
            FileNotFoundError: there is none.
            ValueError: it is damaged, of another name, or ``fingerprint`` is given and is not that of its dataset.
        """
        path = folder / NAME
        scorer = LinearScorer.load(path)
        if scorer.name != cls.name:
            raise ValueError(f"{path} holds {scorer.name}, not {cls.name}")
        with reading(path):
            check_trained_on(scorer.dataset, scorer.fingerprint, fingerprint)
        try:
            config = cls.Config(**scorer.made_by["run"]["config"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} does not tell how it was made: {error!r}") from error
        return cls(scorer, config.answers)

    def answer(self, queries: Ids, graph: Graph | Expand) -> Ranked:
        """See ``kgwalk.protocols.Agent``: items that the user does not interact with in ``graph``, best first.

        Items that nothing speaks for are not listed.

        Raises:
            ValueError: a query is not (user, interact, ...).
        """
        interact = self.scorer.numbers["interact"]
        if (queries[:, 1] != interact).any():
            raise ValueError(f"{self.name} answers queries of interactions, relation {interact}, only")
        known = known_items(graph, queries[:, 0], interact)
        scores = self.scorer.item_scores(*known)
        scores[scores <= 0] = -np.inf
        return top_items(scores, self.scorer.numbers["first_item"], known, self.answers)

    def save(self, folder: Path) -> None:
        """Write ``folder/agent.safetensors``."""
        self.scorer.save(folder / NAME)

    @classmethod
    def _fitted(cls, dataset: Recommendation, config: Any, note: dict[str, Any]) -> LinearAgent:
        weights, popularity = cls._count(training_profiles(dataset), config)
        scorer = LinearScorer.of(cls.name, dataset, weights, popularity.astype(np.float32), {"run": note})
        return cls(scorer, config.answers)

    @classmethod
    @abstractmethod
    def _count(cls, profiles: sparse.csr_array, config: Any) -> tuple[sparse.csr_array, np.ndarray[Any, Any]]:
        """Weights between items (items, items), and what counts for an item whoever asks (items,)."""


class MostPopular(LinearAgent):
    """The items that most users interact with, the same for everyone."""

    name = "most-popular"
    Config = MostPopularConfig

    @classmethod
    def _count(cls, profiles: sparse.csr_array, config: Any) -> tuple[sparse.csr_array, np.ndarray[Any, Any]]:
        count = profiles.shape[1]
        users = np.asarray(profiles.sum(axis=0)).reshape(-1)
        none = np.empty(0, np.int64)
        weights = sparse.csr_array((np.empty(0, np.float32), (none, none)), shape=(count, count))
        return weights, users / max(1.0, users.max(initial=0))


class ItemCF(LinearAgent):
    """Item-based collaborative filtering (Sarwar et al. 2001): items that go with those a user interacts with.

    An item's score is the sum of its cosines with the user's items, columns of the matrix of training interactions.
    """

    name = "item-cf"
    Config = ItemCFConfig

    @classmethod
    def _count(cls, profiles: sparse.csr_array, config: Any) -> tuple[sparse.csr_array, np.ndarray[Any, Any]]:
        weights = cosine_weights(
            profiles,
            power=config.power,
            history_power=config.history_power,
            shrinkage=config.shrinkage,
            neighbours=config.neighbours,
        )
        return weights, np.zeros(profiles.shape[1])


class LinearTrainer:
    """Counts once and saves.

    Args:
        fitted: makes the agent.
        folder: where it goes.
        note: what the run is; an agent of another is refused.

    Attributes:
        idle: whether ``run`` found nothing left to do.
    """

    def __init__(self, fitted: Callable[[], LinearAgent], folder: Path, note: dict[str, Any]) -> None:
        self.fitted = fitted
        self.folder = folder
        self.note = note
        self.idle = False

    def check(self) -> None:
        """Refuse as ``run`` would, and do nothing else.

        Raises:
            OtherRun: the folder holds an agent of another run.
            ValueError: one that is damaged.
        """
        path = self.folder / NAME
        if path.exists():
            made_by = load_tensors(path)[1].get("made_by")
            check_run(path, made_by if isinstance(made_by, dict) else {}, self.note)

    def run(self, *, resume: bool) -> None:
        """Count, unless it has been done.

        Raises:
            FileExistsError: the folder holds an agent and ``resume`` was not asked for.
            ValueError: the agent there is damaged or of another run.
        """
        path = self.folder / NAME
        if path.exists() and not resume:
            raise FileExistsError(f"{path} is there already: resume it, or choose another folder")
        self.check()
        self.idle = path.exists()
        if not self.idle:
            self.fitted().save(self.folder)


# Chosen on valid.
_TUNED: dict[str, dict[str, dict[str, Any]]] = {"item-cf": {}}
