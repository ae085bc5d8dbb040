"""Users and items by what people call them."""

from __future__ import annotations

import difflib

from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.data.recommendation.metapaths import EntityType


def find_one(dataset: Recommendation, kind: EntityType, name: str | int) -> int:
    """The entity of a kind by its name, with or without its type, by its label, or by its id.

    Unlike `Dataset.entity` it looks among one kind only: a shop's user 7 and its item 7 are not confused.

    Raises:
        KeyError: There is none, or several; the message names near matches.
        IndexError: An id that is none of the kind.
    """
    if not isinstance(name, str):
        if not kind.first <= name < kind.last:
            raise IndexError(f"{dataset.name}: {name} is no {kind.name}; their ids are {kind.first} to {kind.last - 1}")
        return int(name)
    for known in (name, f"{kind.name}/{name}"):
        found = dataset.entities.find(known)
        if kind.first <= found < kind.last:
            return found
        if found >= 0:
            raise KeyError(f"{dataset.name}: {name!r} is no {kind.name}")
    labels = [dataset.label(entity) for entity in range(kind.first, kind.last)]
    bearers = [kind.first + place for place, label in enumerate(labels) if label == name]
    if len(bearers) == 1:
        return bearers[0]
    if bearers:
        choice = ", ".join(dataset.entities[bearer] for bearer in bearers[:5])
        raise KeyError(f"{dataset.name}: {len(bearers)} are called {name!r}: {choice}; give one of these")
    folded = {label.casefold(): label for label in labels}
    near = [folded[key] for key in difflib.get_close_matches(name.casefold(), folded, n=3)]
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise KeyError(f"{dataset.name} has no {kind.name.replace('_', ' ')} {name!r}{hint}")
