"""Finding a dataset's folder and reading it: `load` is the door to everything else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pooch  # type: ignore[import-untyped]

from kgwalk._core import FormatError, TripleReader
from kgwalk.data.assemble import assemble
from kgwalk.data.card_json import CARD_FILE, read_card
from kgwalk.data.cards import Card
from kgwalk.data.catalog import find_card, plain_name
from kgwalk.data.dataset import Dataset
from kgwalk.data.family import family
from kgwalk.data.files import MissingDataError, locate, missing, read_bytes
from kgwalk.data.recommendation.bookshop import bookshop
from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.data.recommendation.files import read_recommendation
from kgwalk.data.recommendation.labelled import LabelledRecommendation, labelled
from kgwalk.data.stored import SUFFIX, open_dataset
from kgwalk.protocols import Ids

VARIABLE = "KGWALK_DATA"
#: What makes the sets that need no files.
EMBEDDED: dict[str, Callable[[], Dataset]] = {"Family": family, "Bookshop": bookshop}


def load(name: str | Path, data_dir: str | Path | None = None) -> Dataset:
    """Load a dataset by name, or one's own from a folder.

    A benchmark's folder is looked for in ``data_dir`` (the folder itself or the one above it), then under
    ``$KGWALK_DATA``, then in the user's cache. ``Family`` and ``Bookshop`` are generated and need none.

    Args:
        name: as in the environment id (``"WN18RR"``, any case, with or without ``KGWalk-``), a folder that
            `import_files` made or that holds ``train.txt``, ``valid.txt`` and ``test.txt``, a graph file that
            `kgwalk data build` made (``graph.kgw``, see `open_dataset`), or ``"Custom"`` with ``data_dir``.
        data_dir: where to look first.

    Raises:
        KeyError: no such dataset.
        MissingDataError: a file is in none of these places.
        DamagedFileError, FormatError: a file cannot be used; nothing half-loaded is returned.
    """
    if str(name).endswith(SUFFIX) and not Path(name).is_dir():
        return open_dataset(name)
    if isinstance(name, Path):
        return load_folder(name)
    if plain_name(name) == "custom":
        if data_dir is None:
            raise ValueError("KGWalk-Custom needs data_dir=, the folder with train.txt, valid.txt and test.txt")
        return load_folder(Path(data_dir))
    try:
        card = find_card(name)
    except KeyError:
        if os.sep in name or Path(name).is_dir():
            return load_folder(Path(name))
        raise
    if card.embedded:
        return EMBEDDED[card.name]()
    return _read(card, find_folder(card, data_dir))


def load_folder(folder: Path) -> Dataset:
    """Load one's own dataset: a folder with ``train.txt``, ``valid.txt`` and ``test.txt``, gzipped or not.

    One walks ``graph.txt`` if there is one, else ``train.txt``; valid and test may be missing. A ``card.json``, which
    `import_files` writes, may say otherwise.

    Raises:
        MissingDataError: the folder lacks ``train.txt`` or a file that its card names.
        DamagedFileError, FormatError: a file cannot be used.
    """
    card = read_card(folder) if (folder / CARD_FILE).is_file() else _plain_card(folder)
    for file in _needed(card):
        if locate(folder, file) is None:
            raise MissingDataError(
                f"{folder}: no file {file} or {file}.gz; expected tab-separated head, relation, tail"
            )
    return _read(card, folder)


def recipe(dataset: Dataset) -> tuple[Callable[..., Dataset], tuple[Card, Path | None, str, int | None]]:
    """How to load a dataset again in another process: a function and its arguments.

    Raises:
        TypeError: it was made in memory; there is nothing to read it from.
    """
    card, folder = dataset.card, dataset.folder and dataset.folder.absolute()
    drawn_by = dataset.drawn_by if isinstance(dataset, LabelledRecommendation) else None
    known = folder is not None or card.name in EMBEDDED
    if not known or (folder is None and dataset.fingerprint != _again(card, None, drawn_by).fingerprint):
        raise TypeError(
            f"{dataset.name}: a dataset made in memory cannot be pickled; write it to a folder and load it, or give "
            "the environment its name"
        )
    return reload, (card, folder, dataset.fingerprint, drawn_by)


def reload(card: Card, folder: Path | None, fingerprint: str, drawn_by: int | None = None) -> Dataset:
    """Load what `recipe` described.

    Args:
        card: of the dataset.
        folder: with its files; None for one that is generated.
        fingerprint: that it had.
        drawn_by: seed of a `labelled` dataset; None for one as it is read.

    Raises:
        ValueError: the files have changed since.
        MissingDataError, DamagedFileError, FormatError: a file cannot be used.
    """
    dataset = _again(card, folder, drawn_by)
    if dataset.fingerprint != fingerprint:
        raise ValueError(
            f"{card.name}: the files in {folder} are no longer those that were pickled (fingerprints differ)"
        )
    return dataset


def _again(card: Card, folder: Path | None, drawn_by: int | None) -> Dataset:
    dataset = EMBEDDED[card.name]() if folder is None else _read(card, folder)
    if drawn_by is None:
        return dataset
    assert isinstance(dataset, Recommendation), "only those are labelled"
    return labelled(dataset, drawn_by)


def _plain_card(folder: Path) -> Card:
    """What the names of a folder's files say of it."""
    splits = [(split, f"{split}.txt") for split in ("train", "valid", "test")]
    return Card(
        name=folder.resolve().name,
        folder=folder.resolve().name,
        title=f"Files in {folder}",
        graph="graph.txt" if locate(folder, "graph.txt") else "train.txt",
        splits=tuple((split, file) for split, file in splits if split == "train" or locate(folder, file)),
    )


