"""Training by Stable-Baselines3, with kgwalk's checkpoints, curves and selection by valid."""

from __future__ import annotations

import logging
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from rich.progress import Progress
from sb3_contrib import MaskablePPO
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import configure

from kgwalk.data import Dataset, Recommendation
from kgwalk.integrations.candidates import CandidateNetwork
from kgwalk.integrations.sb3 import CandidatePolicy, KGWalkVecEnv, MaskableCandidatePolicy, make_vec_env

from ..checkpoint import NAME, Progressing, load_checkpoint, save_checkpoint
from ..pgpr.learner import ndcg_of_one
from ..training import ShuffledBatches, Trainer, first_of_valid, plain, progress_of_training, tail_mrr
from ..walker import walking_rules
from ..warm_start import AnswerPaths

if TYPE_CHECKING:
    from .agent import SB3Walker
    from .config import SB3Config

log = logging.getLogger(__name__)

WARM_UP = "warm-up"


class SB3Trainer:
    """Makes rollouts and learns from them as ``model.learn`` does.

    Every rollout begins with fresh walks whose draws come from (seed, rollout), so that a run which was killed and
    resumed from its last checkpoint makes the same rollouts as one that was not.

    Args:
        agent: whose network is trained.
        dataset: what it walks.
        config: numbers.
        folder: where checkpoint, curves and the best agent go.
        seed: of the run.

    Attributes:
        idle: whether ``run`` found nothing left to do.
        model: Stable-Baselines3's.
    """

    def __init__(self, agent: SB3Walker, dataset: Dataset, config: SB3Config, folder: Path, seed: int) -> None:
        self.agent = agent
        self.dataset = dataset
        self.config = config
        self.folder = folder
        self.seed = seed
        self.idle = False
        self.state = Progressing()
        self.valid = first_of_valid(dataset, config.validate_queries, seed)
        self.run_id = {
            "agent": agent.name,
            "config": plain(config),
            "dataset": dataset.fingerprint,
            "seed": seed,
        }
        with torch.random.fork_rng(devices=[]):
            self.model = _model(agent, self._envs(), config)

    @property
    def _moves(self) -> int:
        """Moves in a rollout."""
        return self.model.n_steps * self.config.num_envs

    def run(self, *, resume: bool) -> Progressing:
        """Train to the end.

        Raises:
            FileExistsError: the folder holds a checkpoint and ``resume`` was not asked for.
            ValueError: the checkpoint is damaged or of another run; the weights have diverged.
        """
        checkpoint = self.folder / NAME
        policy = self.model.policy
        if checkpoint.exists():
            if not resume:
                raise FileExistsError(f"{checkpoint} is there already: resume it, or choose another folder")
            rollouts = self.config.rollouts
            self.state = load_checkpoint(checkpoint, policy, policy.optimizer, self.run_id, self.state, rollouts)
        left = self.config.rollouts - self.state.step
        self.idle = left == 0
        if self.idle:
            return self.state
        if self.state.step == 0 and self.config.warm_up_steps:
            self._warm_up()
        self.folder.mkdir(parents=True, exist_ok=True)
        for leftover in self.folder.glob(f".{NAME}.*.tmp"):  # of a run that was killed while it wrote
            leftover.unlink()
        self.model.set_logger(configure(str(self.folder), ["tensorboard"]))
        self.model.num_timesteps = self.state.step * self._moves
        numpys = np.random.get_state()  # noqa: NPY002 - Stable-Baselines3 shuffles by numpy's global generator
        try:
            with torch.random.fork_rng(devices=[]), progress_of_training() as progress:
                self.model.learn(left * self._moves, _EachRollout(self, progress), reset_num_timesteps=False)
        finally:
            np.random.set_state(numpys)  # noqa: NPY002
            self.model.logger.close()
        return self.state

    def _warm_up(self) -> None:
        """Make likely the walks that a search finds; PPO goes on from what is then best on valid."""
        c, agent = self.config, self.agent
        actions = walking_rules(self.dataset.graph, agent.max_out_degree, training=True)
        queries = self.dataset.queries("train", c.directions)
        found = AnswerPaths(
            actions,
            queries,
            hops=c.hops,
            max_paths=c.warm_up_paths,
            max_branch=c.warm_up_branch,
            seed=self.seed,
        )
        batches = ShuffledBatches(found.reachable, c.warm_up_batch, self.seed)

        def loss(step: int) -> tuple[torch.Tensor, dict[str, float]]:
            value = found.loss(agent.policy, batches(step))
            return value, {"warm_up/loss": value.item()}

        folder = self.folder / WARM_UP
        learnt = Trainer(
            agent.policy,
            torch.optim.Adam(agent.policy.parameters(), lr=c.warm_up_learning_rate),
            folder,
            seed=self.seed,
            run_id=self.run_id,
            loss=loss,
            validate=self._validate,
            keep=lambda: agent.save(folder),
            steps=c.warm_up_steps,
            validate_every=max(1, c.warm_up_steps // 4),
            learning_rate=lambda step: c.warm_up_learning_rate * (1 - 0.9 * step / c.warm_up_steps),
            clip=5.0,
        ).run(resume=True)
        best = type(agent).load(folder, self.dataset.fingerprint)
        agent.policy.load_state_dict(best.policy.state_dict())
        agent.save(self.folder)
        self.state.best, self.state.seconds = learnt.best, learnt.seconds

    def begin_rollout(self) -> None:
        """Draws, walks and the weight of the entropy, as they are in this rollout whatever came before."""
        done = self.state.step
        torch.manual_seed(self.seed * 1_000_003 + done)
        np.random.seed((self.seed * 1_000_003 + done) % (1 << 32))  # noqa: NPY002
        envs = self.model.get_env()
        assert envs is not None
        envs.seed(self.seed * 1_000_003 + done * self.config.num_envs)
        self.model._last_obs = envs.reset()  # type: ignore[assignment]
        self.model._last_episode_starts = np.ones(self.config.num_envs, np.bool_)
        left = 1 - done / self.config.rollouts
        self.model.ent_coef = self.config.final_entropy + left * (self.config.entropy - self.config.final_entropy)

    def end_rollout(self, seconds: float) -> None:
        """Count what was learnt from; now and then validate and save."""
        state, c = self.state, self.config
        state.step += 1
        if state.step % c.validate_every and state.step != c.rollouts:
            return
        broken = [name for name, value in self.agent.policy.named_parameters() if not torch.isfinite(value).all()]
        if broken:
            raise ValueError(
                f"weights {', '.join(broken)} are not finite after rollout {state.step}: lower learning_rate"
            )
        score = self._validate()
        self.model.logger.record("valid/score", score)
        if score > state.best:
            state.best, state.best_step = score, state.step
            self.agent.save(self.folder)
        state.seconds = seconds
        policy = self.model.policy
        save_checkpoint(self.folder / NAME, policy, policy.optimizer, self.run_id, state)
        hit = float(np.mean(self.model.ep_success_buffer or [0.0]))
        log.info("rollout %d: %.3f hit, valid %.4f (best %.4f)", state.step, hit, score, state.best)

    def _validate(self) -> float:
        """MRR of tail queries; on a recommendation set NDCG@10."""
        network = self.agent.policy
        network.eval()
        if isinstance(self.valid, Recommendation):
            queries = np.ascontiguousarray(self.valid.splits["valid"])
            return ndcg_of_one(self.agent.answer(queries, self.valid.graph), queries[:, 2])
        return tail_mrr(self.agent, self.valid)

    def _envs(self) -> KGWalkVecEnv:
        c = self.config
        return make_vec_env(
            "KGWalk-Custom",
            c.num_envs,
            dataset=self.dataset,
            horizon=c.hops,
            directions=c.directions,
            max_out_degree=c.train_out_degree or self.agent.max_out_degree,
            decision=c.network.decision,
        )


class _EachRollout(BaseCallback):
    """Calls the trainer between rollouts: the first of two calls comes when the rollout before was learnt from."""

    def __init__(self, trainer: SB3Trainer, progress: Progress) -> None:
        super().__init__()
        self.trainer = trainer
        self.progress = progress
        self.began = time.monotonic() - trainer.state.seconds
        self.learning = False
        total = trainer.config.rollouts
        self.task = progress.add_task("rollouts", total=total, completed=trainer.state.step, note="")

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        self._learnt()
        self.trainer.begin_rollout()
        self.learning = True

    def _on_training_end(self) -> None:
        self._learnt()

    def _learnt(self) -> None:
        if not self.learning:
            return
        self.learning = False
        self.trainer.end_rollout(time.monotonic() - self.began)
        state = self.trainer.state
        note = f"valid {state.best:.4f}" if state.best > -math.inf else ""
        self.progress.update(self.task, advance=1, note=note)


def _model(agent: SB3Walker, envs: KGWalkVecEnv, config: SB3Config) -> PPO | MaskablePPO:
    arguments: dict[str, Any] = {
        "n_steps": config.walks * config.hops * (2 if agent.decision == "split" else 1),
        "batch_size": config.batch,
        "n_epochs": config.epochs,
        "learning_rate": lambda left: config.learning_rate * (0.1 + 0.9 * left),
        "clip_range": config.clip_range,
        "gamma": 1.0,
        "gae_lambda": config.gae_lambda,
        "vf_coef": config.value,
        "max_grad_norm": config.clip,
        "policy_kwargs": {"network": config.network},
        "device": "cpu",
    }
    model: PPO | MaskablePPO
    if agent.decision == "edge":
        model = MaskablePPO(MaskableCandidatePolicy, envs, **arguments)
    else:
        model = PPO(CandidatePolicy, envs, **arguments)
    network = model.policy.network
    assert isinstance(network, CandidateNetwork)
    network.load_state_dict(agent.policy.state_dict())
    agent.policy = network
    return model
