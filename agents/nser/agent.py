"""NSER: neural-symbolic explainable recommendation along metapaths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kgwalk.data import Dataset, Directions, Recommendation
from kgwalk.data.recommendation.metapaths import EntityType, Metapath
from kgwalk.evaluation import RecommendationProtocol, evaluate_recommendations
from kgwalk.graph import Expand, Graph
from kgwalk.protocols import Ids, Ranked, Reasons, Scorer
from kgwalk.scorers import load as load_scorer
from kgwalk.scorers.facts import check_fitted_on
from kgwalk.search import metapath_tree
from kgwalk.tensors import load_tensors, save_tensors

from ..saved import check_trained_on, fill, reading
from ..trainable import Trainable, check_seed, recommendation_for
from ..training import Trainer, first_of_valid, plain
from .config import NserConfig
from .evidence import Evidence
from .layouts import walk_layouts
from .lists import best_items, deal_out, weigh_reasons
from .mixture import Mixture
from .network import NserNetwork
from .scores import ItemScores
from .selection import Selection
from .training import Learner
from .tuned import TUNED

#: Users whose scores of all items are in memory at once.
_BATCH = 128


class Nser(Trainable[NserConfig]):
    """Recommends items by walks along metapaths (Xian et al. 2020).

    Args:
        network: tells where a metapath leads a user.
        config: what it was trained with.
        metapaths: relations hop by hop.
        dataset: name of the dataset it was trained on.
        fingerprint: of that dataset.
        interact: relation from users to items.
        users: ids of users.
        items: ids of items.
        num_entities: of that dataset.
    """

    name = "nser"
    directions: Directions = "tail"
    Config = NserConfig

    def __init__(
        self,
        network: NserNetwork,
        config: NserConfig,
        metapaths: Sequence[Metapath],
        *,
        dataset: str,
        fingerprint: str,
        interact: int,
        users: EntityType,
        items: EntityType,
        num_entities: int,
    ) -> None:
        self.network = network
        self.config = config
        self.metapaths = tuple(metapaths)
        self.dataset = dataset
        self.fingerprint = fingerprint
        self.interact = interact
        self.users = users
        self.items = items
        self.num_entities = num_entities
        self.tree = metapath_tree(self.metapaths)
        self._evidence: tuple[Graph, Evidence] | None = None

    @classmethod
    def config_for(cls, dataset: str) -> NserConfig:
        """The configuration chosen on a dataset's valid split; the defaults for an unknown name."""
        return NserConfig(**TUNED.get(dataset, {}))

    @classmethod
    def trainer(
        cls, dataset: Dataset, config: NserConfig, folder: Path, *, seed: int = 0, teacher: Scorer | None = None
    ) -> Trainer:
        """What ``fit`` runs, before its first step; nothing is written yet.

        Args:
            dataset: a recommendation set.
            config: numbers.
            folder: for checkpoints, curves and the agent.
            seed: of all that is drawn.
            teacher: names the positives, if the configuration asks a teacher for them; by default the one it names.

        Raises:
            ValueError: no recommendation set, or one without valid; a metapath that does not type-check; a teacher that
                was fitted on other facts; a seed out of range.
            KeyError: a metapath with an unknown relation.
        """
        dataset = recommendation_for(cls.name, dataset)
        check_seed(seed)
        if config.positives == "teacher" and teacher is None:
            teacher = load_scorer(config.teacher, dataset)
        if teacher is not None:
            check_fitted_on(teacher, dataset)
        metapaths = tuple(map(dataset.metapath, config.metapaths)) or dataset.metapaths
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = make_network(dataset.graph.num_entities, dataset.items, metapaths, config)
            network.begin()
        agent = cls(
            network,
            config,
            metapaths,
            dataset=dataset.name,
            fingerprint=dataset.fingerprint,
            interact=dataset.interact,
            users=dataset.users,
            items=dataset.items,
            num_entities=dataset.graph.num_entities,
        )
        learner = Learner(network, dataset, metapaths, config, seed, teacher)
        sample = first_of_valid(dataset, config.validate_users, seed)
        if config.score == "evidence":
            selection: Callable[[], float] = Selection(agent.on(dataset.graph), network.mixture, sample.splits["valid"])
        else:
            selection = partial(_ndcg, agent, sample)
        return Trainer(
            network,
            torch.optim.Adam(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay),
            folder,
            seed=seed,
            run_id={"agent": cls.name, "config": plain(config), "dataset": dataset.fingerprint, "seed": seed},
            loss=learner.loss,
            validate=selection,
            keep=lambda: agent.save(folder),
            steps=config.steps,
            validate_every=config.validate_every,
            learning_rate=learner.learning_rate,
            clip=None,
            patience=config.patience,
            score="NDCG@10",
        )

    def on(self, graph: Graph | Expand) -> ItemScores:
        """Scores of items on a graph; what is computed of it is kept, for the next batch asks about the same one."""
        expand = graph if isinstance(graph, Expand) else Expand(graph)
        if self._evidence is None or self._evidence[0] is not expand.graph:
            self._evidence = expand.graph, Evidence(expand.graph, self.interact, self.items, self.metapaths)
        evidence = self._evidence[1].through(expand)
        return ItemScores(self.network, evidence, expand, self.interact, self.config.users)

    def answer(self, queries: Ids, graph: Graph | Expand) -> Ranked:
        """See ``kgwalk.protocols.Agent``: items the user does not have, at most ``config.budget``, with their paths.

        An item's score is the log of its share in the weight of all walks of the user. A user without items gets no
        answer.

        Args:
            queries: (n, 3) int32: user, the relation to items, ignored.
            graph: tells what users have, and what is known of items.

        Raises:
            ValueError: a query that does not ask for items of a user.
            IndexError: an id that is not in the graph.
        """
        users, which = np.unique(self._asked(queries), return_inverse=True)
        scores = self.on(graph)
        parts = []
        for begin in range(0, len(users), _BATCH):
            batch = users[begin : begin + _BATCH]
            if self.config.score == "evidence":
                lists = best_items(scores, self.network.mixture, batch, self.config.budget, self.config.explained)
            else:
                lists = walk_layouts(scores, self.tree, batch, self.config)
            parts.append(lists)
        return deal_out(parts, which)

    def reasons(self, queries: Ids, graph: Graph | Expand, count: int) -> Reasons | None:
        """See ``kgwalk.protocols.MetapathWalker``; None for ``score="likelihood"``, whose answers list all their walks.

        Raises:
            ValueError: a query that does not ask for items of a user, or asks about what is no item.
            IndexError: an id that is not in the graph.
        """
        users = np.ascontiguousarray(self._asked(queries))
        if self.config.score != "evidence":
            return None
        items = np.ascontiguousarray(queries[:, 2])
        if ((items < self.items.first) | (items >= self.items.last)).any():
            raise ValueError(f"{self.name} gives reasons for items, entities {self.items.first} to {self.items.last}")
        return weigh_reasons(self.on(graph), self.network.mixture, users, items, count)

    def _asked(self, queries: Ids) -> Ids:
        """The users of queries."""
        if queries.dtype != np.int32 or queries.ndim != 2 or queries.shape[1] != 3:
            raise ValueError(f"queries: expected (n, 3) int32, got {queries.shape} {queries.dtype}")
        if (queries[:, 1] != self.interact).any():
            raise ValueError(f"{self.name} answers relation {self.interact} only, from a user to items")
        return queries[:, 0]

    def save(self, folder: Path) -> None:
        """Write ``folder/agent.safetensors``: weights, and as its note all that ``load`` needs."""
        note = {
            "agent": self.name,
            "dataset": self.dataset,
            "fingerprint": self.fingerprint,
            "config": plain(self.config),
            "metapaths": self.metapaths,
            "interact": self.interact,
            "users": self.users,
            "items": self.items,
            "num_entities": self.num_entities,
        }
        save_tensors(folder / "agent.safetensors", self.network.state_dict(), note)

    @classmethod
    def load(cls, folder: Path, fingerprint: str | None = None) -> Nser:
        """The agent in ``folder``.

        Raises:
            FileNotFoundError: there is none.
            ValueError: it is damaged, or ``fingerprint`` is given and is not that of the dataset it was trained on.
        """
        path = folder / "agent.safetensors"
        tensors, note = load_tensors(path)
        with reading(path):
            return cls._from_note(tensors, note, fingerprint)

    @classmethod
    def _from_note(cls, tensors: dict[str, torch.Tensor], note: dict[str, Any], fingerprint: str | None) -> Nser:
        if note["agent"] != cls.name:
            raise ValueError(f"holds an agent {note['agent']!r}, not {cls.name}")
        check_trained_on(note["dataset"], note["fingerprint"], fingerprint)
        settings = dict(note["config"])
        settings["metapaths"] = tuple(settings["metapaths"])
        config = NserConfig(**settings)
        metapaths = tuple(tuple(metapath) for metapath in note["metapaths"])
        users, items = (EntityType(*note[key]) for key in ("users", "items"))
        _check_ids(note, metapaths, users, items)
        with torch.device("meta"):  # shapes only: a note that lies about sizes makes nothing large
            network = make_network(note["num_entities"], items, metapaths, config)
        fill(network, tensors)
        return cls(
            network,
            config,
            metapaths,
            dataset=note["dataset"],
            fingerprint=note["fingerprint"],
            interact=note["interact"],
            users=users,
            items=items,
            num_entities=note["num_entities"],
        )


