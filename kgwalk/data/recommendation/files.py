"""Reading the folder of a recommendation set."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kgwalk._core import FormatError, TripleReader
from kgwalk.data.cards import Card
from kgwalk.data.files import locate, read_bytes, read_text
from kgwalk.data.recommendation.dataset import Recommendation, assemble_recommendation
from kgwalk.data.split import Shares, split_interactions

_TEST_SEED = 0


def read_recommendation(card: Card, folder: Path) -> Recommendation:
    """The dataset of a card whose files are there.

    Raises:
        DamagedFileError, FormatError: a file cannot be used.
    """
    reader = TripleReader()
    # Interactions first: users and items are numbered in the order in which they meet.
    interactions = {}
    for split, file in card.splits:
        data, path = _bytes(folder, file)
        interactions[split] = reader.add(_positives(data, path) if file.endswith(".tsv") else data, path)
    knowledge = reader.add(*_bytes(folder, card.graph))
    if card.test_share:
        rows = np.unique(interactions["train"], axis=0)
        sides = split_interactions(rows[:, 0], Shares(1 - card.test_share, 0, card.test_share), _TEST_SEED)
        interactions = {**interactions, **{side: rows[chosen] for side, chosen in sides.items()}}
    metapaths = locate(folder, card.metapaths) if card.metapaths else None
    lines = read_text(metapaths).split("\n") if metapaths is not None else []
    return assemble_recommendation(card, reader, knowledge, interactions, [line for line in lines if line], folder)


def read_every_interaction(dataset: Recommendation) -> Recommendation | None:
    """The dataset read anew with all interactions that its folder tells of, every one of them in train.

    Users that its splits leave out are among its entities, so ids are others than those of ``dataset``.

    Returns:
        None if its card names no such file, or the file, which is optional, is not there.

    Raises:
        DamagedFileError, FormatError: a file cannot be used.
    """
    card, folder = dataset.card, dataset.folder
    if folder is None or not card.every_interaction or locate(folder, card.every_interaction) is None:
        return None
    reader = TripleReader()
    data, path = _bytes(folder, card.every_interaction)
    columns = data.partition(b"\n")[0].count(b"\t") + 1
    rows = np.unique(reader.add(data, path, num_columns=columns), axis=0)
    knowledge = reader.add(*_bytes(folder, card.graph))
    splits = {"train": rows, "valid": np.empty((0, 3), np.int32)}
    stated = [dataset.metapath_name(metapath) for metapath in dataset.stated_metapaths]
    return assemble_recommendation(card, reader, knowledge, splits, stated, folder)


def _bytes(folder: Path, file: str) -> tuple[bytes, str]:
    path = locate(folder, file)
    assert path is not None, "the folder was checked"
    return read_bytes(path), str(path)


def _positives(data: bytes, path: str) -> bytes:
    """Rows of user, relation, item and label as triples; those of label 0 are sampled negatives."""
    # A reader of its own tells what is wrong with a line by its number in the file.
    TripleReader().add(data, path, num_columns=4)
    kept = []
    for number, line in enumerate(data.decode().splitlines(), 1):
        triple, _, label = line.rpartition("\t")
        if label not in ("0", "1") and line:
            raise FormatError(f"{path}:{number}: expected label 0 or 1 in column 4, got {label!r}")
        if label == "1":
            kept.append(triple + "\n")
    if not kept:
        raise FormatError(f"{path}: no row with label 1: no interactions")
    return "".join(kept).encode()
