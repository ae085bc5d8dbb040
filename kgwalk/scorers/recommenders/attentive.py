"""KGAT (Wang et al., KDD 2019): users, items and entities are one graph; attention weighs what its edges pass on."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.scorers.recommenders.base import (
    Neighbour,
    Objective,
    Recommender,
    RecommenderConfig,
    check_offsets,
    half_squares,
    share,
    whole,
)

#: Facts that the attention of is made at once.
_EDGES = 1 << 17


@dataclass(frozen=True)
class KgatConfig(RecommenderConfig):
    """Sizes and options.

    Attributes:
        dim: numbers in the vector of a node; relations have as many.
        l2: weight of half the squares of a batch's vectors, over the rows of the batch.
        layers: numbers that each layer of propagation gives out; the final vector has them and the node's own.
        dropout: share of what each layer gives out that is dropped in training.
        fact_weight: of TransR's loss on a batch of edges beside the loss of the recommendation; 0 for none.
        fact_batch: edges in it.
        attend: whether attention weighs the edges; else each counts alike.
        spread: standard deviation of the tables in the beginning; 0 for Xavier's, as published.
    """

    dim: int = 64
    layers: tuple[int, ...] = (64, 32, 16)
    dropout: float = 0.1
    fact_weight: float = 1.0
    fact_batch: int = 2048
    attend: bool = True
    spread: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        super().__post_init__()
        object.__setattr__(self, "layers", tuple(self.layers))  # a list when read from JSON
        if any(type(width) is not int or not 1 <= width <= 1 << 12 for width in self.layers) or len(self.layers) > 8:
            raise ValueError(f"layers must be at most 8 whole numbers from 1 to {1 << 12}, got {self.layers!r}")
        share(self, "fact_weight", "spread")
        whole(self, 1, "fact_batch", most=1 << 20)
        if type(self.dropout) not in (int, float) or not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, got {self.dropout!r}")
        if type(self.attend) is not bool:
            raise ValueError(f"attend must be true or false, got {self.attend!r}")


class Kgat(Recommender):
    """``score = u . v`` of vectors that ``layers`` of propagation give to all nodes.

    A layer is ``LeakyReLU(W1 (e + n)) + LeakyReLU(W2 (e * n))`` (bi-interaction, equation 8), dropped out, its length
    made 1; n is the mean of the neighbours by attention, ``softmax over edges of (W_r t) . tanh(W_r h + r)`` (equations
    4 and 5). Attention is made anew from the vectors at the beginning of every epoch, without a gradient of its own, as
    the paper alternates; in its published code it never changes. Vectors also learn the facts by TransR (equation 2),
    here in the same step; the published code alternates epochs.

    Args:
        sizes: see `Recommender`; ``edges`` of the graph, inverse ones too.
        config: sizes and options.

    Attributes:
        nodes: (users + entities, dim): ids of the dataset's graph.
        relations: (2 * relations, dim).
        projections: (2 * relations, dim * dim): W_r.
        offsets: (users + entities + 1,) int64, the graph's.
        edge_relations: (edges,) int32.
        edge_tails: (edges,) int32.
        weights: (edges,) float32: attention, sums to 1 over the edges of a node.
    """

    name = "kgat"
    Config = KgatConfig
    config: KgatConfig
    objective: ClassVar[Objective] = "pairs"
    offsets: Tensor
    edge_relations: Tensor
    edge_tails: Tensor
    weights: Tensor

    def __init__(self, sizes: Mapping[str, int], config: RecommenderConfig) -> None:
        super().__init__(sizes, config)
        c, nodes = self.config, sizes["users"] + sizes["entities"]
        self.nodes = nn.Parameter(torch.empty(nodes, c.dim))
        self.relations = nn.Parameter(torch.empty(2 * sizes["relations"], c.dim))
        self.projections = nn.Parameter(torch.empty(2 * sizes["relations"], c.dim * c.dim))
        widths = list(zip((c.dim, *c.layers), c.layers, strict=False))
        self.sums = nn.ModuleList(nn.Linear(*width) for width in widths)
        self.products = nn.ModuleList(nn.Linear(*width) for width in widths)
        self.register_buffer("offsets", torch.zeros(nodes + 1, dtype=torch.int64))
        for key in ("edge_relations", "edge_tails"):
            self.register_buffer(key, torch.zeros(sizes["edges"], dtype=torch.int32))
        self.register_buffer("weights", torch.zeros(sizes["edges"]))
        self._matrices: tuple[Tensor, Tensor] | None = None
        self._final: Tensor | None = None

    @classmethod
    def sizes_of(cls, dataset: Recommendation, config: RecommenderConfig) -> dict[str, int]:
        """See `Recommender.sizes_of`."""
        return {**super().sizes_of(dataset, config), "edges": len(dataset.graph.edges)}

    def initialize(self) -> None:
        """See `Recommender.initialize`."""
        super().initialize()
        if self.config.spread:
            for table in (self.nodes, self.relations):
                nn.init.normal_(table, std=self.config.spread)
        with torch.no_grad():  # Xavier's limits of each matrix, not of the table that holds them
            for matrix in self.projections.view(-1, self.config.dim, self.config.dim):
                nn.init.xavier_uniform_(matrix)

    def look_at(self, dataset: Recommendation, seed: int) -> None:
        """Keep the edges."""
        graph = dataset.graph
        self.offsets.copy_(torch.from_numpy(np.array(graph.offsets, np.int64)))
        self.edge_relations.copy_(torch.from_numpy(np.array(graph.edges[:, 0], np.int32)))
        self.edge_tails.copy_(torch.from_numpy(np.array(graph.edges[:, 1], np.int32)))
        self.begin_epoch(0, seed)

    def begin_epoch(self, epoch: int, seed: int) -> None:
        """Attention anew, from the vectors as they are."""
        with torch.no_grad():
            self.weights.copy_(self._attention() if self.config.attend else 1 / self._degrees())
        self._matrices = self._final = None

    def bounds(self) -> dict[str, int]:
        """See `Recommender.bounds`."""
        return {"edge_relations": len(self.relations), "edge_tails": len(self.nodes)}

    def check_buffers(self) -> None:
        """See `Recommender.check_buffers`."""
        super().check_buffers()
        check_offsets("offsets", self.offsets, self.sizes["edges"])

    def train(self, mode: bool = True) -> Kgat:
        """Training changes the vectors, so those that were propagated are forgotten."""
        self._final = None
        super().train(mode)
        return self

    def pair_scores(self, users: Tensor, items: Tensor) -> Tensor:
        """See `Recommender.pair_scores`."""
        final = self.final()
        return (final[users] * final[items + self.sizes["users"]]).sum(1)

    def all_scores(self, users: Tensor) -> Tensor:
        """See `Recommender.all_scores`."""
        final, first = self.final(), self.sizes["users"]
        return final[users] @ final[first : first + self.sizes["items"]].T

    def final(self) -> Tensor:
        """Vectors of all nodes, propagated: (nodes, dim + sum of layers). Kept while nothing is trained."""
        if self._final is not None:
            return self._final
        final = self._propagated()
        if not (self.training or torch.is_grad_enabled()):
            self._final = final
        return final

    def click_loss(self, users: Tensor, items: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy, TransR's loss and the penalty."""
        return super().click_loss(users, items, labels) + self._facts_loss()

    def pair_loss(self, users: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
        """BPR, TransR's loss and the penalty (equation 12)."""
        return super().pair_loss(users, positives, negatives) + self._facts_loss()

    def softmax_loss(self, users: Tensor, positives: Tensor, known: tuple[Tensor, Tensor]) -> Tensor:
        """See `Recommender.softmax_loss`; with TransR's loss."""
        return super().softmax_loss(users, positives, known) + self._facts_loss()

    def penalty(self, users: Tensor, items: Tensor) -> Tensor:
        """Half the squares of a batch's own vectors, over its rows."""
        return half_squares(self.nodes[users], self.nodes[items + self.sizes["users"]]) / len(users)

    def attention(self, user: int, item: int) -> list[Neighbour]:
        """The edges of the item in the graph; users who have it are among them. All users see the same."""
        node = item + self.sizes["users"]
        edges = range(int(self.offsets[node]), int(self.offsets[node + 1]))
        relations, tails, weights = (part.tolist() for part in (self.edge_relations, self.edge_tails, self.weights))
        found = [Neighbour(node, relations[edge], tails[edge], weights[edge], 1) for edge in edges]
        return sorted(found, key=lambda edge: (-edge.weight, edge.entity, edge.relation))

    def _degrees(self) -> Tensor:
        degrees = self.offsets.diff()
        return degrees.repeat_interleave(degrees)

    def _heads(self) -> Tensor:
        return torch.arange(len(self.nodes)).repeat_interleave(self.offsets.diff())

    def _attention(self) -> Tensor:
        """Equations 4 and 5, (edges,): each relation's edges by products with its own matrix."""
        heads, tails, relations = self._heads(), self.edge_tails.long(), self.edge_relations.long()
        dim = self.config.dim
        logits = torch.empty(len(heads))
        order = torch.argsort(relations, stable=True)
        counts = torch.bincount(relations, minlength=len(self.relations)).tolist()
        for relation, rows in enumerate(torch.split(order, counts)):
            matrix = self.projections[relation].view(dim, dim)
            for some in torch.split(rows, _EDGES):
                one = torch.tanh(self.nodes[heads[some]] @ matrix.T + self.relations[relation])
                logits[some] = (self.nodes[tails[some]] @ matrix.T * one).sum(1)
        count = len(self.nodes)
        highest = torch.full((count,), -torch.inf).scatter_reduce(0, heads, logits, "amax")
        parts = torch.exp(logits - highest[heads])
        return parts / torch.zeros(count).index_add(0, heads, parts)[heads]

    def _propagated(self) -> Tensor:
        if self._matrices is None:
            self._matrices = self._made_matrices()
        vectors: Tensor = self.nodes
        final = [vectors]
        for sums, products in zip(self.sums, self.products, strict=True):
            near = _Propagate.apply(vectors, *self._matrices)  # type: ignore[no-untyped-call]
            mixed = functional.leaky_relu(sums(vectors + near)) + functional.leaky_relu(products(vectors * near))
            vectors = functional.dropout(mixed, self.config.dropout, self.training)
            final.append(functional.normalize(vectors))
        return torch.cat(final, 1)

    def _made_matrices(self) -> tuple[Tensor, Tensor]:
        """Attention as a sparse matrix of rows that sum to 1, and its transpose."""
        count = len(self.nodes)
        shape = (count, count)
        heads, tails = self._heads(), self.edge_tails.long()
        order = torch.argsort(tails, stable=True)
        offsets = functional.pad(torch.bincount(tails, minlength=count).cumsum(0), (1, 0))
        with warnings.catch_warnings(), torch.sparse.check_sparse_tensor_invariants(False):  # type: ignore[no-untyped-call]
            warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta state")
            there = torch.sparse_csr_tensor(self.offsets, tails, self.weights.clone(), shape)
            back = torch.sparse_csr_tensor(offsets, heads[order], self.weights[order], shape)
        return there, back

    def _facts_loss(self) -> Tensor:
        """``-log sigmoid(d(h, r, t') - d(h, r, t))`` of drawn edges, ``d = |W_r h + r - W_r t|^2`` (equation 2)."""
        c = self.config
        edges = self.sizes["edges"]
        if not c.fact_weight or not edges:
            return torch.zeros(())
        drawn = torch.randint(edges, (min(c.fact_batch, edges),))
        heads = torch.searchsorted(self.offsets, drawn, right=True) - 1
        relations, tails = self.edge_relations[drawn].long(), self.edge_tails[drawn].long()
        others = torch.randint(len(self.nodes), tails.shape)
        order = torch.argsort(relations)
        counts = torch.bincount(relations, minlength=len(self.relations)).tolist()
        stacked = self.nodes[torch.stack([heads[order], tails[order], others[order]], 1)]
        parts = [
            rows @ self.projections[relation].view(c.dim, c.dim).T
            for relation, rows in enumerate(torch.split(stacked, counts))
            if len(rows)
        ]
        head, tail, other = torch.cat(parts).unbind(1)
        moved = head + self.relations[relations[order]]
        near, far = ((moved - end).square().sum(1) for end in (tail, other))
        return -c.fact_weight * functional.logsigmoid(far - near).mean()


class _Propagate(torch.autograd.Function):
    """A constant sparse matrix times dense vectors; backwards its transpose, which is there already."""

    @staticmethod
    def forward(ctx, vectors, there, back):  # type: ignore[no-untyped-def]
        ctx.back = back
        return there @ vectors

    @staticmethod
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        return ctx.back @ gradient, None, None
