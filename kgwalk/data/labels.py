"""Readable entity names, which lie beside a dataset's facts and are read only when something is shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kgwalk._core import Names
from kgwalk.data.cards import Card
from kgwalk.data.files import DamagedFileError, locate, read_text


def read_labels(card: Card, folder: Path | None, entities: Names) -> Sequence[str] | None:
    """Label per entity id; an entity without one keeps its name.

    Returns:
        ``len(entities)`` strings, or None if the card has no labels or their (optional) file is not there.

    Raises:
        DamagedFileError: the file cannot be read, or a line lacks the label's column.
    """
    if card.names is None or folder is None:
        return None
    file, column = card.names
    path = locate(folder, file)
    if path is None:
        return None
    labels = entities.to_list()
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line:
            continue
        cells = line.split("\t")
        if len(cells) <= column:
            raise DamagedFileError(f"{path}:{number}: expected at least {column + 1} columns, found {len(cells)}")
        entity = entities.find(cells[0])
        if entity >= 0 and cells[column]:
            labels[entity] = cells[column]
    return labels
