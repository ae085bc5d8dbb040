"""What all embedding models have in common: tables of vectors, a query's vector, and a measure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from kgwalk.scorers.measures import Measure, all_pairs, row_by_row


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of a model.

    Attributes:
        dim: numbers in an entity's vector; of complex models half of them are real parts, half imaginary ones.
    """

    dim: int = 256

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        if type(self.dim) is not int or not 2 <= self.dim <= 1 << 16:
            raise ValueError(f"dim must be a whole number from 2 to {1 << 16}, got {self.dim!r}")


class EmbeddingModel(nn.Module, ABC):
    """Scores a fact by holding a vector made of source and relation against the target's vector.

    All models here have this form, so one matrix product scores all targets of many queries. Inverse relations have
    vectors of their own (Lacroix et al. 2018, "reciprocal"): head queries are asked as tail queries of the inverse.

    Args:
        num_entities: rows of the entity table.
        num_relations: forward relations; the relation table has twice as many rows, inverses second.
        config: sizes.

    Attributes:
        entities: (num_entities, dim) float32.
        relations: (2 * num_relations, relation_dim) float32.
        bias: (num_entities, 1) float32 added to an entity's score as target, or, where the model is
            ``biased_by_relation``, (2 * num_relations * num_entities, 1), relation by relation; None for no bias.
        measure: how a query's vector is held against a target's.
    """

    name: ClassVar[str]
    Config: ClassVar[type[ModelConfig]] = ModelConfig
    #: Whether targets look different to each relation; training then takes one relation at a time.
    projects: ClassVar[bool] = False
    #: Whether a target's bias is another one for each relation.
    biased_by_relation: ClassVar[bool] = False

    entities: nn.Parameter
    relations: nn.Parameter
    bias: nn.Parameter | None

    def __init__(self, num_entities: int, num_relations: int, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.num_entities = num_entities
        self.num_relations = num_relations
        self.measure: Measure = "dot"
        self.bias = None
        self.entities = nn.Parameter(torch.empty(num_entities, config.dim))
        self.relations = nn.Parameter(torch.empty(2 * num_relations, self.relation_dim))

    @property
    def relation_dim(self) -> int:
        """Numbers in a relation's vector."""
        return self.config.dim

    def initialize(self) -> None:
        """Draw the tables from torch's global generator."""
        nn.init.normal_(self.entities, std=1e-3)
        nn.init.normal_(self.relations, std=1e-3)

    @abstractmethod
    def query(self, sources: Tensor, relations: Tensor) -> Tensor:
        """Vectors of queries, (n, dim).

        Args:
            sources: (n, dim) float32, vectors of the sources.
            relations: (n, relation_dim) float32, vectors of the relations.
        """

    def targets(self, entities: Tensor, relation: Tensor) -> Tensor:
        """What targets (m, dim) look like to a relation (relation_dim,): themselves, unless the model ``projects``."""
        return entities

    @property
    def fact_kernel(self) -> str | None:
        """What ``kgwalk._core.triple_scores`` calls this model's formula; None where it has none."""
        return None

    def kernel_relations(self, relations: Tensor) -> Tensor:
        """Rows of the relation table (n, relation_dim) as that kernel takes them, (n, dim)."""
        return relations

    def penalty(self, sources: Tensor, relations: Tensor, targets: Tensor) -> Tensor:
        """What the weight ``n3`` of training is put on: the mean over facts of the cubed norms of their vectors."""
        raise ValueError(f"{self.name} has no N3 penalty: it is for DistMult, ComplEx and RotatE")

    def similarity(self, queries: Tensor, targets: Tensor, *, rounded: bool = False) -> Tensor:
        """Scores of all pairs of queries (n, dim) and targets (m, dim) less the bias, (n, m)."""
        return all_pairs(self.measure, queries, targets, rounded=rounded)

    def similarity_by_row(self, queries: Tensor, targets: Tensor) -> Tensor:
        """Score of each query (n, dim) with its own target (n, dim) less the bias, (n,)."""
        return row_by_row(self.measure, queries, targets)

    def vectors(self, entities: Tensor) -> Tensor:
        """Rows of the entity table with gradients that are sparse, (n, dim)."""
        return functional.embedding(entities, self.entities, sparse=True)

    def all_scores(self, sources: Tensor, relations: Tensor, among: slice = slice(None)) -> Tensor:
        """Scores of all entities as targets, or of a range of them, (n, num_targets) float32.

        Args:
            sources: (n,) int64 entity ids.
            relations: (n,) int64 relation ids.
            among: the range of entities that are targets.
        """
        queries = self.query(self.entities[sources], self.relations[relations])
        entities = self.entities[among]
        if not self.projects:
            return self._biased(self.similarity(queries, entities), relations, among)
        scores = torch.empty(len(sources), len(entities))
        for relation, rows in by_relation(relations):
            scores[rows] = self.similarity(queries[rows], self.targets(entities, self.relations[relation]))
        return self._biased(scores, relations, among)

    def bias_rows(self, relations: Tensor, targets: Tensor) -> Tensor:
        """Rows of ``bias`` that facts with these relations and targets, (n,) int64 each, have; (n,)."""
        return relations * self.num_entities + targets if self.biased_by_relation else targets

    def _biased(self, scores: Tensor, relations: Tensor, among: slice) -> Tensor:
        if self.bias is None:
            return scores
        if self.biased_by_relation:
            return scores + self.bias.view(-1, self.num_entities)[:, among][relations]
        return scores + self.bias[among, 0]


def by_relation(relations: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Each distinct relation of (n,) int64 with the rows that have it."""
    for relation in torch.unique(relations).tolist():
        yield relation, (relations == relation).nonzero()[:, 0]
