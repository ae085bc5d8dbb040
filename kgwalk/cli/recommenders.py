"""``kgwalk recommenders``: train models of users, items and what is known of these; measure and compare them."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from kgwalk.cli.console import err, out
from kgwalk.cli.options import DataDir, RunFolder, Split, Threads
from kgwalk.cli.runs import Run, import_agents, is_run, load_dataset, load_run
from kgwalk.cli.train import (
    Restart,
    Resume,
    Seed,
    Settings,
    ShowConfig,
    TrainOn,
    default_folder,
    folder_of,
    run_training,
)
from kgwalk.files import write_atomically

if TYPE_CHECKING:
    from kgwalk.data import Dataset
    from kgwalk.evaluation import LabelledReport
    from kgwalk.evaluation.comparison import Measured

Protocol = Literal["ctr", "ctr-fresh", "lists"]
#: What a protocol settles of a configuration, as far as the agent has it.
_SETTLED: dict[Protocol, dict[str, str]] = {
    "ctr": {"negatives": "fixed"},
    "ctr-fresh": {"negatives": "fresh"},
    "lists": {"negatives": "fresh", "select": "ndcg@10"},
}
REFERENCES = ("item-cf", "most-popular")

app = typer.Typer(
    no_args_is_help=True, help="Train, measure and compare models of users, items and what is known of these."
)


@app.command("train")
def train(
    dataset: TrainOn,
    model: Annotated[
        str,
        typer.Option(help="Which model: kgcn, kgnn-ls, mi-kgnn, kgat, ripplenet ..., or any agent that recommends."),
    ] = "kgcn",
    protocol: Annotated[
        Protocol,
        typer.Option(
            help="What it is trained on. ctr: the labelled split of the seed, with the split's own negatives; "
            "ctr-fresh: the same with negatives drawn anew in each epoch; lists: the dataset's own split, selected by "
            "NDCG@10; cke, kgat and svd by a softmax over all items."
        ),
    ] = "ctr",
    seed: Seed = 0,
    set_: Settings = None,
    show_config: ShowConfig = False,
    resume: Resume = False,
    restart: Restart = False,
    folder: Annotated[
        Path | None, typer.Option(help="Folder of the run.", show_default="runs/DATASET-MODEL-PROTOCOL-seedSEED")
    ] = None,
    data_dir: DataDir = None,
    threads: Threads = None,
) -> None:
    """Train a recommender by a protocol, so that its numbers can be held against published ones.

    The labelled split is KGCN's: for each interaction a negative, all shuffled and cut 6:2:2, both drawn by the seed.
    All commands that take a run know its split: `kgwalk recommend`, say, and `kgwalk recommenders evaluate`.
    """
    settled = _settled(model, protocol)
    folder = folder or _folder(Path("runs"), folder_of(dataset, data_dir), model, protocol, seed)
    labelled = protocol != "lists"
    run_training(
        dataset,
        model,
        seed,
        set_=set_,
        show_config=show_config,
        resume=resume,
        restart=restart,
        folder=folder,
        data_dir=data_dir,
        threads=threads,
        labels=seed if labelled else None,
        settled=settled,
        advised=None if labelled else partial(_advised, model),
        then="kgwalk recommenders evaluate" if labelled else "kgwalk evaluate",
    )


@app.command("evaluate")
def evaluate(
    run: RunFolder,
    split: Split = "test",
    save: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="Write the reports of all protocols, with all users.")
    ] = None,
    data_dir: DataDir = None,
    threads: Threads = None,
) -> None:
    """Measure a run on a labelled split by every protocol: clicks, lists for everyone, lists for 100 users.

    `ctr`: can it tell interactions from sampled negatives. `topk-all`: items ranked for every user of the split, those
    of train left out. `topk-100users`: as published code does it, for 100 users, sampled negatives left out too.
    """
    from kgwalk.data import LabelledRecommendation
    from kgwalk.evaluation import evaluate_labelled

    note = Run.load(run)
    if note.labelled is None:
        raise ValueError(f"{run} was trained on the dataset's own split: kgwalk evaluate measures it")
    agent, dataset = load_run(run, data_dir, threads)
    assert isinstance(dataset, LabelledRecommendation)
    report = evaluate_labelled(agent, dataset, split)
    title = f"{agent.name} on {dataset.name} {split}, labelled by seed {dataset.drawn_by}"
    if note.settings:  # ctr and ctr-fresh are asked the same, and are told apart by what they were trained with
        title += f", trained with {' '.join(note.settings)}"
    out.print(_table(report, escape(title)))
    if save is not None:
        told = {
            "dataset": dataset.name,
            "split": split,
            "agent": agent.name,
            "labelled": dataset.drawn_by,
            "settings": list(note.settings),
        }
        reports = {name: one.to_json() for name, one in report.lists.items()}
        if report.clicks is not None:
            reports = {"ctr": report.clicks.to_json(), **reports}
        saved = {**told, "protocols": reports}
        write_atomically(save, (json.dumps(saved, allow_nan=False) + "\n").encode())
        err.print(f"saved to {save}", soft_wrap=True)


@app.command("compare")
def compare(
    dataset: TrainOn,
    out_: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of compare.md, .json and .png.")],
    models: Annotated[
        str | None, typer.Option(help="Names, separated by commas.", show_default="all recommenders")
    ] = None,
    seeds: Annotated[str, typer.Option(help="Seeds, separated by commas.")] = "0,1,2",
    folder: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs"),
    data_dir: DataDir = None,
    threads: Threads = None,
) -> None:
    """Train several recommenders on the labelled splits of several seeds, and measure them on test.

    Runs that are there are taken, and gone on with where they were broken off: the command may be stopped at any time
    and given again. `item-cf` and `most-popular` are always measured beside the others.
    """
    from kgwalk.evaluation.comparison import Comparison

    draw = _drawing(out_ / "compare.png")
    named, numbers = _models(models), _seeds(seeds)
    agents = import_agents()
    for name in named:
        agents.get(name)
    start = folder_of(dataset, data_dir)
    measured: list[Measured] = []
    for seed in numbers:
        for name in named:
            err.print(f"[{len(measured) + 1}/{len(named) * len(numbers)}] {name}, seed {seed}", markup=False)
            run = _folder(folder, start, name, "ctr", seed)
            run_training(
                dataset,
                name,
                seed,
                resume=is_run(run),
                folder=run,
                data_dir=data_dir,
                threads=threads,
                labels=seed,
                settled=_settled(name, "ctr"),
                then="kgwalk recommenders evaluate",
            )
            measured.append(_measured(run, data_dir, threads))
    comparison = Comparison(load_dataset(dataset, data_dir).name, "test", measured, REFERENCES)
    comparison.save(out_)
    draw(comparison)
    table = comparison.table()
    # Wider than most terminals: rather lines that wrap than numbers that are cut off.
    width = Measurement.get(out, out.options.update(width=1000), table).maximum
    Console(width=max(out.width, width), highlight=False).print(table)
    for line in comparison.altered:
        err.print(f"not as configured: {line}", markup=False, soft_wrap=True)
    err.print(f"table, figures and picture in {out_}", markup=False, soft_wrap=True)


@app.command("attention")
def attention(
    run: RunFolder,
    user: Annotated[
        str, typer.Argument(metavar="USER", help="Its name in the files, with or without its type, or label.")
    ],
    item: Annotated[str, typer.Argument(metavar="ITEM", help="An item, likewise.")],
    count: Annotated[
        int, typer.Option("-k", min=1, help="Neighbours of the item that are shown; of others a third as many.")
    ] = 10,
    picture: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw them into a .png, .svg or .pdf.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    data_dir: DataDir = None,
    threads: Threads = None,
) -> None:
    """Show which neighbours of an item counted for a user, and how much: kgcn, kgnn-ls, mi-kgnn and kgat.

    Shares are among the neighbours of the same entity; those of kgat are the same for all users, and users are among
    its neighbours. Attention says what the model looked at; it is no proof of why an item was recommended.
    """
    from kgwalk.data import Recommendation
    from kgwalk.recommend.attention import attend

    save = None if picture is None else _attention_drawing(picture)
    agent, dataset = load_run(run, data_dir, threads)
    if not isinstance(dataset, Recommendation):
        raise ValueError(f"{dataset.name} is no recommendation set: it has no users and items")
    scorer = getattr(agent, "scorer", None)
    if scorer is None:
        raise ValueError(f"{agent.name} has no attention to show")
    found = attend(scorer, dataset, user, item, k=count)
    if save is not None:
        save(found)
        err.print(f"picture in {picture}", markup=False, soft_wrap=True)
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=2, ensure_ascii=False))
    else:
        out.print(str(found), markup=False, soft_wrap=True)


def _settled(model: str, protocol: Protocol) -> tuple[str, ...]:
    """Settings of a protocol that the configuration of an agent has; walkers mean a number by ``negatives``.

    Raises:
        ValueError: the agent does not recommend.
    """
    agents = import_agents()
    if not agents.recommends(model):
        able = ", ".join(filter(agents.recommends, agents.names()))
        raise ValueError(f"{model} answers queries of a knowledge graph; these recommend: {able}")
    config = agents.get(model).config_for("")
    has = {key for key in _SETTLED[protocol] if isinstance(getattr(config, key, None), str)}
    return tuple(f"{key}={value}" for key, value in _SETTLED[protocol].items() if key in has)


def _advised(model: str, dataset: Dataset) -> tuple[str, ...]:
    """Settings by which a model learns to list items better than by its own."""
    from kgwalk.agents.recommenders import RecommenderAgent
    from kgwalk.data import Recommendation

    kind = import_agents().get(model)
    if not issubclass(kind, RecommenderAgent) or not isinstance(dataset, Recommendation):
        return ()
    advised: tuple[str, ...] = kind.settings_for_lists(len(dataset.items))
    return advised


def _folder(folder: Path, dataset: str, model: str, protocol: Protocol, seed: int) -> Path:
    return folder / default_folder(dataset, f"{model}-{protocol}", seed).name


def _models(given: str | None) -> list[str]:
    """The models to compare, each once, the references last."""
    if given is None:
        import_agents()
        from kgwalk.scorers import RECOMMENDERS

        chosen = sorted(RECOMMENDERS)
    else:
        chosen = [name.strip() for name in given.split(",") if name.strip()]
    return [*(name for name in dict.fromkeys(chosen) if name not in REFERENCES), *REFERENCES]


def _seeds(given: str) -> list[int]:
    try:
        found = list(dict.fromkeys(int(seed) for seed in given.split(",")))
    except ValueError:
        raise ValueError(f"--seeds {given}: expected whole numbers, separated by commas") from None
    if min(found) < 0:
        raise ValueError(f"--seeds {given}: expected numbers of 0 or more")
    return found


def _measured(run: Path, data_dir: Path | None, threads: int | None) -> Measured:
    from kgwalk.data import LabelledRecommendation
    from kgwalk.evaluation import evaluate_labelled
    from kgwalk.evaluation.comparison import Measured

    agent, dataset = load_run(run, data_dir, threads)
    assert isinstance(dataset, LabelledRecommendation)
    note = Run.load(run)
    settled = _settled(note.agent, "ctr")
    made_by = {
        "run": str(run),
        "settings": list(note.settings),
        "altered": [setting for setting in note.settings if setting not in settled],
        "version": note.version,
    }
    return Measured(note.agent, note.seed, evaluate_labelled(agent, dataset, "test").metrics, made_by)


def _table(report: LabelledReport, title: str) -> Table:
    """Metrics by protocols."""
    metrics = report.metrics
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for protocol in metrics:
        table.add_column(protocol, justify="right")
    names = dict.fromkeys(name for figures in metrics.values() for name in figures)
    families = list(dict.fromkeys(name.partition("@")[0] for name in names))
    for name in sorted(
        names, key=lambda name: (families.index(name.partition("@")[0]), int(name.partition("@")[2] or 0))
    ):
        table.add_row(name, *(f"{figures[name]:.4f}" if name in figures else "-" for figures in metrics.values()))
    return table


def _drawing(path: Path) -> Callable[[Any], None]:
    try:
        from kgwalk.evaluation.comparison_picture import save_comparison_picture
    except ModuleNotFoundError as error:
        raise ImportError(f"pictures need {error.name}, which is not installed: pip install {error.name}") from error
    return lambda comparison: save_comparison_picture(comparison, path)


def _attention_drawing(path: Path) -> Callable[[Any], None]:
    """What draws into a file; refuses before an agent has worked what it could not draw after."""
    try:
        from kgwalk.explain.picture import check_format
        from kgwalk.recommend.attention_picture import save_attention_picture
    except ModuleNotFoundError as error:
        raise ImportError(f"--picture needs {error.name}, which is not installed: pip install {error.name}") from error
    check_format(path)
    return lambda found: save_attention_picture(found, path)
