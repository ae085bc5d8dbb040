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
