"""Pgpr: walks from users to items, and the path is the explanation (after Xian et al., SIGIR 2019)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch

from kgwalk.data import Dataset, Directions, EntityType
from kgwalk.graph import Expand, Graph
from kgwalk.protocols import Ids, Offsets, Ranked
from kgwalk.scorers.loading import AnyScorer, read_scorer
from kgwalk.search import ANY, Paths, Prune, chain, rank, rerank, search
from kgwalk.search.paths import row_numbers
from kgwalk.tensors import load_tensors, save_tensors

from ..legal import LegalMoves
from ..saved import check_trained_on, fill, reading, still
from ..trainable import Trainable
from ..training import Trainer
from .config import TUNED, PgprConfig, Ranking, check_beam
from .learner import trainer_of
from .policy import PgprNetwork, PgprPolicy, PgprPolicyConfig

TEACHER = "teacher.safetensors"
_SETTINGS = ("dataset", "fingerprint", "interact", "max_out_degree", "prune", "ranking")


class Pgpr(Trainable[PgprConfig]):
    """A policy over moves, and a beam that keeps so many of the best at each hop of each path.

    Only paths that end at an item count, and never an item that the user is known to interact with. The published code
    drops units at inference too, multiplies probabilities plus one, and leaves users with few answers out of its means;
    none of that is here.

    Args:
        network: trained.
        dataset: name of the dataset it was trained on.
        fingerprint: of that dataset; ids mean nothing on another.
        interact: relation from users to items.
        items: the kind that is recommended.
        max_out_degree: edges a node shows at most, 0 for all.
        beam: paths kept at each hop for every path that comes there.
        ranking: ``"paths"`` orders items by the summed probability of the paths to them, ``"scorer"`` by the teacher.
        prune: candidates that the teacher leaves of a crowded node; 0 for all.
        teacher: scores items for users; may be None where nothing asks it.
    """

    name = "pgpr"
    Config = PgprConfig
    directions: Directions = "tail"

    def __init__(
        self,
        network: PgprNetwork,
        *,
        dataset: str,
        fingerprint: str,
        interact: int,
        items: EntityType,
        max_out_degree: int,
        beam: tuple[int, ...],
        ranking: Ranking = "paths",
        prune: int = 0,
        teacher: AnyScorer | None = None,
    ) -> None:
        check_beam(beam, len(beam))
        if ranking not in get_args(Ranking):
            raise ValueError(f"ranking must be {' or '.join(get_args(Ranking))}, got {ranking!r}")
        if (ranking == "scorer" or prune) and teacher is None:
            raise ValueError("ranking by a scorer and pruning need a teacher")
        if not 0 <= interact < network.num_relations:
            raise ValueError(f"interact must be a relation below {network.num_relations}, got {interact!r}")
        if not 0 <= items.first < items.last <= network.num_entities:
            raise ValueError(f"items must be entities of the graph, got {items}")
        self.network = network
        self.dataset = dataset
        self.fingerprint = fingerprint
        self.interact = interact
        self.items = items
        self.max_out_degree = _whole("max_out_degree", max_out_degree)
        self.beam = beam
        self.ranking: Ranking = ranking
        self.prune = _whole("prune", prune)
        self.teacher = teacher
        self._legal = LegalMoves(max_out_degree)

    @staticmethod
    def config_for(dataset: str) -> PgprConfig:
        """The configuration that was chosen on a dataset's valid split; the defaults for an unknown name."""
        return PgprConfig(**TUNED.get(dataset, {}))

    @classmethod
    def trainer(cls, dataset: Dataset, config: PgprConfig, folder: Path, *, seed: int = 0) -> Trainer:
        """What ``fit`` runs, before its first step."""
        return trainer_of(cls, dataset, config, folder, seed)

    def answer(self, queries: Ids, graph: Graph | Expand) -> Ranked:
        """See ``kgwalk.protocols.Agent``: items new to each user, with the paths to them.

        A user whom an overlay adds (``kgwalk.data.new_users``) is answered from the items it interacted with.

        Raises:
            ValueError: a query of another relation than interactions.
        """
        ranked = rank(self.walks(queries, graph), len(queries))
        if self.ranking == "scorer" and self.teacher is not None:
            return rerank(ranked, queries, self.teacher)
        return ranked

    def walks(self, queries: Ids, graph: Graph | Expand) -> Paths:
        """See ``kgwalk.protocols.Walker``: the beam's paths that end at items the user does not know."""
        actions = self._legal.on(graph)
        if len(queries) and (queries[:, 1] != self.interact).any():
            odd = int(queries[queries[:, 1] != self.interact][0, 1])
            raise ValueError(f"{self.name} recommends: it answers queries of relation {self.interact}, got {odd}")
        prune = Prune(self.teacher, self.prune) if self.prune and self.teacher is not None else None
        policy = PgprPolicy(self.network, actions.expand, self.interact)
        with still(self.network):
            paths = search(actions, policy, chain(ANY, list(self.beam), per="path"), queries, prune=prune)
        return self._new_items(paths, queries, actions.expand)

    def _new_items(self, paths: Paths, queries: Ids, expand: Expand) -> Paths:
        """The paths to items that the walker's user does not interact with."""
        ends = paths.entities[:, -1]
        users, rows = np.unique(queries[:, 0], return_inverse=True)
        offsets: Offsets
        offsets, _, known = expand(users, np.array([self.interact], np.int32), None, False)
        width = np.int64(expand.num_entities)
        own = row_numbers(offsets) * width + known
        kept = (ends >= self.items.first) & (ends < self.items.last)
        kept &= ~np.isin(rows.reshape(-1)[paths.query] * width + ends, own)
        return Paths(paths.query[kept], paths.entities[kept], paths.relations[kept], paths.log_prob[kept], paths.stay)

    def save(self, folder: Path) -> None:
        """Write ``folder/agent.safetensors``, and the teacher beside it if answering asks it."""
        note = {
            "agent": self.name,
            **{key: getattr(self, key) for key in _SETTINGS},
            "items": list(self.items),
            "beam": list(self.beam),
            "num_entities": self.network.num_entities,
            "num_relations": self.network.num_relations,
            "policy": vars(self.network.config),
        }
        if self.teacher is not None and (self.prune or self.ranking == "scorer"):
            self.teacher.save(folder / TEACHER)
        save_tensors(folder / "agent.safetensors", self.network.state_dict(), note)

    @classmethod
    def load(cls, folder: Path, fingerprint: str | None = None) -> Pgpr:
        """The agent in ``folder``.

        Raises:
            FileNotFoundError: there is none, or the teacher that it needs is not beside it.
            ValueError: it is damaged, or ``fingerprint`` is given and is not that of the dataset it was trained on.
        """
        path = folder / "agent.safetensors"
        tensors, note = load_tensors(path)
        with reading(path):
            return cls._from_note(tensors, note, folder, fingerprint)

    @classmethod
    def _from_note(
        cls, tensors: dict[str, torch.Tensor], note: dict[str, Any], folder: Path, fingerprint: str | None
    ) -> Pgpr:
        check_trained_on(note["dataset"], note["fingerprint"], fingerprint)
        sizes = {**note["policy"], "hidden_dims": tuple(note["policy"]["hidden_dims"])}
        with torch.device("meta"):  # shapes only: a note that lies about sizes makes nothing large
            network = PgprNetwork(note["num_entities"], note["num_relations"], PgprPolicyConfig(**sizes))
        fill(network, tensors)
        settings = {key: note[key] for key in _SETTINGS}
        for key in ("interact", "max_out_degree", "prune"):
            _whole(key, settings[key])
        needs_teacher = settings["ranking"] == "scorer" or settings["prune"] > 0
        return cls(
            network,
            **settings,
            items=EntityType(*note["items"]),
            beam=tuple(note["beam"]),
            teacher=read_scorer(folder / TEACHER) if needs_teacher else None,
        )


def _whole(name: str, value: Any) -> int:
    """A whole number from 0 that fits 31 bits; ValueError otherwise."""
    if type(value) is not int or not 0 <= value < 1 << 31:
        raise ValueError(f"{name} must be a whole number from 0 to {(1 << 31) - 1}, got {value!r}")
    return value
