"""PER: how interactions spread along metapaths, factorized, and what each metapath counts (Yu et al., WSDM 2014)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, svds
from torch import Tensor, nn

from kgwalk.data.dataset import facts_of
from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.data.recommendation.metapaths import Metapath, default_metapaths
from kgwalk.scorers.recommenders.base import Recommender, RecommenderConfig, half_squares, whole

Doubles = NDArray[np.float64]

#: Training pairs that are looked at at once.
_PAIRS = 1 << 14


@dataclass(frozen=True)
class PerConfig(RecommenderConfig):
    """Options of PER.

    Attributes:
        dim: rank of each metapath's factors.
        metapaths: in words, each ``interact r ^r``; for none, those by attributes of items are chosen.
        limit: metapaths that are chosen at most.
        own: whether an item is similar to itself, as it is in the paper: a training pair then speaks for itself, and
            what the metapaths count is learnt on pairs that are given away.
    """

    dim: int = 8
    l2: float = 1e-3
    metapaths: tuple[str, ...] = ()
    limit: int = 8
    own: bool = True

    def __post_init__(self) -> None:
        """Refuse what cannot be built; a list of metapaths, as files give it, becomes a tuple."""
        super().__post_init__()
        whole(self, 1, "limit", most=1 << 10)
        if not isinstance(self.metapaths, (list, tuple)) or not all(type(text) is str for text in self.metapaths):
            raise ValueError(f"metapaths must be words, got {self.metapaths!r}")
        object.__setattr__(self, "metapaths", tuple(self.metapaths))
        if type(self.own) is not bool:
            raise ValueError(f"own must be true or false, got {self.own!r}")


class Per(Recommender):
    """PER: the preferences of users, spread along metapaths and factorized; what each metapath counts is learnt.

    Along a metapath *user, item, attribute, item* a user prefers an item as much as it is similar to the items of the
    user: ``R S``, with R the training interactions and S PathSim (Sun et al., VLDB 2011, definition 1): two items'
    shared attributes, twice, over the attributes of the one and those of the other. Each such matrix gets factors of
    rank ``dim``, and the score of a pair is the sum over metapaths of ``theta * user . item``: the global model of Yu
    et al. (WSDM 2014, section 4.1), learnt by BPR as there.

    Left out: the personalized model, which clusters users and has a theta for each cluster. Another way: factors are
    those of a truncated singular value decomposition, where the paper's are not negative; matrices are scaled, so that
    they are 1 in the mean over training pairs; and there is a bias, which does nothing but make scores logits for the
    objective ``clicks``.

    Attributes:
        theta: (metapaths, 1).
        bias: (1,).
        user_factors: (metapaths, users, dim), left as they are.
        item_factors: (metapaths, items, dim).
    """

    name = "per"
    Config = PerConfig
    config: PerConfig
    objective = "pairs"
    user_factors: Tensor
    item_factors: Tensor

    def __init__(self, sizes: Mapping[str, int], config: RecommenderConfig) -> None:
        super().__init__(sizes, config)
        paths, dim = sizes["metapaths"], config.dim
        self.theta = nn.Parameter(torch.empty(paths, 1))
        self.bias = nn.Parameter(torch.empty(1))
        self.register_buffer("user_factors", torch.zeros(paths, sizes["users"], dim))
        self.register_buffer("item_factors", torch.zeros(paths, sizes["items"], dim))

    @classmethod
    def sizes_of(cls, dataset: Recommendation, config: RecommenderConfig) -> dict[str, int]:
        """See `Recommender.sizes_of`; ``metapaths``: how many there are.

        Raises:
            KeyError: a named relation is unknown.
            ValueError: a named metapath is of another kind; or none is named, and the set has none.
        """
        assert isinstance(config, PerConfig)
        return super().sizes_of(dataset, config) | {"metapaths": len(chosen_metapaths(dataset, config))}

    def initialize(self) -> None:
        """All metapaths count the same, 1 together."""
        nn.init.constant_(self.theta, 1 / len(self.theta))
        nn.init.zeros_(self.bias)

    def look_at(self, dataset: Recommendation, seed: int) -> None:
        """Spread and factorize the training interactions along each metapath."""
        pairs = _interactions(dataset)
        for row, metapath in enumerate(chosen_metapaths(dataset, self.config)):
            items = attribute_matrix(dataset, metapath[1])
            users, factors = factorized(pairs, items, self.config.dim, own=self.config.own, seed=seed)
            self.user_factors[row] = torch.from_numpy(users)
            self.item_factors[row] = torch.from_numpy(factors)

    def pair_scores(self, users: Tensor, items: Tensor) -> Tensor:
        """See `Recommender.pair_scores`."""
        return ((self.user_factors[:, users] * self.item_factors[:, items]).sum(2) * self.theta).sum(0) + self.bias

    def all_scores(self, users: Tensor) -> Tensor:
        """See `Recommender.all_scores`."""
        weighted = self.user_factors[:, users] * self.theta[:, :, None]
        return torch.einsum("lud,lid->ui", weighted, self.item_factors) + self.bias

    def penalty(self, users: Tensor, items: Tensor) -> Tensor:
        """Half the squared length of theta."""
        return half_squares(self.theta)


def chosen_metapaths(dataset: Recommendation, config: PerConfig) -> list[Metapath]:
    """Those that are named, or the ``limit`` ways by attributes of items that lead to most training pairs.

    A pair is led to if another item of the user's shares an attribute with its item. Equals by relation.

    Raises:
        KeyError: a named relation is unknown.
        ValueError: a named metapath is of another kind; or none is named, and the set has none.
    """
    graph = dataset.graph
    if config.metapaths:
        named: list[Metapath] = [dataset.metapath(text) for text in config.metapaths]
        for text, path in zip(config.metapaths, named, strict=True):
            if len(path) != 3 or path[0] != dataset.interact or path[2] != graph.inverse(path[1]):
                raise ValueError(f"per spreads along metapaths 'interact r ^r', got {text!r}")
        return named
    back = graph.inverse(dataset.interact)
    paths: list[Metapath] = [path for path in default_metapaths(dataset) if len(path) == 3 and path[1] != back]
    if not paths:
        raise ValueError(f"{dataset.name} has no metapath from an item to another by an attribute: per needs one")
    pairs = _interactions(dataset)
    led = {path: led_to(pairs, attribute_matrix(dataset, path[1])) for path in paths}
    return sorted(paths, key=lambda path: (-led[path], path[1]))[: config.limit]


def attribute_matrix(dataset: Recommendation, relation: int) -> sparse.csr_array:
    """Which entities a relation of the graph joins each item with: (items, entities of the graph), 0 or 1."""
    graph, items = dataset.graph, dataset.items
    facts = facts_of(graph)
    if relation >= graph.num_relations:
        facts = facts[facts[:, 1] == graph.inverse(relation)][:, ::-1]
    else:
        facts = facts[facts[:, 1] == relation]
    facts = facts[(facts[:, 0] >= items.first) & (facts[:, 0] < items.last)]
    ones = np.ones(len(facts))
    shape = (len(items), graph.num_entities)
    return sparse.csr_array((ones, (facts[:, 0] - items.first, facts[:, 2])), shape=shape)


def led_to(pairs: sparse.csr_array, attributes: sparse.csr_array) -> int:
    """How many interactions (users, items) another item of the user's leads to, by sharing an attribute."""
    users, items = pairs.nonzero()
    tastes = sparse.csr_array(pairs @ attributes)
    found = 0
    for begin in range(0, len(users), _PAIRS):
        own = attributes[items[begin : begin + _PAIRS]]
        shared = own.multiply(tastes[users[begin : begin + _PAIRS]]).sum(1) - own.sum(1)
        found += int((np.asarray(shared) > 0.5).sum())
    return found


