"""Titled tables from users' own files, cell by cell: CSV, TSV and Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl

from kgwalk._core import FormatError
from kgwalk.data.files import DamagedFileError, read_bytes, read_text

_DELIMITERS = {".tsv": "\t", ".txt": "\t", ".csv": ","}

Cell = tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table as text; a cell is its one value, all those of a list in Parquet, or none if it is empty.

    Attributes:
        path: of its file.
        titles: of the columns, all different.
        rows: cells by row, and where the row stands in the file, for messages.
        listed: columns that hold lists.
    """

    path: Path
    titles: tuple[str, ...]
    rows: list[tuple[str, list[Cell]]]
    listed: frozenset[int] = frozenset()

    def column(self, wanted: str | None, known: Sequence[str], what: str) -> int:
        """Position of a column: that of the title wanted, or else of the first title known.

        Raises:
            FormatError: there is none, or more than one that is known.
        """
        folded = [title.casefold() for title in self.titles]
        names = known if wanted is None else [wanted.casefold()]
        found = [folded.index(name) for name in names if name in folded]
        if not found:
            expected = f"titled {wanted!r}" if wanted is not None else f"of {what}s, such as {known[0]}"
            raise FormatError(f"{self.path}: expected a column {expected}; found {', '.join(self.titles)}")
        return found[0]


def read_table(path: Path, delimiter: str | None = None) -> Table:
    """Read a table whose first line (or Parquet's schema) titles its columns.

    Args:
        path: its name tells the format: ``.tsv``, ``.txt``, ``.csv``, ``.parquet``, also ``.gz``.
        delimiter: one character, if the name does not say it.

    Raises:
        MissingDataError, DamagedFileError, FormatError: the file cannot be used; a line is named by its number.
        ValueError: the name does not tell the format, or the delimiter is none.
    """
    suffix = (path.with_suffix("") if path.suffix == ".gz" else path).suffix.lower()
    lines: Iterator[tuple[str, list[Any]]]
    if suffix == ".parquet":
        lines = _parquet_lines(path)
    else:
        delimiter = delimiter or _DELIMITERS.get(suffix)
        if delimiter is None:
            raise ValueError(f"{path}: expected a name ending in .tsv, .txt, .csv or .parquet (or .gz), or a delimiter")
        if len(delimiter) != 1 or delimiter in '"\r\n\0':
            raise ValueError(f"delimiter {delimiter!r}: expected one character, and neither a quote nor a line end")
        lines = _text_lines(path, delimiter)
    _, first = next(lines, ("", []))
    titles = tuple(str(title).strip() for title in first)
    if not any(titles) or len({title.casefold() for title in titles}) < len(titles):
        raise FormatError(f"{path}: expected a first line with different column titles, got {', '.join(titles)!r}")
    rows: list[tuple[str, list[Cell]]] = []
    listed: set[int] = set()
    for where, values in lines:
        if len(values) != len(titles):
            raise FormatError(f"{where}: expected {len(titles)} columns, as titled, found {len(values)}")
        rows.append((where, [_cell(value, where) for value in values]))
        listed.update(column for column, value in enumerate(values) if isinstance(value, list))
    if not rows:
        raise FormatError(f"{path}: no rows")
    return Table(path, titles, rows, frozenset(listed))


def divided(cell: Cell, separator: str) -> Cell:
    """The values that a cell's text divides into; an empty separator divides nothing."""
    if not separator:
        return cell
    return tuple(value for text in cell for part in text.split(separator) if (value := part.strip()))


def one_value(cell: Cell, where: str, what: str) -> str:
    """The value of a cell that holds just one.

    Raises:
        FormatError: it is empty or holds several.
    """
    if len(cell) != 1:
        raise FormatError(f"{where}: expected {what}, found {f'several: {list(cell)}' if cell else 'an empty cell'}")
    return cell[0]


def _cell(value: object, where: str) -> Cell:
    if value is None:
        return ()
    parts = value if isinstance(value, list) else [value]
    cell = tuple(text for part in parts if part is not None and (text := str(part).strip()))
    if any(character in text for text in cell for character in "\t\r\n\0"):
        raise FormatError(f"{where}: a tab or a line end or a NUL in {cell}, which tab-separated files cannot hold")
    return cell


def _text_lines(path: Path, delimiter: str) -> Iterator[tuple[str, list[str]]]:
    text = read_text(path).removeprefix("\ufeff")
    # Tab-separated files know no quotes, here as everywhere else.
    quoting: Literal[0, 3] = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting, strict=True)
    try:
        for row in reader:
            if row:
                yield f"{path}:{reader.line_num}", row
    except csv.Error as error:
        raise FormatError(f"{path}:{reader.line_num}: {error}") from error


def _parquet_lines(path: Path) -> Iterator[tuple[str, list[Any]]]:
    content = read_bytes(path)
    try:
        table = pl.read_parquet(io.BytesIO(content))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DamagedFileError(f"{path}: no Parquet data that can be read ({error})") from error
    yield f"{path}", list(table.columns)
    for number, row in enumerate(table.iter_rows(), start=1):
        yield f"{path}: row {number}", list(row)
