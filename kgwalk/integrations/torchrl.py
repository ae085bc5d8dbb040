"""kgwalk for TorchRL: its vector environment with masked actions, and an actor and a critic that score candidates.

Needs the extra ``torchrl``.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
from gymnasium.vector import VectorEnv

from kgwalk.envs.task import Decision
from kgwalk.integrations.extras import needs
from kgwalk.wrappers import Trail

with needs("torchrl"):
    import torch
    from tensordict.nn import TensorDictModule
    from torch import Tensor, nn
    from torchrl.envs import ActionMask, Compose, DTypeCastTransform, GymWrapper, TransformedEnv
    from torchrl.modules import MaskedCategorical, ProbabilisticActor

    from kgwalk.integrations.candidates import CandidateConfig, CandidateNetwork

_SEEN = ("source", "query_relation", "entity", "step", "last_relation", "relations", "entities", "action_mask")


def make_torchrl_env(env_id: str, num_envs: int = 128, *, trail: bool = True, **arguments: Any) -> TransformedEnv:
    """``num_envs`` walkers as one TorchRL environment of that batch size.

    An action is (num_envs,) int64, an index into the candidates. ``action_mask`` is (num_envs, A) bool, and
    ``rand_action`` draws from the legal ones. Other keys are those of ``KGWalkVectorEnv`` with padded candidates.

    TorchRL resets by itself what has ended, so walks do not begin anew on their own (``autoreset_mode="Disabled"``).
    Its way with ``"SameStep"`` does not serve here: TorchRL 0.14 reads a last observation that is a dict as zeros.

    Args:
        env_id: such as ``"KGWalk-WN18RR"``.
        num_envs: number of walkers.
        trail: show the relations followed so far (``kgwalk.wrappers.Trail``), for policies without a memory.
        arguments: of ``KGWalkVectorEnv``, but for ``candidates`` and ``autoreset_mode``.

    Raises:
        ValueError: an argument outside its choices.
        TypeError: ``candidates`` or ``autoreset_mode`` is given.
    """
    envs: VectorEnv[Any, Any, Any] = gym.make_vec(
        env_id, num_envs=num_envs, candidates="padded", autoreset_mode="Disabled", **arguments
    )
    wrapped = GymWrapper(Trail(envs) if trail else envs, categorical_action_encoding=True)
    to_bool = DTypeCastTransform(torch.int8, torch.bool, in_keys=["action_mask"])
    return TransformedEnv(wrapped, Compose(to_bool, ActionMask()))


def make_actor_critic(
    env: TransformedEnv, config: CandidateConfig | None = None
) -> tuple[ProbabilisticActor, TensorDictModule]:
    """An actor and a critic around one ``CandidateNetwork``, for TorchRL's losses.

    The actor writes ``logits``, ``action`` and ``action_log_prob``, the critic ``state_value``. They look ids up in
    tables and know no ``vmap``: make advantages by ``GAE(..., deactivate_vmap=True)``.

    Args:
        env: of ``make_torchrl_env``.
        config: sizes; the default fits the environment.

    Raises:
        ValueError: another environment, or a config for another ``decision``.
    """
    spec = env.observation_spec
    shown = set(spec.keys())
    missing = [key for key in _SEEN if key not in shown]
    if missing:
        raise ValueError(f"expected an environment of make_torchrl_env, got one whose observations lack {missing}")
    network = _network(spec, "split" if "phase" in shown else "edge", config)
    keys = [key for key in (*_SEEN, "trail") if key in shown]
    actor = ProbabilisticActor(
        TensorDictModule(_Head(network, keys, "logits"), in_keys=keys, out_keys=["logits"]),
        in_keys={"logits": "logits", "mask": "action_mask"},
        out_keys=["action"],
        distribution_class=MaskedCategorical,
        spec=env.action_spec,
        return_log_prob=True,
    )
    return actor, TensorDictModule(_Head(network, keys, "value"), in_keys=keys, out_keys=["state_value"])


def _network(spec: Any, decision: Decision, config: CandidateConfig | None) -> CandidateNetwork:
    """The network that an environment's observations ask for."""
    config = config or CandidateConfig(decision=decision)
    if config.decision != decision:
        raise ValueError(f"config: its decision is {config.decision!r}, the environment's is {decision!r}")
    entities, asked, horizon = (int(spec[key].space.high.max()) for key in ("entity", "query_relation", "step"))
    return CandidateNetwork(entities + 1, (asked + 1) // 2, horizon, config)


class _Head(nn.Module):
    """One of the network's two outputs, for observations of any batch shape."""

    def __init__(self, network: CandidateNetwork, keys: list[str], output: str) -> None:
        super().__init__()
        self.network = network
        self.keys = keys
        self.output = output

    def forward(self, *observation: Tensor) -> Tensor:
        """Logits (..., A), 0 where a move is closed, or values (..., 1)."""
        batch = observation[0].shape[:-1]
        flat = [field.reshape(-1, field.shape[-1]) for field in observation]
        seen, candidates, mask = self.network.see(dict(zip(self.keys, flat, strict=True)))
        logits, values = self.network.evaluate(seen, candidates)
        if self.output == "value":
            return values.reshape(*batch, 1)
        padded = logits.new_zeros(mask.shape)
        padded[mask] = logits
        return padded.reshape(*batch, mask.shape[-1])
