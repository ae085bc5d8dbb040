"""``kgwalk judge``: paths of two agents, judged by people who do not know whose they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from kgwalk.cli.console import err, out, progress_bar
from kgwalk.cli.options import DataDir, Split, Threads
from kgwalk.cli.runs import Run, load_run

app = typer.Typer(no_args_is_help=True, help="Let people judge which of two agents gives the better paths.")


@app.command()
def sheet(
    run_a: Annotated[Path, typer.Argument(metavar="RUN_A", help="Folder of a run of an agent that walks.")],
    run_b: Annotated[Path, typer.Argument(metavar="RUN_B", help="Another, of the same dataset.")],
    sheet: Annotated[Path, typer.Option(metavar="FILE", help="The sheet for the judges, to be written: .csv.")],
    key: Annotated[Path, typer.Option(metavar="FILE", help="Whose path is whose, to be written: .json.")],
    queries: Annotated[int, typer.Option(min=1, help="Pairs of paths on the sheet, if there are so many.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Which facts are drawn, and which path stands first.")] = 0,
    split: Split = "valid",
    data_dir: DataDir = None,
    threads: Threads = None,
) -> None:
    """Write a sheet of pairs of paths without a hint whose they are, and the key apart.

    Facts are drawn at random from those that both agents predict, that is, whose tail is the only answer at filtered
    rank 1 for both. Judges write `1`, `2` or `draw` into the last column: which path explains the fact better.
    Keep the key from them; `kgwalk judge votes` counts with it.
    """
    from kgwalk.explain.blind_sheet import blind_sheet, check_places

    check_places(sheet, key)
    agent_a, dataset = load_run(run_a, data_dir, threads)
    agent_b, other = load_run(run_b, data_dir, threads)
    if dataset.fingerprint != other.fingerprint:
        raise ValueError(f"{run_a} is of {dataset.name} and {run_b} of {other.name}, which hold other facts or names")
    about = tuple({"run": str(run), "seed": Run.load(run).seed} for run in (run_a, run_b))
    with progress_bar() as bar:
        drawn = blind_sheet(
            (agent_a, agent_b),
            dataset,
            queries=queries,
            seed=seed,
            split=split,
            about=(about[0], about[1]),
            progress=lambda done, total: bar("pairs of paths", done, total),
        )
    drawn.save(sheet, key)
    counts = drawn.counts
    compared = counts.same_path + len(drawn.pairs)
    err.print(
        f"{len(drawn.pairs):,} pairs in {sheet}, the key in {key}\n"
        f"of {counts.looked_at:,} facts of {split} drawn, both agents predict {counts.both_right:,}; left out: "
        f"{counts.same_path:,} with the same path twice ({counts.same_path / compared:.1%}), "
        f"{counts.no_path:,} without a path",
        markup=False,
        soft_wrap=True,
    )
    if len(drawn.pairs) < queries:
        err.print(f"{split} has no more facts: {queries:,} pairs were asked for", soft_wrap=True)


@app.command()
def votes(
    key: Annotated[Path, typer.Argument(metavar="KEY", help="The key that was written with the sheet.")],
    filled: Annotated[list[Path], typer.Argument(metavar="VOTES", help="The filled sheets, one for each judge.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Count the votes on a blind sheet.

    A row goes to what more than half of its judges chose. The test and the interval are of the rows that one of the
    agents won: what to expect if both were alike is a half.
    """
    from kgwalk.explain.blind_sheet import BlindSheet
    from kgwalk.explain.votes import CONFIDENCE, tally

    drawn = BlindSheet.load(key)
    counted = tally(drawn, filled)
    if as_json:
        typer.echo(json.dumps(counted.to_json(), indent=2, ensure_ascii=False))
        return
    names = [f"{told['name']} ({told['run']})" if "run" in told else str(told["name"]) for told in drawn.agents]
    table = Table("", "rows", "share", title=f"{drawn.dataset}, {drawn.split}; judges: {counted.judges}")
    rows = list(zip(names, counted.wins, strict=True))
    rows += [("draw", counted.draws), ("no majority", counted.no_majority), ("not judged", counted.not_judged)]
    for what, count in rows:
        table.add_row(escape(what), str(count), f"{count / len(drawn.pairs):.1%}")
    out.print(table)
    if counted.interval is not None:
        low, high = counted.interval
        share = counted.wins[0] / counted.decided
        out.print(
            f"{names[0]} wins {counted.wins[0]} of {counted.decided} decided rows, {share:.1%}: "
            f"{CONFIDENCE:.0%} interval {low:.1%} to {high:.1%}, sign test p = {counted.p_value:.3g}",
            markup=False,
            soft_wrap=True,
        )
