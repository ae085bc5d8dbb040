"""Reading data files, gzipped or not, so that whatever goes wrong names the file and the way out."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path


class MissingDataError(FileNotFoundError):
    """A dataset's file is in none of the places it was looked for."""


class DamagedFileError(ValueError):
    """A data file is there but cannot be used: cut short, no gzip data, empty, unreadable."""


def locate(folder: Path, name: str) -> Path | None:
    """The file ``name`` or ``name.gz`` in ``folder``, the plain one first; None if neither is there."""
    for candidate in (folder / name, folder / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    return None


def read_bytes(path: Path) -> bytes:
    """The whole content of a file, decompressed if its name ends in ``.gz`` or it begins as gzip data do.

    Raises:
        MissingDataError: there is no such file.
        DamagedFileError: it may not be read, is a folder, or its gzip data are cut short or damaged.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise MissingDataError(f"{path}: no such file") from error
    except OSError as error:
        raise DamagedFileError(f"{path}: cannot be read ({error.strerror or error})") from error
    if path.suffix != ".gz" and not raw.startswith(b"\x1f\x8b"):
        return raw
    try:
        return gzip.decompress(raw)
    except EOFError as error:
        raise DamagedFileError(f"{path}: the gzip data are cut short after {len(raw):,} bytes; get it again") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DamagedFileError(f"{path}: damaged or no gzip data ({error}); get it again") from error


def read_text(path: Path) -> str:
    """The file as UTF-8 text, CRLF line ends turned into LF.

    Raises:
        MissingDataError, DamagedFileError: as `read_bytes`, and for bytes that are no UTF-8.
    """
    data = read_bytes(path)
    try:
        return data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DamagedFileError(f"{path}:{line}: not UTF-8 (byte 0x{data[error.start]:02x})") from error


def missing(
    name: str, file: str, tried: Sequence[Path], source: str, variable: str = "KGWALK_DATA"
) -> MissingDataError:
    """The one error for a dataset that is not there: which file, where it was looked for, where it is published."""
    places = "\n".join(f"  {place}" for place in tried)
    return MissingDataError(
        f"{name}: no file {file} or {file}.gz. Looked in\n{places}\n"
        f"Published at {source}.\n"
        f"Set {variable} to the folder that holds the dataset folders, pass data_dir=, "
        f"or see `kgwalk data fetch {name}`."
    )
