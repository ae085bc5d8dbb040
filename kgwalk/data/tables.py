"""Triples from users' own files: TSV, CSV, and Parquet through polars."""

from __future__ import annotations

import io
from pathlib import Path

import polars as pl

from kgwalk._core import FormatError, TripleReader
from kgwalk.data.files import DamagedFileError, read_bytes
from kgwalk.protocols import Ids

#: Column titles that are understood, head, relation and tail; letter case does not matter.
TITLES = (
    ("head", "relation", "tail"),
    ("subject", "predicate", "object"),
    ("source", "relation", "target"),
    ("h", "r", "t"),
    ("s", "p", "o"),
)
_DELIMITERS = {".tsv": "\t", ".txt": "\t", ".csv": ","}


def add_file(reader: TripleReader, path: Path, delimiter: str | None = None) -> Ids:
    """Read one file of triples; its format follows from its name (``.tsv``, ``.txt``, ``.csv``, ``.parquet``, ``.gz``).

    The columns are those that a first line (or Parquet's schema) titles as in `TITLES`, whatever their order and
    whatever else is there; without titles the file has just three columns: head, relation, tail.

    Args:
        reader: gives the ids.
        path: the file.
        delimiter: one character, if the name does not say it.

    Returns:
        (n, 3) int32: head, relation, tail.

    Raises:
        MissingDataError, DamagedFileError, FormatError: the file cannot be used.
        ValueError: the name does not tell the format.
    """
    suffix = (path.with_suffix("") if path.suffix == ".gz" else path).suffix.lower()
    if suffix == ".parquet":
        return _add_parquet(reader, path)
    delimiter = delimiter or _DELIMITERS.get(suffix)
    if delimiter is None:
        raise ValueError(f"{path}: expected a name ending in .tsv, .txt, .csv or .parquet (or .gz), or a delimiter")
    data = read_bytes(path)
    titles = _first_line(data).split(delimiter)
    columns = titled_columns(titles)
    if columns is None:
        return reader.add(data, str(path), delimiter)
    return reader.add(data, str(path), delimiter, columns=columns, header=True, num_columns=len(titles))


def titled_columns(titles: list[str]) -> tuple[int, int, int] | None:
    """Positions of head, relation and tail among column titles, or None if these are no titles."""
    folded = [title.strip().strip('"').casefold() for title in titles]
    for head, relation, tail in TITLES:
        if all(folded.count(title) == 1 for title in (head, relation, tail)):
            return folded.index(head), folded.index(relation), folded.index(tail)
    return None


def _first_line(data: bytes) -> str:
    end = data.find(b"\n")
    line = data[: end if end >= 0 else len(data)]
    return line.removeprefix(b"\xef\xbb\xbf").decode("utf-8", errors="replace").rstrip("\r")


def _add_parquet(reader: TripleReader, path: Path) -> Ids:
    content = read_bytes(path)
    try:
        table = pl.read_parquet(io.BytesIO(content))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DamagedFileError(f"{path}: no Parquet data that can be read ({error})") from error
    columns = titled_columns(table.columns)
    if columns is None:
        if table.width != 3:
            found = ", ".join(table.columns)
            raise FormatError(f"{path}: expected columns titled head, relation, tail, or three columns; found {found}")
        columns = (0, 1, 2)
    triples = table.select(
        pl.col(table.columns[column]).cast(pl.String).alias(str(i)) for i, column in enumerate(columns)
    )
    bad = triples.select(
        pl.any_horizontal(pl.all().is_null() | (pl.all() == "") | pl.all().str.contains(r"[\t\r\n]")).arg_true()
    ).to_series()
    if len(bad):
        raise FormatError(f"{path}: row {bad[0] + 1}: empty, null, or with a tab or a line end in a name")
    text = triples.write_csv(include_header=False, separator="\t", quote_style="never")
    return reader.add(text.encode(), str(path))
