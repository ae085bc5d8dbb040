"""``kgwalk train --seeds``: one training after another, or all at once on a Ray cluster."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from kgwalk.cli.cluster import cluster
from kgwalk.cli.console import err, progress_bar
from kgwalk.cli.runs import Run, is_run

if TYPE_CHECKING:
    from kgwalk.data import Dataset

#: ``kgwalk.cli.train.run_training``; ``seed``, ``folder``, ``resume``, ``restart``, ``threads``, ``share`` and
#: ``command`` are left to tell.
RunTraining = Callable[..., None]


def parse_seeds(text: str) -> list[int]:
    """Seeds as ``--seeds`` takes them: ``0,1,2``.

    Raises:
        ValueError: not that, or one twice.
    """
    try:
        seeds = [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"--seeds {text}: expected whole numbers with commas between them, such as 0,1,2") from None
    if min(seeds) < 0:
        raise ValueError(f"--seeds {text}: expected seeds of 0 or more")
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"--seeds {text}: each seed once")
    return seeds


def train_with_seeds(
    run: RunTraining,
    folders: Mapping[int, Path],
    *,
    resume: bool,
    restart: bool,
    threads: int | None,
    ray: bool,
    address: str | None,
) -> None:
    """Train once for each seed into its folder.

    Raises:
        FileExistsError: one holds a run already, and neither ``resume`` nor ``restart`` was asked for.
    """
    for folder in folders.values():
        if is_run(folder) and not (resume or restart):
            raise FileExistsError(f"{folder} holds a run already: --resume goes on with it, --restart begins anew")
    # By this id a task that is tried again, because its worker died, knows what it began anew, on whatever disk.
    command = uuid.uuid4().hex if restart else None
    train = partial(_train, run, command, 1 if ray and threads is None else threads)
    if not ray:
        for seed, folder in folders.items():
            train(seed, folder, None)
        return
    with cluster(address) as on_ray, progress_bar() as show_progress:
        on_ray.train_seeds(
            train,
            {seed: folder.absolute() for seed, folder in folders.items()},
            threads=threads or 1,
            progress=lambda done, total: show_progress("training", done, total),
        )
    err.print("trained " + ", ".join(map(str, folders.values())), soft_wrap=True)


def _train(
    run: RunTraining,
    command: str | None,
    threads: int | None,
    seed: int,
    folder: Path,
    share: Callable[[Dataset], Dataset] | None,
) -> None:
    """One seed. A run that is there is gone on with, unless it shall be begun anew and was not yet by this command."""
    restart = command is not None and _begun_by(folder) != command
    resume = not restart and is_run(folder)
    run(seed=seed, folder=folder, resume=resume, restart=restart, threads=threads, share=share, command=command)


def _begun_by(folder: Path) -> str | None:
    try:
        return Run.load(folder).command
    except (FileNotFoundError, ValueError):
        return None
