"""``kgwalk rules``: mine rules, look at them, measure them, convert files of them."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import typer
from rich.markup import escape
from rich.table import Table

from kgwalk.cli.cluster import Ray, RayAddress, cluster
from kgwalk.cli.console import err, out, progress_bar
from kgwalk.cli.options import DataDir, Split, Threads
from kgwalk.cli.runs import import_agents, load_dataset, use_core_threads, use_threads

if TYPE_CHECKING:
    from kgwalk.data import Dataset
    from kgwalk.rules import Mined, MiningConfig, RuleSet

app = typer.Typer(no_args_is_help=True, help="Mine, show, measure and convert Horn rules.")

Name = Annotated[
    str, typer.Argument(metavar="DATASET", help="Id, with or without KGWalk-; or the folder of an imported set.")
]
Seconds = Annotated[float | None, typer.Option(help="Begin no round after so many seconds.", show_default="no limit")]
Rounds = Annotated[
    int | None, typer.Option(help="Stop after so many rounds.", show_default="until all counts are exact")
]
MaxLength = Annotated[int, typer.Option(min=1, help="Most atoms in the body of a cyclic rule.")]
Identity = Annotated[
    bool, typer.Option("--object-identity", help="Different variables of a rule stand for different entities.")
]
MinSupport = Annotated[int, typer.Option(min=1, help="Least number of facts that a rule gets right.")]
Seed = Annotated[int, typer.Option(help="The same seed and rounds find the same rules, with any number of threads.")]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave out malformed lines instead of refusing the file.")]
Kind = Literal["cyclic", "constant", "existential", "zero"]


@app.command("mine")
def mine(
    dataset: Name,
    seconds: Seconds = None,
    rounds: Rounds = None,
    max_length: MaxLength = 3,
    object_identity: Identity = False,
    min_support: MinSupport = 2,
    min_confidence: Annotated[float, typer.Option(help="Least raw confidence.")] = 0.001,
    seed: Seed = 0,
    file: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="File to write; gzipped if it ends in .gz.")
    ] = None,
    data_dir: DataDir = None,
    threads: Threads = None,
    ray: Ray = False,
    ray_address: RayAddress = None,
    shards: Annotated[
        int | None,
        typer.Option(min=1, help="--ray: tasks that share the relations.", show_default="one a processor"),
    ] = None,
) -> None:
    """Mine the rules of a dataset's training graph, and write them as AnyBURL does.

    Without --out they go to `wn18rr-rules.txt`, say. Can be stopped at any time: Ctrl-C keeps what was found so far.

    With --ray each task mines the rules about some of the relations, and --threads are those of a task, 1 if not given.
    The rules are the same. Ctrl-C gives them up.
    """
    from kgwalk.rules import MiningConfig, count_kinds, write_rules

    ray = ray or ray_address is not None
    if ray and seconds is not None:
        raise ValueError("--seconds is for one process, tasks would spend them differently: with --ray give --rounds")
    if shards is not None and not ray:
        raise ValueError("--shards goes with --ray")
    config = MiningConfig(
        max_length=max_length,
        object_identity=object_identity,
        min_support=min_support,
        min_confidence=min_confidence,
    )
    data = load_dataset(dataset, data_dir)
    file = file or Path(f"{(data.card.folder or data.name).lower()}-rules.txt")
    if file.is_dir():  # before the work, not after it
        raise IsADirectoryError(f"--out {file} is a folder; expected the name of a file")
    standing = next(folder for folder in file.absolute().parents if folder.exists())
    if not (standing.is_dir() and os.access(standing, os.W_OK)):
        raise OSError(f"--out {file}: {standing} is no folder that can be written to; choose another")
    if ray:
        with cluster(ray_address) as mining, progress_bar() as show_progress:
            mined = mining.mine(
                data,
                config,
                seed=seed,
                rounds=rounds,
                shards=shards,
                threads=threads or 1,
                progress=lambda done, total: show_progress("mining", done, total),
            )
    else:
        use_core_threads(threads)
        mined = _mine(data, config, seed, rounds, seconds)
    write_rules(file, mined.rules, data, skip_bad=True)
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in count_kinds(mined.rules).items() if count)
    rounds_done = f"{mined.rounds:,} rounds" if mined.exact else f"{mined.rounds:,} of {mined.total_rounds:,} rounds"
    exact = "all counts exact" if mined.exact else f"the same again: --rounds {mined.rounds}"
    out.print(f"{len(mined.rules):,} rules" + (f": {kinds}" if kinds else ""), soft_wrap=True)
    out.print(
        f"{rounds_done} in {mined.seconds:.1f} s; {exact}; written to {file}",
        markup=False,
        soft_wrap=True,
    )


@app.command("show")
def show(
    dataset: Name,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="Rules, as `kgwalk rules mine` writes them.", show_default=False),
    ] = None,
    relation: Annotated[str | None, typer.Option(help="Only rules about this relation.", show_default="all")] = None,
    kind: Annotated[Kind | None, typer.Option(help="Only rules of this form.", show_default="all")] = None,
    top: Annotated[int, typer.Option(min=1, help="How many.")] = 20,
    smoothing: Annotated[float, typer.Option(help="Predictions taken to have failed unseen.")] = 5.0,
    seconds: Annotated[float, typer.Option(help="How long to mine if no file is given.")] = 5.0,
    skip_bad: SkipBad = False,
    data_dir: DataDir = None,
    threads: Threads = None,
) -> None:
    """Show the best rules of a relation, in words.

    Without a file it mines for a few seconds first. Best means `support / (predictions + smoothing)`.
    """
    from kgwalk.rules import KINDS, MiningConfig, applied_confidence, read_rules, rule_kinds, rule_words

    data = load_dataset(dataset, data_dir)
    wanted = None if relation is None else data.relation(relation)
    if file is not None:
        rules = read_rules(file, data, skip_bad=skip_bad)
    else:
        use_core_threads(threads)
        mined = _mine(data, MiningConfig(), 0, None, seconds)
        rules = mined.rules
        if not mined.exact:
            err.print(f"mined for {mined.seconds:.0f} s, {mined.rounds:,} of {mined.total_rounds:,} rounds")
    shown = np.ones(len(rules), dtype=bool)
    if wanted is not None:
        shown &= rules.head % data.graph.num_relations == wanted % data.graph.num_relations
    if kind:
        shown &= rule_kinds(rules) == KINDS.index(kind)
    applied = applied_confidence(rules, smoothing)
    chosen = np.flatnonzero(shown)
    chosen = chosen[np.lexsort((-rules.support[chosen], -applied[chosen]))]
    table = Table(box=None, pad_edge=False)
    for column in ("confidence", "support", "predictions"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("rule", overflow="fold")
    for i in chosen[:top].tolist():
        counts = (f"{n:,}" if rules.predictions[i] else "" for n in (rules.support[i], rules.predictions[i]))
        table.add_row(f"{applied[i]:.3f}", *counts, escape(rule_words(rules, i, data)))
    out.print(table)
    about = "" if wanted is None else f" about {data.relation_name(wanted)}"
    err.print(f"{min(top, len(chosen)):,} of {len(chosen):,} rules{about}", markup=False, soft_wrap=True)


@app.command("evaluate")
def evaluate(
    dataset: Name,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Rules, in any form that can be read.")],
    split: Split = "test",
    direction: Annotated[
        Literal["tail", "head", "both"] | None,
        typer.Option(help="Queries to ask: (h, r, ?), (?, r, t) or both.", show_default="both"),
    ] = None,
    aggregation: Annotated[
        Literal["noisy-or", "max-plus"] | None,
        typer.Option(help="How the rules that give one answer make its score.", show_default="the dataset's own"),
    ] = None,
    top_k: Annotated[
        int | None, typer.Option(min=0, help="How many of them count, 0 for all.", show_default="the dataset's own")
    ] = None,
    discount: Annotated[
        float | None,
        typer.Option(help="What each further one counts, in (0, 1].", show_default="the dataset's own"),
    ] = None,
    smoothing: Annotated[
        float | None,
        typer.Option(help="Predictions taken to have failed unseen.", show_default="the dataset's own"),
    ] = None,
    growth: Annotated[
        float | None,
        typer.Option(help="Factor on it for each further atom of a cyclic rule.", show_default="the dataset's own"),
    ] = None,
    existential_weight: Annotated[
        float | None,
        typer.Option(help="Factor on h(X,c) <= b(X,A); AnyBURL's is 0.1.", show_default="the dataset's own"),
    ] = None,
    zero_weight: Annotated[
        float | None, typer.Option(help="Factor on h(X,c) <=; AnyBURL's is 0.01.", show_default="the dataset's own")
    ] = None,
    object_identity: Identity = False,
    skip_bad: SkipBad = False,
    save: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="Write the report, with all relations.")
    ] = None,
    data_dir: DataDir = None,
    threads: Threads = None,
) -> None:
    """Answer a split's queries with a file of rules: MRR and hits@k, as `kgwalk evaluate` measures any agent.

    Ground rules as they were mined: `--object-identity` if that was given then, or if they are AnyBURL's.
    """
    from kgwalk import evaluation
    from kgwalk.rules import read_rules

    agent_class = import_agents().get("rules")
    data = load_dataset(dataset, data_dir)
    given = {
        "aggregation": aggregation,
        "top_k": top_k,
        "discount": discount,
        "smoothing": smoothing,
        "growth": growth,
        "existential_weight": existential_weight,
        "zero_weight": zero_weight,
    }
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    config = dataclasses.replace(agent_class.config_for(data.name), object_identity=object_identity, **changes)
    rules = read_rules(file, data, skip_bad=skip_bad)
    if not len(rules):
        raise ValueError(f"{file} holds no rules to answer with")
    agent = agent_class.of_rules(rules, data, config)
    use_threads(threads)
    report = evaluation.evaluate(agent, data, split, evaluation.Protocol(directions=direction))
    out.print(report.table())
    if save is not None:
        report.save(save)
        err.print(f"saved to {save}", soft_wrap=True)


@app.command("convert")
def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Rules of AnyBURL, SQUIRE or RNNLogic.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="File to write; gzipped if it ends in .gz.")],
    dataset: Annotated[str, typer.Option(metavar="DATASET", help="Whose names the rules have.")],
    min_confidence: Annotated[float, typer.Option(help="Drop rules of a lower raw confidence.")] = 0.0,
    skip_bad: SkipBad = False,
    data_dir: DataDir = None,
) -> None:
    """Write rules of any form that can be read as AnyBURL writes them: counts, confidence, rule."""
    from kgwalk.rules import read_rules, write_rules

    if not 0 <= min_confidence <= 1:
        raise ValueError(f"--min-confidence is {min_confidence}; expected a confidence in [0, 1]")
    data = load_dataset(dataset, data_dir)
    rules = read_rules(source, data, skip_bad=skip_bad)
    kept: RuleSet = rules.select(np.flatnonzero(rules.confidence >= min_confidence).astype(np.int64))
    write_rules(target, kept, data)
    dropped = f", {len(rules) - len(kept):,} below {min_confidence:g} dropped" if len(kept) < len(rules) else ""
    out.print(f"{len(kept):,} rules written to {target}{dropped}", markup=False, soft_wrap=True)


def _mine(data: Dataset, config: MiningConfig, seed: int, rounds: int | None, seconds: float | None) -> Mined:
    """Mine under a progress bar; says so if Ctrl-C ended it."""
    from kgwalk.rules import mine as run

    with progress_bar() as show_progress:

        def progress(done: int, total: int, _: float) -> None:
            show_progress("mining", done, min(total, rounds or total))

        mined = run(data.graph, config, seed=seed, rounds=rounds, seconds=seconds, progress=progress)
    if mined.stopped == "interrupted":
        done = f"{mined.rounds:,} round" + ("s" if mined.rounds > 1 else "")
        err.print(f"interrupted after {done}: keeping what was found; another Ctrl-C gives it up")
    return mined
