"""Scorers beside an agent: the options ``--rerank`` and ``--prune``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kgwalk.cli.runs import import_agents

if TYPE_CHECKING:
    from kgwalk.data import Dataset
    from kgwalk.protocols import Agent, Scorer

Rerank = Annotated[
    Path | None,
    typer.Option(metavar="SCORER", help="Put the answers in the order of a scorer: its run folder or file."),
]
RerankWeight = Annotated[
    float | None,
    typer.Option(help="What the scorer counts, from 0 to 1; the agent's own score counts the rest.", show_default="1"),
]
PruneBy = Annotated[
    Path | None,
    typer.Option(
        "--prune", metavar="SCORER", help="Show a walking agent a node's most plausible moves only; with --prune-to."
    ),
]
PruneTo = Annotated[
    int | None, typer.Option(metavar="N", help="Moves of a node that --prune leaves, waiting included.")
]


def with_scorers(
    agent: Agent,
    dataset: Dataset,
    *,
    rerank: Path | None,
    rerank_weight: float | None,
    prune: Path | None,
    prune_to: int | None,
) -> Agent:
    """The agent as the options want it; its name tells what was done.

    Raises:
        ValueError: options that do not go together, an agent that does not walk and shall be pruned, a number out of
            range, a scorer of another dataset.
        OSError: a scorer cannot be read.
    """
    if rerank_weight is not None and rerank is None:
        raise ValueError("--rerank-weight goes with --rerank")
    if (prune is None) != (prune_to is None):
        raise ValueError("--prune SCORER and --prune-to N go together")
    if prune_to is not None and prune_to < 2:
        raise ValueError(f"--prune-to is {prune_to}; expected 2 or more, as waiting is one of the moves")
    if prune is not None and prune_to is not None:
        _prune(agent, load_scorer(prune, dataset), prune_to)
    if rerank is None:
        return agent
    weight = 1.0 if rerank_weight is None else rerank_weight
    reranked: Agent = import_agents().Reranked(agent, load_scorer(rerank, dataset), weight)
    return reranked


def load_with_scorers(folder: Path, dataset: Dataset, **options: Any) -> Agent:
    """The agent that was saved in a folder, as ``with_scorers`` makes it."""
    return with_scorers(import_agents().load(folder, dataset), dataset, **options)


def _prune(agent: Agent, scorer: Scorer, max_actions: int) -> None:
    from kgwalk.scorers.facts import scorer_name
    from kgwalk.search import Prune

    if not isinstance(agent, import_agents().WalkerAgent):
        raise ValueError(f"--prune caps the moves of an agent that walks, and {agent.name!r} does not; --rerank can")
    agent.prune = Prune(scorer, max_actions)
    agent.name += f" ({max_actions} moves by {scorer_name(scorer)})"


def load_scorer(path: Path, dataset: Dataset) -> Scorer:
    """The scorer in a file or run folder; one of another dataset is refused."""
    from kgwalk import scorers

    scorer: Scorer = scorers.load(path, dataset)  # type: ignore[attr-defined, unused-ignore]
    return scorer
