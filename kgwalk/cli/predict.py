"""``kgwalk predict``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kgwalk.cli.console import err
from kgwalk.cli.options import DataDir, RunFolder, Threads
from kgwalk.cli.runs import load_run
from kgwalk.cli.scored import PruneBy, PruneTo, Rerank, RerankWeight, with_scorers


def predict(
    run: RunFolder,
    queries: Annotated[
        Path,
        typer.Argument(metavar="QUERIES", help="Two columns, source and relation: .tsv, .csv (also .gz) or .parquet."),
    ],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="File to write: .tsv, .jsonl or .parquet.")],
    answers: Annotated[int, typer.Option(min=1, help="How many answers a query gets.")] = 10,
    skip_unknown: Annotated[
        bool, typer.Option("--skip-unknown", help="Leave out queries with unknown names instead of refusing the file.")
    ] = False,
    batch_size: Annotated[int, typer.Option(min=1, help="Queries answered at once; changes no result.")] = 512,
    rerank: Rerank = None,
    rerank_weight: RerankWeight = None,
    prune: PruneBy = None,
    prune_to: PruneTo = None,
    data_dir: DataDir = None,
    threads: Threads = None,
) -> None:
    """Answer a file of queries, with scores and the best path, or rule, for each answer.

    A relation written `^NAME` asks for the inverse of NAME. Answers that the graph holds already are marked as known.
    The output is written whole or not at all.
    """
    from kgwalk.predict import predict as predicted

    agent, dataset = load_run(run, data_dir, threads)
    agent = with_scorers(agent, dataset, rerank=rerank, rerank_weight=rerank_weight, prune=prune, prune_to=prune_to)
    done = predicted(agent, dataset, queries, output, answers=answers, skip_unknown=skip_unknown, batch_size=batch_size)
    skipped = f", {done.skipped:,} with unknown names skipped" if done.skipped else ""
    err.print(f"{done.answers:,} answers to {done.queries:,} queries in {output}{skipped}", soft_wrap=True)
