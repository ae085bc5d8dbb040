"""One's own triples as a dataset: files in, a folder laid out like the benchmarks' out."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kgwalk._core import FormatError, Graph, TripleReader
from kgwalk.data.card_json import CARD_FILE, card_to_json, read_card
from kgwalk.data.cards import Card, DataFile
from kgwalk.data.split import Shares, split_rows, unseen
from kgwalk.data.tables import add_file
from kgwalk.files import write_atomically
from kgwalk.protocols import Ids

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Imported:
    """What `import_files` made.

    Attributes:
        folder: load it with ``kgwalk.data.load(folder)``.
        card: as written to its ``card.json``.
        rows: facts by split.
        unseen: facts by split (valid, test) with an entity that occurs in no train fact: no walker can answer these.
        duplicates: rows of the files that repeated an earlier one, dropped before the split.
    """

    folder: Path
    card: Card
    rows: dict[str, int]
    unseen: dict[str, int]
    duplicates: int


def import_files(
    files: Sequence[str | Path],
    out: str | Path,
    *,
    split: str = "90/5/5",
    seed: int = 0,
    name: str | None = None,
    delimiter: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Imported:
    """Read triples from TSV, CSV and Parquet files, split them and write a dataset folder, whole or not at all.

    Equal facts are merged before the split, so no valid or test fact is a train fact. The same files in the same order
    and the same seed give the same folder, byte for byte.

    Args:
        files: see `kgwalk.data.tables.add_file` for formats and columns.
        out: the folder to make.
        split: percent of train/valid/test.
        seed: of the split.
        name: of the dataset; the folder's name if None.
        delimiter: of text files whose name does not say it.
        overwrite: replace ``out`` if it is a dataset folder; nothing else is ever deleted.
        progress: called with (files read, files) as reading goes on.

    Raises:
        FileExistsError: ``out`` exists and is not to be overwritten, or is no dataset folder.
        MissingDataError, DamagedFileError, FormatError: a file cannot be used.
        ValueError: bad split or seed, no files, or too few facts for it.
    """
    shares = Shares.parse(split)
    folder = Path(out)
    paths = [Path(file) for file in files]
    if not paths:
        raise ValueError("import: expected at least one file")
    if seed < 0:
        raise ValueError(f"seed is {seed}; expected 0 or more")
    if folder.exists():
        check_replaceable(folder, overwrite)
    reader = TripleReader()
    parts = []
    for done, path in enumerate(paths):
        parts.append(add_file(reader, path, delimiter))
        if progress is not None:
            progress(done + 1, len(paths))
    rows = np.concatenate(parts)
    entities, relations = reader.entities.to_list(), reader.relations.to_list()
    _check_names([*entities, *relations])
    facts = rows[np.sort(np.unique(rows, axis=0, return_index=True)[1])]
    sides = dict(zip(("train", "valid", "test"), split_rows(len(facts), shares, seed), strict=True))
    splits = {side: facts[index] for side, index in sides.items() if len(index)}
    texts = {f"{side}.txt": _text(part, entities, relations) for side, part in splits.items()}
    graph = Graph.from_triples(splits["train"], len(entities), len(relations))
    degree = int(np.diff(graph.offsets).max())
    card = Card(
        name=name or folder.resolve().name,
        folder=folder.resolve().name,
        title=f"Imported from {', '.join(path.name for path in paths)}",
        description=f"Split {split}, seed {seed}.",
        files=tuple(
            DataFile(file, text.count(b"\n"), hashlib.sha256(text).hexdigest()) for file, text in texts.items()
        ),
        splits=tuple((side, f"{side}.txt") for side in splits),
        entities=len(entities),
        relations=len(relations),
        facts=len(splits["train"]),
        max_out_degree=min(256, degree),
    )
    missed = {side: unseen(part, splits["train"], len(entities)) for side, part in splits.items() if side != "train"}
    result = Imported(
        folder=folder,
        card=card,
        rows={side: len(part) for side, part in splits.items()},
        unseen=missed,
        duplicates=len(rows) - len(facts),
    )
    contents = {f"{file}.gz": gzip.compress(text, 9, mtime=0) for file, text in texts.items()}
    contents[CARD_FILE] = card_to_json(card).encode()
    contents["README.md"] = _readme(result).encode()
    write_folder(folder, contents)
    return result


def write_folder(folder: Path, contents: dict[str, bytes]) -> None:
    """Make a folder of these files, whole or not at all.

    A folder that is there is replaced, and put back if that fails; killed between the two renames, it lies beside
    under a hidden name.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    made, old = scratch / "new", scratch / "old"
    try:
        made.mkdir()
        for file, content in contents.items():
            write_atomically(made / file, content)
        if folder.exists():
            folder.rename(old)
        made.rename(folder)
    except BaseException:
        if old.exists() and not folder.exists():
            old.rename(folder)  # should this fail too, the scratch folder keeps it
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    shutil.rmtree(scratch, ignore_errors=True)


def check_replaceable(folder: Path, overwrite: bool) -> None:
    """Refuse to overwrite a folder unless that is allowed and it is a dataset that was imported: FileExistsError."""
    if not overwrite:
        raise FileExistsError(f"{folder} exists; choose another folder or allow it to be overwritten")
    try:
        read_card(folder)
    except (OSError, ValueError) as error:
        raise FileExistsError(
            f"{folder} is no dataset that kgwalk imported, so it is not overwritten: {error}"
        ) from error


def _check_names(names: list[str]) -> None:
    for name in names:
        if "\t" in name or "\n" in name or "\r" in name:
            raise FormatError(f"the name {name!r} holds a tab or a line end, which tab-separated files cannot")


def _text(facts: Ids, entities: list[str], relations: list[str]) -> bytes:
    return "".join(f"{entities[h]}\t{relations[r]}\t{entities[t]}\n" for h, r, t in facts.tolist()).encode()


def _readme(result: Imported) -> str:
    card = result.card
    rows = "\n".join(
        f"| `{entry.name}.gz` | {entry.rows} | {result.unseen.get(entry.name.split('.')[0], 0)} |"
        for entry in card.files
    )
    return (
        f"# {card.name}\n\n{card.title}. {card.description} {result.duplicates} duplicate rows were dropped.\n\n"
        f"Columns: head, relation, tail; tab-separated UTF-8, no header line.\n\n"
        f"{card.entities} entities, {card.relations} relations.\n\n"
        f"| file | facts | with an entity unseen in train |\n|---|---|---|\n{rows}\n"
    )
