"""MaskablePPO of sb3-contrib on Family through plain ``gym.make``: do the spaces and masks serve others' agents?

SB3 hands integer Boxes over as raw numbers, and its action layer scores positions, not what stands there. So the
features extractor looks relations up in a table and scores the candidates itself; the action layer is fixed to pass
the scores through. Answers are ranked by the summed probability of the paths in a beam.

``python -m benchmarks.maskable_ppo`` trains for a fixed number of steps and prints valid and test.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from sb3_contrib import MaskablePPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import DummyVecEnv
from torch import nn

from benchmarks.common import print_table, save_result
from kgwalk import Graph, data
from kgwalk._core import ActionSets, Expand
from kgwalk.evaluation import evaluate
from kgwalk.protocols import Candidates, Ids, Moves, Ranked
from kgwalk.search import ANY, chain, rank, search

NUM_ENVS = 128


class CandidateScores(BaseFeaturesExtractor):
    """A score for each candidate, then the state they were scored in: (batch, actions + size).

    It knows relations only, so what it learns about one family holds for all: which relation is asked for, which was
    followed last, and which are open here (they tell a grandmother from an uncle).
    """

    def __init__(self, observation_space: spaces.Dict, size: int = 64) -> None:
        space: Any = observation_space
        super().__init__(observation_space, space["relations"].shape[0] + size)
        num_relations, num_steps = int(space["last_relation"].high[0]) + 1, int(space["step"].high[0]) + 1
        self.relation = nn.Embedding(num_relations, size)
        self.open = nn.Linear(num_relations, size, bias=False)
        self.step = nn.Embedding(num_steps, size)
        self.state = nn.Sequential(nn.Linear(4 * size, 2 * size), nn.ReLU(), nn.Linear(2 * size, size))

    def forward(self, observations: dict[str, torch.Tensor]) -> torch.Tensor:
        """Scores and state of a batch of observations."""
        query, last, step = (
            observations[key].long().squeeze(-1) for key in ("query_relation", "last_relation", "step")
        )
        relations, mask = observations["relations"].long(), observations["action_mask"].float()
        present = torch.zeros(len(step), self.open.in_features).scatter_add(1, relations, mask).clamp(max=1.0)
        parts = [self.relation(query), self.relation(last), self.step(step), self.open(present)]
        state = self.state(torch.cat(parts, dim=-1))
        every_relation = state @ self.relation.weight.T / state.shape[-1] ** 0.5
        return torch.cat([every_relation.gather(1, relations), state], dim=-1)


def make_model(seed: int) -> MaskablePPO:
    """MaskablePPO with its action layer fixed to the candidates' scores."""
    envs = DummyVecEnv([lambda: gym.make("KGWalk-Family")] * NUM_ENVS)
    model = MaskablePPO(
        "MultiInputPolicy",
        envs,
        n_steps=24,
        batch_size=1024,
        n_epochs=3,
        learning_rate=lambda left: 2e-3 * left + 1e-4,
        gamma=1.0,
        gae_lambda=0.95,
        seed=seed,
        device="cpu",
        policy_kwargs={"features_extractor_class": CandidateScores, "net_arch": {"pi": [], "vf": [64]}},
    )
    layer = cast("nn.Linear", model.policy.action_net)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(layer.out_features, layer.in_features))
        layer.bias.zero_()
    layer.requires_grad_(False)
    return model


class Walkers(NamedTuple):
    """What the network knows of the walkers in a beam, (n,) int32 each."""

    query_relation: Ids
    last_relation: Ids
    step: Ids


class SB3Policy:
    """The trained network as a ``kgwalk.protocols.Policy``: it sees what the environment would show."""

    def __init__(self, network: CandidateScores, stay: int) -> None:
        self.network = network
        self.stay = stay

    def begin(self, queries: Ids) -> Walkers:
        """Walkers that have not moved."""
        n = len(queries)
        return Walkers(queries[:, 1], np.full(n, self.stay, np.int32), np.zeros(n, np.int32))

    def select(self, state: Walkers, rows: NDArray[np.int64]) -> Walkers:
        """The walkers in ``rows``."""
        return Walkers(*(field[rows] for field in state))

    def logits(self, state: Walkers, candidates: Candidates) -> torch.Tensor:
        """Scores of the candidates, ragged."""
        counts = np.diff(candidates.offsets)
        shown = np.arange(counts.max(initial=1)) < counts[:, None]
        relations = np.full(shown.shape, self.stay, np.int32)
        relations[shown] = candidates.relations
        observation = {name: torch.as_tensor(field)[:, None] for name, field in state._asdict().items()}
        observation |= {"relations": torch.as_tensor(relations), "action_mask": torch.as_tensor(shown)}
        scores: torch.Tensor = self.network(observation)
        return scores[:, : shown.shape[1]][torch.as_tensor(shown)]

    def log_norm(self, state: Walkers, logits: torch.Tensor, candidates: Candidates) -> torch.Tensor:
        """Log of the sum over each walker's candidates."""
        counts = torch.as_tensor(np.diff(candidates.offsets))
        rows = torch.repeat_interleave(torch.arange(len(counts)), counts)
        top = torch.full((len(counts),), -torch.inf).scatter_reduce(0, rows, logits, "amax")
        return top + torch.zeros(len(counts)).index_add(0, rows, (logits - top[rows]).exp()).log()

    def advance(self, state: Walkers, moves: Moves) -> Walkers:
        """Walkers after their moves."""
        return Walkers(state.query_relation, moves.relations, state.step + np.int32(1))


