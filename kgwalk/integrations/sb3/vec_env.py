"""KGWalkVecEnv: the C++ vector environment as Stable-Baselines3's VecEnv."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray
from stable_baselines3.common.vec_env.base_vec_env import VecEnv

from kgwalk.envs import KGWalkVectorEnv
from kgwalk.wrappers import Trail

Observation = dict[str, NDArray[Any]]


def make_vec_env(
    env_id: str, num_envs: int = 128, *, seed: int | None = None, trail: bool = True, **arguments: Any
) -> KGWalkVecEnv:
    """``num_envs`` walkers for a model of Stable-Baselines3.

    Args:
        env_id: such as ``"KGWalk-WN18RR"``.
        num_envs: number of walkers.
        seed: walker i is seeded ``seed + i``, as Stable-Baselines3 does it.
        trail: show the relations followed so far, which its policies have no memory for (``kgwalk.wrappers.Trail``).
        **arguments: of ``KGWalkVectorEnv``; candidates are padded, walks begin anew in the step that ends them.

    Raises:
        ValueError: an argument outside its choices.
    """
    envs: VectorEnv[Any, Any, Any] = gym.make_vec(env_id, num_envs=num_envs, autoreset_mode="SameStep", **arguments)
    made = KGWalkVecEnv(Trail(envs) if trail else envs)
    made.seed(seed)
    return made


class KGWalkVecEnv(VecEnv):
    """Steps all walkers by one call into C++; only infos of walks that ended are made in Python.

    As everywhere in Stable-Baselines3 a walk that ends begins anew in the same step: its last observation is
    ``infos[i]["terminal_observation"]``. Of a walk that ended ``infos[i]`` also holds ``"is_success"``, whether it hit,
    and ``"episode"``, what ``Monitor`` would tell, so that ``rollout/success_rate`` and ``rollout/ep_rew_mean`` are
    logged. All other infos are empty. Infos and last observations (read-only arrays) are written over when their
    walker's next walk ends: copy what you keep.

    Args:
        envs: a ``KGWalkVectorEnv`` with padded candidates and ``autoreset_mode="SameStep"``, wrapped or not.

    Raises:
        ValueError: another kind of environment.
    """

    def __init__(self, envs: VectorEnv[Any, Any, Any]) -> None:
        walkers = envs.unwrapped
        if not isinstance(walkers, KGWalkVectorEnv):
            raise ValueError(f"expected a KGWalkVectorEnv, got {walkers}; make_vec_env() makes one")
        if walkers.autoreset_mode != AutoresetMode.SAME_STEP:
            raise ValueError(f"autoreset_mode: expected 'SameStep', got {walkers.autoreset_mode.value!r}")
        if "action_mask" not in walkers.single_observation_space.spaces:  # type: ignore[attr-defined]
            raise ValueError("candidates: expected 'padded', whose observations Stable-Baselines3 can stack")
        self.envs = envs
        self.walkers = walkers
        self._actions: NDArray[Any] = np.zeros(envs.num_envs, np.int64)
        self._idle: list[dict[str, Any]] = [{} for _ in range(envs.num_envs)]
        # Of walks that ended: arrays of their last observations, and a view of its row for each walker.
        single = envs.single_observation_space
        assert isinstance(single, spaces.Dict)
        self._final = {key: np.zeros((envs.num_envs, *(box.shape or ())), box.dtype) for key, box in single.items()}
        # They show STAY alone, so that of all candidates only the entity of the first ever changes; what other wrappers
        # make of that is not known.
        self._shown_as_is = (envs.env if isinstance(envs, Trail) else envs) is walkers
        if self._shown_as_is:
            self._final["relations"][:] = walkers.task.dataset.graph.stay
            self._final["action_mask"][:, 0] = 1
        shown = {key: rows.view() for key, rows in self._final.items()}
        for rows in shown.values():
            rows.flags.writeable = False
        self._terminal = [{key: rows[i] for key, rows in shown.items()} for i in range(envs.num_envs)]
        self._ended: list[dict[str, Any]] = [{"TimeLimit.truncated": False} for _ in range(envs.num_envs)]
        self._length = walkers.task.horizon * (2 if "phase" in self._final else 1)
        self._seed: Sequence[int | None] | None = None
        self._began = time.monotonic()
        super().__init__(envs.num_envs, envs.single_observation_space, envs.single_action_space)

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Seed the walkers at the next reset: number i with ``seed + i``, as a ``KGWalkEnv`` of its own would be."""
        seeds: list[int | None] = [None if seed is None else seed + i for i in range(self.num_envs)]
        self._seed = None if seed is None else seeds
        return seeds

    def reset(self) -> Observation:
        """Start all walks; ``set_options({"query": row})`` or a list of such chooses their queries."""
        given = self._options
        self._reset_options()  # they are for this reset, whatever comes of it
        asked = [options.get("query") for options in given]
        unknown = {key for options in given for key in options} - {"query"}
        if unknown:
            raise ValueError(f"options: expected 'query', got {', '.join(sorted(map(repr, unknown)))}")
        chosen = [row is not None for row in asked]
        options: dict[str, Any] = {}
        if any(chosen):
            if not all(chosen):
                raise ValueError("options: expected a query for every walker, or for none")
            options["query"] = np.array(asked, np.int64)
        observation: Observation
        observation, info = self.envs.reset(seed=self._seed, options=options)  # type: ignore[arg-type]
        self.reset_infos = [{"query": int(row)} for row in info["query"]]
        self._seed = None
        return observation

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keep the actions, (num_envs,) integers, for ``step_wait``."""
        self._actions = np.asarray(actions)

    def step_wait(
        self,
    ) -> tuple[Observation, NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Observations, rewards (num_envs,) float32, whether walks ended, infos."""
        observation, rewards, ended, _, info = self.envs.step(self._actions)
        rewards = rewards.astype(np.float32)
        infos = self._idle.copy()
        final = info.get("final_obs")
        if final is not None:
            self._tell_ended(infos, np.flatnonzero(ended), rewards, final, info["final_info"])
        illegal = info["illegal_action"]
        if final is not None:
            illegal = illegal | (info["final_info"]["illegal_action"] & ended)
        for i in np.flatnonzero(illegal).tolist():
            infos[i] = {**infos[i], "illegal_action": True}  # rare: it shall not stay in an info that is used again
        return observation, rewards, ended, infos

    def _tell_ended(
        self,
        infos: list[dict[str, Any]],
        rows: NDArray[np.int64],
        rewards: NDArray[np.float32],
        final: Observation,
        told: Mapping[str, NDArray[Any]],
    ) -> None:
        for key, shown in final.items():
            if not self._shown_as_is or key not in ("relations", "entities", "action_mask"):
                self._final[key][rows] = shown[rows]
            elif key == "entities":
                self._final[key][rows, 0] = shown[rows, 0]
        seconds = round(time.monotonic() - self._began, 6)
        length, terminal, ended = self._length, self._terminal, self._ended
        for i, reward, hit in zip(rows.tolist(), rewards[rows].tolist(), told["hit"][rows].tolist(), strict=True):
            info = ended[i]
            info["terminal_observation"] = terminal[i]
            info["is_success"] = hit
            info["episode"] = {"r": reward, "l": length, "t": seconds}
            infos[i] = info

    def action_masks(self) -> NDArray[np.bool_]:
        """Legal actions, (num_envs, A) bool."""
        return self.walkers.action_masks()

    def sample_actions(self) -> NDArray[np.int64]:
        """A uniform draw from each walker's legal actions, (num_envs,)."""
        return self.walkers.sample_actions()

    def env_method(self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any) -> Any:
        """``"action_masks"``: a row of each walker. Walkers are no objects and have no other methods.

        Raises:
            AttributeError: another method.
        """
        if method_name != "action_masks" or method_args or method_kwargs:
            raise AttributeError(f"walkers have action_masks() and no other method, got {method_name}")
        masks = self.action_masks()
        return masks if indices is None else masks[list(self._get_indices(indices))]

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """An attribute that all walkers share, once for each asked about.

        Raises:
            AttributeError: there is none.
        """
        if attr_name == "action_masks":
            return [lambda row=row: self.action_masks()[row] for row in self._get_indices(indices)]
        value = getattr(self.walkers, attr_name)
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Refused: walkers are no objects.

        Raises:
            AttributeError: always.
        """
        raise AttributeError(f"walkers share one environment: {attr_name} cannot be set for some of them")

    def env_is_wrapped(self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: Any = None) -> list[bool]:
        """Whether a wrapper is around each walker: ``Monitor``, whose figures the infos have, and no other."""
        from stable_baselines3.common.monitor import Monitor

        wrapped = issubclass(wrapper_class, Monitor)
        return [wrapped for _ in self._get_indices(indices)]

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """A frame of each walk, with ``render_mode="rgb_array"``."""
        frames: Sequence[NDArray[np.uint8] | None] = self.walkers.render() or [None] * self.num_envs
        return frames

    def close(self) -> None:
        """Release the environment."""
        self.envs.close()