def factorized(
    pairs: sparse.csr_array, attributes: sparse.csr_array, rank: int, *, own: bool, seed: int
) -> tuple[Doubles, Doubles]:
    """Factors (users, rank) and (items, rank) of ``pairs @ S``, where that is 1 in the mean over the pairs.

    S, PathSim of (items, entities) ``attributes``, is never made: items with the same number of attributes have the
    same denominators, so it is as many products with ``attributes`` as there are such numbers.

    Args:
        pairs: (users, items), 1 for an interaction.
        attributes: (items, entities), 0 or 1.
        rank: of the truncated singular value decomposition; factors of what has a lower one are filled with zeros.
        own: whether an item with attributes is similar to itself, 1, or not.
        seed: of the vector that the decomposition begins with.
    """
    degrees = np.asarray(attributes.sum(1)).reshape(-1)
    kinds = np.unique(degrees[degrees > 0])
    has = degrees > 0
    weights = np.where(has[:, None], 2 / (degrees[:, None] + kinds), 0.0)  # (items, kinds)
    of_kind = degrees[:, None] == kinds

    def similar(vectors: Doubles) -> Doubles:
        """``S @ vectors``, (items, n)."""
        total = -np.where(has[:, None], vectors, 0.0) if not own else np.zeros_like(vectors)
        for kind in range(len(kinds)):
            shared = attributes @ (attributes.T @ np.where(of_kind[:, kind, None], vectors, 0.0))
            total += weights[:, kind, None] * shared
        return total

    def forward(vectors: Doubles) -> Any:
        return pairs @ similar(vectors.reshape(len(degrees), -1))

    def backward(vectors: Doubles) -> Any:
        return similar(pairs.T @ vectors.reshape(pairs.shape[0], -1))

    users, items = np.zeros((pairs.shape[0], rank)), np.zeros((pairs.shape[1], rank))
    width = min(rank, min(pairs.shape) - 1)
    if not len(kinds) or width < 1:
        return users, items
    whole_matrix = LinearOperator(
        pairs.shape, matvec=forward, rmatvec=backward, matmat=forward, rmatmat=backward, dtype=np.float64
    )
    begin = np.random.default_rng(seed).random(min(pairs.shape))
    left, values, right = svds(whole_matrix, k=width, v0=begin)
    root = np.sqrt(values)
    users[:, :width], items[:, :width] = left * root, right.T * root
    rows, columns = pairs.nonzero()
    mean = np.vdot(users[rows], items[columns]) / max(len(rows), 1)
    if mean > 1e-9:
        users, items = users / np.sqrt(mean), items / np.sqrt(mean)
    return users, items


def _interactions(dataset: Recommendation) -> sparse.csr_array:
    """Training interactions, (users, items) of 1."""
    pairs = np.unique(dataset.splits["train"][:, [0, 2]], axis=0)
    shape = (len(dataset.users), len(dataset.items))
    return sparse.csr_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1] - dataset.items.first)), shape=shape)
