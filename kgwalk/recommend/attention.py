"""What a recommender model attends to of an item for a user: neighbours in the knowledge graph and what each counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from kgwalk.data.dataset import INVERSE, STAY_NAME
from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.recommend.find import find_one
from kgwalk.recommend.words import percent

#: What stands for a neighbour where an entity has none.
NOTHING = "nothing is known of it"


class Edge(Protocol):
    """An edge that a model looked at; see ``kgwalk.scorers.recommenders.Neighbour``."""

    @property
    def head(self) -> int:
        """Entity where it begins."""
        ...

    @property
    def relation(self) -> int:
        """Of the dataset's graph; a model that does not tell directions apart says the forward one."""
        ...

    @property
    def entity(self) -> int:
        """Entity that it leads to."""
        ...

    @property
    def weight(self) -> float:
        """What it counts."""
        ...

    @property
    def hop(self) -> int:
        """From 1."""
        ...


@runtime_checkable
class Attending(Protocol):
    """A scorer that tells what it looked at."""

    name: str

    def attention(self, user: int, item: int) -> Sequence[Edge]:
        """The edges that counted for a user and an item, both entities."""
        ...


@dataclass(frozen=True)
class Attended:
    """A neighbour that a model looked at.

    Attributes:
        relation: Name of the relation that leads there, ``^name`` against its direction; ``STAY`` where the entity has
            no neighbours and stands for them itself.
        entity: Its name.
        label: Its readable name.
        share: Of the weight of all neighbours of the same entity, in [0, 1].
        weight: The model's own number.
        near: What was looked at beyond it; none of an entity that was told of above.
    """

    relation: str
    entity: str
    label: str
    share: float
    weight: float
    near: Near | None = None

    @property
    def words(self) -> str:
        """The step in a line of text."""
        return NOTHING if self.relation == STAY_NAME else f"{self.relation} \u2192 {self.label}"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "relation": self.relation,
            "entity": self.entity,
            "label": self.label,
            "share": self.share,
            "weight": self.weight,
            "near": None if self.near is None else self.near.to_json(),
        }


@dataclass(frozen=True)
class Near:
    """The neighbours of an entity.

    Attributes:
        shown: The heaviest, first the heaviest of all.
        others: How many more there are.
        rest: The share of these.
    """

    shown: tuple[Attended, ...]
    others: int = 0
    rest: float = 0.0

    @property
    def told_others(self) -> str:
        """The others in a line of text; empty if there are none."""
        return f"{percent(self.rest)} {self.others:,} more" if self.others else ""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"shown": [one.to_json() for one in self.shown], "others": self.others, "rest": self.rest}


@dataclass(frozen=True)
class Attention:
    """What a model attends to of an item for a user.

    Attributes:
        user: Name of the user.
        user_label: What the user is called.
        item: Name of the item.
        item_label: What the item is called.
        dataset: Name of the dataset.
        model: Name of the model.
        near: The item's neighbours.
    """

    user: str
    user_label: str
    item: str
    item_label: str
    dataset: str
    model: str
    near: Near

    @property
    def heading(self) -> str:
        """What this is, in a line of text."""
        return f"What {self.user_label.replace('/', ' ')} attends to of {self.item_label}"

    def __str__(self) -> str:
        """Neighbours with their shares, those of the next hop indented below."""
        return "\n".join([f"{self.heading} ({self.model}):", *_lines(self.near, 1)])

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "user": self.user,
            "item": self.item,
            "label": self.item_label,
            "dataset": self.dataset,
            "model": self.model,
            "near": self.near.to_json(),
        }


def attend(scorer: object, dataset: Recommendation, user: str | int, item: str | int, *, k: int = 10) -> Attention:
    """What a model attends to of an item for a user.

    Args:
        scorer: Of a model that attends to neighbours.
        dataset: That it was fitted on.
        user: Name, label or id of a user.
        item: Name, label or id of an item.
        k: Neighbours of the item that are shown; of others a third as many, but one at least.

    Raises:
        KeyError: There is no such user or item.
        IndexError: An id that is no user's or item's.
        ValueError: The model attends to nothing; ``k`` is below 1.
    """
    if k < 1:
        raise ValueError(f"k must be 1 or more, got {k}")
    if not isinstance(scorer, Attending):
        raise ValueError(f"{getattr(scorer, 'name', type(scorer).__name__)} has no attention to show")
    someone, something = find_one(dataset, dataset.users, user), find_one(dataset, dataset.items, item)
    edges: dict[tuple[int, int], list[Edge]] = {}
    for edge in scorer.attention(someone, something):
        edges.setdefault((edge.hop, edge.head), []).append(edge)
    return Attention(
        user=dataset.entities[someone],
        user_label=dataset.label(someone),
        item=dataset.entities[something],
        item_label=dataset.label(something),
        dataset=dataset.name,
        model=scorer.name,
        near=_near(dataset, edges, 1, something, k, max(1, k // 3), set()),
    )


def _near(
    dataset: Recommendation,
    edges: dict[tuple[int, int], list[Edge]],
    hop: int,
    head: int,
    k: int,
    beyond: int,
    told: set[tuple[int, int]],
) -> Near:
    """The neighbours of ``head`` at a hop, k of them, each with ``beyond`` of the next hop unless it was told of."""
    around = sorted(edges.get((hop, head), []), key=lambda edge: -edge.weight)
    total = sum(edge.weight for edge in around)
    shares = [edge.weight / total if total > 0 else 0.0 for edge in around]
    shown = []
    for edge, share in list(zip(around, shares, strict=True))[:k]:
        further = hop + 1, edge.entity
        near = None
        if further in edges and further not in told and edge.relation != dataset.graph.stay:
            told.add(further)
            near = _near(dataset, edges, *further, beyond, beyond, told)
        shown.append(
            Attended(
                relation=_directed(dataset, edge),
                entity=dataset.entities[edge.entity],
                label=dataset.label(edge.entity),
                share=share,
                weight=edge.weight,
                near=near,
            )
        )
    return Near(tuple(shown), max(0, len(around) - k), sum(shares[k:]))


def _directed(dataset: Recommendation, edge: Edge) -> str:
    """The relation's name in the direction in which the graph has the edge."""
    graph, relation = dataset.graph, edge.relation
    if relation < graph.num_relations and graph.find(edge.head, relation, edge.entity) < 0:
        inverse = graph.inverse(relation)
        relation = inverse if graph.find(edge.head, inverse, edge.entity) >= 0 else relation
    return dataset.relation_name(relation)


def _lines(near: Near, depth: int) -> Iterator[str]:
    indent = "     " * (depth - 1)
    for one in near.shown:
        yield f"{indent}{percent(one.share):>8}  {one.words}"
        if one.near is not None:
            yield from _lines(one.near, depth + 1)
    if near.others:
        share, _, count = near.told_others.rpartition(" % ")
        yield f"{indent}{share + ' %':>8}  {count}"


def short_relation(relation: str) -> str:
    """A relation's name without its path: ``^music.artist.origin`` is ``^origin``."""
    inverse = INVERSE if relation.startswith(INVERSE) else ""
    return inverse + relation.removeprefix(INVERSE).rsplit(".", 1)[-1].rsplit("/", 1)[-1]
