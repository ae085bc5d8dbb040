"""The card of one's own dataset, as ``card.json`` in its folder."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from kgwalk.data.cards import Card, DataFile
from kgwalk.data.files import DamagedFileError, read_text

CARD_FILE = "card.json"
_FORMAT = "kgwalk-card-1"


def card_to_json(card: Card) -> str:
    """The card as JSON text."""
    return json.dumps({"format": _FORMAT, **dataclasses.asdict(card)}, indent=2, ensure_ascii=False) + "\n"


def read_card(folder: Path) -> Card:
    """The card in ``folder/card.json``.

    Raises:
        MissingDataError: there is none.
        DamagedFileError: it is no JSON of the expected form.
    """
    path = folder / CARD_FILE
    try:
        fields = json.loads(read_text(path))
        if not isinstance(fields, dict) or fields.pop("format", None) != _FORMAT:
            raise ValueError(f'expected a JSON object with "format": "{_FORMAT}"')
        return _card(fields)
    except (ValueError, TypeError, KeyError) as error:
        if isinstance(error, DamagedFileError):
            raise
        raise DamagedFileError(f"{path}: no dataset card ({error})") from error


def _card(fields: dict[str, Any]) -> Card:
    fields["files"] = tuple(DataFile(**entry) for entry in fields["files"])
    fields["splits"] = tuple((str(split), str(file)) for split, file in fields["splits"])
    fields["oddities"] = tuple(map(str, fields["oddities"]))
    fields["names"] = (str(fields["names"][0]), int(fields["names"][1])) if fields["names"] else None
    fields["source"] = None
    card = Card(**fields)
    _check_types(card)
    for file in _files(card):
        if Path(file).name != file:
            raise ValueError(f"file {file!r} leads out of the folder")
    if card.interaction:
        _check_recommendation(card)
    return card


def _files(card: Card) -> list[str]:
    """Every file that the card names."""
    named = [card.graph, card.known, card.candidates, card.rules, card.metapaths, card.every_interaction]
    named += [file for _, file in card.splits]
    return named + [entry.name for entry in card.files] + ([card.names[0]] if card.names else [])


def _check_types(card: Card) -> None:
    """A field is of its default's type; a whole number will do for a float, but True is no number."""
    for field in dataclasses.fields(Card):
        value, default = getattr(card, field.name), field.default
        expected = str if default is dataclasses.MISSING else type(default)
        if isinstance(default, (tuple, type(None))):
            continue  # read above
        if not isinstance(value, (int, float) if expected is float else expected) or (
            isinstance(value, bool) and expected is not bool
        ):
            raise ValueError(f"{field.name}: expected {expected.__name__}, got {value!r}")


def _check_recommendation(card: Card) -> None:
    if "train" not in dict(card.splits):
        raise ValueError("splits: expected train among those of a recommendation set")
    for key, kind in (("user_type", card.user_type), ("item_type", card.item_type)):
        if not kind or "/" in kind:
            raise ValueError(f"{key}: expected a word without '/', got {kind!r}")
    if card.user_type == card.item_type:
        raise ValueError(f"user_type and item_type are both {card.user_type!r}")
    if not 0 <= card.test_share < 1 or (card.test_share and "test" in dict(card.splits)):
        raise ValueError(
            f"test_share is {card.test_share}; expected a number in [0, 1), and 0 where there is a test split"
        )
