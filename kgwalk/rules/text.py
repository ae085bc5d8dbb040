"""Rules as files in AnyBURL's text format, which SQUIRE's and RNNLogic's rules come in too.

A line is ``predictions TAB support TAB confidence TAB rule`` or ``confidence TAB rule``; a rule is
``born_in(X,Y) <= lives_in(X,A), part_of(A,Y)``. Constants stand by their entity name; ``me_myself_i`` is the entity
that the rule is about.
"""

from __future__ import annotations

import contextlib
import gzip
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from kgwalk import _core
from kgwalk._core import RuleSet
from kgwalk.data.dataset import Dataset
from kgwalk.data.files import read_bytes
from kgwalk.files import atomic_path

log = logging.getLogger(__name__)

_CHUNK = 500_000  # rules that are text in memory at a time


def read_rules(path: str | Path, dataset: Dataset, *, skip_bad: bool = False) -> RuleSet:
    """Read a file of rules, gzipped or not, in its order.

    Counts that the file lacks (two columns, or ``NA``) are 0; the confidence is what the file says, unsmoothed, and 0
    where it says ``NA``.

    Args:
        path: The file.
        dataset: Gives relation and entity names their ids.
        skip_bad: Leave malformed lines out, and log how many and why, instead of refusing the file.

    Raises:
        MissingDataError, DamagedFileError: The file cannot be read.
        FormatError: A line is no rule of this dataset; the message names file, line and reason.
    """
    data = read_bytes(Path(path))
    rules, skipped, reasons = _core.read_rules(data, str(path), dataset.entities, dataset.relations, skip_bad)
    if skipped:
        more = [f"and {skipped - len(reasons):,} more"] if skipped > len(reasons) else []
        log.warning(
            "%s: %s of %s rules skipped\n  %s",
            path,
            f"{skipped:,}",
            f"{skipped + len(rules):,}",
            "\n  ".join(reasons + more),
        )
    return rules


def write_rules(path: str | Path, rules: RuleSet, dataset: Dataset, *, skip_bad: bool = False) -> int:
    """Write rules in their order, whole or not at all; `read_rules` gives equal arrays back.

    Args:
        path: Where to; gzipped, without a timestamp, if it ends in ``.gz``.
        rules: Rules of this dataset's vocabulary.
        dataset: Gives the names.
        skip_bad: Leave out the rules that text cannot hold instead of refusing the set; a warning counts them.

    Returns:
        How many rules were written.

    Raises:
        ValueError: A rule that its text would not give back, such as one with an entity called ``X``, which reads as a
            variable, or a body of more than 16 atoms.
        IndexError: A rule with ids that the dataset does not have.
        OSError: The file cannot be written.
    """
    path = Path(path)
    written = 0
    with atomic_path(path) as temporary, _opened(temporary, path.suffix == ".gz") as file:
        for begin in range(0, len(rules), _CHUNK):
            part = rules.select(np.arange(begin, min(begin + _CHUNK, len(rules))))
            text = _core.format_rules(part, dataset.entities, dataset.relations, skip_bad)
            written += text.count(b"\n")
            file.write(text)
    if written < len(rules):
        log.warning("%s: %s rules left out: their names would not read back", path, f"{len(rules) - written:,}")
    return written


@contextlib.contextmanager
def _opened(path: Path, compressed: bool) -> Iterator[BinaryIO | gzip.GzipFile]:
    """The file to write to; gzipped it holds neither name nor time, so that equal rules make equal files."""
    with path.open("wb") as file:
        if not compressed:
            yield file
            return
        with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0) as packed:
            yield packed
