"""``kgwalk quickstart bookshop``: recommendation once from end to end, on the set that kgwalk generates."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from kgwalk.cli.console import out
from kgwalk.cli.recommend import draw, drawings
from kgwalk.cli.runs import Run, clear, import_agents, use_threads
from kgwalk.cli.train import default_folder

if TYPE_CHECKING:
    from kgwalk.data import Recommendation

DATASET, AGENT = "Bookshop", "nser"
ITEMS = 3  # in the short lists that are shown


def quickstart_shop(seed: int, folder: Path | None, threads: int | None) -> None:
    """Train, measure, recommend to a reader of the shop and to a new one, draw the reasons."""
    from kgwalk import evaluation
    from kgwalk.data import bookshop
    from kgwalk.recommend import Recommender
    from kgwalk.recommend.words import percent

    dataset = bookshop()
    agent_class = import_agents().get(AGENT)
    folder = folder or default_folder("bookshop", AGENT, seed)
    drawing = drawings(folder / "reasons.png", folder / "layout.png")
    run = Run(DATASET, None, AGENT, seed, (), use_threads(threads))
    clear(folder)
    run.save(folder)

    out.print(
        f"[bold]1. Train[/bold] on {DATASET}: {len(dataset.users)} readers, {len(dataset.items)} books, "
        f"{len(dataset.splits['train']):,} times that one has read the other; {len(dataset.splits['test']):,} more are "
        "held out as test.",
        soft_wrap=True,
    )
    started = time.monotonic()
    agent = agent_class.fit(dataset, agent_class.config_for(DATASET), folder, seed=seed)
    out.print(f"   trained in {time.monotonic() - started:.0f} s\n")

    measured = evaluation.evaluate_recommendations(agent, dataset, "test").lists.metrics
    out.print(
        f"[bold]2. Evaluate[/bold]: {percent(measured['hr@10'])} of the readers find a held-out book among the ten "
        f"that they are recommended (HR@10); NDCG@10 is {measured['ndcg@10']:.3f}.",
        soft_wrap=True,
    )

    recommender = Recommender(agent, dataset)
    reader = dataset.users.first
    out.print("\n[bold]3. Recommend[/bold] to a reader of the shop.\n")
    out.print(str(recommender.to(reader, k=ITEMS)), markup=False, soft_wrap=True)
    draw(recommender.to(reader), drawing)

    out.print(
        "\n[bold]4. Recommend[/bold] to someone who has just come in with two books; nothing is trained again.\n",
        soft_wrap=True,
    )
    out.print(str(recommender.to_new(_two_books(dataset), k=ITEMS)), markup=False, soft_wrap=True)
    out.print(
        f'\nThe agent is in [bold]{folder}[/bold]. Next: [bold]kgwalk recommend {folder} "{dataset.label(reader + 1)}"'
        "[/bold], or your own shop: [bold]kgwalk data import --interactions[/bold]",
        soft_wrap=True,
    )


def _two_books(dataset: Recommendation) -> list[int]:
    """The first two books that the last reader has read."""
    rows = dataset.splits["train"]
    books: list[int] = rows[rows[:, 0] == dataset.users.last - 1, 2][:2].tolist()
    return books
