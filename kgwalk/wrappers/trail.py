"""Trail: the relations followed so far, for policies without a memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from kgwalk.protocols import Ids

Observation = dict[str, NDArray[Any]]


class Trail(VectorWrapper):
    """Adds ``trail`` to the observation: (N, horizon) int32, the relation followed at each hop, STAY included.

    Hops that have not been made read ``2R + 1``. An environment shows the last relation only, which is what MINERVA's
    LSTM is given; a policy that is asked about one observation at a time cannot know the others without this.

    Args:
        env: a ``KGWalkVectorEnv``, wrapped or not, with any form of candidates and any autoreset mode.

    Raises:
        ValueError: its observation has no ``step`` and ``last_relation``, or has a ``trail`` already.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        super().__init__(env)
        single = env.single_observation_space
        shown = single.spaces.keys() if isinstance(single, spaces.Dict) else set()
        if not {"step", "last_relation"} <= shown or "trail" in shown:
            raise ValueError(f"Trail wraps an environment of kgwalk that has no trail yet, got {env}")
        assert isinstance(single, spaces.Dict)
        horizon, stay = (int(_box(single[key]).high[0]) for key in ("step", "last_relation"))
        self._none = stay + 1
        self._trail = np.full((env.num_envs, horizon), self._none, np.int32)
        space = spaces.Box(0, self._none, (horizon,), np.int32)
        self.single_observation_space = spaces.Dict({**single.spaces, "trail": space})
        batched = env.observation_space
        assert isinstance(batched, spaces.Dict)
        self.observation_space = spaces.Dict({**batched.spaces, "trail": batch_space(space, env.num_envs)})

    @property
    def autoreset_mode(self) -> AutoresetMode:
        """That of the environment: TorchRL asks for it here, and Gymnasium's wrappers do not pass it on."""
        mode: AutoresetMode = self.env.metadata["autoreset_mode"]
        return mode

    def reset(self, **arguments: Any) -> tuple[Observation, dict[str, Any]]:
        """See ``KGWalkVectorEnv.reset``."""
        observation, info = self.env.reset(**arguments)
        return self._shown(observation), info

    def step(
        self, actions: NDArray[Any]
    ) -> tuple[Observation, NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """See ``KGWalkVectorEnv.step``."""
        observation, rewards, terminated, truncated, info = self.env.step(actions)
        if "final_obs" in info:
            info["final_obs"] = self._last(info["final_obs"], info["_final_obs"])
        return self._shown(observation), rewards, terminated, truncated, info

    def _shown(self, observation: Observation) -> Observation:
        _follow(self._trail, observation, slice(None), self._none)
        return {**observation, "trail": self._trail.copy()}

    def _last(self, observation: Observation, ended: NDArray[np.bool_]) -> Observation:
        trail = np.full_like(self._trail, self._none)
        trail[ended] = self._trail[ended]
        _follow(trail, observation, ended, self._none)
        return {**observation, "trail": trail}


def _follow(trail: Ids, observation: Observation, rows: Any, none: int) -> None:
    """Bring ``trail`` (N, horizon) up to date with the rows of an observation: each shows its newest relation."""
    steps = observation["step"][:, 0]
    chosen = np.zeros(len(trail), np.bool_)
    chosen[rows] = True
    trail[chosen & (steps == 0)] = none
    moved = np.flatnonzero(chosen & (steps > 0))
    trail[moved, steps[moved] - 1] = observation["last_relation"][moved, 0]


def _box(space: Any) -> spaces.Box:
    if not isinstance(space, spaces.Box):
        raise ValueError(f"expected a Box, got {space}")
    return space
