"""``kgwalk explain``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from kgwalk.cli.console import err, out
from kgwalk.cli.options import DataDir, RunFolder, Split, Threads
from kgwalk.cli.runs import load_run
from kgwalk.protocols import DenseAgent


def explain(
    run: RunFolder,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="An entity: its name in the files, or its label.")],
    relation: Annotated[
        str, typer.Argument(metavar="RELATION", help="A relation; ^NAME asks for the inverse of NAME.")
    ],
    answers: Annotated[int, typer.Option(min=1, help="How many answers.")] = 5,
    paths: Annotated[int, typer.Option(min=0, help="How many paths, or rules, for each.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the paths as well, into a .png, .svg or .pdf.")
    ] = None,
    split: Split = "test",
    data_dir: DataDir = None,
    threads: Threads = None,
) -> None:
    """Ask one query and show the answers with the paths that lead there.

    For example `kgwalk explain runs/family-reinforce-seed0 "Leo Penn" cousin`. Numbers are the probabilities of paths,
    or the confidences of rules, which come with walks that make them true; a rule that a path is an instance of stands
    below it. Arrows point from head to tail: a step `<--uncle--` was walked against the relation's direction.
    """
    from kgwalk.explain import explain as explained

    save = None if picture is None else _drawing(picture)
    agent, dataset = load_run(run, data_dir, threads)
    explanation = explained(agent, dataset, source, relation, answers=answers, paths=paths, split=split)
    if picture is not None and save is not None:
        save(explanation, picture, title=f"{dataset.name}, {agent.name}")
        err.print(f"picture in {picture}", markup=False, soft_wrap=True)
    if as_json:
        typer.echo(json.dumps(explanation.to_json(), indent=2, ensure_ascii=False))
    else:
        out.print(str(explanation), markup=False, soft_wrap=True)
        if isinstance(agent, DenseAgent):
            err.print(f"{agent.name} does not walk: its scores are the model's own, and no path is behind them")


def _drawing(path: Path) -> Callable[..., None]:
    """What draws into a file; refuses before an agent has worked what it could not draw after."""
    try:
        from kgwalk.explain.picture import check_format, save_picture
    except ModuleNotFoundError as error:
        raise ImportError(f"--picture needs {error.name}, which is not installed: pip install {error.name}") from error
    check_format(path)
    return save_picture
