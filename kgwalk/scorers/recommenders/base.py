"""What all recommender models have in common: users and items by number, scores of pairs, losses, checked buffers."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from kgwalk._core import Graph
from kgwalk.data.dataset import facts_of
from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.protocols import Ids, Offsets

#: What a model learns from: labelled pairs, one by one (cross-entropy), or a positive item against a negative one (BPR,
#: Rendle et al. 2009), or against all items (softmax).
Objective = Literal["clicks", "pairs", "softmax"]

#: Pairs whose scores are made at once.
_PAIRS = 1 << 16
#: Numbers whose squares are added up at once.
_RUN = 1 << 16


@dataclass(frozen=True)
class RecommenderConfig:
    """Sizes of a model.

    Attributes:
        dim: numbers in the vector of a user, an item or an entity.
        l2: weight of half the squared length of the tables, as the model says which.
    """

    dim: int = 16
    l2: float = 1e-5

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        whole(self, 1, "dim")
        share(self, "l2")


def whole(config: object, least: int, *keys: str, most: int = 1 << 16) -> None:
    """Refuse fields of a configuration that are no whole numbers from ``least`` to ``most``."""
    for key in keys:
        value = getattr(config, key)
        if type(value) is not int or not least <= value <= most:
            raise ValueError(f"{key} must be a whole number from {least} to {most}, got {value!r}")


def share(config: object, *keys: str, most: float = sys.float_info.max) -> None:
    """Refuse fields of a configuration that are no finite numbers from 0 to ``most``."""
    for key in keys:
        value = getattr(config, key)
        if type(value) not in (int, float) or not 0 <= value <= most:
            raise ValueError(f"{key} must be a finite number of 0 or more, got {value!r}")


def one_of(config: object, key: str, choices: tuple[str, ...]) -> None:
    """Refuse a field of a configuration that is none of ``choices``."""
    if getattr(config, key) not in choices:
        raise ValueError(f"{key} must be {', '.join(choices)}, got {getattr(config, key)!r}")


class Neighbour(NamedTuple):
    """An edge that a model looked at, and how much it counted.

    Attributes:
        head: entity of the dataset where the edge begins.
        relation: of the dataset's graph, inverse or STAY too.
        entity: that it leads to.
        weight: among the edges of the same hop; they sum to 1 where the model's own do.
        hop: 1 for the item's own neighbours.
    """

    head: int
    relation: int
    entity: int
    weight: float
    hop: int


class Recommender(nn.Module, ABC):
    """Scores items for users.

    Users, items and entities are numbered apart: users from 0, entities of the knowledge graph from 0, the items first
    among them (``entity of the dataset - number of users``).

    Args:
        sizes: ``users``, ``items``, ``entities``, ``relations`` (of the dataset's graph, forward), and what a model
            adds; shapes of all parameters and buffers follow from them and the configuration.
        config: sizes and options.
    """

    name: ClassVar[str]
    Config: ClassVar[type[RecommenderConfig]] = RecommenderConfig
    #: What it was published with.
    objective: ClassVar[Objective] = "clicks"

    def __init__(self, sizes: Mapping[str, int], config: RecommenderConfig) -> None:
        super().__init__()
        self.sizes = dict(sizes)
        self.config = config

    @classmethod
    def of(cls, dataset: Recommendation, config: RecommenderConfig, seed: int) -> Recommender:
        """A model of a dataset, as it is before training; what is drawn is drawn from ``seed``."""
        sizes = cls.sizes_of(dataset, config)
        with torch.random.fork_rng(devices=[]):
            model = cls(sizes, config)  # layers draw their weights, which are drawn anew
            torch.manual_seed(seed)
            model.initialize()
        model.look_at(dataset, seed)
        return model

    @classmethod
    def sizes_of(cls, dataset: Recommendation, config: RecommenderConfig) -> dict[str, int]:
        """Sizes that the constructor takes.

        Raises:
            ValueError: the dataset's users do not have the first ids, or its items not the next.
        """
        if dataset.users.first != 0 or dataset.items.first != dataset.users.last:
            raise ValueError(f"{dataset.name}: expected the ids of users first, then those of items")
        return {
            "users": len(dataset.users),
            "items": len(dataset.items),
            "entities": dataset.graph.num_entities - len(dataset.users),
            "relations": dataset.graph.num_relations,
        }

    def initialize(self) -> None:
        """Draw the parameters from torch's global generator: by default Xavier's for tables and weights, biases 0."""
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter)
            else:
                nn.init.zeros_(parameter)

    def look_at(self, dataset: Recommendation, seed: int) -> None:
        """Fill the buffers with what the model keeps of a dataset: sampled neighbours, histories."""

    def learn_from(self, dataset: Recommendation, negatives: Ids) -> None:
        """Take what only training needs; ``negatives`` (n, 2) int32 are pairs of entities that are labelled 0."""

    def begin_epoch(self, epoch: int, seed: int) -> None:
        """Whatever a model does between passes over the training pairs."""

    def bounds(self) -> dict[str, int]:
        """For each buffer of whole numbers: they lie in [0, bound)."""
        return {}

    def check_buffers(self) -> None:
        """Refuse buffers from a file that no training makes.

        Raises:
            ValueError: a number is out of its bounds.
        """
        buffers = dict(self.named_buffers())
        for key, bound in self.bounds().items():
            values = buffers[key]
            if values.numel() and not 0 <= int(values.min()) <= int(values.max()) < bound:
                raise ValueError(f"{key} holds numbers outside [0, {bound})")

    @abstractmethod
    def pair_scores(self, users: Tensor, items: Tensor) -> Tensor:
        """Scores of pairs, (n,), of (n,) int64 each; the logit of a click where the objective is ``clicks``."""

    def all_scores(self, users: Tensor) -> Tensor:
        """Scores of all items for users (n,) int64: (n, items)."""
        items = torch.arange(self.sizes["items"])
        rows = max(1, _PAIRS // len(items))
        parts = [
            self.pair_scores(block.repeat_interleave(len(items)), items.repeat(len(block))).view(len(block), len(items))
            for block in torch.split(users, rows)
        ]
        return torch.cat(parts) if parts else torch.empty(0, len(items))

    def newcomer_scores(self, graph: Graph, offsets: Offsets, items: Ids) -> Tensor:
        """Scores of all items for users who were not there in training, (n, items).

        Args:
            graph: the dataset's.
            offsets: (n + 1,) int64.
            items: entities that the users have, ragged by ``offsets``.

        Raises:
            ValueError: the model has a table of users, in which they have no place.
        """
        raise ValueError(
            f"{self.name} has no vector of a user who was not there in training; ripplenet, path-reasoning, nser and "
            "pgpr need none"
        )

    def penalty(self, users: Tensor, items: Tensor) -> Tensor:
        """What the weight ``l2`` is put on, for a batch: half the squared length of all parameters."""
        return half_squares(*self.parameters())

    def click_loss(self, users: Tensor, items: Tensor, labels: Tensor) -> Tensor:
        """Mean cross-entropy of labelled pairs, (n,) each, and the penalty."""
        loss = functional.binary_cross_entropy_with_logits(self.pair_scores(users, items), labels)
        return loss + self._penalized(users, items)

    def pair_loss(self, users: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
        """BPR: mean of ``-log sigmoid(score of the positive - score of the negative)``, and the penalty."""
        count = len(users)
        scores = self.pair_scores(users.repeat(2), torch.cat([positives, negatives]))
        loss = -functional.logsigmoid(scores[:count] - scores[count:]).mean()
        return loss + self._penalized(users.repeat(2), torch.cat([positives, negatives]))

    def softmax_loss(self, users: Tensor, positives: Tensor, known: tuple[Tensor, Tensor]) -> Tensor:
        """Mean of ``-log p(positive)`` among the items that the user does not know, and the penalty.

        Args:
            users: (n,) int64.
            positives: (n,) int64 items.
            known: rows and items, (m,) int64 each, that are no negatives; a row's positive may be among them.
        """
        scores = self.all_scores(users)
        right = scores.gather(1, positives[:, None])[:, 0]
        wrong = scores.index_put(known, torch.tensor(-1e30))
        wrong = wrong.scatter(1, positives[:, None], -1e30)
        loss = functional.softplus(wrong.logsumexp(1) - right).mean()
        return loss + self._penalized(users, positives)

    def attention(self, user: int, item: int) -> list[Neighbour]:
        """The neighbours that counted for a user and an item, by number; the heaviest first within a hop.

        Raises:
            ValueError: the model attends to nothing.
        """
        raise ValueError(f"{self.name} has no attention to show; kgcn, kgnn-ls, mi-kgnn and kgat have")

    def _penalized(self, users: Tensor, items: Tensor) -> Tensor:
        return self.config.l2 * self.penalty(users, items) if self.config.l2 else torch.zeros(())


def half_squares(*tensors: Tensor) -> Tensor:
    """Half the sum of all squares, as ``tf.nn.l2_loss``; first derivatives only."""
    total: Tensor = _HalfSquares.apply(*tensors)  # type: ignore[no-untyped-call]
    return total


class _HalfSquares(torch.autograd.Function):
    """One pass over a table forward and one back; ``(t * t).sum() / 2`` makes five."""

    @staticmethod
    def forward(ctx: Any, *tensors: Tensor) -> Tensor:
        ctx.save_for_backward(*tensors)
        # In runs: a dot product adds up in float32, one number after the other.
        runs = [run for tensor in tensors for run in torch.split(tensor.reshape(-1), _RUN)]
        return torch.stack([run.dot(run) for run in runs]).sum() / 2

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        return tuple(grad * tensor for tensor in ctx.saved_tensors)


def check_offsets(key: str, offsets: Tensor, count: int) -> None:
    """Refuse offsets that do not rise from 0 to ``count``.

    Raises:
        ValueError: they do not. Their bounds are looked at first, for differences of huge numbers wrap around.
    """
    inside = bool(((offsets >= 0) & (offsets <= count)).all())
    if not inside or int(offsets[0]) != 0 or int(offsets[-1]) != count or bool((offsets.diff() < 0).any()):
        raise ValueError(f"{key} do not rise from 0 to {count}")


def knowledge_of(dataset: Recommendation) -> Graph:
    """What is known of items and other entities: the dataset's graph without facts of users; ids are the dataset's."""
    return without_users(dataset.graph, dataset.users.last)


def without_users(graph: Graph, first: int) -> Graph:
    """A graph without the facts of entities below ``first``; ids stay as they are."""
    facts = facts_of(graph)
    known = facts[(facts[:, [0, 2]] >= first).all(1)]
    return Graph.from_triples(known, graph.num_entities, graph.num_relations, list(graph.type_offsets))
