"""Table 2: how many of the walks follow a rule, after pretraining and after training.

A walk follows a rule if its relations, without STAY, are the body of a cyclic rule of the relation that is asked, of a
confidence of at least ``rule_threshold``, forwards, or backwards for an inverse. The queries are the tail queries of
valid whose source has an edge; nothing is hidden from the walker and nothing is told to it. Two shares are given, for
the paper does not say how its own was counted:

- ``best_path``: of the queries, those whose most probable walk (the beam's first) follows a rule;
- ``draws``: of 20 walks drawn per query from the policy, those that do: an estimate of the probability to follow one.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from benchmarks.completion import stem_of
from benchmarks.rule_guider.runs import Record, record, recorded, train
from kgwalk.agents import RuleGuider
from kgwalk.agents.rollouts import roll_out
from kgwalk.agents.walker import walking_rules
from kgwalk.cli.settings import apply_settings
from kgwalk.data import Dataset
from kgwalk.tensors import load_tensors

BENCH = "rule_guider_rules_used"
_ROLLOUTS = 20
_BATCH = 512


def run(dataset: Dataset, seed: int, options: argparse.Namespace) -> list[Record]:
    """Measure the run of ``completion``, which is trained if it is not there; the new record."""
    name = f"{stem_of(dataset, RuleGuider.name, options.variant)}-seed{seed}"
    config = apply_settings(RuleGuider.config_for(dataset.name), options.set)
    if config.hit == "hit":
        config = apply_settings(config, ["scorer="])  # nothing asks for an embedding
    if recorded(BENCH, name, config, save=options.save):
        return []
    folder: Path = options.runs / name
    agent, _ = train(dataset, config, folder, seed)
    metrics = {"training": rules_used(agent, dataset, seed)}
    before = folder / "pretraining" / "agent.safetensors"
    if before.exists():
        agent.policy.load_state_dict(load_tensors(before)[0])
        metrics["pretraining"] = rules_used(agent, dataset, seed)
    told = {"split": "valid", "directions": "tail", "rollouts": _ROLLOUTS, "variant": options.variant}
    return [record(BENCH, name, dataset, config, metrics, seed=seed, save=options.save, protocol=told)]


def rules_used(agent: RuleGuider, dataset: Dataset, seed: int) -> dict[str, float]:
    """Both shares."""
    graph, trie = dataset.graph_for("valid"), agent.trie()
    degree = np.append(np.diff(graph.offsets), 0)  # the last place is the unknown entity's
    queries = dataset.queries("valid", "tail")
    queries = np.ascontiguousarray(queries[degree[queries[:, 0]] > 0])
    queries[:, 2] = -1
    actions = walking_rules(graph, agent.max_out_degree, training=False)
    best = drawn = 0
    agent.policy.eval()
    for begin in range(0, len(queries), _BATCH):
        batch = queries[begin : begin + _BATCH]
        paths = agent.walks(batch, graph)
        asked, first = np.unique(paths.query, return_index=True)
        best += int(np.count_nonzero(trie.confidence(trie.follow(batch[asked, 1], paths.relations[first]))))
        with torch.inference_mode():
            _, walks = roll_out(
                agent.policy,
                actions,
                batch,
                hops=agent.hops,
                rollouts=_ROLLOUTS,
                seed=seed,
                stream=begin * _ROLLOUTS,
            )
        drawn += int(np.count_nonzero(trie.confidence(trie.follow(batch[walks.query, 1], walks.relations))))
    return {"best_path": best / len(queries), "draws": drawn / (len(queries) * _ROLLOUTS)}
