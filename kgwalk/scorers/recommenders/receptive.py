"""KGCN, KGNN-LS and MI-KGNN: an item is seen through its sampled neighbours in the knowledge graph, as a user does.

One module, named options. KGCN (Wang et al., WWW 2019), KGNN-LS (Wang et al., KDD 2019), MI-KGNN (Wang et al.,
"Exploring Multi-dimension User-Item Interactions with Attentional Knowledge Graph Neural Networks", equations 15-25).
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.graph import Expand, extend_field, sample_neighbours
from kgwalk.protocols import Ids
from kgwalk.scorers.recommenders.base import Neighbour, Recommender, RecommenderConfig, half_squares, knowledge_of
from kgwalk.scorers.recommenders.label_smoothness import KnownLabels, propagate
from kgwalk.scorers.recommenders.receptive_config import LabelSmoothConfig, MultiInteractionConfig, ReceptiveConfig

log = logging.getLogger(__name__)

#: Numbers of the widest hop that are held at once: a tree of 8 neighbours has 4,096 entities at depth 4, for each pair.
_CELLS = 1 << 23
#: KGNN-LS: how many labelled pairs are looked at, and what share of them sees a label if smoothness teaches anything.
_LOOKED_AT, _FEW_LABELS = 2000, 0.01


class Receptive(Recommender):
    """``score(u, v) = u . v^u``, v^u being the item as seen by the user after ``depth`` hops of aggregation.

    Args:
        sizes: see `Recommender`.
        config: options.

    Attributes:
        users: (users, dim).
        entities: (entities, dim).
        relations: (relations + 1, dim), or (2 * relations + 1, dim) with ``inverses``; the last row is STAY's, of
            entities of which nothing is known.
        field_entities: (entities, K) of a tree: the sampled neighbours of each entity, by number; of a chain
            (items, depth * K): hop by hop. int32.
        field_relations: rows of ``relations`` that lead to them. int32.
    """

    name = "kgcn"
    Config = ReceptiveConfig
    config: ReceptiveConfig
    field_entities: Tensor
    field_relations: Tensor

    def __init__(self, sizes: Mapping[str, int], config: RecommenderConfig) -> None:
        super().__init__(sizes, config)
        c = self.config
        self.users = nn.Parameter(torch.empty(sizes["users"], c.dim))
        self.entities = nn.Parameter(torch.empty(sizes["entities"], c.dim))
        self.relations = nn.Parameter(torch.empty(sizes["relations"] * (1 + c.inverses) + 1, c.dim))
        width = 2 * c.dim if c.aggregator == "concat" else c.dim
        self.aggregators = nn.ModuleList(nn.Linear(width, c.dim) for _ in range(c.depth))
        products = c.depth if c.aggregator == "bi-interaction" else 0
        self.products = nn.ModuleList(nn.Linear(c.dim, c.dim, bias=False) for _ in range(products))
        tree = c.field == "tree"
        shape = (sizes["entities"], c.neighbours) if tree else (sizes["items"], c.neighbours * c.depth)
        self.register_buffer("field_entities", torch.zeros(shape, dtype=torch.int32))
        self.register_buffer("field_relations", torch.zeros(shape, dtype=torch.int32))
        self._penalizes = True
        self._labels = KnownLabels.none(sizes["entities"])

    def initialize(self) -> None:
        """See `Recommender.initialize`."""
        super().initialize()
        if self.config.spread:
            for table in (self.users, self.entities, self.relations):
                nn.init.normal_(table, std=self.config.spread)

    def look_at(self, dataset: Recommendation, seed: int) -> None:
        """Sample the field, once and for all."""
        c, first = self.config, dataset.users.last
        expand = Expand(knowledge_of(dataset))
        last = dataset.items.last if c.field == "chain" else dataset.graph.num_entities
        nodes = np.arange(first, last, dtype=np.int32)
        relations, tails = sample_neighbours(expand, nodes, c.neighbours, seed)
        hops = [(relations, tails)]
        if c.field == "chain":
            centres = np.repeat(nodes, c.neighbours)
            for hop in range(1, c.depth):
                reached = hops[-1][1].reshape(-1)
                on = extend_field(expand, centres, reached, seed + hop)
                hops.append((on[0].reshape(-1, c.neighbours), on[1].reshape(-1, c.neighbours)))
                centres = reached
        self.field_relations.copy_(self._rows(np.concatenate([part for part, _ in hops], axis=1), dataset))
        self.field_entities.copy_(torch.from_numpy(np.concatenate([part for _, part in hops], axis=1) - first))

    def learn_from(self, dataset: Recommendation, negatives: Ids) -> None:
        """Keep the labels of training pairs, which KGNN-LS propagates; of negatives that are drawn anew the first.

        Logged: that next to none is in reach of the items, as at depth 1 on Last.FM, MovieLens-1M and Book-Crossing.
        """
        c = self.config
        if not c.label_smoothness:
            return
        self._labels = KnownLabels.of(dataset, negatives, self.sizes["entities"])
        share = self._labels_in_reach()
        if share < _FEW_LABELS:
            log.warning(
                "%s: label smoothness teaches next to nothing here: at depth %d %.1f %% of the training pairs of %s "
                "have another labelled item in reach. So the model is all but kgcn; more may have them at a greater "
                "model.depth, which needs model.spread=0.1",
                self.name,
                c.depth,
                100 * share,
                dataset.name,
            )

    def begin_epoch(self, epoch: int, seed: int) -> None:
        """Whether the penalty has set in."""
        self._penalizes = epoch >= self.config.warm_up

    def bounds(self) -> dict[str, int]:
        """See `Recommender.bounds`."""
        return {"field_entities": self.sizes["entities"], "field_relations": len(self.relations)}

    def pair_scores(self, users: Tensor, items: Tensor) -> Tensor:
        """See `Recommender.pair_scores`."""
        c = self.config
        widest = c.neighbours ** (c.depth if c.field == "tree" else 1)
        parts = []
        for block in torch.split(torch.stack([users, items]), max(1, _CELLS // (widest * c.dim)), 1):
            user = self.users[block[0]]
            parts.append((user * self._seen(user, *self._field(block[1]))).sum(1))
        return torch.cat(parts)

    def all_scores(self, users: Tensor) -> Tensor:
        """See `Recommender.all_scores`; of a tree, each entity is aggregated once for a user, whatever leads there."""
        c = self.config
        if c.field != "tree":
            return super().all_scores(users)
        inner = self.sizes["entities"] if c.depth > 1 else 0
        cells = max(inner * (c.neighbours if c.depth > 2 else 1), self.sizes["items"] * c.neighbours) * c.dim
        if c.depth == 1:
            cells = self.sizes["items"] * max(c.neighbours, c.dim)
        parts = []
        for block in torch.split(users, max(1, _CELLS // cells)):
            user = self.users[block]
            parts.append(torch.einsum("bnd,bd->bn", self._seen_items(user), user))
        return torch.cat(parts) if parts else torch.empty(0, self.sizes["items"])

    def penalty(self, users: Tensor, items: Tensor) -> Tensor:
        """See `Recommender.penalty`."""
        if not self._penalizes:
            return torch.zeros(())
        if self.config.penalized == "tables":
            weights = [parameter for key, parameter in self.named_parameters() if not key.endswith("bias")]
            return half_squares(*weights)
        both = zip(self.aggregators, self.products, strict=True)
        return 2 * half_squares(*(one.get_parameter("weight") + two.get_parameter("weight") for one, two in both))

    def click_loss(self, users: Tensor, items: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy, the penalty and, where its weight is not 0, label smoothness (KGNN-LS, equation 10).

        As in the published code, the propagated label is taken for a logit.
        """
        loss = super().click_loss(users, items, labels)
        if not self.config.label_smoothness:
            return loss
        smooth = functional.binary_cross_entropy_with_logits(self._propagated(users, items), labels)
        return loss + self.config.label_smoothness * smooth

    def attention(self, user: int, item: int) -> list[Neighbour]:
        """See `Recommender.attention`; what is drawn twice counts twice."""
        c, first = self.config, self.sizes["users"]
        with torch.inference_mode():
            entities, relations = self._field(torch.tensor([item]))
            vector = self.users[user : user + 1]
            found: dict[tuple[int, int, int, int], float] = defaultdict(float)
            for hop in range(c.depth):
                centres = entities[hop]
                shape = (1, centres.shape[1], -1)
                near = self.entities[entities[hop + 1]].view(*shape, c.dim)
                weights = self._weights(vector, self.entities[centres], near, relations[hop].view(shape))
                weights = weights / centres.shape[1] if c.attention != "none" else weights / weights.sum()
                tails, rows = entities[hop + 1].view(shape), relations[hop].view(shape)
                for place in np.ndindex(*weights.shape[1:]):
                    head = int(centres[0, place[0]])
                    edge = (hop + 1, head, int(rows[(0, *place)]), int(tails[(0, *place)]))
                    found[edge] += float(weights[(0, *place)])
        edges = [
            Neighbour(head + first, self._relation(row), tail + first, weight, hop)
            for (hop, head, row, tail), weight in found.items()
        ]
        return sorted(edges, key=lambda edge: (edge.hop, -edge.weight, edge.entity, edge.relation))

    def _rows(self, relations: Ids, dataset: Recommendation) -> Tensor:
        """Rows of ``relations`` for relations of the graph; inverses share the row of their relation, unless told."""
        count, stay = dataset.graph.num_relations, dataset.graph.stay
        rows = relations if self.config.inverses else np.where(relations == stay, count, relations % count)
        return torch.from_numpy(rows.astype(np.int32))

    def _relation(self, row: int) -> int:
        """A relation of the graph that a row stands for."""
        count = self.sizes["relations"]
        return 2 * count if row == len(self.relations) - 1 else row

    def _field(self, items: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Entities (n, 1), (n, K), ... hop by hop, and the rows of the relations that lead to those after the first."""
        c = self.config
        entities, relations = [items[:, None]], []
        if c.field == "chain":
            return (
                entities + [part.long() for part in torch.split(self.field_entities[items], c.neighbours, 1)],
                [part.long() for part in torch.split(self.field_relations[items], c.neighbours, 1)],
            )
        for _ in range(c.depth):
            last = entities[-1]
            width = last.shape[1] * c.neighbours
            relations.append(self.field_relations[last].view(len(items), width).long())
            entities.append(self.field_entities[last].view(len(items), width).long())
        return entities, relations

    def _seen(self, user: Tensor, entities: list[Tensor], relations: list[Tensor]) -> Tensor:
        """Items as users (n, dim) see them, (n, dim)."""
        c = self.config
        vectors = [self.entities[hop] for hop in entities]
        if c.passes == "once":
            seen = vectors[-1]
            for layer, hop in enumerate(reversed(range(c.depth))):
                seen = self._hop(layer, user, vectors[hop], seen, relations[hop])
            return seen[:, 0]
        for layer in range(c.depth):
            vectors = [
                self._hop(layer, user, vectors[hop], vectors[hop + 1], relations[hop]) for hop in range(c.depth - layer)
            ]
        return vectors[0][:, 0]

    def _seen_items(self, user: Tensor) -> Tensor:
        """All items as users (b, dim) see them, (b, items, dim)."""
        c, items = self.config, self.sizes["items"]
        near, rows = self.field_entities.long(), self.field_relations.long()
        everyone = self.entities[None]
        seen = everyone
        for layer in range(c.depth):
            count = items if layer == c.depth - 1 else len(near)
            centres = everyone if c.passes == "once" else seen
            seen = self._aggregate(layer, user, centres[:, :count], seen[:, near[:count]], rows[None, :count])
        return seen

    def _hop(self, layer: int, user: Tensor, centres: Tensor, near: Tensor, rows: Tensor) -> Tensor:
        shape = (*centres.shape[:2], near.shape[1] // centres.shape[1])
        return self._aggregate(layer, user, centres, near.view(*shape, near.shape[2]), rows.view(shape))

    def _aggregate(self, layer: int, user: Tensor, centres: Tensor, near: Tensor, rows: Tensor) -> Tensor:
        """Entities with their neighbourhood, (b, n, dim).

        Args:
            layer: which aggregator.
            user: (b, dim).
            centres: (b or 1, n, dim).
            near: (b or 1, n, k, dim).
            rows: (b or 1, n, k) of ``relations``.
        """
        c = self.config
        weights = self._weights(user, centres, near, rows)
        if near.shape[0] == 1 and c.attention == "none":
            around = near.sum(2)
        elif near.shape[0] == 1:
            around = torch.einsum("bnk,nkd->bnd", weights, near[0])
        else:
            around = (weights[..., None] * near).sum(2)
        if c.means == "code":
            around = around / near.shape[2]
        linear = self.aggregators[layer]
        if c.aggregator == "bi-interaction":
            mixed = linear(centres + around) + self.products[layer](centres * around)
        elif c.aggregator == "concat":
            mixed = linear(torch.cat([centres.expand_as(around), around], -1))
        elif c.aggregator == "neighbor":
            mixed = linear(around)
        else:
            mixed = linear(centres + around)
        return torch.tanh(mixed) if layer == c.depth - 1 else torch.relu(mixed)

    def _weights(self, user: Tensor, centres: Tensor, near: Tensor, rows: Tensor) -> Tensor:
        """What each neighbour counts, (b, n, k); see `_aggregate`."""
        c = self.config
        if c.attention == "none":
            return torch.ones(rows.shape)
        if c.attention == "relation":
            return torch.softmax(_picked(self._liking(user), rows), -1)
        feature = self.relations[rows] * near
        if c.soft_features:
            feature = torch.softmax(feature, -1)
        if feature.shape[0] == 1:
            liking = torch.einsum("nkd,bd->bnk", feature[0], user)
        else:
            liking = (feature * user[:, None, None]).sum(-1)
        scale = 1 / c.dim if c.means == "code" else 1.0
        by_user = torch.softmax(scale * liking, -1)
        by_centre = torch.softmax(scale * (feature * centres[:, :, None]).sum(-1), -1)
        return c.theta * by_user + (1 - c.theta) * by_centre

    def _propagated(self, users: Tensor, items: Tensor) -> Tensor:
        """Labels that the field's known labels give the items, which are held out themselves; (n,)."""
        c = self.config
        entities, relations = self._field(items)
        labels, known = zip(*(self._labels.look_up(users, hop, items) for hop in entities), strict=True)
        liking = self._liking(self.users[users])
        weights = [
            torch.softmax(_picked(liking, rows.view(*hop.shape, c.neighbours)), -1)
            for rows, hop in zip(relations, entities[:-1], strict=True)
        ]
        return propagate(labels, known, weights, means=c.means == "code")

    def _labels_in_reach(self) -> float:
        """The share of labelled pairs, of some spread evenly, whose user has a label for what is around the item."""
        keys = self._labels.keys[:: max(1, len(self._labels.keys) // _LOOKED_AT)]
        seen = []
        for some in torch.split(keys, 1 + _CELLS // self.config.neighbours**self.config.depth):
            users, items = some // self.sizes["entities"], some % self.sizes["entities"]
            around = self._field(items)[0][1:]
            seen.append(torch.cat([self._labels.look_up(users, hop, items)[1] for hop in around], 1).any(1))
        return float(torch.cat(seen).float().mean())

    def _liking(self, user: Tensor) -> Tensor:
        """How much users (b, dim) care for each row of ``relations``, (b, rows); KGCN, equation 1."""
        scale = 1 / self.config.dim if self.config.means == "code" else 1.0
        return scale * user @ self.relations.T


class Kgcn(Receptive):
    """KGCN: the neighbours of an item count by the relations that a user cares for."""

    name = "kgcn"


class KgnnLs(Receptive):
    """KGNN-LS: KGCN whose attention also has to make known labels smooth over the graph."""

    name = "kgnn-ls"
    Config = LabelSmoothConfig


class MiKgnn(Receptive):
    """MI-KGNN: neighbours count by what user and item both make of them, aggregated by sum and by product."""

    name = "mi-kgnn"
    Config = MultiInteractionConfig


def _picked(liking: Tensor, rows: Tensor) -> Tensor:
    """``liking[b, rows[b, n, k]]``, of (b, relations) and (b or 1, n, k)."""
    if rows.shape[0] == 1:
        return liking[:, rows[0]]
    return liking.gather(1, rows.flatten(1)).view(rows.shape)
