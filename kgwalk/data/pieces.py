"""Files of triples read a piece at a time, for those that are larger than memory: text, RDF, arrays of ids."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np

from kgwalk._core import FormatError
from kgwalk.data.files import DamagedFileError, MissingDataError
from kgwalk.protocols import Ids

PIECE = 16 << 20
#: A line is held whole in memory; this long it is none.
LONGEST_LINE = 64 << 20
RDF_FORMATS = {".nt": "N-Triples", ".ttl": "Turtle"}


@dataclass(frozen=True)
class Piece:
    """Whole lines of a file.

    Attributes:
        text: tab-separated head, relation, tail.
        line: number of the first line.
        resume: (offset, line) from which reading can go on behind this piece; None if it cannot.
        consumed: bytes of the file on disk that have been read so far.
    """

    text: bytes
    line: int
    resume: tuple[int, int] | None
    consumed: int


def kind_of(path: Path) -> str:
    """``"ids"``, ``"rdf"`` or ``"text"``, by the end of the name."""
    if path.suffix == ".npy":
        return "ids"
    return "rdf" if _plain_suffix(path) in RDF_FORMATS else "text"


def text_pieces(path: Path, offset: int = 0, line: int = 1) -> Iterator[Piece]:
    """The lines of a text file, gzipped or not, from where an earlier piece says that reading can go on.

    Raises:
        MissingDataError, DamagedFileError: the file cannot be read.
        FormatError: a line of more than 64 MB.
    """
    with _opened(path) as raw, _unpacked(raw, path) as file:
        try:
            file.seek(offset)
            rest, begun = b"", offset > 0
            while block := file.read(PIECE):
                data = rest + block
                end = _whole_lines(data)
                text, rest = data[:end], data[end:]
                if end == 0:
                    if len(rest) > LONGEST_LINE:
                        raise FormatError(f"{path}:{line}: expected a line of at most {LONGEST_LINE >> 20} MB")
                    continue
                offset += end
                first, line, begun = line, line + text.count(b"\n"), True
                yield Piece(text, first, (offset, line), raw.tell())
            if rest.strip(b"\r\n") or not begun:
                yield Piece(rest, line, None, raw.tell())
        except EOFError as error:
            raise DamagedFileError(f"{path}: the gzip data are cut short; get it again") from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise DamagedFileError(f"{path}: damaged or no gzip data ({error}); get it again") from error
        except OSError as error:
            raise DamagedFileError(f"{path}: cannot be read ({error.strerror or error})") from error


def rdf_pieces(path: Path) -> Iterator[Piece]:
    """The triples of an N-Triples or Turtle file, gzipped or not; needs the extra ``rdf``.

    An IRI's name is the IRI; literals and blank nodes are named as N-Triples writes them.

    Raises:
        ImportError: pyoxigraph is not installed.
        MissingDataError, DamagedFileError: the file cannot be read.
        FormatError: it is not in the format that its name says, or has no triple.
    """
    try:
        import pyoxigraph
    except ImportError as error:
        raise ImportError(
            f"{path.name}: RDF needs pyoxigraph, which is not installed: pip install 'kgwalk[rdf]'"
        ) from error

    blank: dict[str, int] = {}  # numbered by first appearance: labels hold within a file, and a parser may invent them

    def name(term: Any) -> str:
        if isinstance(term, pyoxigraph.BlankNode):
            return f"_:{path.name}#{blank.setdefault(term.value, len(blank))}"
        text = term.value if isinstance(term, pyoxigraph.NamedNode) else str(term)
        return text.replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")

    known = RDF_FORMATS[_plain_suffix(path)]
    syntax = {"N-Triples": pyoxigraph.RdfFormat.N_TRIPLES, "Turtle": pyoxigraph.RdfFormat.TURTLE}[known]
    with _opened(path) as raw, _unpacked(raw, path) as file:
        try:
            triples = iter(pyoxigraph.parse(input=file, format=syntax))
            line = 1
            while some := list(islice(triples, 1 << 17)):
                rows = (f"{name(t.subject)}\t{name(t.predicate)}\t{name(t.object)}\n" for t in some)
                yield Piece("".join(rows).encode(), line, None, raw.tell())
                line += len(some)
        except SyntaxError as error:
            raise FormatError(f"{path}:{error.lineno or 1}: expected {known}, found: {error.msg}") from error
        except (EOFError, OSError, zlib.error) as error:
            raise DamagedFileError(f"{path}: cannot be read ({error})") from error
    if line == 1:
        raise FormatError(f"{path}: expected a triple, found none")


def id_pieces(path: Path) -> Iterator[Ids]:
    """The rows of an ``.npy`` file, (n, 3) int32: head, relation, tail.

    Raises:
        MissingDataError, DamagedFileError: the file cannot be read.
        FormatError: it holds something else, or nothing.
    """
    with _opened(path):
        try:
            rows = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError, OSError) as error:
            raise DamagedFileError(f"{path}: no array of numpy ({error})") from error
    if rows.ndim != 2 or rows.shape[1:] != (3,) or rows.dtype != np.int32 or len(rows) == 0:
        raise FormatError(f"{path}: expected ids, (n, 3) int32, found {rows.shape} {rows.dtype}")
    step = PIECE // 12
    for begin in range(0, len(rows), step):
        part = np.ascontiguousarray(rows[begin : begin + step])
        if part.min() < 0:
            bad = int(np.argmax(part.min(axis=1) < 0))
            raise FormatError(f"{path}: expected ids of 0 or more, found {part[bad].tolist()} in row {begin + bad}")
        yield part


def _whole_lines(data: bytes) -> int:
    """Where the last whole line ends. Blank lines behind it wait for what follows: they may only end the file."""
    content = len(data.rstrip(b"\r\n"))
    if data.find(b"\n", content) < 0:  # the last line goes on
        content = len(data[: data.rfind(b"\n", 0, content) + 1].rstrip(b"\r\n"))
    return data.find(b"\n", content) + 1 if content else 0


def _plain_suffix(path: Path) -> str:
    return Path(path.stem).suffix if path.suffix == ".gz" else path.suffix


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise MissingDataError(f"{path}: no such file") from error
    except OSError as error:
        raise DamagedFileError(f"{path}: cannot be read ({error.strerror or error})") from error


def _unpacked(raw: IO[bytes], path: Path) -> IO[bytes]:
    """The file decompressed if its name ends in ``.gz`` or it begins as gzip data do."""
    start = raw.read(2)
    raw.seek(0)
    return gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" or start == b"\x1f\x8b" else raw  # type: ignore[return-value]
