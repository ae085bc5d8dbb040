"""CKE: matrix factorization whose items share vectors with the entities of a knowledge graph that TransR learns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from kgwalk.data.dataset import facts_of
from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.protocols import Ids
from kgwalk.scorers.recommenders.base import (
    Recommender,
    RecommenderConfig,
    half_squares,
    knowledge_of,
    share,
    whole,
)


@dataclass(frozen=True)
class CkeConfig(RecommenderConfig):
    """Sizes of CKE; as KGCN's authors ran it on Last.FM, but for the penalty.

    Attributes:
        relation_dim: numbers in a vector after the projection of a relation.
        kg_weight: of the loss of facts.
        facts: drawn in each step.
    """

    dim: int = 64
    relation_dim: int = 64
    kg_weight: float = 0.1
    facts: int = 256

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        super().__post_init__()
        whole(self, 1, "relation_dim", most=1 << 12)
        whole(self, 1, "facts", most=1 << 20)
        share(self, "kg_weight")


class Cke(Recommender):
    """CKE: the vector of an item is one that interactions alone teach, and one that facts teach as well.

    The structural part of Zhang et al. (KDD 2016), without their texts and images, as KGAT's authors published it as a
    baseline: the score is ``user . (item + entity)``, learnt by BPR. All objectives add, with weight ``kg_weight``, the
    loss of facts drawn for the step, each against one with another tail drawn from all entities: the mean of
    ``-log sigmoid(d(h, r, t') - d(h, r, t))``, ``d`` the squared length of ``h M_r + r - t M_r`` (TransR), where the
    projections and ``r`` are brought to length 1.

    Attributes:
        users: (users, dim).
        items: (items, dim).
        entities: (entities, dim), the items first.
        relations: (relations, relation_dim).
        projections: (relations, dim, relation_dim).
    """

    name = "cke"
    Config = CkeConfig
    config: CkeConfig
    objective = "pairs"

    def __init__(self, sizes: Mapping[str, int], config: RecommenderConfig) -> None:
        super().__init__(sizes, config)
        c = self.config
        self.users = nn.Parameter(torch.empty(sizes["users"], c.dim))
        self.items = nn.Parameter(torch.empty(sizes["items"], c.dim))
        self.entities = nn.Parameter(torch.empty(sizes["entities"], c.dim))
        self.relations = nn.Parameter(torch.empty(sizes["relations"], c.relation_dim))
        self.projections = nn.Parameter(torch.empty(sizes["relations"], c.dim, c.relation_dim))
        self._facts = torch.empty(0, 3, dtype=torch.int64)

    def initialize(self) -> None:
        """Xavier's for all tables, and for the matrix of each relation."""
        super().initialize()
        bound = (6 / (self.config.dim + self.config.relation_dim)) ** 0.5
        nn.init.uniform_(self.projections, -bound, bound)

    def learn_from(self, dataset: Recommendation, negatives: Ids) -> None:
        """Keep the facts of the knowledge graph."""
        facts = facts_of(knowledge_of(dataset)).astype(np.int64)
        facts[:, [0, 2]] -= dataset.users.last
        self._facts = torch.from_numpy(facts)

    def pair_scores(self, users: Tensor, items: Tensor) -> Tensor:
        """See `Recommender.pair_scores`."""
        return (self.users[users] * (self.items[items] + self.entities[items])).sum(1)

    def all_scores(self, users: Tensor) -> Tensor:
        """See `Recommender.all_scores`."""
        return self.users[users] @ (self.items + self.entities[: self.sizes["items"]]).T

    def penalty(self, users: Tensor, items: Tensor) -> Tensor:
        """Half the squared length of the users, items and items' entities of a batch, over its pairs.

        Facts have none: lengths do not change what they say of projections.
        """
        return half_squares(self.users[users], self.items[items], self.entities[items]) / max(len(users), 1)

    def facts_loss(self, facts: Tensor, others: Tensor) -> Tensor:
        """Mean loss of facts (n, 3) int64 by number against those with tails ``others`` (n,)."""
        heads, relations, tails = facts.T
        matrices = self.projections[relations]
        ends = torch.stack([self.entities[heads], self.entities[tails], self.entities[others]], 1)
        head, tail, other = functional.normalize(torch.bmm(ends, matrices), dim=-1).unbind(1)
        reached = head + functional.normalize(self.relations[relations], dim=-1)
        distances = [(reached - end).square().sum(1) for end in (tail, other)]
        return -functional.logsigmoid(distances[1] - distances[0]).mean()

    def _penalized(self, users: Tensor, items: Tensor) -> Tensor:
        """What every objective adds: the penalty, and the loss of facts, drawn from torch's global generator."""
        added = super()._penalized(users, items)
        if not self.config.kg_weight or not len(self._facts):
            return added
        facts = self._facts[torch.randint(len(self._facts), (self.config.facts,))]
        others = torch.randint(self.sizes["entities"], (self.config.facts,))
        return added + self.config.kg_weight * self.facts_loss(facts, others)
