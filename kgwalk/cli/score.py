"""``kgwalk score``: train embedding models, and measure them as rankers and as scorers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from kgwalk.cli.console import err, out
from kgwalk.cli.options import DataDir, RunFolder, Split, Threads
from kgwalk.cli.runs import import_agents, load_run
from kgwalk.cli.train import Folder, Restart, Resume, Seed, Settings, ShowConfig, TrainOn, run_training
from kgwalk.files import write_atomically

app = typer.Typer(no_args_is_help=True, help="Train and measure embedding models.")


@app.command("train")
def train(
    dataset: TrainOn,
    model: Annotated[
        str, typer.Option(help="Which model: complex, conve, distmult, rotate, transe or transr.")
    ] = "complex",
    seed: Seed = 0,
    set_: Settings = None,
    show_config: ShowConfig = False,
    resume: Resume = False,
    restart: Restart = False,
    folder: Folder = None,
    data_dir: DataDir = None,
    threads: Threads = None,
) -> None:
    """Train an embedding model on a dataset: `kgwalk train --agent`, for models of embeddings.

    The run goes to `runs/wn18rr-complex-seed0`, say. It is a scorer wherever one is asked for: `--rerank`, `--prune`,
    and `shaped=` of the environments. It was fitted on the training facts alone.
    """
    import_agents()
    from kgwalk.scorers import MODELS

    if model not in MODELS:
        raise KeyError(f"no model {model!r}; there are {', '.join(sorted(MODELS))}")
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
    )


@app.command("evaluate")
def evaluate(
    run: RunFolder,
    split: Split = "test",
    queries: Annotated[int, typer.Option(min=1, help="How many queries probabilities are judged by.")] = 500,
    save: Annotated[Path | None, typer.Option(metavar="FILE.json", help="Write both reports.")] = None,
    data_dir: DataDir = None,
    threads: Threads = None,
) -> None:
    """Measure a trained embedding model: how well it ranks, and how good its probabilities are.

    The ranking is that of `kgwalk evaluate`, in both directions. AUC: facts of the split against the same with tails
    drawn from the entities that are not known to answer. Log-loss and calibration error: over all entities as answers
    to some of the queries, drawn with a fixed seed.
    """
    from kgwalk import evaluation

    agent, dataset = load_run(run, data_dir, threads)
    if not isinstance(agent, import_agents().ScorerAgent):
        raise ValueError(f"{run} is a run of {agent.name!r}, which is no embedding model: kgwalk evaluate measures it")
    report = evaluation.evaluate(agent, dataset, split)
    judged = evaluation.judge(agent.scorer, dataset, split, queries=queries)
    out.print(report.table())
    out.print(judged.table())
    if save is not None:
        both = {**report.to_json(), "probabilities": judged.to_json()}
        write_atomically(save, (json.dumps(both, indent=2) + "\n").encode())
        err.print(f"saved to {save}", soft_wrap=True)
