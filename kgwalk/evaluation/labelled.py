"""An agent measured on a labelled set by every protocol: clicks, lists for everyone, lists for 100 users."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from kgwalk.data.recommendation.labelled import LabelledRecommendation
from kgwalk.evaluation.clicks import ClickReport, evaluate_clicks
from kgwalk.evaluation.recommendation import evaluate_recommendations
from kgwalk.evaluation.recommendation_report import TOPK_100_USERS, TOPK_ALL, RecommendationReport
from kgwalk.protocols import Agent


@dataclass(frozen=True)
class LabelledReport:
    """What came of measuring one agent by all protocols.

    Attributes:
        clicks: None of an agent without a scorer.
        lists: By name of the protocol.
    """

    clicks: ClickReport | None
    lists: Mapping[str, RecommendationReport]

    @property
    def metrics(self) -> dict[str, dict[str, Any]]:
        """Metrics by name of the protocol; ``ctr`` is that of clicks."""
        found: dict[str, dict[str, Any]] = {} if self.clicks is None else {"ctr": dict(self.clicks.metrics)}
        for name, report in self.lists.items():
            found[name] = {key: value for key, value in report.metrics.items() if key != "filled"}
        return found


def evaluate_labelled(
    agent: Agent, dataset: LabelledRecommendation, split: str = "test", *, progress: bool = True
) -> LabelledReport:
    """Measure an agent by ``ctr``, ``topk-all`` and ``topk-100users``.

    Args:
        agent: Its ``scorer``, where it has one, is asked for clicks.
        dataset: Whose train it was fitted on.
        split: Of the dataset.
        progress: Show a progress bar where stderr is a terminal.

    Raises:
        KeyError: The dataset has no such split.
        ValueError: See `evaluate_clicks` and `evaluate_recommendations`.
    """
    scorer = getattr(agent, "scorer", None)
    clicks = None if scorer is None else evaluate_clicks(scorer, dataset, split, batch=128)
    drawn = replace(TOPK_100_USERS, user_seed=dataset.drawn_by)
    lists = {TOPK_ALL.name: evaluate_recommendations(agent, dataset, split, TOPK_ALL, progress=progress)}
    with _listing(agent, len(dataset.items)):
        lists[drawn.name] = evaluate_recommendations(agent, dataset, split, drawn, progress=progress)
    return LabelledReport(clicks, lists)


@contextmanager
def _listing(agent: Agent, count: int) -> Iterator[None]:
    """An agent that lists ``count`` items, if its lists have a length: negatives of train are taken out of them."""
    length = getattr(agent, "answers", None)
    if length is None:
        yield
        return
    agent.answers = count  # type: ignore[attr-defined]
    try:
        yield
    finally:
        agent.answers = length  # type: ignore[attr-defined]
