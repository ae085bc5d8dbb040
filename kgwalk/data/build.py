"""Graph files of triples that do not fit into memory, in bounded memory, to be taken up again after a kill.

First the graph (its stages: build_stages.py), then its views.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgwalk import _core
from kgwalk._core import FormatError
from kgwalk.data.build_stages import FILES, RESERVE, Progress, Stages, npy_bytes
from kgwalk.data.files import MissingDataError
from kgwalk.data.pieces import kind_of
from kgwalk.files import delete, write_atomically


@dataclass(frozen=True)
class Built:
    """What `build_graph` made.

    Attributes:
        path: the graph file.
        rows: triples read, repeated ones included.
        num_entities, num_relations, num_facts: of the graph.
        views: files of capped views by cap.
    """

    path: Path
    rows: int
    num_entities: int
    num_relations: int
    num_facts: int
    views: dict[int, Path]


def build_graph(
    files: Sequence[str | Path],
    out: str | Path,
    *,
    memory: str | int = "4GB",
    max_out_degree: Sequence[int] = (),
    temporary: str | Path | None = None,
    progress: Progress | None = None,
    bucket_edges: int | None = None,
) -> Built:
    """Turn files of triples into a graph file, byte for byte what `save_graph` writes of them read at once.

    Killed, it goes on from where it was when called again with the same files (by size and time), whatever the memory.

    Args:
        files: tab-separated head, relation, tail (gzipped or not); N-Triples (``.nt``) and Turtle (``.ttl``) with the
            extra ``rdf``; or ``.npy`` arrays of ids, (n, 3) int32, which make a graph without names. In this order,
            which decides the ids: by first appearance.
        out: the graph file; replaced if it is there.
        memory: most memory to use, bytes or ``"512MB"``, ``"4GB"``. The graph's edges need not fit, but about 128 bytes
            an entity, 3 for each byte of names beyond 24 on average, and 8 for each edge of the largest node have to.
        max_out_degree: caps whose views are stored beside, see `build_views`.
        temporary: where the folder ``<out>.building`` of what does not fit is made, beside ``out`` by default. It takes
            36 bytes a triple and is removed when all is done.
        progress: called with (stage, done, total).
        bucket_edges: most edges to sort at a time, by default what the memory allows.

    Raises:
        MissingDataError, DamagedFileError, FormatError: a file cannot be used; ``out`` is as it was.
        ImportError: RDF without pyoxigraph.
        OSError: ``out`` is a folder, or its own cannot be written to.
        ValueError: no files, kinds of files that do not go together, ``out`` among the files, too little memory, or
            another build is at work on ``out``.
    """
    paths = [Path(file) for file in files]
    if not paths:
        raise ValueError("build: expected at least one file")
    kinds = {kind_of(path) for path in paths}
    if "ids" in kinds and len(kinds) > 1:
        raise ValueError("build: arrays of ids have no names, so they do not go together with text")
    budget = parse_memory(memory)
    caps = checked_caps(max_out_degree)
    if budget < RESERVE:
        raise ValueError(f"memory: expected at least {RESERVE >> 20}MB, got {memory!r}")
    target = Path(out)
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder: expected the name of a graph file, such as graph.kgw")
    if any(path.exists() and target.exists() and path.samefile(target) for path in paths):
        raise ValueError(f"{target} is one of the files to read: it would be replaced by the graph")
    folder = _folder(target, temporary, "building")
    show = progress or (lambda what, done, total: None)
    key = _key(paths)
    with _alone(folder):
        work = Stages(folder, key)
        if not work.is_whole() or ("checksum" in work.state and not _is_graph(target, work.state["checksum"])):
            work.remove(keep=("lock",))  # what was made is damaged, or was moved away
            work = Stages(folder, key)
        try:
            if "ids" in kinds:
                work.read_ids(paths, show)
            else:
                work.read_text(paths, budget, show)
            work.sort(budget, bucket_edges, show)
            work.write(target, show)
        except FormatError:
            work.remove()  # the files have to change, and what was made of them would not be used again
            raise
        views = _build_views(target, caps, folder, show)
        state = work.state
        work.remove()
    _forget([target, *views.values()])
    return Built(target, state["facts"], state["entities"], state["relations"], state["edges"] // 2, views)


def build_views(
    graph: str | Path,
    max_out_degree: Sequence[int],
    *,
    temporary: str | Path | None = None,
    progress: Progress | None = None,
) -> dict[int, Path]:
    """Store degree-capped views beside a graph file, so that opening one costs nothing and processes share it.

    Memory: 40 bytes an entity; the temporary file takes 4 bytes an edge. Views that are there already, and are this
    graph's, are kept.

    Args:
        graph: a graph file.
        max_out_degree: caps, each 1 or more.
        temporary: where the folder ``<graph>.viewing`` of what does not fit is made, beside the graph by default.
        progress: called with (stage, done, total).

    Returns:
        The view's file by cap, ``<graph>.top<cap>``.

    Raises:
        FormatError: it is no graph file.
        OSError: a file cannot be read or written.
    """
    path, caps = Path(graph), checked_caps(max_out_degree)
    folder = _folder(path, temporary, "viewing")
    with _alone(folder):
        made = _build_views(path, caps, folder, progress or (lambda what, done, total: None))
        delete(folder, FILES)
    _forget([path, *made.values()])
    return made


def _build_views(path: Path, caps: list[int], folder: Path, show: Progress) -> dict[int, Path]:
    made = {cap: Path(_core.view_path(path, cap)) for cap in caps}
    missing = [cap for cap, view in made.items() if not _is_view(view, path, cap)]
    if missing:
        with _rank(path, folder, show) as rank:
            for cap in missing:
                _core.save_view(made[cap], path, cap, rank, partial(show, f"view {cap}"))
    return made


def parse_memory(text: str | int) -> int:
    """Bytes of ``"4GB"``, ``"512MB"`` (powers of 1024, ``GiB`` as well) or a number of bytes; ValueError otherwise."""
    if isinstance(text, int):
        return text
    if not isinstance(text, str):
        raise ValueError(f"memory: expected bytes or something like 4GB, got {text!r}")
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*", text, re.IGNORECASE)
    if not found:
        raise ValueError(f"memory: expected something like 4GB or 512MB, got {text!r}")
    return min(int(float(found[1]) * 1024 ** " KMGT".index(found[2].upper() or " ")), 1 << 62)


def checked_caps(caps: Sequence[int]) -> list[int]:
    """The caps without repetition; ValueError on one that is no whole number from 1 to 2**31 - 2."""
    for cap in caps:
        if not isinstance(cap, int) or not 1 <= cap < 2**31 - 1:
            raise ValueError(f"max_out_degree: expected a whole number from 1 to {2**31 - 2}, got {cap!r}")
    return list(dict.fromkeys(caps))


def _folder(path: Path, temporary: str | Path | None, purpose: str) -> Path:
    """A folder that nobody else has files in."""
    place = Path(temporary) if temporary is not None else path.parent
    return place / f"{path.name}.{purpose}"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """While nobody else is at work in a folder, which is made; ValueError if somebody is."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ValueError(f"another build is at work in {folder}: wait for it, or choose another --out") from None
        yield


