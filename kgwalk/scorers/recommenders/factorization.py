"""SVD, factorization machines, and these with the vectors of items in a knowledge-graph embedding.

"Unbiased" SVD scores a pair by the product of two vectors. A factorization machine (Rendle, ICDM 2010, equation 1; the
model of LibFM) also has a weight for every feature of a row, and a product for every two of them. LibFM + TransE is a
baseline of RippleNet, KGCN and their kin: the row also has the item's vector.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from kgwalk._core import Graph
from kgwalk.data.dataset import facts_of
from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.scorers.losses import Contrast
from kgwalk.scorers.models import TransE, TransEConfig
from kgwalk.scorers.recommenders.base import (
    Recommender,
    RecommenderConfig,
    check_offsets,
    half_squares,
    knowledge_of,
    share,
    whole,
)

#: Negatives and facts of a step, margin and step size of Adagrad, by which `item_vectors` are learnt.
_NEGATIVES, _FACTS, _MARGIN, _RATE = 256, 512, 6.0, 0.1


@dataclass(frozen=True)
class SvdConfig(RecommenderConfig):
    """Sizes of SVD.

    Attributes:
        spread: standard deviation of the tables in the beginning; 0 for Xavier's, which shrinks with a table's rows.
    """

    dim: int = 8
    l2: float = 1e-2
    spread: float = 0.1

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        super().__post_init__()
        share(self, "spread")


class Factors(Recommender):
    """Vectors of users and items, and a penalty on those of a batch."""

    Config = SvdConfig
    config: SvdConfig

    def __init__(self, sizes: Mapping[str, int], config: RecommenderConfig) -> None:
        super().__init__(sizes, config)
        self.users = nn.Parameter(torch.empty(sizes["users"], config.dim))
        self.items = nn.Parameter(torch.empty(sizes["items"], config.dim))

    def initialize(self) -> None:
        """See `Recommender.initialize`; tables of more than one column by ``spread``."""
        super().initialize()
        if self.config.spread:
            for parameter in self.parameters():
                if parameter.ndim > 1:
                    nn.init.normal_(parameter, std=self.config.spread)

    def penalty(self, users: Tensor, items: Tensor) -> Tensor:
        """Half the squared length of the rows of users and items in a batch, over its pairs."""
        return half_squares(self.users[users], self.items[items]) / max(len(users), 1)


class Svd(Factors):
    """SVD without biases: the product of a user's and an item's vector.

    Attributes:
        users: (users, dim).
        items: (items, dim).
    """

    name = "svd"

    def pair_scores(self, users: Tensor, items: Tensor) -> Tensor:
        """See `Recommender.pair_scores`."""
        return (self.users[users] * self.items[items]).sum(1)

    def all_scores(self, users: Tensor) -> Tensor:
        """See `Recommender.all_scores`."""
        return self.users[users] @ self.items.T


@dataclass(frozen=True)
class FmConfig(SvdConfig):
    """Options of a factorization machine.

    Attributes:
        attributes: whether an item's neighbours in the knowledge graph are features of a row too, whatever the
            relation; each of n counts 1 / n.
        linear: how much more the penalty counts weights than vectors.
    """

    attributes: bool = False
    linear: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        super().__post_init__()
        share(self, "linear")
        if type(self.attributes) is not bool:
            raise ValueError(f"attributes must be true or false, got {self.attributes!r}")


class Fm(Factors):
    """Factorization machine: weights of a row's features, user, item and attributes, and products of every two.

    A row is a user and what belongs to the item: the item itself with value 1, and its attributes. With ``s`` the sum
    of value * vector of the latter, and ``p`` the products among them, ``(|s|^2 - sum |value * vector|^2) / 2`` (Rendle
    2010, lemma 3.1), the score is ``bias + weights + p + user . s``.

    Attributes:
        users: (users, dim).
        items: (items, dim).
        attributes: (entities, dim), as features of items; no rows without the option.
        bias: (1,), of all rows.
        user_weights: (users,).
        item_weights: (items,).
        attribute_weights: (entities,).
        attribute_offsets: (items + 1,) int64: where the attributes of each item begin.
        attribute_entities: (n,) int32, by number, rising within an item.
    """

    name = "fm"
    Config: ClassVar[type[FmConfig]] = FmConfig
    config: FmConfig
    attribute_offsets: Tensor
    attribute_entities: Tensor

    def __init__(self, sizes: Mapping[str, int], config: RecommenderConfig) -> None:
        super().__init__(sizes, config)
        known = sizes["entities"] if self.config.attributes else 0
        self.attributes = nn.Parameter(torch.empty(known, config.dim))
        self.bias = nn.Parameter(torch.empty(1))
        self.user_weights = nn.Parameter(torch.empty(sizes["users"]))
        self.item_weights = nn.Parameter(torch.empty(sizes["items"]))
        self.attribute_weights = nn.Parameter(torch.empty(known))
        self.register_buffer("attribute_offsets", torch.zeros(sizes["items"] + 1, dtype=torch.int64))
        self.register_buffer("attribute_entities", torch.zeros(sizes["attributes"], dtype=torch.int32))

    @classmethod
    def sizes_of(cls, dataset: Recommendation, config: RecommenderConfig) -> dict[str, int]:
        """See `Recommender.sizes_of`; ``attributes``: how many all items have together."""
        assert isinstance(config, FmConfig)
        count = len(_attributes(dataset)[1]) if config.attributes else 0
        return super().sizes_of(dataset, config) | {"attributes": count}

    def look_at(self, dataset: Recommendation, seed: int) -> None:
        """Keep the attributes of items."""
        if self.config.attributes:
            offsets, entities = _attributes(dataset)
            self.attribute_offsets.copy_(torch.from_numpy(offsets))
            self.attribute_entities.copy_(torch.from_numpy(entities))

    def bounds(self) -> dict[str, int]:
        """See `Recommender.bounds`."""
        return {"attribute_entities": self.sizes["entities"]}

    def check_buffers(self) -> None:
        """See `Recommender.check_buffers`; the offsets rise from 0 to the number of attributes."""
        super().check_buffers()
        check_offsets("attribute_offsets", self.attribute_offsets, len(self.attribute_entities))

    def pair_scores(self, users: Tensor, items: Tensor) -> Tensor:
        """See `Recommender.pair_scores`."""
        vectors, alone = self._rows(items)
        return self.bias + self.user_weights[users] + alone + (self.users[users] * vectors).sum(1)

    def all_scores(self, users: Tensor) -> Tensor:
        """See `Recommender.all_scores`."""
        vectors, alone = self._rows(torch.arange(self.sizes["items"]))
        return self.bias + self.user_weights[users][:, None] + alone + self.users[users] @ vectors.T

    def penalty(self, users: Tensor, items: Tensor) -> Tensor:
        """Half the squared length of the vectors of a batch's users and items, over its pairs.

        Those of attributes are counted once for each item that has them; weights likewise, ``linear`` times.
        """
        vectors, weights = [self.users[users], self.items[items]], [self.user_weights[users], self.item_weights[items]]
        if self.config.attributes:
            own = self._own(items)[1]
            vectors.append(self.attributes[own])
            weights.append(self.attribute_weights[own])
        return (half_squares(*vectors) + self.config.linear * half_squares(*weights)) / max(len(users), 1)

    def _rows(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """What items bring into a row: the sum of their features (n, dim), and what these score alone (n,)."""
        total, squares, weights = self._sums(items)
        return total, weights + (total * total - squares).sum(1) / 2

    def _sums(self, items: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of value * vector of the items' features, (n, dim), of their squares, and of value * weight, (n,)."""
        vectors = self.items[items]
        total, squares, weights = vectors, vectors * vectors, self.item_weights[items]
        if self.config.attributes:
            rows, own, values = self._own(items)
            parts = self.attributes[own] * values[:, None]
            total = total.index_add(0, rows, parts)
            squares = squares.index_add(0, rows, parts * parts)
            weights = weights.index_add(0, rows, self.attribute_weights[own] * values)
        return total, squares, weights

    def _own(self, items: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Attributes of items: row of ``items``, entity, value; (m,) each."""
        first = self.attribute_offsets[items]
        sizes = self.attribute_offsets[items + 1] - first
        rows = torch.arange(len(items)).repeat_interleave(sizes)
        place = torch.arange(len(rows)) - (sizes.cumsum(0) - sizes - first)[rows]
        return rows, self.attribute_entities[place].long(), 1 / sizes[rows].float()


@dataclass(frozen=True)
class FmTransEConfig(FmConfig):
    """Options of a factorization machine with TransE's vectors.

    Attributes:
        transe_dim: numbers in a vector of TransE.
        transe_epochs: passes of TransE over the facts of the knowledge graph and their inverses.
    """

    transe_dim: int = 32
    transe_epochs: int = 30

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        super().__post_init__()
        whole(self, 2, "transe_dim")
        whole(self, 0, "transe_epochs")


class FmTransE(Fm):
    """Factorization machine whose rows also have the item's TransE vector, learnt before and then left as it is.

    Each of its numbers is a feature with that value, with a weight and a vector of its own.

    Attributes:
        item_vectors: (items, transe_dim), each of length 1.
        places: (transe_dim, dim): vectors of the numbers of an item's vector.
        place_weights: (transe_dim,).
    """

    name = "fm-transe"
    Config = FmTransEConfig
    config: FmTransEConfig
    item_vectors: Tensor

    def __init__(self, sizes: Mapping[str, int], config: RecommenderConfig) -> None:
        super().__init__(sizes, config)
        self.places = nn.Parameter(torch.empty(self.config.transe_dim, config.dim))
        self.place_weights = nn.Parameter(torch.empty(self.config.transe_dim))
        self.register_buffer("item_vectors", torch.zeros(sizes["items"], self.config.transe_dim))

    def look_at(self, dataset: Recommendation, seed: int) -> None:
        """Keep the attributes of items, and learn TransE on the knowledge graph."""
        super().look_at(dataset, seed)
        self.item_vectors.copy_(item_vectors(dataset, self.config.transe_dim, self.config.transe_epochs, seed))

    def penalty(self, users: Tensor, items: Tensor) -> Tensor:
        """As a factorization machine's; ``places`` and their weights count once, not for each pair."""
        own = half_squares(self.places) + self.config.linear * half_squares(self.place_weights)
        return super().penalty(users, items) + own

    def _sums(self, items: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        total, squares, weights = super()._sums(items)
        values = self.item_vectors[items]
        return (
            total + values @ self.places,
            squares + values.square() @ self.places.square(),
            weights + values @ self.place_weights,
        )


def item_vectors(dataset: Recommendation, dim: int, epochs: int, seed: int) -> Tensor:
    """TransE's vectors of items, (items, dim) float32, each of length 1 as Bordes et al. (2013) keep them.

    TransE is learnt on the knowledge graph and its inverse facts, without interactions, by the self-adversarial loss of
    the library; everything is drawn from ``seed``.
    """
    graph, first = knowledge_of(dataset), dataset.users.last
    facts = torch.from_numpy(_both_ways(graph) - np.array([first, 0, first]))
    count = graph.num_entities - first
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = TransE(count, graph.num_relations, TransEConfig(dim=dim))
        model.initialize()
        negatives = _NEGATIVES if count > _NEGATIVES else 0
        contrast = Contrast(model, "self-adversarial", negatives, margin=_MARGIN)
        optimizer = torch.optim.Adagrad(model.parameters(), lr=_RATE)
        for _ in range(epochs):
            for rows in torch.split(torch.randperm(len(facts)), _FACTS):
                optimizer.zero_grad()
                contrast(facts[rows], 0.0).backward()  # type: ignore[no-untyped-call]
                with torch.sparse.check_sparse_tensor_invariants(False):  # type: ignore[no-untyped-call]
                    optimizer.step()
    vectors = model.entities.detach()[: len(dataset.items)]
    return functional.normalize(vectors)


def _both_ways(graph: Graph) -> NDArray[np.int64]:
    """Facts of a graph and their inverses, (n, 3)."""
    facts = facts_of(graph).astype(np.int64)
    inverses = np.column_stack([facts[:, 2], facts[:, 1] + graph.num_relations, facts[:, 0]])
    return np.concatenate([facts, inverses])


def _attributes(dataset: Recommendation) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Neighbours of each item in the knowledge graph by number: where each item's begin, and distinct entities."""
    pairs = np.unique(_both_ways(knowledge_of(dataset))[:, [0, 2]] - dataset.users.last, axis=0)
    offsets = np.searchsorted(pairs[:, 0], np.arange(len(dataset.items) + 1))
    return offsets.astype(np.int64), pairs[: offsets[-1], 1].astype(np.int32)