def _ndcg(agent: Nser, sample: Recommendation) -> float:
    """NDCG@10 of the lists that an agent gives the users of valid."""
    protocol = RecommendationProtocol(cutoffs=(10,), cold_cutoff=10)
    return float(evaluate_recommendations(agent, sample, "valid", protocol, progress=False).metrics["ndcg@10"])


def make_network(
    num_entities: int, items: EntityType, metapaths: Sequence[Metapath], config: NserConfig
) -> NserNetwork:
    """A network of the configured sizes, its weights not begun; only entities that it learns of have vectors."""
    first, last = 0, num_entities
    if not config.inner_weight and config.users == "history":
        first, last = items.first, items.last
    relations = {relation for metapath in metapaths for relation in metapath}
    mixture = Mixture(len(metapaths), config.likelihood_weight)
    sizes = config.dim, config.module, config.hidden, config.dropout
    return NserNetwork(first, last, sorted(relations), *sizes, mixture)


def _check_ids(note: dict[str, Any], metapaths: Sequence[Metapath], users: EntityType, items: EntityType) -> None:
    """Refuse ids of a note that cannot be ids."""
    numbers = [note["num_entities"], note["interact"], *users[1:], *items[1:], *(r for m in metapaths for r in m)]
    if any(type(number) is not int or not 0 <= number < 1 << 31 for number in numbers):
        raise ValueError("its note holds ids that are none")
    if not metapaths or any(not metapath or metapath[0] != note["interact"] for metapath in metapaths):
        raise ValueError("its note holds metapaths that do not begin with the relation from users to items")
    for kind in (users, items):
        if not kind.first <= kind.last <= note["num_entities"]:
            raise ValueError(f"its note says that {kind.name} are {kind.first} to {kind.last}")
