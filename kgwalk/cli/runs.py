"""Runs: a folder per trained agent, with a note of how it came about."""

from __future__ import annotations

import importlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kgwalk
from kgwalk._core import set_num_threads
from kgwalk.files import write_atomically

if TYPE_CHECKING:
    from kgwalk.data import Dataset
    from kgwalk.protocols import Agent

NOTE = "run.json"


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
    """

    dataset: str
    data_dir: str | None
    agent: str
    seed: int
    settings: tuple[str, ...]
    threads: int
    version: str = kgwalk.__version__

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
            note: dict[str, Any] = json.loads(path.read_bytes())
            return cls(**{**note, "settings": tuple(note["settings"])})
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{path} is damaged ({error}); train again, or restore it") from error

    def load_dataset(self, data_dir: Path | None = None) -> Dataset:
        """The dataset of the run, looked for in ``data_dir`` or where it was when the agent was trained."""
        return load_dataset(self.dataset, data_dir or (Path(self.data_dir) if self.data_dir else None))


def is_run(folder: Path) -> bool:
    """Whether a folder holds a run, finished or not."""
    return (folder / NOTE).is_file()


def clear(folder: Path) -> None:
    """Delete a run; a folder that is none is left alone."""
    if is_run(folder):
        shutil.rmtree(folder)


def load_dataset(name: str, data_dir: Path | None) -> Dataset:
    """A dataset by name or folder."""
    from kgwalk.data import load

    return load(Path(name) if Path(name).is_dir() else name, data_dir)


def load_run(folder: Path, data_dir: Path | None, threads: int | None) -> tuple[Agent, Dataset]:
    """The trained agent of a run and its dataset."""
    run = Run.load(folder)
    use_threads(threads)
    dataset = run.load_dataset(data_dir)
    agent: Agent = import_agents().load(folder, dataset)
    return agent, dataset


def use_threads(count: int | None) -> int:
    """Set the threads of our kernels and of torch; all processors this process may use by default."""
    if count is not None and count < 1:
        raise ValueError(f"--threads is {count}; expected 1 or more")
    if count is None:
        affinity = getattr(os, "sched_getaffinity", None)
        count = len(affinity(0)) if affinity else os.cpu_count() or 1
    import_agents()
    import torch

    set_num_threads(count)
    torch.set_num_threads(count)
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