def _key(paths: list[Path]) -> list[list[Any]]:
    """What a build is of: files by place, size and time of change."""
    key: list[list[Any]] = []
    for path in paths:
        if not path.is_file():
            raise MissingDataError(f"{path}: no such file")
        info = path.stat()
        key.append([str(path.absolute()), info.st_size, info.st_mtime_ns])
    return key


@contextmanager
def _rank(graph: Path, folder: Path, show: Progress) -> Iterator[NDArray[np.float64]]:
    """PageRank of a graph file; kept until the views that need it are made."""
    checksum = _core.open_graph(graph, False)[4]
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "rank.npy"
    saved = np.load(kept, allow_pickle=False) if kept.exists() else None
    if saved is not None and saved.dtype == np.float64 and saved[:1].view(np.uint64)[0] == checksum:
        yield saved[1:]
    else:
        rank = _core.pagerank_of_file(graph, folder / "tails.bin", lambda done, of: show("PageRank", done, of))
        stamp = np.array([checksum], np.uint64).view(np.float64)
        write_atomically(kept, npy_bytes(np.concatenate([stamp, rank])))
        yield rank
    kept.unlink()


def _forget(paths: Iterable[Path]) -> None:
    """Drop what the system keeps of files just written, in small pages: opened, they come in large ones."""
    if not hasattr(os, "posix_fadvise"):
        return
    for path in paths:
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _is_graph(path: Path, checksum: int) -> bool:
    try:
        return _core.open_graph(path, False)[4] == checksum
    except (FormatError, OSError):
        return False


def _is_view(view: Path, graph: Path, cap: int) -> bool:
    if not view.is_file():
        return False
    opened = _core.open_graph(graph, False)
    try:
        _core.open_view(view, opened[0], opened[4], cap, False)
    except FormatError:
        return False
    return True
