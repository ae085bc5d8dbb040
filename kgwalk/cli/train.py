"""``kgwalk train``."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from kgwalk.cli.cluster import Ray, RayAddress
from kgwalk.cli.console import err, out
from kgwalk.cli.options import DataDir, Threads
from kgwalk.cli.runs import Run, clear, has_model, import_agents, is_run, label_dataset, load_dataset, use_threads
from kgwalk.cli.seeds import parse_seeds, train_with_seeds
from kgwalk.cli.settings import apply_settings, fields_of
from kgwalk.cli.teacher import choose

if TYPE_CHECKING:
    from kgwalk.data import Dataset

TrainOn = Annotated[
    str,
    typer.Argument(metavar="DATASET", help="Id (KGWalk-WN18RR, or just WN18RR), or the folder of one's own data."),
]
Seed = Annotated[int, typer.Option(help="Seed: the same seed and threads give the same metrics.")]
Seeds = Annotated[
    str | None, typer.Option(metavar="0,1,2", help="Train once for each of these seeds.", show_default=False)
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a field of the agent's configuration; can be repeated."),
]
ShowConfig = Annotated[bool, typer.Option("--show-config", help="Print the configuration and end.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint of this run.")]
Restart = Annotated[bool, typer.Option("--restart", help="Delete this run if it is there, and begin anew.")]
FromStage = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Make this stage of a run and those after it again, keep those before it. With --set, settings that "
        "these do not depend on may change.",
    ),
]
Teacher = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|PATH",
        help="nser, pgpr: learn from a scorer too. PATH is its file or run; an agent of that NAME (transe-dot, kgcn, "
        "kgat, item-cf ...) is trained first, into runs/DATASET-NAME-seedSEED, if it is not there.",
    ),
]
Folder = Annotated[Path | None, typer.Option(help="Folder of the run.", show_default="runs/DATASET-AGENT-seedSEED")]


def train(
    dataset: TrainOn,
    agent: Annotated[str, typer.Option(help="Which agent to train.")] = "reinforce",
    seed: Seed = 0,
    set_: Settings = None,
    show_config: ShowConfig = False,
    resume: Resume = False,
    restart: Restart = False,
    from_stage: FromStage = None,
    teacher: Teacher = None,
    folder: Folder = None,
    data_dir: DataDir = None,
    threads: Threads = None,
    seeds: Seeds = None,
    ray: Ray = False,
    ray_address: RayAddress = None,
) -> None:
    """Train an agent on a dataset.

    No other flag is needed: each agent has a configuration for each dataset. The run goes to
    `runs/wn18rr-reinforce-seed0`, say: checkpoints, curves for TensorBoard and, in the end, the agent that was best on
    the valid split. A run that was broken off goes on with `--resume` and ends as if it had not been. Agents that are
    trained in stages, such as `rule-guider`, leave a folder for each in that of the run.

    With --teacher, `nser` is trained to arrive at the items that the scorer lists first (`positives=teacher`), `pgpr`
    is paid for what it finds plausible as much as for a hit (`teacher_reward=1`); --set has the last word.

    With --seeds each seed has a run of its own, one after the other or, with --ray, as tasks of a cluster. Then
    --threads are those of a task, 1 if not given.
    """
    ray = ray or ray_address is not None
    if ray and seeds is None:
        raise ValueError("--ray trains several seeds at once: give --seeds")
    if seeds is not None:
        if folder is not None or teacher is not None or from_stage is not None or show_config:
            raise ValueError("--folder, --teacher, --from-stage and --show-config are for one seed, not for --seeds")
        at_home = folder_of(dataset, data_dir)
        source = str(Path(dataset).absolute()) if Path(dataset).is_dir() else dataset
        train_with_seeds(
            partial(run_training, source, agent, set_=set_, data_dir=data_dir and data_dir.absolute()),
            {each: default_folder(at_home, agent, each) for each in parse_seeds(seeds)},
            resume=resume,
            restart=restart,
            threads=threads,
            ray=ray,
            address=ray_address,
        )
        return
    settings, prepare = tuple(set_ or ()), None
    if teacher is not None:
        chosen = choose(agent, teacher, lambda name: default_folder(folder_of(dataset, data_dir), name, seed))
        settings = merged(chosen.settings, settings)
        if chosen.name is not None:
            prepare = partial(ready, dataset, chosen.name, seed, chosen.folder, data_dir)
    run_training(
        dataset,
        agent,
        seed,
        set_=settings,
        show_config=show_config,
        resume=resume,
        restart=restart,
        from_stage=from_stage,
        folder=folder,
        data_dir=data_dir,
        threads=threads,
        prepare=prepare,
    )


def ready(dataset: str, agent: str, seed: int, folder: Path, data_dir: Path | None, threads: int | None) -> None:
    """Train what shall serve another; a run that is there is taken, and gone on with if it was broken off."""
    run_training(dataset, agent, seed, resume=is_run(folder), folder=folder, data_dir=data_dir, threads=threads)


def run_training(
    dataset: str,
    agent: str,
    seed: int,
    *,
    set_: Sequence[str] | None = None,
    show_config: bool = False,
    resume: bool = False,
    restart: bool = False,
    from_stage: str | None = None,
    folder: Path | None = None,
    data_dir: Path | None = None,
    threads: int | None = None,
    labels: int | None = None,
    settled: Sequence[str] = (),
    advised: Callable[[Dataset], Sequence[str]] | None = None,
    prepare: Callable[[int], None] | None = None,
    share: Callable[[Dataset], Dataset] | None = None,
    command: str | None = None,
    then: str = "kgwalk evaluate",
) -> None:
    """What all commands that train do; the arguments are their options, but for the last seven.

    ``labels`` is the seed of the labelled split to train on, None for the dataset's own split; ``settled`` are settings
    that ``set_`` must leave alone; ``advised`` gives settings that a new run has unless ``set_`` has others;
    ``prepare`` is called with the number of threads before the agent looks for what it stands on; ``share`` gives the
    dataset over graphs that processes share; ``command`` is noted in the run; ``then`` is what to call with the run
    next.
    """
    if resume and restart:
        raise ValueError("--resume goes on and --restart begins anew: give one of them")
    if from_stage is not None and restart:
        raise ValueError("--from-stage goes back to a stage and --restart to the beginning: give one of them")
    resume = resume or from_stage is not None
    agent_class = import_agents().get(agent)
    data = load_dataset(dataset, data_dir)
    if share is not None:
        data = share(data)
    if labels is not None:
        data = label_dataset(data, labels)
    folder = folder or default_folder(data.card.folder or data.name, agent, seed)
    own_data = Path(dataset).is_dir()
    source = str(Path(dataset).resolve()) if own_data else data.name
    check_free(settled, set_ or ())
    settings = (*settled, *(set_ or ()))
    suggested = () if advised is None else advised(data)
    anew = (*settled, *_unless_set(suggested, set_ or ()), *(set_ or ()))
    begun = Run.load(folder) if resume and is_run(folder) else None
    if from_stage is not None and begun is None:
        raise FileNotFoundError(f"{folder} is no run: --from-stage goes back to a stage of one")

    def configured(settings: tuple[str, ...]) -> Any:
        return apply_settings(agent_class.config_for(data.name), settings)

    if begun is not None:
        if (begun.dataset, begun.agent, begun.seed) != (source, agent, seed):
            raise ValueError(
                f"{folder} is a run of {begun.agent} on {begun.dataset} with seed {begun.seed}: give these to resume it"
            )
        if begun.labelled != labels or not set(settled) <= set(begun.settings):
            raise ValueError(f"{folder} is a run by another protocol: give its own to resume it")
        if from_stage is not None:
            settings = merged(begun.settings, settings)
        elif set_ and configured(begun.settings) not in (configured(settings), configured(anew)):
            raise ValueError(
                f"{folder} was begun with other settings: --resume needs no --set; for others, --restart begins anew"
            )
        else:
            settings = begun.settings
        threads = begun.threads if threads is None else threads
    else:
        settings = anew
    config = configured(settings)
    if show_config:
        out.print(config_table(config))
        return
    if is_run(folder) and not (resume or restart):
        raise FileExistsError(f"{folder} holds a run already: --resume goes on with it, --restart begins anew")

    # Nothing is written or deleted before everything has been checked, the configuration by the agent itself.
    threads = use_threads(threads)
    if prepare is not None:
        prepare(threads)
    trainer = agent_class.trainer(data, config, folder, seed=seed)
    if from_stage is not None:
        if not hasattr(trainer, "stages"):
            raise ValueError(f"{agent} is trained in one stage: --from-stage is for agents of several")
        trainer.check(from_stage)
    if restart:
        clear(folder)
    if begun is None:
        data_from = str(data_dir.resolve()) if data_dir else None
        Run(source, data_from, agent, seed, settings, threads, labelled=labels, command=command).save(folder)
    elif from_stage is not None:
        replace(begun, settings=settings, threads=threads).save(folder)
        trainer.forget(from_stage)
    err.print(f"training {agent} on {data.name} ({data.graph.num_facts:,} facts) with {threads} threads")
    started = time.monotonic()
    try:
        trainer.run(resume=resume)
    except Exception:
        if begun is None and not has_model(folder):
            clear(folder)  # nothing was learnt, so nothing stands in the way of the next try
        raise
    if getattr(trainer, "idle", False):
        err.print(f"{folder} was trained already", soft_wrap=True)
        return
    err.print(f"trained in {time.monotonic() - started:.0f} s. Now: {then} {folder}", soft_wrap=True)


def merged(before: Sequence[str], after: Sequence[str]) -> tuple[str, ...]:
    """Settings one after the other, the last of each key."""
    return tuple({_key(setting): setting for setting in (*before, *after)}.values())


def _unless_set(advised: Sequence[str], settings: Sequence[str]) -> list[str]:
    """What is advised about keys that no setting has."""
    keys = {_key(setting) for setting in settings}
    return [setting for setting in advised if _key(setting) not in keys]


def check_free(settled: Sequence[str], settings: Sequence[str]) -> None:
    """Refuse settings of what is settled already."""
    keys = {_key(setting): setting for setting in settled}
    for setting in settings:
        if _key(setting) in keys:
            raise ValueError(f"--set {setting}: the protocol has {keys[_key(setting)]}")


def _key(setting: str) -> str:
    return setting.partition("=")[0].strip()


def folder_of(dataset: str, data_dir: Path | None) -> str:
    """What the folders of runs on a dataset begin with."""
    data = load_dataset(dataset, data_dir)
    return data.card.folder or data.name


def default_folder(dataset: str, agent: str, seed: int) -> Path:
    """Where a run goes unless told otherwise."""
    return Path("runs") / f"{dataset.lower()}-{agent}-seed{seed}"


def config_table(config: object) -> Table:
    """Names and values that ``--set`` can change."""
    table = Table(title=type(config).__name__, title_justify="left")
    table.add_column("--set")
    table.add_column("value")
    for name, value in fields_of(config):
        shown = ",".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)
        table.add_row(name, shown)
    return table
