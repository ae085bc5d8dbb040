"""RLlib on kgwalk's environments: PPO of the new API stack, masks respected. Needs the extras ``ray`` and ``agents``.

    config = ppo_config("KGWalk-Family")
    algorithm = config.build_algo()
    algorithm.train()
    agent = WalkerAgent(network_of(algorithm), dataset="Family", ...)  # kgwalk.agents: a beam, evaluation, explanations

Environments are kgwalk's native vector environments, which RLlib calls ``gym_env_vectorize_mode="vector_entry_point"``:
one call into C++ steps all walkers of an env runner. The runners of a node share one mapped graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch
from gymnasium import spaces
from gymnasium.vector import VectorEnv, VectorWrapper

from kgwalk import data
from kgwalk.data import Dataset
from kgwalk.envs import KGWalkEnv, KGWalkVectorEnv
from kgwalk.integrations.candidates import CandidateConfig, CandidateNetwork
from kgwalk.wrappers import Trail

try:
    from ray.rllib.algorithms.algorithm import Algorithm
    from ray.rllib.algorithms.ppo import PPOConfig
    from ray.rllib.callbacks.callbacks import RLlibCallback
    from ray.rllib.core.columns import Columns
    from ray.rllib.core.distribution.torch.torch_distribution import TorchCategorical
    from ray.rllib.core.rl_module.apis.value_function_api import ValueFunctionAPI
    from ray.rllib.core.rl_module.rl_module import RLModuleSpec
    from ray.rllib.core.rl_module.torch import TorchRLModule
    from ray.tune import register_env

    from kgwalk.integrations.ray.graphs import on_node
except ImportError as error:
    raise ImportError(f"kgwalk on RLlib needs {error.name}: pip install 'kgwalk[agents,ray]'") from error

#: The key of ``result["env_runners"]`` under which illegal actions are counted.
ILLEGAL_ACTIONS = "illegal_actions"

# A finite number, as RLlib computes a divergence of masked distributions; its exp() is 0 beside any logit.
_NEVER = torch.finfo(torch.float32).min


class CandidateModule(TorchRLModule, ValueFunctionAPI):  # type: ignore[misc, unused-ignore]
    """A `CandidateNetwork` as RLlib's module: candidates are scored by what they are, illegal ones get probability 0.

    ``model_config`` holds the fields of ``CandidateConfig``; the sizes of graph and walk are read off the observation
    space.
    """

    network: CandidateNetwork

    def setup(self) -> None:
        """Build the network."""
        space = self.observation_space
        if not isinstance(space, spaces.Dict) or not {"relations", "entities", "action_mask"} <= space.keys():
            raise ValueError(f"expected the padded observations of a kgwalk environment, got {space}")
        entities, stay, horizon = (int(space[key].high[0]) for key in ("entity", "last_relation", "step"))  # type: ignore[attr-defined]
        # RLlib adds settings of its own models.
        sizes = {own.name: self.model_config[own.name] for own in fields(CandidateConfig)}
        sizes["hidden_dims"] = tuple(sizes["hidden_dims"])
        self.network = CandidateNetwork(entities + 1, stay // 2, horizon, CandidateConfig(**sizes))
        self.action_dist_cls = TorchCategorical

    def _forward(self, batch: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {Columns.ACTION_DIST_INPUTS: self._evaluate(batch)[0]}

    def _forward_train(self, batch: dict[str, Any], **_: Any) -> dict[str, Any]:
        logits, values = self._evaluate(batch)
        return {Columns.ACTION_DIST_INPUTS: logits, Columns.EMBEDDINGS: values}

    def compute_values(self, batch: dict[str, Any], embeddings: torch.Tensor | None = None) -> torch.Tensor:
        """What walkers will earn, (n,); those of a forward pass in training come as ``embeddings``."""
        return self._evaluate(batch)[1] if embeddings is None else embeddings

    def _evaluate(self, batch: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
        seen, candidates, mask = self.network.see(batch[Columns.OBS])
        scores, values = self.network.evaluate(seen, candidates)
        logits = scores.new_full(mask.shape, _NEVER)
        logits[mask] = scores
        return logits, values


class CountIllegal(RLlibCallback):  # type: ignore[misc, unused-ignore]
    """Counts actions that the environment refused, as ``result["env_runners"]["illegal_actions"]``, since the start."""

    def on_sample_end(self, *, metrics_logger: Any, samples: Any, **_: Any) -> None:
        """See ``RLlibCallback``."""
        illegal = sum(bool(info.get("illegal_action")) for episode in samples for info in episode.get_infos()[1:])
        metrics_logger.log_value(ILLEGAL_ACTIONS, illegal, reduce="lifetime_sum")


class _Lean(VectorWrapper):
    """Leaves of the infos what is counted: RLlib makes a dict of each walker's and keeps them all."""

    def reset(self, **arguments: Any) -> tuple[Any, dict[str, Any]]:
        observation, _ = self.env.reset(**arguments)
        return observation, {}

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        observation, rewards, terminated, truncated, info = self.env.step(actions)
        kept = {key: value for key, value in info.items() if key.removeprefix("_") == "illegal_action"}
        return observation, rewards, terminated, truncated, kept


