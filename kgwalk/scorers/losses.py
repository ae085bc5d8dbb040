"""Losses of embedding models over facts and the entities they are told from."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from kgwalk.scorers.models import EmbeddingModel

Loss = Literal["softmax", "binary", "self-adversarial"]

#: The score of what is no negative. Finite: the softmax of a row that holds nothing else is still a number.
_NOWHERE = -1e30


class Contrast:
    """Holds facts against entities that are not their answers.

    Every fact of a batch is told from the same ``negatives`` entities, drawn uniformly without replacement, or from all
    entities: sharing them makes their scores one matrix product.

    Args:
        model: scores facts.
        loss: ``"softmax"``: cross-entropy of the target among target and negatives; of all entities it is Lacroix et
            al.'s (2018) 1-vs-all. What was not drawn is made up for by adding ``log(num_entities / negatives)`` to the
            negatives' scores, so that the sum over the drawn is an unbiased estimate of the sum over all.
            ``"binary"``: a logistic regression for target and negatives, which count as much together as the target.
            ``"self-adversarial"``: the same, negatives weighted by the softmax of their scores (Sun et al. 2019,
            equation 5).
        negatives: how many; 0 for all entities.
        margin: added to all scores, for ``binary`` and ``self-adversarial`` losses of distances.
        scale: factor on scores before all else. Distances need one: in many dimensions they hardly differ.
        rounded: make matrix products in bfloat16.
    """

    def __init__(
        self,
        model: EmbeddingModel,
        loss: Loss = "softmax",
        negatives: int = 0,
        *,
        margin: float = 0.0,
        scale: float = 1.0,
        rounded: bool = False,
    ) -> None:
        if model.biased_by_relation:  # facts of a batch have several, and share their negatives
            raise ValueError(f"{model.name} is trained by a TypedSoftmax, on facts of one relation at a time")
        self.model = model
        self.loss = loss
        self.negatives = negatives or model.num_entities
        self.margin = margin
        self.scale = scale
        self.rounded = rounded
        self._column = torch.full((model.num_entities,), -1)

    def __call__(self, facts: Tensor, n3: float, answers: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """Mean loss of a batch, with ``n3`` times the model's penalty; draws from torch's global generator.

        Args:
            facts: (b, 3) int64: source, relation or inverse, target. Of a model that ``projects``, all of one relation.
            n3: weight of the penalty.
            answers: further entities that are no negatives: rows of ``facts`` and entities, (m,) int64 each.

        Returns:
            A scalar; the gradient of the entity table is sparse unless negatives are all entities.
        """
        model, (sources, relations, targets) = self.model, facts.T
        everyone = self.negatives == model.num_entities
        drawn = torch.arange(model.num_entities) if everyone else self._draw()
        if everyone:
            vectors = torch.cat([model.entities[sources], model.entities[targets], model.entities])
        else:
            vectors = model.vectors(torch.cat([sources, targets, drawn]))
        source, target, negative = torch.split(vectors, [len(sources), len(targets), len(drawn)])
        relation = model.relations[relations]
        penalty = n3 * model.penalty(source, relation, target) if n3 else 0.0
        with torch.autocast("cpu", torch.bfloat16, enabled=self.rounded):  # ConvE's layers, TransR's products
            query = model.query(source, relation).float()
        if model.projects:
            seen = model.targets(torch.cat([target, negative]), relation[0])
            target, negative = torch.split(seen, [len(target), len(negative)])
        right = model.similarity_by_row(query, target)
        wrong = model.similarity(query, negative, rounded=self.rounded)
        if model.bias is not None:
            bias = functional.embedding(torch.cat([targets, drawn]), model.bias, sparse=not everyone)[:, 0]
            right = right + bias[: len(targets)]
            wrong = wrong + bias[len(targets) :]
        self._column[drawn] = torch.arange(len(drawn))
        wrong = self._without(wrong, torch.arange(len(targets)), targets)
        if answers is not None:
            wrong = self._without(wrong, *answers)
        self._column[drawn] = -1
        return self._mean(right, wrong) + penalty

    def _draw(self) -> Tensor:
        """Distinct entities, all equally likely."""
        return torch.randperm(self.model.num_entities)[: self.negatives]

    def _without(self, scores: Tensor, rows: Tensor, entities: Tensor) -> Tensor:
        """Scores (b, negatives) with those of given entities so low that they count for nothing."""
        columns = self._column[entities]
        there = columns >= 0
        return scores.index_put((rows[there], columns[there]), torch.tensor(_NOWHERE))

    def _mean(self, right: Tensor, wrong: Tensor) -> Tensor:
        if self.scale != 1:
            right, wrong = right * self.scale, wrong * self.scale
        if self.loss == "softmax":
            others = torch.logsumexp(wrong, 1) + math.log(self.model.num_entities / self.negatives)
            return functional.softplus(others - right).mean()
        right, wrong = right + self.margin, wrong + self.margin
        if self.loss == "binary":
            weights = torch.full_like(wrong, 1 / self.negatives)
        else:
            weights = torch.softmax(wrong.detach(), 1)
        return (functional.softplus(-right) + (weights * functional.softplus(wrong)).sum(1)).mean() / 2
