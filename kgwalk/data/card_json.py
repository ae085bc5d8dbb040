"""The card of one's own dataset, as ``card.json`` in its folder."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kgwalk.data.cards import Card, DataFile
from kgwalk.data.files import DamagedFileError, read_text

CARD_FILE = "card.json"
_FORMAT = "kgwalk-card-1"


def card_to_json(card: Card) -> str:
    """The card as JSON text."""
    return json.dumps({"format": _FORMAT, **asdict(card)}, indent=2, ensure_ascii=False) + "\n"


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
    fields["names"] = tuple(fields["names"]) if fields["names"] else None
    fields["source"] = None
    for file in (fields["graph"], fields["known"], *(file for _, file in fields["splits"])):
        if Path(file).name != file:
            raise ValueError(f"file {file!r} leads out of the folder")
    return Card(**fields)
