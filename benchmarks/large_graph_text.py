"""The text of the large graph: seeded, power-law degrees, short names, a file at a time so that it can be resumed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kgwalk.files import atomic_path

RELATIONS = 8
_ALPHABET = np.frombuffer(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", np.uint8)
_CHUNK = 1 << 20


def write_text(folder: Path, triples: int, entities: int, files: int, seed: int) -> list[Path]:
    """Write ``files`` files of together ``triples`` lines ``head<TAB>relation<TAB>tail``, those that are missing.

    Heads and tails are drawn alike and apart: entity of rank k with a chance that falls as ``k ** -0.5``, so that the
    share of entities with more than d edges falls as ``d ** -2``. A line holds 12 bytes up to 62 ** 4 entities.

    Returns:
        The files, in order. What is in them depends on the arguments only.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = _names(entities)
    paths = []
    for number in range(files):
        lines = triples * (number + 1) // files - triples * number // files
        path = folder / f"triples-{number:02}.tsv"
        paths.append(path)
        if path.exists() and path.stat().st_size == lines * (2 * names.shape[1] + 4):
            continue
        with atomic_path(path) as temporary, temporary.open("wb") as out:
            rng = np.random.default_rng([seed, number])
            for begin in range(0, lines, _CHUNK):
                out.write(_lines(rng, min(_CHUNK, lines - begin), names).data)
    return paths


def _names(entities: int) -> NDArray[np.uint8]:
    """Names of one length, (entities, length) bytes; ranks are spread over them, so that a hub's name tells nothing."""
    length = 1
    while len(_ALPHABET) ** length < entities:
        length += 1
    number = np.random.default_rng(entities).permutation(entities)
    names = np.empty((entities, length), np.uint8)
    for place in range(length):
        names[:, length - 1 - place] = _ALPHABET[number % len(_ALPHABET)]
        number //= len(_ALPHABET)
    return names


def _lines(rng: np.random.Generator, count: int, names: NDArray[np.uint8]) -> NDArray[np.uint8]:
    entities, length = names.shape
    lines = np.empty((count, 2 * length + 4), np.uint8)
    for at in (0, length + 3):
        ranks = (rng.random(count) ** 2 * entities).astype(np.int64)
        lines[:, at : at + length] = names[np.minimum(ranks, entities - 1)]
    lines[:, length] = lines[:, length + 2] = ord("\t")
    lines[:, length + 1] = ord("0") + rng.integers(RELATIONS, size=count, dtype=np.uint8)
    lines[:, -1] = ord("\n")
    return lines
