"""Recommendation as a dataset: interactions of users with items are one relation among the facts about the items.

A walk goes from a user to an item. The graph holds what is known of the items and the training interactions; those of
valid and test are queries ``(user, interact, item)`` and are never in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kgwalk._core import FormatError, Graph, Names, TripleReader
from kgwalk.data.cards import Card
from kgwalk.data.dataset import Dataset, fingerprint
from kgwalk.protocols import Ids

#: A user gives one interaction to valid if it has this many in train.
VALID_FROM = 5
_VALID_SEED = 0
Metapath = tuple[int, ...]


class EntityType(NamedTuple):
    """Entities of one kind have the ids ``first .. last - 1``."""

    name: str
    first: int
    last: int

    def __len__(self) -> int:
        """How many there are."""
        return self.last - self.first


@dataclass(frozen=True, eq=False)
class Recommendation(Dataset):
    """A dataset whose queries are ``(user, interact, item)``.

    Attributes:
        interact: id of the relation from users to items.
        types: kinds of entities, in the order of their ids; an entity named ``item/7`` is an ``item``.
        metapaths: relations hop by hop from a user to an item that the set is usually walked along; may be empty.
    """

    interact: int = 0
    types: tuple[EntityType, ...] = ()
    metapaths: tuple[Metapath, ...] = ()

    @property
    def users(self) -> EntityType:
        """The kind that interacts."""
        return self.type_named(self.card.user_type)

    @property
    def items(self) -> EntityType:
        """The kind that is recommended."""
        return self.type_named(self.card.item_type)

    def type_named(self, name: str) -> EntityType:
        """A kind of entity by its name.

        Raises:
            KeyError: there is none of that name.
        """
        for kind in self.types:
            if kind.name == name:
                return kind
        raise KeyError(f"{self.name} has no entity type {name!r}; it has {', '.join(kind.name for kind in self.types)}")

    def metapath(self, text: str) -> Metapath:
        """Relations of a metapath in words, separated by blanks; ``^name`` or ``rev_name`` is an inverse.

        Raises:
            KeyError: a relation is unknown.
        """
        return tuple(self.relation(_as_inverse(word, self.relations)) for word in text.split())


def assemble_recommendation(
    card: Card,
    reader: TripleReader,
    knowledge: Ids,
    interactions: dict[str, Ids],
    metapaths: Sequence[str] = (),
    folder: Path | None = None,
) -> Recommendation:
    """A Recommendation of what was read: typed ids, a valid split carved out of train, the graph without it.

    Entities are numbered anew, so that those of a type are neighbours; within a type by their order in ``reader``.

    Args:
        card: with ``interaction``, ``user_type`` and ``item_type``.
        reader: whose ids the facts are in.
        knowledge: (n, 3) facts about items.
        interactions: (n, 3) facts by split; without ``valid`` one interaction of every user with `VALID_FROM` or more
            becomes valid, drawn once and for all.
        metapaths: in words; those with a relation that the set has not are left out.
        folder: where the files lie.

    Raises:
        FormatError: an interaction that is not one of a user with an item, or an entity without a type.
    """
    names, types, new_id = _by_type(card, reader.entities.to_list())
    relations = reader.relations
    interact = relations.find(card.interaction)
    splits = {}
    for split, rows in interactions.items():
        rows = _renumbered(rows, new_id)
        _check_interactions(card, rows, interact, types, names, split)
        splits[split] = rows
    if "valid" not in splits:
        train, valid = _carve(splits["train"])
        splits = {"train": train, "valid": valid, **{key: rows for key, rows in splits.items() if key != "train"}}
    facts = np.concatenate([_renumbered(knowledge, new_id), splits["train"]])
    offsets = [kind.first for kind in types] + [len(names)]
    graph = Graph.from_triples(facts, len(names), len(relations), offsets)
    for rows in splits.values():
        rows.flags.writeable = False
    made = Recommendation(
        name=card.name,
        graph=graph,
        splits=splits,
        test_graph=graph,
        fingerprint=fingerprint(graph, splits, names, relations),
        card=card,
        entities=names,
        relations=relations,
        folder=folder,
        graph_rows=len(facts),
        interact=interact,
        types=types,
    )
    known = [
        text
        for text in metapaths
        if all(relations.find(_as_inverse(w, relations).lstrip("^")) >= 0 for w in text.split())
    ]
    object.__setattr__(made, "metapaths", tuple(made.metapath(text) for text in known))
    return made


def _as_inverse(word: str, relations: Names) -> str:
    """``rev_name`` as ``^name``, unless a relation is called so."""
    return "^" + word.removeprefix("rev_") if word.startswith("rev_") and relations.find(word) < 0 else word


def _by_type(card: Card, names: list[str]) -> tuple[Names, tuple[EntityType, ...], Ids]:
    """Names in the order of their types, the types, and the new id of each old one."""
    kinds = [name.partition("/")[0] if "/" in name else "" for name in names]
    if "" in kinds:
        untyped = names[kinds.index("")]
        raise FormatError(f"{card.name}: entity {untyped!r} has no type; expected a name such as {card.item_type}/7")
    order = {kind: place for place, kind in enumerate(dict.fromkeys([card.user_type, card.item_type, *kinds]))}
    of_entity = np.array([order[kind] for kind in kinds], np.int64)
    by_type = np.argsort(of_entity, kind="stable")
    bounds = np.searchsorted(of_entity[by_type], np.arange(len(order) + 1))
    types = tuple(EntityType(kind, int(bounds[i]), int(bounds[i + 1])) for kind, i in order.items())
    new_id = np.empty(len(names), np.int32)
    new_id[by_type] = np.arange(len(names), dtype=np.int32)
    return Names([names[i] for i in by_type]), types, new_id


def _renumbered(rows: Ids, new_id: Ids) -> Ids:
    return np.column_stack([new_id[rows[:, 0]], rows[:, 1], new_id[rows[:, 2]]])


def _check_interactions(
    card: Card, rows: Ids, interact: int, types: tuple[EntityType, ...], names: Names, split: str
) -> None:
    users, items = types[:2]
    good = (
        (rows[:, 1] == interact) & (rows[:, 0] < users.last) & (rows[:, 2] >= items.first) & (rows[:, 2] < items.last)
    )
    if not good.all():
        h, _, t = rows[np.flatnonzero(~good)[0]].tolist()
        raise FormatError(
            f"{card.name}, {split}: expected {card.user_type}/..., {card.interaction}, {card.item_type}/..., got a row "
            f"from {names[h]!r} to {names[t]!r}"
        )


def _carve(train: Ids) -> tuple[Ids, Ids]:
    """Train without, and valid with, one interaction of every user that has `VALID_FROM` or more."""
    train = np.unique(train, axis=0)
    _, first, count = np.unique(train[:, 0], return_index=True, return_counts=True)
    able = count >= VALID_FROM
    drawn = np.random.default_rng(_VALID_SEED).integers(0, count)
    held_out = (first + drawn)[able]
    kept = np.ones(len(train), np.bool_)
    kept[held_out] = False
    return train[kept], train[held_out]
