"""Scorers as arguments of environments: objects, or paths that keep a spec JSON-able."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from kgwalk.data.dataset import Dataset
from kgwalk.protocols import Scorer
from kgwalk.scorers.facts import check_fitted_on
from kgwalk.scorers.location import scorer_file

# Scorers by dataset, shared by its environments: one is read once, whatever the number of environments.
_shared: WeakKeyDictionary[Dataset, dict[Path, tuple[tuple[int, int], Scorer]]] = WeakKeyDictionary()


def scorer_option(argument: str, option: Any, dataset: Dataset, also: str = "") -> Scorer:
    """The scorer that an environment's argument stands for.

    Args:
        argument: its name, for messages.
        option: path of a scorer (``kgwalk.scorers.load``) or a ``Scorer``.
        dataset: whose vocabulary the scorer is of.
        also: what else the argument may be, for messages.

    Raises:
        ValueError: no option, or one of another kind; a scorer of another dataset, a damaged file.
        OSError: the file cannot be read.
    """
    if isinstance(option, (str, os.PathLike)):
        return _load(Path(option), dataset)
    if not isinstance(option, Scorer):
        got = "none" if option is None else repr(option)
        kinds = f", a Scorer or {also}" if also else " or a Scorer"
        path = "the path of a scorer, as `kgwalk score train` makes it"
        raise ValueError(f"{argument}=: expected {path}{kinds}; got {got}")
    check_fitted_on(option, dataset)
    return option


def _load(path: Path, dataset: Dataset) -> Scorer:
    """The scorer of a file or of a run's folder; kept until the file changes."""
    from kgwalk import scorers  # embedding models import torch; environments without them do not

    path = scorer_file(path.resolve())
    stat = path.stat()
    version = (stat.st_mtime_ns, stat.st_size)
    shared = _shared.setdefault(dataset, {})
    if path not in shared or shared[path][0] != version:
        shared[path] = (version, scorers.load(path, dataset))
    return shared[path][1]
