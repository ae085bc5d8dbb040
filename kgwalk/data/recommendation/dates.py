"""When users interacted with items, where a recommendation set tells."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from kgwalk.data.files import DamagedFileError, locate, missing, read_text
from kgwalk.data.recommendation.dataset import Recommendation

FILE = "train_dates.txt"
_DATE = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")


def interaction_days(dataset: Recommendation, split: str = "train") -> NDArray[np.int64]:
    """The day of each interaction of a split, in days since 1970-01-01.

    Args:
        dataset: with a file ``train_dates.txt`` whose lines, ``YYYY-MM-DD``, go with those of its file of train.
        split: ``"train"``, or the ``"valid"`` that was carved out of it.

    Returns:
        (n,) int64, in the order of ``dataset.splits[split]``.

    Raises:
        MissingDataError: the set has no such file.
        DamagedFileError: a line is no date, there are not as many as interactions, or one is of none of them.
    """
    folder = dataset.folder
    dates = None if folder is None else locate(folder, FILE)
    rows = None if folder is None else locate(folder, dict(dataset.card.splits).get("train", ""))
    if folder is None or dates is None or rows is None:
        source = dataset.card.source.repository if dataset.card.source else "nowhere"
        raise missing(dataset.name, FILE, [folder] if folder else [], source)
    lines = read_text(dates).removesuffix("\n").split("\n")
    odd = [number for number, line in enumerate(lines, 1) if not _DATE.fullmatch(line)]
    if odd:
        raise DamagedFileError(f"{dates}:{odd[0]}: expected a date such as 2014-07-23, got {lines[odd[0] - 1]!r}")
    days = np.array(lines, "datetime64[D]").astype(np.int64)
    pairs = [line.split("\t") for line in read_text(rows).removesuffix("\n").split("\n")]
    if len(pairs) != len(days):
        raise DamagedFileError(f"{dates}: {len(days)} dates for the {len(pairs)} interactions of {rows.name}")
    users, items = (dataset.entities.find_all([pair[column] for pair in pairs]) for column in (0, 2))
    width = np.int64(dataset.graph.num_entities)
    keys = users * width + items
    order = np.argsort(keys, kind="stable")
    own = dataset.splits[split]
    wanted = own[:, 0] * width + own[:, 2]
    place = np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)
    if (keys[order][place] != wanted).any():
        user, _, item = own[keys[order][place] != wanted][0].tolist()
        told = f"{dataset.entities[user]} with {dataset.entities[item]}"
        raise DamagedFileError(f"{dates}: no date for the interaction of {told}")
    found: NDArray[np.int64] = days[order[place]]
    return found
