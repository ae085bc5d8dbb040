"""PathReasoning: short paths from what a user has to other items, each scored by a small network; a baseline."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from kgwalk.data import Dataset
from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.evaluation import RecommendationProtocol, evaluate_recommendations
from kgwalk.graph import Expand, Graph
from kgwalk.protocols import Ids, Ranked
from kgwalk.scorers.location import NAME
from kgwalk.search import Paths, rank
from kgwalk.search.paths import take_rows
from kgwalk.tensors import load_tensors, save_tensors

from .item_paths import PathScorer, chosen, end_at_known, item_paths
from .saved import check_numbers, check_trained_on, fill, reading
from .trainable import Trainable, check_seed, recommendation_for
from .training import ShuffledBatches, Trainer, first_of_valid, plain


@dataclass(frozen=True)
class PathReasoningConfig:
    """Everything that ``PathReasoning.fit`` may be told.

    Attributes:
        dim: numbers in the vector of an item or a relation, and units of the hidden layer.
        hops: steps of a path at most, after that from the user to an item.
        beam: paths kept for a user after each hop.
        users: whose paths are learnt from, drawn once; 0 for all.
        batch_size: pairs of users and items in a step, half of them positive.
        learning_rate: of Adam.
        epochs: passes over the positive pairs at most.
        validate_users: users of valid that select the model by NDCG@10, 0 for all.
        patience: validations, one an epoch, without a better one after which training ends.
    """

    dim: int = 64
    hops: int = 3
    beam: int = 512
    users: int = 5000
    batch_size: int = 256
    learning_rate: float = 2e-3
    epochs: int = 10
    validate_users: int = 1000
    patience: int = 3

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with."""
        least = {"users": 0, "validate_users": 0, "batch_size": 2}
        for key in ("dim", "hops", "beam", "epochs", "patience", *least):
            smallest, most = least.get(key, 1), 16 if key == "hops" else 1 << 20
            if type(getattr(self, key)) is not int or not smallest <= getattr(self, key) <= most:
                raise ValueError(f"{key} must be a whole number from {smallest} to {most}, got {getattr(self, key)!r}")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate must be positive, got {self.learning_rate!r}")


