"""Table 1: one trained agent, three ways to answer, on every test split.

``walk`` is the probability that the two agents arrive, nothing else. ``evidence`` adds what the mined rules say for an
answer: both are functions of paths alone. ``reranked`` lets the embedding of the first stage have a say in the order;
its weight is the best of a few on valid. What the agent was not configured for is left out: there is no ``evidence``
without ``walk_weight``, no ``reranked`` without ``scorer``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import completion
from benchmarks.rule_guider.runs import Record, agent_seconds, record, recorded, train
from kgwalk import scorers
from kgwalk.agents import Reranked, RuleGuider, RuleGuiderConfig
from kgwalk.agents.checkpoint import NAME as CHECKPOINT
from kgwalk.agents.training import first_of_valid, tail_mrr
from kgwalk.cli.settings import apply_settings
from kgwalk.data import Dataset, Directions
from kgwalk.graph import Graph
from kgwalk.protocols import Agent, Ids, Ranked, Scorer
from kgwalk.tensors import load_tensors

WEIGHTS = (0.1, 0.2, 0.3, 0.5)  # of the scorer, that are compared on valid
_QUERIES = 3000  # of valid, to compare them on
#: How records of each way to answer are named, after the agent.
SUFFIX = {"walk": "walk", "evidence": "", "reranked": "reranked"}


def run(dataset: Dataset, seed: int, options: argparse.Namespace) -> list[Record]:
    """Train one seed to its end, and measure what is not recorded yet; the new records."""
    config = apply_settings(RuleGuider.config_for(dataset.name), options.set)
    stem = completion.stem_of(dataset, RuleGuider.name, options.variant)
    ways = ["walk"] + ["evidence"] * (config.walk_weight is not None) + ["reranked"] * bool(config.scorer)
    wanted = {
        (way, split): name
        for way in ways
        for split, name in completion.names_by_split(dataset, "-".join(filter(None, [stem, SUFFIX[way]])), seed).items()
    }
    left = {
        key: name for key, name in wanted.items() if not recorded(completion.BENCH, name, config, save=options.save)
    }
    if not left:
        return []
    folder: Path = options.runs / f"{stem}-seed{seed}"
    agent, stages = train(dataset, config, folder, seed)
    progress = load_tensors(folder / CHECKPOINT)[1]["progress"]
    valid = first_of_valid(dataset, _QUERIES, seed)
    scorer = scorers.load(folder / "embeddings", dataset) if config.scorer else None
    made = []
    for way in ways:
        splits = {split: name for (of, split), name in left.items() if of == way}
        if not splits:
            continue
        answering, chosen = _answering(way, agent, config, scorer, valid)
        figures = {
            "train_seconds": sum(stages.values()),
            "agent_seconds": agent_seconds(stages),
            "valid_mrr": tail_mrr(answering, valid),
            "best_step": progress["best_step"],
            "stage_seconds": stages,
        }
        for split, name in splits.items():
            report, metrics = completion.measure(answering, dataset, split, name, figures)
            told = {"split": split, "answer": way, "variant": options.variant, "rerank": chosen}
            told |= {"walk_weight": agent.walk_weight, "threads": options.threads, **report.protocol.to_json()}
            made.append(
                record(
                    completion.BENCH,
                    name,
                    dataset,
                    config,
                    metrics,
                    seed=seed,
                    save=options.save,
                    protocol=told,
                    seconds=sum(stages.values()),
                )
            )
    return made


def choose_weight(agent: Agent, scorer: Scorer, valid: Dataset) -> tuple[float, dict[str, float]]:
    """The weight of the scorer that is best on valid, and the mean reciprocal rank with each."""
    remembering = _Remembering(agent)
    found = {weight: tail_mrr(Reranked(remembering, scorer, weight), valid) for weight in WEIGHTS}
    return max(found, key=lambda weight: found[weight]), {str(weight): mrr for weight, mrr in found.items()}


def _answering(
    way: str, agent: RuleGuider, config: RuleGuiderConfig, scorer: Scorer | None, valid: Dataset
) -> tuple[Agent, dict[str, object] | None]:
    """The agent that answers so, and how its re-ranking was chosen."""
    agent.walk_weight = None if way == "walk" else config.walk_weight
    if way != "reranked" or scorer is None:
        return agent, None
    weight, found = choose_weight(agent, scorer, valid)
    return Reranked(agent, scorer, weight), {"scorer": config.scorer, "weight": weight, "valid_mrr": found}


class _Remembering:
    """An agent that is asked the same again and again about one graph."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.name = agent.name
        self.directions: Directions = getattr(agent, "directions", "both")
        self._said: dict[bytes, Ranked] = {}

    def answer(self, queries: Ids, graph: Graph) -> Ranked:
        key = queries.tobytes()
        if key not in self._said:
            self._said[key] = self.agent.answer(queries, graph)
        return self._said[key]

    def save(self, folder: Path) -> None:
        self.agent.save(folder)
