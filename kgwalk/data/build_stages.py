"""The stages of a build, each resumed where it was: what does not fit into memory lies in a folder of its own.

`facts.bin` (ids of every line) and the names; `bucket-k.bin` (directed edges by range of heads); `edges-k.bin` (sorted,
distinct); then the graph file. `manifest.json` says what is done.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgwalk import _core
from kgwalk._core import FormatError, Names, TripleReader
from kgwalk.data.pieces import id_pieces, kind_of, rdf_pieces, text_pieces
from kgwalk.files import delete, write_atomically

Progress = Callable[[str, int, int], None]

#: Memory that is not ours to plan: the interpreter, its libraries, pieces of files.
RESERVE = 256 << 20
#: O(entities) arrays of any stage, in bytes an entity, names of the usual length included.
PER_ENTITY = 128
#: The usual length of a name, and the copies of longer ones that are in memory at once.
_NAME, _COPIES = 24, 3
#: Text between two places from which an interrupted reading goes on.
CHECKPOINT = 256 << 20
_FACTS_AT_ONCE = 1 << 24
_LARGEST_BUCKET = 1 << 26  # edges; more would only be further apart
_MOST_BUCKETS = 500  # all are open at once
#: What may lie in the folder.
FILES = (
    *("manifest.json", "facts.bin", "entities.txt", "relations.txt", "bucket-*.bin", "degrees-*.npy"),
    *("edges-*.bin", "rows-*.npy", "rank.npy", "tails.bin", "lock"),
)
_MOST_RELATIONS = (2**31 - 2) // 2  # forward, inverse and STAY are int32


class Stages:
    """The temporary folder of a build. ``state`` is the manifest: saved only when what it tells is on disk."""

    def __init__(self, folder: Path, key: list[list[Any]]) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.facts = folder / "facts.bin"
        self.names = (folder / "entities.txt", folder / "relations.txt")
        self.state: dict[str, Any] = {
            "version": 1,
            "key": key,
            "file": 0,
            "resume": [0, 1],
            "facts": 0,
            "names": [0, 0],
        }
        manifest = folder / "manifest.json"
        if manifest.exists():
            try:
                found = json.loads(manifest.read_text())
            except ValueError:
                found = {}
            if isinstance(found, dict) and (found.get("version"), found.get("key")) == (1, key):
                self.state = found
                return
            self.remove(keep=("lock",))  # of other files, or of these as they were
            folder.mkdir(parents=True, exist_ok=True)

    def save(self, **state: Any) -> None:
        """Tell of what is on the disk."""
        self.state |= state
        write_atomically(self.folder / "manifest.json", json.dumps(self.state).encode())

    def remove(self, keep: tuple[str, ...] = ()) -> None:
        """Delete what was made, and the folder if nothing else is in it."""
        delete(self.folder, [name for name in FILES if name not in keep])

    def is_whole(self) -> bool:
        """Whether the files are there that the manifest tells of, in their length."""
        try:
            return self._is_whole()
        except (KeyError, IndexError, TypeError, OSError, ValueError):
            return False

    def _is_whole(self) -> bool:
        def has(name: str, size: int) -> bool:
            path = self.folder / name
            return path.stat().st_size >= size if size else True

        state = self.state
        lengths = zip((path.name for path in self.names), state["names"], strict=True)
        if not all(has(name, length) for name, length in lengths):
            return False
        if "heads" not in state:
            return has(self.facts.name, 12 * state["facts"])
        for k in range(len(state["heads"]) - 1):
            done = k in state["sorted"]
            edges = int(np.load(self.folder / (f"rows-{k}.npy" if done else f"degrees-{k}.npy")).sum())
            if done and "checksum" not in state and not has(f"edges-{k}.bin", 8 * edges):
                return False
            if not done and not has(f"bucket-{k}.bin", 12 * edges):
                return False
        return True

    def read_text(self, paths: list[Path], memory: int, show: Progress) -> None:
        """Names and ids of every line; ValueError once the names do not fit into the memory."""
        if "entities" in self.state:
            return
        reader = TripleReader()
        reader.restore(*(self._kept(path, size) for path, size in zip(self.names, self.state["names"], strict=True)))
        sizes = [path.stat().st_size for path in paths]
        with self._appending(self.facts, 12 * self.state["facts"]) as facts:
            rows, known, unsaved = self.state["facts"], [reader.num_entities, reader.num_relations], 0

            def checkpoint(file: int, resume: Sequence[int]) -> None:
                nonlocal known
                added = (reader.entity_lines(known[0]), reader.relation_lines(known[1]))
                lengths = list(self.state["names"])
                for i, (path, lines) in enumerate(zip(self.names, added, strict=True)):
                    with self._appending(path, lengths[i]) as names:
                        names.write(lines)
                    lengths[i] += len(lines)
                _sync(facts)
                known = [reader.num_entities, reader.num_relations]
                self.save(file=file, resume=list(resume), facts=rows, names=lengths)
                if (needed := self.fixed_memory(known[0])) > memory:
                    raise ValueError(
                        f"memory: expected at least {-(-needed >> 20)}MB for {known[0]:,} entities with "
                        f"{sum(lengths):,} bytes of names so far; what was read is kept"
                    )

            for number in range(self.state["file"], len(paths)):
                path = paths[number]
                offset, line = self.state["resume"]
                pieces = rdf_pieces(path) if kind_of(path) == "rdf" else text_pieces(path, offset, line)
                for piece in pieces:
                    triples = reader.add(piece.text, str(path), first_line=piece.line)
                    facts.write(triples.data)
                    rows += len(triples)
                    unsaved += len(piece.text)
                    if piece.resume is not None and unsaved >= CHECKPOINT:
                        checkpoint(number, piece.resume)
                        unsaved = 0
                    show("reading, MB", (sum(sizes[:number]) + piece.consumed) >> 20, sum(sizes) >> 20)
                checkpoint(number + 1, (0, 1))
        self.save(entities=reader.num_entities, relations=reader.num_relations, named=True)

    def read_ids(self, paths: list[Path], show: Progress) -> None:
        """Ids as they are given."""
        if "entities" in self.state:
            return
        rows = entities = relations = 0
        with self._appending(self.facts, 0) as facts:
            for number, path in enumerate(paths):
                for part in id_pieces(path):
                    facts.write(part.data)
                    rows += len(part)
                    entities = max(entities, int(part[:, ::2].max()) + 1)
                    relations = max(relations, int(part[:, 1].max()) + 1)
                    if relations > _MOST_RELATIONS or entities > 2**31 - 1:
                        raise FormatError(
                            f"{path}: expected relations below {_MOST_RELATIONS} and entities below {2**31 - 1}, found "
                            f"{relations - 1} and {entities - 1}"
                        )
                show("reading, files", number + 1, len(paths))
            _sync(facts)
        self.save(facts=rows, entities=entities, relations=relations, named=False)

    def fixed_memory(self, entities: int) -> int:
        """Bytes that a build of so many entities takes whatever is left for edges."""
        names: int = sum(self.state["names"])
        return RESERVE + PER_ENTITY * entities + _COPIES * max(0, names - _NAME * entities)

    def sort(self, memory: int, bucket_edges: int | None, show: Progress) -> None:
        """Directed edges, sorted and distinct, in files by range of heads."""
        facts, entities, relations = (self.state[name] for name in ("facts", "entities", "relations"))
        if "heads" not in self.state:
            degrees = np.zeros(entities, np.int64)
            for begin in range(0, facts, _FACTS_AT_ONCE):
                end = min(begin + _FACTS_AT_ONCE, facts)
                _core.count_degrees(self.facts, begin, end, relations, degrees)
                show("counting, million facts", end >> 20, facts >> 20)
            heads = _ranges(degrees, bucket_edges or self._bucket_edges(memory, int(degrees.max())))
            buckets = [self.folder / f"bucket-{k}.bin" for k in range(len(heads) - 1)]
            delete(self.folder, ["bucket-*.bin"])
            self.folder.mkdir(exist_ok=True)
            buffer = max(1 << 16, (memory - self.fixed_memory(entities)) // 2)
            for begin in range(0, facts, _FACTS_AT_ONCE):
                end = min(begin + _FACTS_AT_ONCE, facts)
                _core.partition_edges(self.facts, begin, end, relations, heads, buckets, buffer)
                show("partitioning, million facts", end >> 20, facts >> 20)
            for k, bucket in enumerate(buckets):
                write_atomically(self.folder / f"degrees-{k}.npy", npy_bytes(degrees[heads[k] : heads[k + 1]]))
                with bucket.open("ab") as file:
                    _sync(file)
            self.save(heads=heads.tolist(), sorted=[])
            self.facts.unlink()
        heads = self.state["heads"]
        for k, first in enumerate(heads[:-1]):
            show("sorting, buckets", k, len(heads) - 1)
            if k in self.state["sorted"]:
                continue
            bucket, degrees = self.folder / f"bucket-{k}.bin", np.load(self.folder / f"degrees-{k}.npy")
            _core.sort_bucket(bucket, first, degrees, self.folder / f"edges-{k}.bin")
            write_atomically(self.folder / f"rows-{k}.npy", npy_bytes(degrees))
            self.save(sorted=[*self.state["sorted"], k])
            bucket.unlink()

    def _bucket_edges(self, memory: int, largest: int) -> int:
        entities = self.state["entities"]
        fixed = self.fixed_memory(entities)
        room = (memory - fixed) // 10  # 8 bytes an edge and what the allocator rounds up
        if room < max(largest, 1 << 16):
            needed = fixed + 10 * max(largest, 1 << 16)
            raise ValueError(
                f"memory: expected at least {-(-needed >> 20)}MB for {entities:,} entities with "
                f"{sum(self.state['names']):,} bytes of names, and a node of {largest:,} edges"
            )
        return min(room, _LARGEST_BUCKET)

    def write(self, out: Path, show: Progress) -> None:
        """The graph file of the sorted edges."""
        if "checksum" in self.state:
            return
        heads = self.state["heads"]
        show("writing", 0, 1)
        degrees = np.concatenate([np.load(self.folder / f"rows-{k}.npy") for k in range(len(heads) - 1)])
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(degrees)])
        edges = [self.folder / f"edges-{k}.bin" for k in range(len(heads) - 1)]
        names: tuple[Names, Names] | tuple[None, None] = (None, None)
        if self.state["named"]:
            reader = TripleReader()
            reader.restore(*(path.read_bytes() for path in self.names))
            names = (reader.entities, reader.relations)
            del reader
        _core.write_graph(out, self.state["relations"], [0, self.state["entities"]], offsets, edges, *names)
        self.save(edges=int(offsets[-1]), checksum=_core.open_graph(out, False)[4])
        delete(self.folder, ["edges-*.bin"])
        show("writing", 1, 1)

    def _kept(self, path: Path, size: int) -> bytes:
        return path.read_bytes()[:size] if size else b""

    @contextmanager
    def _appending(self, path: Path, size: int) -> Iterator[io.BufferedRandom]:
        """A file to go on with from ``size``: what is behind was never told of."""
        with path.open("r+b" if path.exists() else "w+b") as file:
            file.truncate(size)
            file.seek(size)
            yield file
            _sync(file)


def _ranges(degrees: NDArray[np.int64], edges: int) -> NDArray[np.int32]:
    """First heads of ranges with at most ``edges`` edges (one head may have more), then their number."""
    total = np.concatenate([np.zeros(1, np.int64), np.cumsum(degrees)])
    firsts = [0]
    while firsts[-1] < len(degrees):
        end = int(np.searchsorted(total, total[firsts[-1]] + edges, "right")) - 1
        firsts.append(max(end, firsts[-1] + 1))
    if len(firsts) > _MOST_BUCKETS:
        raise ValueError(
            f"memory: expected room for a part in {_MOST_BUCKETS} of {int(total[-1]):,} edges, but {edges:,} fit"
        )
    return np.array(firsts, np.int32)


def npy_bytes(array: NDArray[Any]) -> bytes:
    """The array as a .npy file."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _sync(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())
