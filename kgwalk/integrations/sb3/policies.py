"""Policies of Stable-Baselines3 around a CandidateNetwork: what PPO, A2C and MaskablePPO ask of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from sb3_contrib.common.maskable.distributions import MaskableCategoricalDistribution
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy
from stable_baselines3.common.distributions import CategoricalDistribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor

from kgwalk import ragged
from kgwalk.integrations.candidates import CandidateConfig, CandidateNetwork, Decision, Seen, legal_moves
from kgwalk.protocols import Candidates

Observation = Mapping[str, Tensor]
Masks = NDArray[Any] | Tensor | None
#: A logit that no sum of probabilities notices, and whose gradients are no NaN.
_CLOSED = -1e8


class _Nothing(BaseFeaturesExtractor):
    """Stands where the base classes want an extractor of features: the network reads the observation itself."""

    def __init__(self, observation_space: spaces.Space[Any]) -> None:
        super().__init__(observation_space, features_dim=1)

    def forward(self, observations: Observation) -> Tensor:
        return torch.zeros(len(observations["step"]), 1)


class _Candidates:
    """What both policies do: choose among the legal candidates alone, computed for these alone."""

    network: CandidateNetwork
    observation_space: Any
    action_space: Any
    optimizer_class: Any
    optimizer_kwargs: dict[str, Any]
    parameters: Any

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        lr_schedule: Any,
        network: CandidateConfig | Mapping[str, Any] | None = None,
        **arguments: Any,
    ) -> None:
        self._sizes = network
        arguments.setdefault("features_extractor_class", _Nothing)
        super().__init__(observation_space, action_space, lr_schedule, **arguments)  # type: ignore[call-arg]

    def _build(self, lr_schedule: Any) -> None:
        self.network = self._make_network(self._sizes)
        self.optimizer = self.optimizer_class(self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        told: dict[str, Any] = super()._get_constructor_parameters()  # type: ignore[misc]
        return {**told, "network": self.network.config}

    def _make_network(self, config: CandidateConfig | Mapping[str, Any] | None) -> CandidateNetwork:
        space = self.observation_space
        needed = {"source", "query_relation", "entity", "step", "last_relation", "relations", "entities", "action_mask"}
        if not isinstance(space, spaces.Dict) or not needed <= space.spaces.keys():
            raise ValueError(f"expected the observations of an environment of kgwalk, padded, got {space}")
        highest = {key: int(np.max(getattr(space[key], "high", 0))) for key in needed}
        decision: Decision = "split" if "phase" in space.spaces else "edge"
        if config is None:
            config = CandidateConfig(decision=decision)
        elif not isinstance(config, CandidateConfig):
            config = CandidateConfig(**config)
        if config.decision != decision:
            raise ValueError(f"network: its decision is {config.decision!r}, the environment's is {decision!r}")
        return CandidateNetwork(highest["entity"] + 1, (highest["query_relation"] + 1) // 2, highest["step"], config)

    def _read(self, observation: Observation, masks: Masks) -> tuple[Seen, Candidates, Tensor]:
        seen, candidates, mask = self.network.see(observation)
        if masks is None:
            return seen, candidates, mask
        mask = mask & torch.as_tensor(masks, device=mask.device).reshape(mask.shape).bool()
        return seen, legal_moves(observation, mask), mask

    def forward(self, obs: Any, deterministic: bool = False, action_masks: Any = None) -> tuple[Tensor, Tensor, Tensor]:
        """Actions (n,), values (n, 1) and log-probabilities (n,) in the states observed."""
        seen, candidates, mask = self._read(obs, action_masks)
        logits, values = self.network.evaluate(seen, candidates)
        log_probs = ragged.log_softmax(logits, candidates.offsets)
        if deterministic:
            padded = log_probs.new_full(mask.shape, -torch.inf)
            padded[mask] = log_probs
            actions = padded.argmax(dim=1)
            return actions, values[:, None], padded.gather(1, actions[:, None])[:, 0]
        rows = torch.arange(len(mask), device=mask.device)
        seed = int(torch.randint(1 << 62, ()))
        drawn = ragged.sample(log_probs, candidates.offsets, rows, seed, rows, 0)
        return torch.nonzero(mask)[drawn, 1], values[:, None], log_probs[drawn]

    def evaluate_actions(self, obs: Any, actions: Tensor, action_masks: Any = None) -> tuple[Tensor, Tensor, Tensor]:
        """Values (n, 1), log-probabilities of the actions (n,) and entropies (n,); ValueError on a masked action."""
        seen, candidates, mask = self._read(obs, action_masks)
        logits, values = self.network.evaluate(seen, candidates)
        log_probs = ragged.log_softmax(logits, candidates.offsets)
        taken = actions.long()[:, None]
        if not bool(mask.gather(1, taken).all()):
            raise ValueError("actions: expected legal ones, one is masked")
        place = mask.cumsum(dim=1).gather(1, taken)[:, 0] - 1
        chosen = log_probs[torch.from_numpy(candidates.offsets[:-1]).to(mask.device) + place]
        return values[:, None], chosen, ragged.entropy(log_probs, candidates.offsets)

    def predict_values(self, obs: Any) -> Tensor:
        """What is expected to be earned from the states on, (n, 1)."""
        seen, candidates, _ = self.network.see(obs)
        return self.network.evaluate(seen, candidates)[1][:, None]

    def _padded_logits(self, obs: Observation, action_masks: Masks) -> Tensor:
        seen, candidates, mask = self._read(obs, action_masks)
        logits, _ = self.network.evaluate(seen, candidates)
        padded = logits.new_full(mask.shape, _CLOSED)
        padded[mask] = logits
        return padded


class CandidatePolicy(_Candidates, ActorCriticPolicy):
    """For ``PPO`` and ``A2C``; legal moves are read from the observation.

    Args:
        observation_space: of ``make_vec_env``.
        action_space: likewise.
        lr_schedule: given by the algorithm.
        network: sizes, a ``CandidateConfig`` or its fields; its default fits the environment.
        **arguments: of ``ActorCriticPolicy`` that are not about networks: ``optimizer_class``, ``optimizer_kwargs``.

    Raises:
        ValueError: observations of another kind of environment.
    """

    def get_distribution(self, obs: Any) -> CategoricalDistribution:
        """The distribution over all places of the padded list; closed ones have probability 0."""
        return CategoricalDistribution(int(self.action_space.n)).proba_distribution(self._padded_logits(obs, None))


class MaskableCandidatePolicy(_Candidates, MaskableActorCriticPolicy):
    """For ``MaskablePPO`` of sb3-contrib; the masks that it hands over may close more moves than the observation's.

    With ``model.learn(..., use_masking=False)`` it hands over none, which is the same and faster.

    Args:
        observation_space: see ``CandidatePolicy``, as for all others.
        action_space: see there.
        lr_schedule: see there.
        network: see there.
        **arguments: see there.

    Raises:
        ValueError: observations of another kind of environment.
    """

    def get_distribution(self, obs: Any, action_masks: Masks = None) -> MaskableCategoricalDistribution:
        """The distribution over all places of the padded list; closed ones have probability 0."""
        distribution = MaskableCategoricalDistribution(int(self.action_space.n))
        made: MaskableCategoricalDistribution = distribution.proba_distribution(self._padded_logits(obs, action_masks))
        return made
