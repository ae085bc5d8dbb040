"""Files that are whole or not there."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` to write to; it takes ``path``'s place when the block ends well.

    The file is flushed to the disk before it is renamed, so a crash leaves the old file or the new one, never a half.

    Raises:
        OSError: If the folder cannot be written to; an existing ``path`` is left as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes private files; give it the rights that a plain open() would have given.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def delete(folder: Path, patterns: Iterable[str]) -> None:
    """Delete a folder's files by their names, what a killed writing of them left too, and the folder if it is empty.

    Args:
        folder: what is in its subfolders stays; nothing happens if it is not there.
        patterns: names, in which ``*`` may stand for anything.

    Raises:
        OSError: A file cannot be deleted.
    """
    for pattern in patterns:
        for path in (*folder.glob(pattern), *folder.glob(f".{pattern}.*.tmp")):
            path.unlink()
    with contextlib.suppress(OSError):  # holds other files, is a link or the current folder: it may stay
        folder.rmdir()


def write_atomically(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path``, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