class PathReasoning(Trainable[PathReasoningConfig]):
    """Recommends the items at the ends of short paths from a user's items, each by its best path.

    Paths go from the user to an item of his and on by at most ``hops`` steps of any relation, by beam search with a
    policy that likes all moves the same; none comes back to the user or ends where it started. A path's score is that
    of a `PathScorer`, its log-probability that of a liked end, ``log sigmoid(score)``.

    It is the tutorial's ``PathReasoning`` made to work. There, breadth-first search for each pair of items marks an
    edge as visited for good, so that of two paths which share an edge one is lost, and it stops at 10 paths; and no
    loop trains the network. Here it learns, by cross-entropy of an item's best path, to tell the items a user has from
    as many that paths also lead to, and an item's own edge is hidden: no path that comes back to the user is looked at.

    Args:
        model: trained.
        note: all else that is saved: ``dataset``, ``fingerprint``, ``hops``, ``beam`` and ids.
    """

    name = "path-reasoning"
    Config = PathReasoningConfig

    def __init__(self, model: PathScorer, note: Mapping[str, Any]) -> None:
        self.model = model
        self.note = dict(note)
        limits = {"hops": range(1, 17), "beam": range(1, 1 << 21), "interact": range(2 * self.note["relations"])}
        for key, limit in {**limits, "first_item": range(1 << 31)}.items():
            if type(self.note[key]) is not int or self.note[key] not in limit:
                raise ValueError(f"{key} must be from {limit[0]} to {limit[-1]}, got {self.note[key]!r}")

    @classmethod
    def config_for(cls, dataset: str) -> PathReasoningConfig:
        """The defaults, for all datasets."""
        return PathReasoningConfig()

    @classmethod
    def trainer(cls, dataset: Dataset, config: PathReasoningConfig, folder: Path, *, seed: int = 0) -> Trainer:
        """What ``fit`` runs, before its first step; paths are searched now, nothing is written yet.

        Raises:
            ValueError: the dataset is none of recommendation; no path leads to a training item, or to another; there
                are no users in valid; a seed out of range.
        """
        check_seed(seed)
        dataset = recommendation_for(cls.name, dataset)
        sizes: dict[str, Any] = {
            "items": len(dataset.items),
            "relations": dataset.graph.num_relations,
            "dim": config.dim,
        }
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = PathScorer(**sizes)
            for table in (model.items, model.relations):
                nn.init.xavier_uniform_(table)
        note = sizes | {"hops": config.hops, "beam": config.beam, "first_item": dataset.items.first}
        told = {"dataset": dataset.name, "fingerprint": dataset.fingerprint, "seed": seed, "config": plain(config)}
        agent = cls(model, {**note, "interact": dataset.interact, **told})
        valid = first_of_valid(dataset, config.validate_users, seed)
        pairs = agent._pairs(dataset, config.users, seed)
        positives, negatives = np.flatnonzero(pairs.labels), np.flatnonzero(~pairs.labels)
        if not len(positives) or not len(negatives):
            raise ValueError(
                f"{dataset.name}: paths lead to {len(positives)} training items and {len(negatives)} others"
            )
        batches = ShuffledBatches(positives, config.batch_size // 2, seed)
        steps = len(positives) // batches.size

        def loss(step: int) -> tuple[Tensor, Mapping[str, float]]:
            others = np.random.default_rng([seed, 1, step]).choice(negatives, batches.size)
            rows = np.concatenate([batches(step), others])
            labels = torch.from_numpy(pairs.labels[rows].astype(np.float32))
            return functional.binary_cross_entropy_with_logits(agent._best(pairs, rows), labels), {}

        def validate() -> float:
            protocol = RecommendationProtocol(cutoffs=(10,), cold_cutoff=10)
            report = evaluate_recommendations(agent, valid, "valid", protocol, progress=False)
            return float(report.metrics["ndcg@10"])

        return Trainer(
            model,
            torch.optim.Adam(model.parameters(), lr=config.learning_rate),
            folder,
            seed=seed,
            run_id={"agent": cls.name, "config": plain(config), "dataset": dataset.fingerprint, "seed": seed},
            loss=loss,
            validate=validate,
            keep=lambda: agent.save(folder),
            steps=config.epochs * steps,
            validate_every=steps,
            learning_rate=lambda step: config.learning_rate,
            clip=None,
            patience=config.patience,
            score="NDCG@10",
        )

    @classmethod
    def load(cls, folder: Path, fingerprint: str | None = None) -> PathReasoning:
        """The agent in ``folder``.

        Raises:
            FileNotFoundError: there is none.
            ValueError: it is damaged, of another name, or ``fingerprint`` is given and is not that of its dataset.
        """
        path = folder / NAME
        tensors, note = load_tensors(path)
        with reading(path):
            if note.pop("agent") != cls.name:
                raise ValueError("holds another agent")
            check_trained_on(note["dataset"], note["fingerprint"], fingerprint)
            with torch.device("meta"):  # shapes only: a note that lies about sizes makes nothing large
                model = PathScorer(note["items"], note["relations"], note["dim"])
            fill(model, tensors)
            return cls(model, note)

    def check_fits(self, dataset: Dataset) -> None:
        """Refuse a file whose items and relations are not those of its dataset.

        Raises:
            ValueError: they differ.
        """
        check_numbers(dataset, self.note)

    def save(self, folder: Path) -> None:
        """Write ``folder/agent.safetensors``."""
        save_tensors(folder / NAME, self.model.state_dict(), {"agent": self.name, **self.note})

    def answer(self, queries: Ids, graph: Graph | Expand) -> Ranked:
        """See ``kgwalk.protocols.Agent``: items that paths lead to and the user has not in ``graph``, best first.

        Raises:
            ValueError: a query is not (user, interact, ...).
        """
        return rank(self.walks(queries, graph), len(queries), pool="max")

    def walks(self, queries: Ids, graph: Graph | Expand) -> Paths:
        """See ``kgwalk.protocols.Walker``: all paths to items that the user has not, best first.

        Raises:
            ValueError: a query is not (user, interact, ...).
        """
        if (queries[:, 1] != self.note["interact"]).any():
            raise ValueError(f"{self.name} answers queries of interactions, relation {self.note['interact']}, only")
        paths = self._search(queries, graph)
        paths = chosen(paths, ~end_at_known(paths, queries, graph))
        with torch.inference_mode():
            scores = functional.logsigmoid(self.model(*self._numbers(paths))).double().numpy()
        return dataclasses.replace(paths, log_prob=scores).sorted()

    def _search(self, queries: Ids, graph: Graph | Expand) -> Paths:
        first, hops, beam = (self.note[key] for key in ("first_item", "hops", "beam"))
        items = range(first, first + self.note["items"])
        return item_paths(queries, graph, items, hops=hops, beam=beam)

    def _numbers(self, paths: Paths) -> tuple[Tensor, Tensor, Tensor]:
        """What the model takes of paths: starts, relations after the first hop, ends."""
        ends = paths.entities[:, [1, -1]].astype(np.int64) - self.note["first_item"]
        relations = torch.from_numpy(paths.relations[:, 1:].astype(np.int64))
        return torch.from_numpy(ends[:, 0]), relations, torch.from_numpy(ends[:, 1])

    def _pairs(self, dataset: Recommendation, users: int, seed: int) -> _Pairs:
        asked = np.unique(dataset.splits["train"][:, 0])
        if 0 < users < len(asked):
            asked = np.sort(np.random.default_rng(seed).permutation(asked)[:users])
        queries = np.column_stack([asked, np.full_like(asked, dataset.interact), np.full_like(asked, -1)])
        paths = self._search(queries, dataset.graph)
        keys = paths.query * np.int64(1 << 32) + paths.entities[:, -1]
        order = np.argsort(keys, kind="stable")
        paths = chosen(paths, order)
        first = np.flatnonzero(np.diff(keys[order], prepend=-1))
        labels = end_at_known(chosen(paths, first), queries, dataset.graph)
        return _Pairs(np.append(first, len(paths)).astype(np.int64), labels, self._numbers(paths))

    def _best(self, pairs: _Pairs, rows: NDArray[np.int64]) -> Tensor:
        """The score of the best path of each pair, (len(rows),)."""
        offsets, index = take_rows(pairs.offsets, rows)
        taken = torch.from_numpy(index)
        scores = self.model(*(part[taken] for part in pairs.paths))
        owner = torch.arange(len(rows)).repeat_interleave(torch.from_numpy(np.diff(offsets)))
        return torch.full((len(rows),), -torch.inf).scatter_reduce(0, owner, scores, "amax")


class _Pairs(NamedTuple):
    """Users and items that paths lead to.

    Attributes:
        offsets: (pairs + 1,) int64, where the paths of each begin.
        labels: (pairs,) bool, whether the user has the item.
        paths: what a `PathScorer` takes.
    """

    offsets: NDArray[np.int64]
    labels: NDArray[np.bool_]
    paths: tuple[Tensor, Tensor, Tensor]
