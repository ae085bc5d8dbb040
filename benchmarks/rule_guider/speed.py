"""What makes RuleGuider's training cheap: the same step with one thing changed, seconds per 1,000 training queries.

A step is all that training does: walks, loss, gradient, clipping, Adam; validation is not in it. ``sample-paths`` and
``find-paths`` are the search for walks alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

import kgwalk.data
from kgwalk.agents.policies.path import PathPolicy, PathPolicyConfig
from kgwalk.agents.policies.split import SplitPolicy, SplitPolicyConfig
from kgwalk.agents.policy_gradient import PolicyGradient, PolicyGradientConfig
from kgwalk.agents.rollouts import distinct_share, follow, walk_log_probs
from kgwalk.agents.training import ShuffledBatches
from kgwalk.agents.walker import WalkPolicy, walking_rules
from kgwalk.data import Dataset
from kgwalk.envs import Hit
from kgwalk.graph import find_paths, sample_paths

#: What is measured, as the table in the docs calls it; the first is what the others are compared with.
IDEAS = {
    "likelihood": "likelihood of 64 drawn paths, 32 entities of a relation searched, no entity agent",
    "one-state-each": "... and a state for every walker, none shared",
    "edge": "... and one agent that chooses edges",
    "entity-agent": "... and an entity agent, 32 wide",
    "paths-16": "... and 16 paths",
    "paths-256": "... and 256 paths",
    "branch-8": "... and 8 entities of a relation searched",
    "branch-all": "... and all entities of a relation searched",
    "reinforce": "REINFORCE, 20 walks, no entity agent",
    "reinforce-one-state-each": "... and a state for every walker, none shared",
    "reinforce-edge": "... and one agent that chooses edges",
    "reinforce-entity-agent": "... and an entity agent, 32 wide",
    "sample-paths": "search alone: 64 paths drawn, 32 entities of a relation searched",
    "find-paths": "search alone: 64 paths found, 256 edges of a node searched",
}
_HOPS = 3
_BATCH = 128
_ALL = 1 << 30
# Gives the loss to descend and the distinct states per walker and choice, None if nothing is learnt; and walks made.
_Step = Callable[[int], tuple[Tensor | None, float | None, int]]


def measure(dataset_name: str, seconds: float) -> dict[str, dict[str, float]]:
    """Figures of each idea, by its name.

    Args:
        dataset_name: whose training queries are walked from, inverse ones too.
        seconds: of steps for each, two at least; the first is not timed.
    """
    dataset = kgwalk.data.load(dataset_name)
    return {idea: _timed(*_prepare(idea, dataset), seconds) for idea in IDEAS}


def _timed(step: _Step, model: nn.Module, seconds: float) -> dict[str, float]:
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    steps = walks = 0
    shares: list[float] = []
    began = 0.0
    while steps <= 2 or time.perf_counter() - began < seconds:
        if steps == 1:
            began, walks = time.perf_counter(), 0
        loss, share, walked = step(steps)
        if loss is not None:
            optimizer.zero_grad(set_to_none=False)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
        steps, walks = steps + 1, walks + walked
        shares += [] if share is None else [share]
    taken = time.perf_counter() - began
    figures = {
        "seconds_per_1000_queries": 1000 * taken / ((steps - 1) * _BATCH),
        "steps_per_second": walks * _HOPS / taken,
    }
    return {**figures, "distinct_states": float(np.mean(shares))} if shares else figures


def _prepare(idea: str, dataset: Dataset) -> tuple[_Step, nn.Module]:
    graph = dataset.graph
    actions = walking_rules(graph, 0, training=True)
    queries = dataset.queries("train", "both")
    torch.manual_seed(0)
    policy: WalkPolicy
    if idea.endswith("edge"):
        policy = PathPolicy(graph.num_entities, graph.num_relations, PathPolicyConfig(64, 0, 64))
    else:
        width = 32 if idea.endswith("entity-agent") else 0
        policy = SplitPolicy(graph.num_entities, graph.num_relations, SplitPolicyConfig(entity_dim=width))
    shared = not idea.endswith("one-state-each")
    if idea.startswith("reinforce"):
        # Walkers of different queries stand in different states.
        batch, rollouts = (_BATCH, 20) if shared else (20 * _BATCH, 1)
        told = PolicyGradientConfig(batch=batch, rollouts=rollouts)
        learner = PolicyGradient(policy, actions, queries, Hit(), told, hops=_HOPS, seed=0, extra={"baseline": 0.0})

        def reinforce(number: int) -> tuple[Tensor | None, float | None, int]:
            loss, logged = learner.loss(number)
            return loss, logged["reinforce/distinct_states"], 20 * _BATCH

        return reinforce, policy

    kind, _, limit = idea.partition("-")
    paths = int(limit) if kind == "paths" else 64
    branch = 32 if kind != "branch" else _ALL if limit == "all" else int(limit)
    batches = ShuffledBatches(np.arange(len(queries)), _BATCH, 0)

    def learn(number: int) -> tuple[Tensor | None, float | None, int]:
        asked = np.ascontiguousarray(queries[batches(number)])
        if idea == "find-paths":
            return None, None, len(find_paths(actions, asked, _HOPS, 64, 256, number)[0])
        query, entities, relations, _ = sample_paths(actions, asked, _HOPS, paths, branch, number)
        if idea == "sample-paths":
            return None, None, len(query)
        rows = query.astype(np.int64) if shared else np.arange(len(query))
        walked = asked if shared else np.ascontiguousarray(asked[query])
        choices = follow(policy, actions, walked, rows, entities, relations)
        # Training adds the paths of a query up before the mean is taken; that costs next to nothing.
        return -walk_log_probs(choices).mean(), distinct_share(choices), len(query)

    return learn, policy
