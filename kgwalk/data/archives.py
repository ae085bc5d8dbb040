"""Reading single files out of published archives, without unpacking them."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO

from kgwalk.data.files import DamagedFileError, MissingDataError

#: No text file of a benchmark comes near this; of a longer member no more is read.
MAX_BYTES = 1 << 30

Opener = Callable[[], IO[bytes] | None]


def read_members(path: Path, wanted: Sequence[str]) -> dict[str, list[bytes]]:
    """Contents of the members whose path is, or ends in a whole part with, one of ``wanted``.

    Nothing is written, so a member named ``../x`` or a link can do no harm: only regular files are read, by suffix.

    Args:
        path: a tar (compressed or not), a zip, or a folder.
        wanted: relative paths such as ``"train.txt"`` or ``"data/nell/train.txt"``; a single name matches in any
            folder of the archive, so there may be several.

    Returns:
        Contents by wanted path, in the archive's order; an empty list for what is not there.

    Raises:
        MissingDataError: there is no such archive.
        DamagedFileError: it cannot be read.
    """
    if not path.exists():
        raise MissingDataError(f"{path}: no such archive")
    found: dict[str, list[bytes]] = {name: [] for name in wanted}
    try:
        for member, opened in _members(path):
            for name in wanted:
                if f"/{member}".endswith(f"/{name}") and (stream := opened()) is not None:
                    with stream:
                        found[name].append(stream.read(MAX_BYTES))
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, OSError) as error:
        raise DamagedFileError(f"{path}: cannot be read as an archive ({error})") from error
    return found


def _open(file: Path) -> IO[bytes]:
    return file.open("rb")


def _members(path: Path) -> Iterator[tuple[str, Opener]]:
    """Path and opener of every regular file."""
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.is_file() and not file.is_symlink():
                yield file.relative_to(path).as_posix(), partial(_open, file)
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if not info.is_dir():
                    yield info.filename, partial(archive.open, info)
    else:
        with tarfile.open(path, "r:*") as tar:
            for member in tar:
                if member.isfile():
                    yield member.name, partial(tar.extractfile, member)


def decode_ids(triples: bytes, entities: bytes, relations: bytes, source: str) -> bytes:
    """Names instead of ids: OpenKE's ``train2id.txt`` (head, tail, relation) with its two vocabularies.

    The first line of each file is a count; the vocabularies hold a name and an id a line.

    Raises:
        DamagedFileError: the files do not fit together.
    """
    try:
        names = [_vocabulary(text) for text in (entities, relations)]
        rows = triples.decode().splitlines()[1:]
        lines = []
        for row in rows:
            head, tail, relation = row.split()
            lines.append(f"{names[0][head]}\t{names[1][relation]}\t{names[0][tail]}\n")
    except (ValueError, KeyError) as error:
        raise DamagedFileError(f"{source}: ids that the vocabularies beside it do not explain ({error})") from error
    return "".join(lines).encode()


def _vocabulary(text: bytes) -> dict[str, str]:
    pairs = (line.rsplit(maxsplit=1) for line in text.decode().splitlines()[1:])
    return {number: name for name, number in pairs}