def search_path(card: Card, data_dir: str | Path | None = None) -> list[Path]:
    """The folders in which a dataset is looked for, first to last."""
    places = []
    if data_dir is not None:
        places += [Path(data_dir) / card.folder, Path(data_dir)]
    if root := os.environ.get(VARIABLE):
        places.append(Path(root) / card.folder)
    places.append(cache_folder(card))
    return places


def cache_folder(card: Card) -> Path:
    """Where `fetch` and `convert` put a dataset unless told otherwise."""
    return Path(pooch.os_cache("kgwalk")) / card.folder


def find_folder(card: Card, data_dir: str | Path | None = None) -> Path:
    """The first folder of `search_path` that holds the walking graph's file.

    Raises:
        MissingDataError: none does, or the one that does lacks another needed file.
    """
    places = search_path(card, data_dir)
    source = str(card.source)
    for place in places:
        if locate(place, card.graph) is None:
            continue
        for file in _needed(card):
            if locate(place, file) is None:
                raise missing(card.name, file, [place], source, VARIABLE)
        return place
    raise missing(card.name, card.graph, places, source, VARIABLE)


def _needed(card: Card) -> list[str]:
    return [card.graph, *(file for _, file in card.splits if file != card.graph), *([card.known] if card.known else [])]


def _read(card: Card, folder: Path) -> Dataset:
    if card.interaction:
        return read_recommendation(card, folder)
    reader = TripleReader()
    graph_facts = _read_graph(reader, card, folder)
    splits = {split: graph_facts if file == card.graph else _add(reader, folder, file) for split, file in card.splits}
    further = _add(reader, folder, card.known) if card.known else np.empty((0, 3), np.int32)
    return assemble(card, reader, graph_facts, splits, further, folder)


def _add(reader: TripleReader, folder: Path, file: str) -> Ids:
    path = locate(folder, file)
    assert path is not None, "the folder was checked"
    return reader.add(read_bytes(path), str(path))


def _read_graph(reader: TripleReader, card: Card, folder: Path) -> Ids:
    """The walking graph's facts, without the inverses that a file may store beside them."""
    if not card.inverse_prefix:
        return _add(reader, folder, card.graph)
    scratch = TripleReader()
    triples = _add(scratch, folder, card.graph)
    entities, relations = scratch.entities.to_list(), scratch.relations.to_list()
    inverse = np.array([relation.startswith(card.inverse_prefix) for relation in relations])[triples[:, 1]]
    forward = "".join(f"{entities[h]}\t{relations[r]}\t{entities[t]}\n" for h, r, t in triples[~inverse].tolist())
    if not forward:
        raise FormatError(f"{folder / card.graph}: every relation starts with {card.inverse_prefix!r}")
    return reader.add(forward.encode(), str(folder / card.graph))
