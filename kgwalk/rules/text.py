"""Rules as files in AnyBURL's text format, which SQUIRE's and RNNLogic's rules come in too.

A line is ``predictions TAB support TAB confidence TAB rule`` or ``confidence TAB rule``; a rule is
``born_in(X,Y) <= lives_in(X,A), part_of(A,Y)``. Constants stand by their entity name; ``me_myself_i`` is the entity
that the rule is about.
"""

from __future__ import annotations

import gzip
import logging
from pathlib import Path

from kgwalk import _core
from kgwalk._core import RuleSet
from kgwalk.data.dataset import Dataset
from kgwalk.data.files import read_bytes
from kgwalk.files import write_atomically

log = logging.getLogger(__name__)


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


def write_rules(path: str | Path, rules: RuleSet, dataset: Dataset) -> None:
    """Write rules in their order, whole or not at all; `read_rules` gives equal arrays back.

    Args:
        path: Where to; gzipped, without a timestamp, if it ends in ``.gz``.
        rules: Rules of this dataset's vocabulary.
        dataset: Gives the names.

    Raises:
        ValueError: A rule that its text would not give back, such as one with an entity called ``X``, which reads as a
            variable, or a body of more than 16 atoms.
        IndexError: A rule with ids that the dataset does not have.
        OSError: The file cannot be written.
    """
    data = _core.format_rules(rules, dataset.entities, dataset.relations)
    path = Path(path)
    write_atomically(path, gzip.compress(data, 6, mtime=0) if path.suffix == ".gz" else data)
