"""Recommendation as a dataset: interactions of users with items are one relation among the facts about the items.

A walk goes from a user to an item. The graph holds what is known of the items and the training interactions; those of
valid and test are queries ``(user, interact, item)`` and are never in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from pathlib import Path

import numpy as np

from kgwalk._core import FormatError, Graph, Names, TripleReader
from kgwalk.data.cards import Card
from kgwalk.data.dataset import Dataset, fingerprint
from kgwalk.data.labels import read_labels
from kgwalk.data.recommendation.metapaths import (
    EntityType,
    Metapath,
    Signature,
    check_metapath,
    default_metapaths,
    knows_relations,
    relation_words,
    signatures,
)
from kgwalk.protocols import Ids

#: A user gives one interaction to valid if it has this many in train.
VALID_FROM = 5
_VALID_SEED = 0


@dataclass(frozen=True, eq=False)
class Recommendation(Dataset):
    """A dataset whose queries are ``(user, interact, item)``.

    Attributes:
        interact: id of the relation from users to items.
        types: kinds of entities, in the order of their ids; an entity named ``item/7`` is an ``item``.
        stated_metapaths: those that its files state; see `metapaths`.
    """

    interact: int = 0
    types: tuple[EntityType, ...] = ()
    stated_metapaths: tuple[Metapath, ...] = ()

    @cached_property
    def metapaths(self) -> tuple[Metapath, ...]:
        """Relations hop by hop from a user to an item that the set is walked along, never none.

        Those that its files state, or else `kgwalk.data.recommendation.metapaths.default_metapaths`.
        """
        return self.stated_metapaths or default_metapaths(self)

    @cached_property
    def signatures(self) -> frozenset[Signature]:
        """Which kinds of entities each relation joins, by their places in ``types``; inverse relations too."""
        return signatures(self.graph, self.types)

    @property
    def users(self) -> EntityType:
        """The kind that interacts."""
        return self.type_named(self.card.user_type)

    @property
    def items(self) -> EntityType:
        """The kind that is recommended."""
        return self.type_named(self.card.item_type)

    @cached_property
    def labels(self) -> Sequence[str] | None:
        """Readable names by id; of a set without files, what stands behind the type."""
        if self.folder is None:
            return [name.partition("/")[2] for name in self.entities.to_list()]
        return read_labels(self.card, self.folder, self.entities)

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

        Where a relation's own name has blanks, the longest name that the set knows is read.

        Raises:
            KeyError: a relation is unknown.
            ValueError: no walk from a user to an item follows them in this order.
        """
        found = tuple(self.relation(word) for word in relation_words(text, self.relations))
        check_metapath(self, found)
        return found

    def metapath_name(self, metapath: Metapath) -> str:
        """The metapath in words, as `metapath` reads it."""
        return " ".join(self.relation_name(relation) for relation in metapath)


def assemble_recommendation(
    card: Card,
    reader: TripleReader,
    knowledge: Ids,
    interactions: Mapping[str, Ids],
    metapaths: Sequence[str] = (),
    folder: Path | None = None,
) -> Recommendation:
    """A Recommendation of what was read: typed ids, a valid split carved out of train, the graph without it.

    Entities are numbered anew, so that those of a type are neighbours; within a type by their order in ``reader``.

    Args:
        card: with ``interaction``, ``user_type`` and ``item_type``.
        reader: whose ids the facts are in.
        knowledge: (n, 3) facts about items.
        interactions: (n, 3) facts by split, ``train`` among them; without ``valid`` one interaction of every user with
            `VALID_FROM` or more becomes valid, drawn once and for all.
        metapaths: in words; those with a relation that the set has not are left out.
        folder: where the files lie.

    Raises:
        FormatError: an interaction that is not one of a user with an item, that stands in two splits or among the
            knowledge; an entity without a type; a metapath that no walk can follow.
    """
    if "train" not in interactions:
        raise FormatError(f"{card.name}: no training interactions; it has {', '.join(interactions) or 'none'}")
    names, types, new_id = _by_type(card, reader.entities.to_list())
    relations = reader.relations
    interact = relations.find(card.interaction)
    splits = {split: _renumbered(rows, new_id) for split, rows in interactions.items()}
    for split, rows in splits.items():
        _check_interactions(card, rows, interact, types, names, split)
    knowledge = _renumbered(knowledge, new_id)
    if (stray := knowledge[knowledge[:, 1] == interact]).size:
        raise FormatError(
            f"{card.name}: what is known of the items holds an interaction of {names[stray[0, 0]]!r} with "
            f"{names[stray[0, 2]]!r}: it would be walked whatever split it belongs to"
        )
    if "valid" not in splits:
        train, valid = _carve(splits["train"])
        splits = {"train": train, "valid": valid, **{key: rows for key, rows in splits.items() if key != "train"}}
    facts = np.concatenate([knowledge, splits["train"]])
    offsets = [kind.first for kind in types] + [len(names)]
    graph = Graph.from_triples(facts, len(names), len(relations), offsets)
    _check_disjoint(card, splits, names)
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
    try:
        stated = tuple(made.metapath(text) for text in metapaths if knows_relations(text, relations))
    except ValueError as error:
        raise FormatError(str(error)) from error
    return replace(made, stated_metapaths=stated)


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


def _check_disjoint(card: Card, splits: Mapping[str, Ids], names: Names) -> None:
    keys = {split: (rows[:, 0].astype(np.int64) << 32) + rows[:, 2] for split, rows in splits.items()}
    for one, other in combinations(splits, 2):
        twice = np.isin(keys[other], keys[one])
        if twice.any():
            h, _, t = splits[other][np.flatnonzero(twice)[0]].tolist()
            raise FormatError(f"{card.name}: {names[h]!r} with {names[t]!r} stands in {one} and in {other}")


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
