"""``kgwalk recommend``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kgwalk.cli.console import err, out
from kgwalk.cli.options import DataDir, RunFolder, Split, Threads
from kgwalk.cli.runs import load_run
from kgwalk.cli.scored import load_scorer

if TYPE_CHECKING:
    from kgwalk.recommend import Recommendations


def recommend(
    run: RunFolder,
    user: Annotated[
        str | None,
        typer.Argument(metavar="USER", help="A user: its name in the files, with or without its type, or its label."),
    ] = None,
    count: Annotated[int, typer.Option("-k", min=1, help="How many items.")] = 10,
    paths: Annotated[int, typer.Option(min=1, help="How many reasons for each.")] = 1,
    new_user: Annotated[
        list[str] | None,
        typer.Option(metavar="ITEM", help="In place of USER: an item of someone who is not in the data; repeat it."),
    ] = None,
    fill: Annotated[
        Path | None,
        typer.Option(metavar="SCORER", help="What fills up a short list: a run or scorer, else what is most popular."),
    ] = None,
    templates: Annotated[
        Path | None,
        typer.Option(metavar="FILE.tsv", help="Sentences of your own: metapath, sentence and words, tab-separated."),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the reasons into a .png, .svg or .pdf.")
    ] = None,
    layout_picture: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw what speaks for the list as a whole.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    split: Split = "test",
    data_dir: DataDir = None,
    threads: Threads = None,
) -> None:
    """Recommend items to a user, and say why.

    For example `kgwalk recommend runs/bookshop-nser-seed0 "Jack Lane"`, or, for a reader who has just come in,
    `kgwalk recommend runs/bookshop-nser-seed0 --new-user "Thorn Gate" --new-user "Glass Tower"`. First comes what
    speaks for the list as a whole, then each item with a sentence. The list is always full: items without a reason
    come last and are marked.
    """
    from kgwalk.data.recommendation.dataset import Recommendation
    from kgwalk.recommend import Recommender

    if (user is None) == (not new_user):
        raise ValueError("give a USER, or --new-user ITEM for one who is not in the data: one of the two")
    drawing = drawings(picture, layout_picture)
    agent, dataset = load_run(run, data_dir, threads)
    if not isinstance(dataset, Recommendation):
        raise ValueError(f"{dataset.name} is no recommendation set: it has no users and items")
    scorer = None if fill is None else load_scorer(fill, dataset)
    recommender = Recommender(agent, dataset, fill=scorer, templates=templates, split=split)
    if user is None:
        found = recommender.to_new(new_user or [], k=count, paths=paths)
    else:
        found = recommender.to(user, k=count, paths=paths)
    draw(found, drawing)
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=2, ensure_ascii=False))
    else:
        out.print(str(found), markup=False, soft_wrap=True)


def drawings(paths_to: Path | None, layout_to: Path | None) -> list[tuple[Any, Path]]:
    """What draws into which file; refuses before an agent has worked what it could not draw after."""
    if paths_to is None and layout_to is None:
        return []
    try:
        from kgwalk.explain.picture import check_format
        from kgwalk.recommend.picture import save_layout_picture, save_paths_picture
    except ModuleNotFoundError as error:
        raise ImportError(f"pictures need {error.name}, which is not installed: pip install {error.name}") from error
    wanted = [(save_paths_picture, paths_to), (save_layout_picture, layout_to)]
    chosen = [(save, path) for save, path in wanted if path is not None]
    for _, path in chosen:
        check_format(path)
    return chosen


def draw(found: Recommendations, drawing: list[tuple[Any, Path]]) -> None:
    """Draw what there is to draw; a list without reasons has no picture, which is said."""
    if drawing and found.layout is None:
        err.print("no picture: nothing in this list has a reason", markup=False)
        return
    for save, path in drawing:
        save(found, path)
        err.print(f"picture in {path}", markup=False, soft_wrap=True)