@dataclass
class SB3Walker:
    """The trained policy with a beam, as an agent that can be evaluated."""

    model: MaskablePPO
    max_out_degree: int
    hops: int
    name: str = "maskable-ppo"

    def answer(self, queries: Ids, graph: Graph) -> Ranked:
        """Entities ranked by the summed probability of their paths in the beam."""
        actions = ActionSets(Expand(graph, max_out_degree=self.max_out_degree), hide_fact=False)
        network = cast("CandidateScores", self.model.policy.features_extractor)
        policy = SB3Policy(network, graph.stay)
        paths = search(actions, policy, chain(ANY, 512, hops=self.hops, per="query", final="expand"), queries)
        return rank(paths, len(queries))

    def save(self, folder: Path) -> None:
        """SB3's own archive."""
        self.model.save(folder / "model.zip")


class KeepBest(BaseCallback):
    """Lowers the entropy bonus; every so many rollouts prints valid MRR; keeps the weights that did best."""

    model: MaskablePPO

    def __init__(self, agent: SB3Walker, dataset: data.Dataset, every: int = 10) -> None:
        super().__init__()
        self.agent, self.dataset, self.every = agent, dataset, every
        self.started = time.perf_counter()
        self.rollouts = 0
        self.best = -1.0
        self.weights: dict[str, torch.Tensor] = {}

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        # Much entropy first, or a query relation settles on the first path that ever hit; then less and less.
        left = 1.0 - self.num_timesteps / self.model._total_timesteps
        self.model.ent_coef = 0.03 + 0.27 * max(0.0, 1.5 * left - 0.5)

    def _on_rollout_end(self) -> None:
        self.rollouts += 1
        if self.rollouts % self.every:
            return
        mrr = evaluate(self.agent, self.dataset, "valid", progress=False).metrics["both"]["mrr"]
        if mrr > self.best:
            self.best = mrr
            self.weights = {name: value.clone() for name, value in self.model.policy.state_dict().items()}
        buffer = self.locals["rollout_buffer"]
        hits = buffer.rewards.sum() / buffer.episode_starts.sum()
        seconds = time.perf_counter() - self.started
        print(f"{self.num_timesteps:>9,} steps {seconds:4.0f} s, {hits:.3f} of walks hit, valid MRR {mrr:.3f}")

    def _on_training_end(self) -> None:
        if self.weights:
            self.model.policy.load_state_dict(self.weights)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.maskable_ppo",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--steps", type=int, default=1_200_000, help="environment steps to train for")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    dataset = data.load("Family")
    started = time.perf_counter()
    model = make_model(options.seed)
    agent = SB3Walker(model, dataset.card.max_out_degree, dataset.card.horizon)
    model.learn(options.steps, callback=KeepBest(agent, dataset))
    seconds = time.perf_counter() - started
    reports = {split: evaluate(agent, dataset, split, progress=False) for split in ("valid", "test")}
    rows = [[split, way, *part.values()] for split, r in reports.items() for way, part in r.metrics.items()]
    columns = list(reports["test"].metrics["both"])
    print_table(
        f"Family, MaskablePPO, {options.steps:,} steps in {seconds:.0f} s", ["split", "queries", *columns], rows
    )
    if options.save:
        metrics = {**reports["test"].metrics, "valid": reports["valid"].metrics, "steps": options.steps}
        save_result(
            "maskable_ppo",
            f"family-maskable-ppo-seed{options.seed}",
            metrics,
            seed=options.seed,
            dataset="Family",
            agent=agent.name,
            protocol={"split": "test", **reports["test"].protocol.to_json()},
            seconds=seconds,
        )


if __name__ == "__main__":
    main()
