"""Whether the files of a dataset are those its card was written from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import Literal

from kgwalk import _core
from kgwalk.data.card_json import CARD_FILE, read_card
from kgwalk.data.cards import Card, DataFile
from kgwalk.data.catalog import find_card
from kgwalk.data.files import DamagedFileError, locate, read_bytes
from kgwalk.data.load import find_folder

Status = Literal["ok", "changed", "damaged", "missing", "optional"]


@dataclass(frozen=True)
class FileCheck:
    """One file against its card.

    Attributes:
        file: name without ``.gz``.
        status: ``ok``; ``changed`` (readable, but not the text the card knows), ``damaged``, ``missing``, or
            ``optional`` (not there and not needed).
        detail: what was found, or the path.
    """

    file: str
    status: Status
    detail: str

    @property
    def good(self) -> bool:
        """Whether nothing is wrong with it."""
        return self.status in ("ok", "optional")


def verify(
    name: str | Path, data_dir: str | Path | None = None, progress: Callable[[int, int], None] | None = None
) -> list[FileCheck]:
    """Check every file of a dataset's folder against the SHA-256 in its card.

    Args:
        name: of a benchmark, or the folder of an imported set.
        data_dir: where to look first, as in `load`.
        progress: called with (files checked, files).

    Returns:
        One entry per file of the card; empty for a set that is generated.

    Raises:
        KeyError, MissingDataError: no such dataset, or its folder is nowhere.
    """
    card, folder = _card_and_folder(name, data_dir)
    checks = []
    for done, entry in enumerate(card.files, start=1):
        checks.append(check_file(entry, folder))
        if progress is not None:
            progress(done, len(card.files))
    return checks


def verify_graph(path: Path) -> list[Path]:
    """Read a graph file and the views beside it whole, and check every part.

    Returns:
        The files that were checked.

    Raises:
        FormatError: one is damaged; the message says which part.
        OSError: a file cannot be opened.
    """
    graph, *_, checksum = _core.open_graph(path, True)
    caps = [found.name.removeprefix(f"{path.name}.top") for found in path.parent.glob(f"{escape(path.name)}.top*")]
    views = {int(cap): Path(_core.view_path(path, int(cap))) for cap in sorted(caps) if cap.isdecimal()}
    for cap, view in views.items():
        _core.open_view(view, graph, checksum, cap, True)
    return [path, *views.values()]


def check_file(entry: DataFile, folder: Path) -> FileCheck:
    """Compare one file's text with its card's entry."""
    path = locate(folder, entry.name)
    if path is None:
        return FileCheck(entry.name, "optional" if entry.optional else "missing", f"not in {folder}")
    try:
        content = read_bytes(path)
    except DamagedFileError as error:
        return FileCheck(entry.name, "damaged", str(error))
    digest = hashlib.sha256(content).hexdigest()
    if digest == entry.sha256:
        return FileCheck(entry.name, "ok", str(path))
    rows = content.count(b"\n")
    found = f"{rows} lines instead of {entry.rows}" if rows != entry.rows else f"SHA-256 {digest[:12]}…"
    return FileCheck(entry.name, "changed", f"{path}: {found}; the card's text is {entry.sha256[:12]}…")


def _card_and_folder(name: str | Path, data_dir: str | Path | None) -> tuple[Card, Path]:
    if (Path(name) / CARD_FILE).is_file():
        return read_card(Path(name)), Path(name)
    card = find_card(str(name))
    return card, Path() if card.embedded else find_folder(card, data_dir)