def register_environments() -> None:
    """Make kgwalk's environment ids known to ``ray.tune``, which passes them on to its workers."""
    for name in [name for name, spec in gym.registry.items() if spec.entry_point == "kgwalk.envs:KGWalkEnv"]:
        register_env(name, _Creator(name))


def ppo_config(
    env: str,
    env_config: Mapping[str, Any] | None = None,
    network: CandidateConfig | None = None,
    *,
    num_env_runners: int = 2,
    num_envs_per_env_runner: int = 64,
    seed: int = 0,
) -> PPOConfig:
    """A PPO that learns to walk: change it as any ``PPOConfig``, then ``build_algo()``.

    Rewards come at the end of walks of a few hops, so there is no discount, and much entropy at first.

    Args:
        env: an environment id, such as ``"KGWalk-WN18RR"``.
        env_config: arguments of ``KGWalkVectorEnv``; candidates are padded.
        network: sizes; its ``decision`` is the environment's.
        num_env_runners: processes that walk; 0 walks in that which learns.
        num_envs_per_env_runner: walkers of each.
        seed: of walks and weights.

    Raises:
        ValueError: the environment decides otherwise than the network.
    """
    register_environments()
    network = network or CandidateConfig()
    chosen = dict(env_config or {})
    if chosen.setdefault("decision", network.decision) != network.decision:
        raise ValueError(f"the environment decides by {chosen['decision']}, the network by {network.decision}")
    walkers = max(1, num_env_runners) * num_envs_per_env_runner
    return (
        PPOConfig()
        .environment(env, env_config=chosen)
        .env_runners(
            num_env_runners=num_env_runners,
            num_envs_per_env_runner=num_envs_per_env_runner,
            gym_env_vectorize_mode="vector_entry_point",
            rollout_fragment_length=24,
        )
        .rl_module(rl_module_spec=RLModuleSpec(module_class=CandidateModule, model_config=asdict(network)))
        .training(
            gamma=1.0,
            lambda_=0.95,
            lr=2e-3,
            train_batch_size_per_learner=24 * walkers,
            minibatch_size=min(1024, 24 * walkers),
            num_epochs=3,
            use_kl_loss=False,
            clip_param=0.2,
            vf_loss_coeff=0.5,
            entropy_coeff=0.05,
            grad_clip=0.5,
        )
        .callbacks(CountIllegal)
        .debugging(seed=seed)
    )


def network_of(algorithm: Algorithm) -> CandidateNetwork:
    """The network that an algorithm trains: a ``kgwalk.protocols.Policy`` for ``kgwalk.search`` and ``WalkerAgent``.

    It is the one at work, and changes as training goes on.

    Raises:
        ValueError: the algorithm has another module.
    """
    module = algorithm.learner_group._learner.module["default_policy"].unwrapped()
    if not isinstance(module, CandidateModule):
        raise ValueError(f"expected an algorithm of ppo_config, got one with a {type(module).__name__}")
    return module.network


class _Creator:
    """Makes an environment in an env runner, over the node's own mapped graph."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, context: Mapping[str, Any]) -> VectorEnv[Any, Any, Any] | KGWalkEnv:
        arguments = dict(context)
        num_envs, folder = arguments.pop("num_envs", None), arguments.pop("data_dir", None)
        name = gym.spec(self.name).kwargs["dataset"]
        dataset = _on_node(arguments.pop("dataset", name), folder)
        if num_envs is None:
            return KGWalkEnv(dataset, **arguments)
        return _Lean(Trail(KGWalkVectorEnv(dataset, num_envs, **arguments)))


@lru_cache(maxsize=4)
def _on_node(name: str, folder: str | Path | None) -> Dataset:
    return on_node(data.load(name, folder))
