"""Training: a supervised warm start on paths to the query's own item, then REINFORCE with a value baseline."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kgwalk import ragged
from kgwalk.data import Dataset
from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.graph import ActionSets, Expand
from kgwalk.protocols import Ids, Ranked, Scorer
from kgwalk.scorers import EmbeddingScorer
from kgwalk.scorers import load as load_scorer
from kgwalk.scorers.facts import scorer_name
from kgwalk.search import Prune
from kgwalk.search.paths import row_numbers

from ..policy_gradient import Reward
from ..rollouts import Choice, distinct_share, roll_out
from ..trainable import check_seed, recommendation_for
from ..training import ShuffledBatches, Trainer, first_of_valid, plain
from ..warm_start import FreshPaths
from .config import PgprConfig
from .policy import PgprNetwork, PgprPolicy
from .rewards import WalkReward

if TYPE_CHECKING:
    from .agent import Pgpr  # it stands on this module


def trainer_of(kind: type[Pgpr], dataset: Dataset, config: PgprConfig, folder: Path, seed: int) -> Trainer:
    """What ``Pgpr.fit`` runs, before its first step."""
    check_seed(seed)
    dataset = recommendation_for(kind.name, dataset)
    teacher = None if config.teacher is None else load_scorer(config.teacher, dataset)
    if config.prune and teacher is not None:
        Prune(teacher, config.prune)  # refuses now what could not prune at the first validation
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = PgprNetwork(dataset.graph.num_entities, dataset.graph.num_relations, config.policy)
    if config.start_from_teacher and teacher is not None:
        begin_with(network, teacher)
    agent = kind(
        network,
        dataset=dataset.name,
        fingerprint=dataset.fingerprint,
        interact=dataset.interact,
        items=dataset.items,
        max_out_degree=dataset.card.max_out_degree if config.max_out_degree is None else config.max_out_degree,
        beam=config.beam,
        ranking=config.ranking,
        prune=config.prune,
        teacher=teacher,
    )
    learner = Learner(agent, dataset, config, seed)
    run_id = {"agent": kind.name, "config": plain(config), "dataset": dataset.fingerprint, "seed": seed}
    return Trainer(
        learner.trained,
        torch.optim.Adam(learner.trained.parameters(), lr=config.learning_rate, fused=True),
        folder,
        seed=seed,
        run_id=run_id,
        loss=learner.loss,
        validate=learner.validate,
        keep=lambda: agent.save(folder),
        steps=config.warm_up_steps + config.steps,
        validate_every=config.validate_every,
        learning_rate=learner.learning_rate,
        clip=config.clip,
        score="NDCG@10",
    )


def begin_with(network: PgprNetwork, teacher: Scorer) -> None:
    """Give the network a teacher's vectors: of entities, and of relations where they have the same width.

    Raises:
        ValueError: it has none, or they are of another width.
    """
    if not isinstance(teacher, EmbeddingScorer):
        raise ValueError(
            f"start_from_teacher: {scorer_name(teacher)} has no vectors of all entities; an embedding model has, "
            "transe-dot say"
        )
    model = teacher.model
    if model.entities.shape != network.entities.shape:
        raise ValueError(
            f"the teacher's vectors are {tuple(model.entities.shape)}, the policy's {tuple(network.entities.shape)}: "
            f"set policy.dim={model.entities.shape[1]}"
        )
    with torch.no_grad():
        network.entities.copy_(model.entities)
        if model.relations.shape[1] == network.relations.shape[1]:
            network.relations[:-1].copy_(model.relations)


def actor_critic(
    choices: list[Choice], reward: Tensor, *, value: float, entropy: float
) -> tuple[Tensor, dict[str, float]]:
    """REINFORCE with a value baseline (Xian et al., SIGIR 2019; Williams 1992).

    A walk's reward comes at its end, so the return of every step is the reward R. The loss of a batch of walks is

        - mean sum_t (R - V(s_t)) log pi(a_t | s_t) + value * mean sum_t (R - V(s_t))^2 - entropy * mean H(pi(. | s))

    where no gradient flows through the first R - V. V does not depend on the move, so it biases nothing.

    Args:
        choices: of walks by a policy that is a ``Critic``.
        reward: (num_walks,) float32.
        value: weight of the squared error.
        entropy: weight of the entropy, the mean over hops of that over the distinct states.
    """
    gain, error, spread = torch.zeros(()), torch.zeros(()), torch.zeros(())
    for made in choices:
        assert made.values is not None
        log_prob = made.log_probs.index_select(0, torch.from_numpy(made.chosen))
        missing = reward - made.values.index_select(0, torch.from_numpy(made.rows))
        gain = gain + (missing.detach() * log_prob).mean()
        error = error + missing.square().mean()
        spread = spread + ragged.entropy(made.log_probs, made.offsets).mean() / len(choices)
    logged = {"value_error": error.item() / len(choices), "entropy": spread.item()}
    return value * error - gain - entropy * spread, logged


class Learner:
    """The losses of the two phases, and validation.

    Attributes:
        trained: the parameters that learn.
    """

    def __init__(self, agent: Pgpr, dataset: Recommendation, config: PgprConfig, seed: int) -> None:
        self.agent = agent
        self.config = c = config
        self.seed = seed
        network = agent.network
        self.trained: nn.Module = network
        if not c.train_embeddings:
            network.entities.requires_grad_(False)
            network.relations.requires_grad_(False)
            self.trained = nn.ModuleList([network.trunk, network.actor, network.critic])
        for parameter in self.trained.parameters():
            # The warm start asks no critic; an optimizer whose checkpoints are whole has state for every parameter.
            parameter.grad = torch.zeros_like(parameter)
        self.dataset = dataset
        self.valid = np.ascontiguousarray(first_of_valid(dataset, c.validate_queries, seed).splits["valid"])
        self.queries = dataset.queries("train")
        expand = Expand(dataset.graph, max_out_degree=agent.max_out_degree)
        self.actions = ActionSets(expand, hide_fact=True, hide_answers=True)
        self.policy = PgprPolicy(agent.network, expand, dataset.interact)
        self.reward: Reward = WalkReward(
            dataset.items,
            dataset.graph.stay,
            hit=c.hit_reward,
            teacher=c.teacher_reward,
            scorer=agent.teacher,
            item_type=dataset.types.index(dataset.items),
            metapaths=dataset.metapaths if c.metapaths_only else None,
            owned=self.queries,
        )
        self.paths = FreshPaths(
            self.actions,
            self.queries,
            hops=c.hops,
            max_paths=c.warm_up_paths,
            max_branch=c.warm_up_branch,
            seed=seed,
        )
        rows = np.arange(len(self.queries))
        self.warm_up_batches = ShuffledBatches(rows, c.warm_up_batch, seed)
        self.batches = ShuffledBatches(rows, c.batch, seed)

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, float]]:
        """The loss of a step, and numbers to log."""
        c = self.config
        if step < c.warm_up_steps:
            loss = self.paths.loss(self.policy, self.warm_up_batches(step), step)
            return loss, {"warm_up/loss": loss.item()}
        step -= c.warm_up_steps
        queries: Ids = np.ascontiguousarray(self.queries[self.batches(step)])
        choices, walks = roll_out(
            self.policy,
            self.actions,
            queries,
            hops=c.hops,
            rollouts=c.rollouts,
            seed=self.seed,
            stream=step * c.batch * c.rollouts,
            action_dropout=c.action_dropout,
        )
        earned: NDArray[np.float64] = self.reward(walks, queries[walks.query])
        reward = torch.from_numpy(earned.astype(np.float32))
        loss, logged = actor_critic(choices, reward, value=c.value, entropy=c.entropy)
        return loss, {
            "reinforce/reward": float(reward.mean()),
            "reinforce/hit": float(walks.hit.mean()),
            **{f"reinforce/{key}": number for key, number in logged.items()},
            "reinforce/distinct_states": distinct_share(choices),
        }

    def learning_rate(self, step: int) -> float:
        """That of a step."""
        c = self.config
        if step < c.warm_up_steps:
            return c.learning_rate * (1 - 0.9 * step / c.warm_up_steps)
        return c.reinforce_learning_rate * (1 - 0.9 * (step - c.warm_up_steps) / c.steps)

    def validate(self) -> float:
        """NDCG@10 on valid, where every user has one item."""
        return ndcg_of_one(self.agent.answer(self.valid, self.dataset.graph), self.valid[:, 2])


def ndcg_of_one(ranked: Ranked, targets: Ids, k: int = 10) -> float:
    """Mean NDCG@k of lists that each have one right answer, ``targets`` (n,): ``1 / log2(rank + 1)`` within k, else 0.

    Lists come as the agent ranked them, ties by id.
    """
    rows = row_numbers(ranked.offsets)
    place = np.arange(len(rows)) - ranked.offsets[rows]
    hits = (ranked.entities == targets[rows]) & (place < k)
    return float((1 / np.log2(place[hits] + 2)).sum() / max(len(targets), 1))
