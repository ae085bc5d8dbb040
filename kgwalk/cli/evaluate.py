"""``kgwalk evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from kgwalk.cli.console import err, out
from kgwalk.cli.options import DataDir, RunFolder, Split, Threads
from kgwalk.cli.runs import load_run
from kgwalk.cli.scored import PruneBy, PruneTo, Rerank, RerankWeight, with_scorers


def evaluate(
    run: RunFolder,
    split: Split = "test",
    direction: Annotated[
        Literal["tail", "head", "both"] | None,
        typer.Option(help="Queries to ask: (h, r, ?), (?, r, t) or both.", show_default="what it was trained for"),
    ] = None,
    by_relation: Annotated[bool, typer.Option("--by-relation", help="Show the 20 most frequent relations.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Let other known answers count against the target.")] = False,
    save: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="Write the report, with all relations.")
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Queries answered at once; changes no result.")] = 512,
    rerank: Rerank = None,
    rerank_weight: RerankWeight = None,
    prune: PruneBy = None,
    prune_to: PruneTo = None,
    data_dir: DataDir = None,
    threads: Threads = None,
) -> None:
    """Measure a trained agent: MRR and hits@k, filtered.

    Other known answers are left out of the ranking. Answers with equal scores share the mean of their places. A target
    that was not reached, or that is not in the graph at all, counts as a miss. NELL-995 also gets its mean average
    precision over given candidates, Countries the area under the precision-recall curve.
    """
    from kgwalk import evaluation

    protocol = evaluation.Protocol(directions=direction, filtered=not raw, batch_size=batch_size)
    agent, dataset = load_run(run, data_dir, threads)
    agent = with_scorers(agent, dataset, rerank=rerank, rerank_weight=rerank_weight, prune=prune, prune_to=prune_to)
    report = evaluation.evaluate(agent, dataset, split, protocol)
    out.print(report.table())
    if by_relation:
        out.print(report.relation_table())
    if save is not None:
        report.save(save)
        err.print(f"saved to {save}", soft_wrap=True)
