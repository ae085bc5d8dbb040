"""Table 3 on the valid split, by walks alone; and what each idea that the paper has not is worth.

All rows have an entity agent of the same size, for the paper's do and a frozen relation agent leaves nothing else to
learn. ``single`` chooses relation and entity at once, so its walks cannot be added up, only searched by a beam:
``full-beam`` is its fair pair.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.completion import stem_of
from benchmarks.rule_guider.runs import THREE_HOPS, Record, agent_seconds, on_valid, record, recorded, take_over, train
from kgwalk.agents import RuleGuider, RuleGuiderConfig
from kgwalk.cli.settings import apply_settings
from kgwalk.data import Dataset

BENCH = "rule_guider_ablation"
#: What all rows share, whatever the dataset's configuration says.
BASE = (*THREE_HOPS, "policy.entity_dim=32")
#: What each row is, and the settings that make it.
ROWS: dict[str, tuple[str, tuple[str, ...]]] = {
    "full": ("all of it", ()),
    "freeze": ("relation agent frozen after pretraining", ("freeze=true",)),
    "no-pretraining": ("no pretraining", ("pretraining.steps=0",)),
    "single": ("one agent, a beam of its walks", ("decision=edge", "guidance=none", "spread=0")),
    "full-beam": ("all of it, a beam of its walks", ("spread=0",)),
    "rule-weight-0": ("no rule reward after pretraining", ("rule_weight=0",)),
    "rule-weight-0.1": ("the paper's rule reward ratio on the other sets", ("rule_weight=0.1",)),
    "reinforce-after": ("100 steps of reinforcement after the likelihood", ("joint.steps=100",)),
    "reinforce-only": ("no likelihood, as many steps of reinforcement", ("likelihood.steps=0",)),
    "guidance-prior": ("rules as a prior", ("guidance=prior",)),
    "guidance-mask": ("rules as a mask", ("guidance=mask",)),
    "independent": ("entity agent blind to the relation of its hop, as published", ("policy.independent=true",)),
    "history": ("entity agent with a memory of entities, a beam", ("policy.sight=history", "spread=0")),
    "chance": ("no entity agent: a relation's entities by chance", ("policy.entity_dim=0",)),
}


def run(dataset: Dataset, seed: int, options: argparse.Namespace) -> list[Record]:
    """Train and measure the rows that are not recorded yet; the new records."""
    made = []
    folder: Path = options.runs / f"{stem_of(dataset, RuleGuider.name, 'ablation')}-seed{seed}"
    for row in options.rows or ROWS:
        name = f"{stem_of(dataset, RuleGuider.name, row)}-seed{seed}"
        config = configuration(RuleGuider.config_for(dataset.name), row, options.set)
        if recorded(BENCH, name, config, save=options.save):
            continue
        take_over(["embeddings"], options.runs / f"{stem_of(dataset, RuleGuider.name)}-seed{seed}", folder / row)
        for other in sorted(folder.glob("*")):
            take_over(["embeddings", "rules"], other, folder / row)
        agent, stages = train(dataset, config, folder / row, seed)
        metrics = {
            "valid": on_valid(agent, dataset),
            "agent_seconds": agent_seconds(stages),
            "stage_seconds": stages,
        }
        told = {"split": "valid", "directions": "tail", "row": row, "threads": options.threads}
        made.append(record(BENCH, name, dataset, config, metrics, seed=seed, save=options.save, protocol=told))
    return made


def configuration(config: RuleGuiderConfig, row: str, settings: list[str]) -> RuleGuiderConfig:
    """That of a row: the dataset's, what all rows share, ``settings``, and what is the row's own."""
    config = apply_settings(config, [*BASE, *settings])
    own = [*ROWS[row][1]]
    if config.hit == "hit":
        own.append("scorer=")  # nothing asks for an embedding
    if row == "reinforce-only":
        steps, rate = config.likelihood.steps + config.joint.steps, config.likelihood.learning_rate
        own += [f"joint.steps={steps}", f"joint.learning_rate={rate}"]
    return apply_settings(config, own)
