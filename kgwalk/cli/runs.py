"""Runs: a folder per trained agent, with a note of how it came about."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kgwalk
from kgwalk._core import set_num_threads
from kgwalk.files import delete, write_atomically

if TYPE_CHECKING:
    from kgwalk.data import Dataset, LabelledRecommendation
    from kgwalk.protocols import Agent

NOTE = "run.json"
_MODELS = ("agent.safetensors", "checkpoint.safetensors")
#: All that a training writes; a run may share its folder with files that are none of our business.
_MADE = (NOTE, *_MODELS, "events.out.tfevents.*")
#: Folders within that of a run, of agents that are trained in stages: for what all but the last of these make.
STAGES = ("embeddings", "rules", "pretraining", "warm-up")


@dataclass(frozen=True)
class Run:
    """How an agent was trained; ``run.json`` in its folder.

    Attributes:
        dataset: Name of the dataset, or the absolute path of one's own.
        data_dir: Where it was looked for first, or None.
        agent: Name of the agent.
        seed: Seed of the training.
        settings: Changes to the agent's configuration, ``key=value``.
        threads: Threads it was trained with.
        version: Version of kgwalk.
        labelled: Seed of the labelled split (``kgwalk.data.labelled``) it was trained on; None for the dataset's own.
        command: Id of the command that began it, where tasks of that command may have to be tried again.
    """

    dataset: str
    data_dir: str | None
    agent: str
    seed: int
    settings: tuple[str, ...]
    threads: int
    version: str = kgwalk.__version__
    labelled: int | None = None
    command: str | None = None

    def save(self, folder: Path) -> None:
        """Write the note."""
        write_atomically(folder / NOTE, (json.dumps(asdict(self), indent=2) + "\n").encode())

    @classmethod
    def load(cls, folder: Path) -> Run:
        """Read the note of a run.

        Raises:
            FileNotFoundError: If the folder is no run.
            ValueError: If the note is damaged.
        """
        path = folder / NOTE
        if not path.is_file():
            raise FileNotFoundError(f"{folder} is no run (it has no {NOTE}); `kgwalk train` makes one")
        try:
            return cls(**_checked(json.loads(path.read_bytes())))
        except ValueError as error:
            raise ValueError(f"{path} is damaged ({error}); train again, or restore it") from error

    def load_dataset(self, data_dir: Path | None = None) -> Dataset:
        """The dataset of the run, looked for in ``data_dir`` or where it was when the agent was trained."""
        found = load_dataset(self.dataset, data_dir or (Path(self.data_dir) if self.data_dir else None))
        return found if self.labelled is None else label_dataset(found, self.labelled)


def _checked(note: Any) -> dict[str, Any]:
    """The fields of a note, each of its type; ValueError names the first that is not."""
    if not isinstance(note, dict):
        raise ValueError(f"expected an object, got {type(note).__name__}")

    def is_text(value: Any) -> bool:
        return isinstance(value, str)

    def is_number(value: Any) -> bool:
        return type(value) is int  # True is an int too

    expected: dict[str, tuple[str, Callable[[Any], bool]]] = {
        "dataset": ("a text", is_text),
        "data_dir": ("a text or null", lambda value: value is None or is_text(value)),
        "agent": ("a text", is_text),
        "seed": ("a whole number", is_number),
        "settings": ("a list of texts", lambda value: isinstance(value, list) and all(map(is_text, value))),
        "threads": ("a whole number from 1", lambda value: is_number(value) and value >= 1),
        "version": ("a text", is_text),
        "labelled": ("a whole number from 0 or null", lambda value: value is None or (is_number(value) and value >= 0)),
        "command": ("a text or null", lambda value: value is None or is_text(value)),
    }
    note = {"labelled": None, "command": None, **note}  # runs are older than these fields
    if note.keys() != expected.keys():
        odd = ", ".join(sorted(map(repr, note.keys() ^ expected.keys())))
        raise ValueError(f"unknown or missing fields: {odd}")
    for field, (kind, fits) in expected.items():
        if not fits(note[field]):
            raise ValueError(f"{field!r} must be {kind}, got {note[field]!r}")
    return {**note, "settings": tuple(note["settings"])}


def is_run(folder: Path) -> bool:
    """Whether a folder holds a run, finished or not."""
    return (folder / NOTE).is_file() or has_model(folder)


def has_model(folder: Path) -> bool:
    """Whether a training in this folder came as far as its first checkpoint, or one of its stages did."""
    return any((place / name).is_file() for place in (folder, *_stages(folder)) for name in _MODELS)


def clear(folder: Path) -> None:
    """Delete the files of a run, those of its stages too, and the folders if nothing else is in them."""
    for stage in _stages(folder):
        delete(stage, _MADE)
    delete(folder, _MADE)


def _stages(folder: Path) -> list[Path]:
    """The folders of a run's stages; a run of its own that is called like one is none."""
    return [folder / name for name in STAGES if not (folder / name / NOTE).exists()]


def load_dataset(name: str, data_dir: Path | None) -> Dataset:
    """A dataset by name or folder."""
    from kgwalk.data import load

    return load(Path(name) if Path(name).is_dir() else name, data_dir)


def label_dataset(dataset: Dataset, seed: int) -> LabelledRecommendation:
    """The labelled split of a recommendation set, as ``seed`` draws it.

    Raises:
        ValueError: The dataset is none of recommendation.
    """
    from kgwalk.data import Recommendation, labelled

    if not isinstance(dataset, Recommendation):
        raise ValueError(f"{dataset.name} is no recommendation set: it has no users and items")
    return labelled(dataset, seed)


def load_run(folder: Path, data_dir: Path | None, threads: int | None) -> tuple[Agent, Dataset]:
    """The trained agent of a run and its dataset."""
    run = Run.load(folder)
    use_threads(threads)
    dataset = run.load_dataset(data_dir)
    agent: Agent = import_agents().load(folder, dataset)
    return agent, dataset


def use_threads(count: int | None) -> int:
    """Set the threads of our kernels and of torch; all processors this process may use by default."""
    count = use_core_threads(count)
    import_agents()
    import torch

    torch.set_num_threads(count)
    return count


def use_core_threads(count: int | None) -> int:
    """Set the threads of our kernels only, for commands that need no torch."""
    if count is not None and count < 1:
        raise ValueError(f"--threads is {count}; expected 1 or more")
    if count is None:
        affinity = getattr(os, "sched_getaffinity", None)
        count = len(affinity(0)) if affinity else os.cpu_count() or 1
    set_num_threads(count)
    return count


def import_agents() -> Any:
    """The module ``kgwalk.agents``.

    Raises:
        ImportError: If what the agents need is not installed; the message says how to get it.
    """
    try:
        return importlib.import_module("kgwalk.agents")
    except ModuleNotFoundError as error:
        raise ImportError(f"agents need {error.name}, which is not installed: pip install 'kgwalk[agents]'") from error
