"""A receptive field node by node, and what KGCN and MI-KGNN make of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from kgwalk.scorers.recommenders import Receptive
from tests.scorers.recommenders.tiny import Array, arrays, softmax


class Node(NamedTuple):
    """An entity in a receptive field, and (row of its relation, node) of its neighbours."""

    entity: int
    near: list[tuple[int, Any]]


def field_of(model: Receptive, item: int) -> Node:
    """The field of an item, from the model's buffers."""
    c = model.config
    entities, rows = model.field_entities.tolist(), model.field_relations.tolist()

    def tree(node: int, left: int) -> Node:
        if left == 0:
            return Node(node, [])
        return Node(node, [(rows[node][j], tree(entities[node][j], left - 1)) for j in range(c.neighbours)])

    def chain(place: int) -> Node:
        on = place + c.neighbours
        further = [(rows[item][on], chain(on))] if on < c.neighbours * c.depth else []
        return Node(entities[item][place], further)

    if c.field == "tree":
        return tree(item, c.depth)
    return Node(item, [(rows[item][j], chain(j)) for j in range(c.neighbours)])


class Oracle:
    """Section 3.2 and 3.3 of the research notes, number by number."""

    def __init__(self, model: Receptive) -> None:
        self.model, self.c, self.held = model, model.config, arrays(model)

    def score(self, user: int, item: int) -> float:
        self.user = self.held["users"][user]
        root = field_of(self.model, item)
        if self.c.passes == "once":
            return float(self.user @ self.inwards(root, self.c.depth))
        return float(self.user @ self.after(root, self.c.depth))

    def after(self, node: Node, passes: int) -> Array:
        """A node's vector after so many passes over the whole field."""
        if passes == 0:
            return np.asarray(self.held["entities"][node.entity])
        near = [(row, self.after(one, passes - 1)) for row, one in node.near]
        return self.combined(passes - 1, self.after(node, passes - 1), near)

    def inwards(self, node: Node, height: int) -> Array:
        """A node's vector, of the centre's first one and what came from outside."""
        own = np.asarray(self.held["entities"][node.entity])
        if height == 0:
            return own
        return self.combined(height - 1, own, [(row, self.inwards(one, height - 1)) for row, one in node.near])

    def mean(self, products: Array) -> float:
        return float(products.mean() if self.c.means == "code" else products.sum())

    def weights(self, centre: Array, near: list[tuple[int, Array]]) -> Array:
        relations = self.held["relations"]
        if self.c.attention == "none":
            return np.ones(len(near))
        if self.c.attention == "relation":
            return softmax([self.mean(self.user * relations[row]) for row, _ in near])
        features = [relations[row] * vector for row, vector in near]
        if self.c.soft_features:
            features = [softmax(feature.tolist()) for feature in features]
        by_user = softmax([self.mean(self.user * feature) for feature in features])
        by_centre = softmax([self.mean(centre * feature) for feature in features])
        return np.asarray(self.c.theta * by_user + (1 - self.c.theta) * by_centre)

    def combined(self, layer: int, centre: Array, near: list[tuple[int, Array]]) -> Array:
        weights = self.weights(centre, near)
        around = np.zeros(self.c.dim)
        for weight, (_, vector) in zip(weights, near, strict=True):
            around = around + weight * vector
        if self.c.means == "code":
            around = around / len(near)
        weight, bias = (self.held[f"aggregators.{layer}.{key}"] for key in ("weight", "bias"))
        if self.c.aggregator == "sum":
            mixed = weight @ (centre + around) + bias
        elif self.c.aggregator == "concat":
            mixed = weight @ np.concatenate([centre, around]) + bias
        elif self.c.aggregator == "neighbor":
            mixed = weight @ around + bias
        else:
            other = self.held[f"products.{layer}.weight"]
            mixed = weight @ (centre + around) + other @ (centre * around) + bias
        return np.asarray(np.tanh(mixed) if layer == self.c.depth - 1 else np.maximum(mixed, 0))
