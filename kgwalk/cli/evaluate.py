"""``kgwalk evaluate``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from kgwalk.cli.cluster import Ray, RayAddress, cluster
from kgwalk.cli.console import err, out, progress_bar
from kgwalk.cli.options import DataDir, RunFolder, Split, Threads
from kgwalk.cli.runs import load_run
from kgwalk.cli.scored import PruneBy, PruneTo, Rerank, RerankWeight, load_scorer, load_with_scorers, with_scorers

if TYPE_CHECKING:
    from kgwalk.data import Dataset
    from kgwalk.evaluation import Protocol, Report
    from kgwalk.protocols import Agent


def evaluate(
    run: RunFolder,
    split: Split = "test",
    direction: Annotated[
        Literal["tail", "head", "both"] | None,
        typer.Option(help="Queries to ask: (h, r, ?), (?, r, t) or both.", show_default="what it was trained for"),
    ] = None,
    by_relation: Annotated[bool, typer.Option("--by-relation", help="Show the 20 most frequent relations.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Let other known answers count against the target.")] = False,
    fill: Annotated[
        Path | None,
        typer.Option(metavar="SCORER", help="Recommendation: fill up short lists, and measure them in a second row."),
    ] = None,
    save: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="Write the report, with all relations or all users.")
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Queries answered at once; changes no result.")] = 512,
    rerank: Rerank = None,
    rerank_weight: RerankWeight = None,
    prune: PruneBy = None,
    prune_to: PruneTo = None,
    data_dir: DataDir = None,
    threads: Threads = None,
    ray: Ray = False,
    ray_address: RayAddress = None,
) -> None:
    """Measure a trained agent: MRR and hits@k, filtered; of recommendations NDCG, recall, HR and precision @10.

    Other known answers are left out of the ranking. Answers with equal scores share the mean of their places. A target
    that was not reached, or that is not in the graph at all, counts as a miss. NELL-995 also gets its mean average
    precision over given candidates, Countries the area under the precision-recall curve.

    On a recommendation set every user of the split is recommended items that it has no training interaction with. Of
    an agent that walks, only items with a path count; --fill measures full lists beside them.

    With --ray the queries are shared out in batches, and --threads are those of a task, 1 if not given. The ranks are
    those of one process with as many threads.
    """
    from kgwalk import evaluation
    from kgwalk.data.recommendation.dataset import Recommendation

    ray = ray or ray_address is not None
    agent, dataset = load_run(run, data_dir, 1 if ray and threads is None else threads)
    scorers: dict[str, Any] = {
        "rerank": rerank and rerank.absolute(),
        "rerank_weight": rerank_weight,
        "prune": prune and prune.absolute(),
        "prune_to": prune_to,
    }
    agent = with_scorers(agent, dataset, **scorers)
    if isinstance(dataset, Recommendation):
        if ray:
            raise ValueError(f"--ray shares out queries, and {dataset.name} is recommended from: evaluate it without")
        if direction is not None or by_relation or raw:
            raise ValueError("--direction, --by-relation and --raw are for queries; users are recommended items")
        listed = evaluation.RecommendationProtocol(batch_size=batch_size)
        scorer = None if fill is None else load_scorer(fill, dataset)
        lists = evaluation.evaluate_recommendations(agent, dataset, split, listed, fill=scorer)
        out.print(lists.table())
        if save is not None:
            lists.save(save)
            err.print(f"saved to {save}", soft_wrap=True)
        return
    if fill is not None:
        raise ValueError(f"--fill is for recommendation sets, and {dataset.name} is none")
    protocol = evaluation.Protocol(directions=direction, filtered=not raw, batch_size=batch_size)
    if ray:
        report = _on_cluster(agent, dataset, split, protocol, scorers, threads or 1, ray_address)
    else:
        report = evaluation.evaluate(agent, dataset, split, protocol)
    out.print(report.table())
    if by_relation:
        out.print(report.relation_table())
    if save is not None:
        report.save(save)
        err.print(f"saved to {save}", soft_wrap=True)


def _on_cluster(
    agent: Agent,
    dataset: Dataset,
    split: str,
    protocol: Protocol,
    scorers: dict[str, Any],
    threads: int,
    address: str | None,
) -> Report:
    from kgwalk.evaluation import evaluate

    with cluster(address) as ray, progress_bar() as show_progress:
        runner = ray.cluster_runner(
            agent,
            partial(load_with_scorers, **scorers),
            dataset,
            split,
            filtered=protocol.filtered,
            threads=threads,
            progress=lambda done, total: show_progress("answering", done, total),
        )
        return evaluate(agent, dataset, split, protocol, runner=runner)
