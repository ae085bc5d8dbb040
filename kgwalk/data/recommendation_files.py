"""Reading the folder of a recommendation set."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kgwalk._core import FormatError, TripleReader
from kgwalk.data.cards import Card
from kgwalk.data.files import locate, read_bytes, read_text
from kgwalk.data.recommendation import Recommendation, assemble_recommendation
from kgwalk.protocols import Ids

_TEST_SHARE = 0.2
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
    if "test" not in interactions:
        interactions = dict(zip(("train", "test"), _split(interactions["train"]), strict=True))
    metapaths = locate(folder, card.metapaths) if card.metapaths else None
    lines = read_text(metapaths).split("\n") if metapaths is not None else []
    return assemble_recommendation(card, reader, knowledge, interactions, [line for line in lines if line], folder)


def _bytes(folder: Path, file: str) -> tuple[bytes, str]:
    path = locate(folder, file)
    assert path is not None, "the folder was checked"
    return read_bytes(path), str(path)


def _positives(data: bytes, path: str) -> bytes:
    """Rows of user, relation, item and label as triples; those of label 0 are sampled negatives."""
    kept = []
    for number, line in enumerate(data.splitlines(), 1):
        cells = line.split(b"\t")
        if len(cells) != 4 or cells[3] not in (b"0", b"1"):
            raise FormatError(f"{path}:{number}: expected user, relation, item and label 0 or 1")
        if cells[3] == b"1":
            kept.append(b"\t".join(cells[:3]) + b"\n")
    return b"".join(kept)


def _split(rows: Ids) -> tuple[Ids, Ids]:
    """Train, and a seeded fifth of the rows as test; one row of everyone, drawn at random, stays in train."""
    rows = np.unique(rows, axis=0)
    order = np.random.default_rng(_TEST_SEED).permutation(len(rows))
    stays = np.zeros(len(rows), np.bool_)
    stays[order[np.unique(rows[order, 0], return_index=True)[1]]] = True
    in_test = np.zeros(len(rows), np.bool_)
    in_test[order[~stays[order]][: round(_TEST_SHARE * len(rows))]] = True
    return rows[~in_test], rows[in_test]
