"""Scores of single facts by an embedding model, gathered from its tables by the C++ kernels without a copy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from kgwalk._core import pair_scores, triple_scores
from kgwalk.protocols import Ids
from kgwalk.scorers.measures import Measure
from kgwalk.scorers.models import EmbeddingModel

Floats = NDArray[np.float32]

#: Facts whose queries' vectors are held at once where a model makes them by more than a formula.
_FACTS = 1024


def raw_scores(model: EmbeddingModel, facts: Ids) -> Floats:
    """The model's own scores of facts, (n,) float32.

    Where a score is a formula of three rows they are read where they lie. Other models make the vectors of a block's
    distinct (source, relation) once.

    Args:
        model: in evaluation mode.
        facts: (n, 3) int32: source, relation, target, all in range.
    """
    if not len(facts):
        return np.empty(0, np.float32)
    with torch.inference_mode():
        if model.fact_kernel is not None:
            return _signed(model.measure, _by_formula(model, model.fact_kernel, facts))
        scores = np.empty(len(facts), np.float32)
        for rows in _blocks(facts[:, 1], apart=model.projects):
            scores[rows] = _by_query(model, facts[rows])
        return scores


def _blocks(relations: Ids, *, apart: bool) -> Iterator[NDArray[np.int64]]:
    """All places, in blocks of at most ``_FACTS``; with ``apart`` each of one relation."""
    order = np.argsort(relations, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(relations[order])) + 1) if apart else [order]
    for group in groups:
        for begin in range(0, len(group), _FACTS):
            yield group[begin : begin + _FACTS]


def _by_formula(model: EmbeddingModel, kernel: str, facts: Ids) -> Floats:
    sources, relations, targets = (np.ascontiguousarray(column) for column in facts.T)
    low, high = int(relations.min()), int(relations.max())
    table = model.kernel_relations(model.relations[low : high + 1])
    return triple_scores(
        kernel, model.entities.detach().numpy(), table.detach().numpy(), sources, relations - np.int32(low), targets
    )


def _by_query(model: EmbeddingModel, facts: Ids) -> Floats:
    """As ``raw_scores``, of facts of one relation if the model projects."""
    asked, rows = np.unique(facts[:, :2], axis=0, return_inverse=True)
    ids = torch.from_numpy(asked.astype(np.int64))
    queries = model.query(model.entities[ids[:, 0]], model.relations[ids[:, 1]])
    table: torch.Tensor = model.entities
    targets = np.ascontiguousarray(facts[:, 2])
    if model.projects:
        distinct, places = np.unique(targets, return_inverse=True)
        table = model.targets(model.entities[torch.from_numpy(distinct)], model.relations[int(asked[0, 1])])
        targets = places.astype(np.int32)
    scores = pair_scores(model.measure, queries.numpy(), rows.reshape(-1), table.detach().numpy(), targets)
    scores = _signed(model.measure, scores)
    if model.bias is None:
        return scores
    along, ends = (torch.from_numpy(facts[:, column].astype(np.int64)) for column in (1, 2))
    biased: Floats = scores + model.bias[model.bias_rows(along, ends), 0].numpy()
    return biased


def _signed(measure: Measure, scores: Floats) -> Floats:
    """Dot products as they are, distances negated."""
    return scores if measure == "dot" else -scores
