"""The loss of embeddings of a typed graph: a target is told from entities of its own type."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from kgwalk.scorers.models import EmbeddingModel

#: The score of what is no negative. Finite: the softmax of a row that holds nothing else is still a number.
_NOWHERE = -1e30


class TypedSoftmax:
    """Cross-entropy of a fact's target among the entities of its type.

    All entities of a type are negatives where they are ``negatives`` or fewer. Of a larger type so many are drawn for
    each batch, uniformly with replacement, and their scores are raised by the log of what each of them stands for
    (the log-q correction of a sampled softmax, Jean et al. 2015): the sum over them is an unbiased estimate.

    Args:
        model: of the form dot product and bias.
        type_offsets: first entity of each type, and the number of entities.
        negatives: entities drawn of a type.
        dropout: share of the numbers of a query's vector that are dropped in training.
        penalty: weight of the mean squared length of a fact's source and target.
    """

    def __init__(
        self,
        model: EmbeddingModel,
        type_offsets: Sequence[int],
        negatives: int,
        *,
        dropout: float = 0.0,
        penalty: float = 0.0,
    ) -> None:
        if negatives < 1:
            raise ValueError(f"negatives must be at least 1, got {negatives}")
        if model.projects or model.bias is None or model.measure != "dot":
            raise ValueError(f"{model.name} is no dot product with a bias")
        self.model = model
        self.offsets = torch.tensor(list(type_offsets))
        self.negatives = negatives
        self.dropout = dropout
        self.penalty = penalty

    def __call__(self, facts: Tensor) -> Tensor:
        """Mean loss of a batch of facts of one relation; draws from torch's global generator.

        Args:
            facts: (b, 3) int64: source, relation or inverse, target.

        Returns:
            A scalar; the gradients of entities and biases are sparse.

        Raises:
            ValueError: facts of several relations, or targets of several types.
        """
        sources, relations, targets = facts.T
        if bool((relations != relations[0]).any()):
            raise ValueError("the facts of a batch are of several relations")
        first, last = self._type_of(targets)
        size = last - first
        everyone = size <= self.negatives
        drawn = torch.arange(first, last) if everyone else torch.randint(first, last, (self.negatives,))
        model = self.model
        vectors = model.vectors(torch.cat([sources, targets, drawn]))
        source, target, other = torch.split(vectors, [len(sources), len(targets), len(drawn)])
        query = functional.dropout(model.query(source, model.relations[relations]), self.dropout, model.training)
        assert model.bias is not None
        rows = model.bias_rows(relations[:1], torch.cat([targets, drawn]))
        bias = functional.embedding(rows, model.bias, sparse=True)[:, 0]
        right = model.similarity_by_row(query, target) + bias[: len(targets)]
        wrong = model.similarity(query, other) + bias[len(targets) :]
        wrong = wrong.masked_fill(targets[:, None] == drawn, _NOWHERE)
        # Each drawn entity stands for size / negatives of them; the target counts nothing when it is drawn.
        scale = 0.0 if everyone else math.log(size / self.negatives)
        loss = functional.softplus(torch.logsumexp(wrong, 1) + scale - right).mean()
        if self.penalty:
            loss = loss + self.penalty * ((source * source).sum(1) + (target * target).sum(1)).mean()
        return loss

    def _type_of(self, targets: Tensor) -> tuple[int, int]:
        kinds = torch.searchsorted(self.offsets, targets.contiguous(), right=True) - 1
        kind = int(kinds[0])
        if bool((kinds != kind).any()):
            raise ValueError("the targets of a batch are of several types")
        return int(self.offsets[kind]), int(self.offsets[kind + 1])
