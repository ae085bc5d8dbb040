"""Many walkers as one Gymnasium vector environment, stepped by one call into C++."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import logger, spaces
from gymnasium.envs.registration import EnvSpec
from gymnasium.error import ResetNeeded
from gymnasium.utils import EzPickle
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from kgwalk import _core
from kgwalk.data.dataset import Dataset, Directions
from kgwalk.envs.rendering import render
from kgwalk.envs.rewards import make_rewards
from kgwalk.envs.single import KGWalkEnv, Observation
from kgwalk.envs.spaces import batched_observation_space, single_observation_space
from kgwalk.envs.task import Candidates, Decision, QueryOrder, Task, check_options
from kgwalk.protocols import FinishedWalks, Ids, Scorer

_KEY_BITS = 2**64 - 1

BoolArray = NDArray[np.bool_]
Rewards = NDArray[np.float64]


class KGWalkVectorEnv(VectorEnv[Observation, NDArray[np.int64], NDArray[Any]], EzPickle):
    """``num_envs`` walks over one knowledge graph. The task, its rewards and its rules are ``KGWalkEnv``'s.

    ## Description
    All walkers share one graph and are stepped in C++, on ``kgwalk._core.num_threads()`` threads. Each draws from a
    generator of its own, so the walks do not depend on threads. ``make_vec("KGWalk-WN18RR", num_envs=1024)``.

    ## Action Space
    ``MultiDiscrete``: an int64 or int32 array (num_envs,), each an action of ``KGWalkEnv``.

    ## Observation Space
    ``KGWalkEnv``'s fields with a leading axis N = num_envs. The candidates depend on ``candidates``:

    | form | keys |
    |---|---|
    | ``"padded"`` | ``relations``, ``entities`` (N, A) int32, ``action_mask`` (N, A) int8 |
    | ``"ragged"`` | ``offsets`` (N + 1,) int64; ``relations``, ``entities`` (total,) int32, all of them legal |
    | ``"index"`` | ``row`` (N, 1) int64, ``degree`` (N, 1) and ``hidden`` (N, 2) int32 |

    Ragged candidates of walker i are ``relations[offsets[i]:offsets[i + 1]]`` and likewise ``entities``.

    Index-only candidates point into ``edge_table()``: walker i sees ``degree`` edges from ``row`` on, without those in
    the slots ``hidden`` (rising, -1 where there is none). Action 0 is STAY, action a the a-th edge that is left, so
    ``1 + degree - (hidden >= 0).sum()`` actions are open. Answers that are closed at the last hop are not listed: a
    walker that chooses one stays and is reported as illegal. Index-only candidates go with ``decision="edge"``.

    ## Rewards
    As ``KGWalkEnv``; terms other than ``"hit"`` are called once for all walks that a step ended.

    ## Starting State
    As ``KGWalkEnv``. ``reset(seed=s)`` seeds walker i from (s, i); walker 0 walks like ``KGWalkEnv`` with that seed.
    ``reset(seed=[...])`` seeds each like a ``KGWalkEnv`` of its own. ``options={"reset_mask": mask}`` resets some,
    ``options={"query": rows}`` chooses the queries. In order, walker i takes rows i, i + N, i + 2N, ...

    ## Episode End
    As ``KGWalkEnv``; ``autoreset_mode`` says what follows. ``SAME_STEP`` gives ``info["final_obs"]`` (a dict of arrays)
    and ``info["final_info"]``; ``DISABLED`` leaves it to ``reset`` with a mask. ``finished_walks()`` holds the walks
    that the last step ended, in every mode. Gymnasium's vector wrappers of observations refuse ``SAME_STEP``, and its
    ``DictInfoToList`` reads it from Gymnasium 1.2 on.

    ## Arguments
    See ``Args``.

    ## Version History
    * v0: first version

    Args:
        dataset: see ``KGWalkEnv``, as for all arguments not named here.
        num_envs: number of walkers.
        candidates: form of the candidates.
        autoreset_mode: ``"NextStep"``, ``"SameStep"`` or ``"Disabled"``, or that ``gymnasium.vector.AutoresetMode``
            (kept in ``spec`` as its word, so that ``spec.to_json()`` works).
        data_dir: see ``KGWalkEnv``.
        split: see ``KGWalkEnv``.
        directions: see ``KGWalkEnv``.
        horizon: see ``KGWalkEnv``.
        max_out_degree: see ``KGWalkEnv``.
        decision: see ``KGWalkEnv``.
        reward: see ``KGWalkEnv``.
        query_order: see ``KGWalkEnv``.
        hide_answers: see ``KGWalkEnv``.
        prune: see ``KGWalkEnv``.
        only_pattern: see ``KGWalkEnv``.
        render_mode: see ``KGWalkEnv``.
        reward_options: see ``KGWalkEnv``.

    Raises:
        ValueError: an argument outside its choices.
        KeyError: the dataset has no such split.
    """

    metadata: dict[str, Any] = KGWalkEnv.metadata
    _spec: EnvSpec | None = None

    def __init__(
        self,
        dataset: str | Dataset,
        num_envs: int = 1,
        *,
        candidates: Candidates = "padded",
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        data_dir: str | Path | None = None,
        split: str = "train",
        directions: Directions | None = None,
        horizon: int | None = None,
        max_out_degree: int | None = None,
        decision: Decision = "edge",
        reward: Mapping[str, float] | None = None,
        query_order: QueryOrder = "random",
        hide_answers: bool = True,
        prune: str | Path | Scorer | None = None,
        only_pattern: bool = False,
        render_mode: str | None = None,
        **reward_options: Any,
    ) -> None:
        EzPickle.__init__(
            self,
            dataset,
            num_envs,
            candidates=candidates,
            autoreset_mode=autoreset_mode,
            data_dir=data_dir,
            split=split,
            directions=directions,
            horizon=horizon,
            max_out_degree=max_out_degree,
            decision=decision,
            reward=reward,
            query_order=query_order,
            hide_answers=hide_answers,
            prune=prune,
            only_pattern=only_pattern,
            render_mode=render_mode,
            **reward_options,
        )
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ValueError(
                f"render_mode: expected one of {self.metadata['render_modes']} or None, got {render_mode!r}"
            )
        self.num_envs = num_envs
        self.render_mode = render_mode
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {**type(self).metadata, "autoreset_mode": self.autoreset_mode}
        self.task = Task.make(
            dataset,
            data_dir=data_dir,
            split=split,
            directions=directions,
            horizon=horizon,
            max_out_degree=max_out_degree,
            hide_answers=hide_answers,
            prune=prune,
        )
        hit, self._terms = make_rewards(reward, reward_options, self.task.dataset, only_pattern)
        self._walk = self.task.walk(
            num_envs=num_envs,
            decision=decision,
            candidates=candidates,
            autoreset=self.autoreset_mode.value,
            query_order=query_order,
            hit_reward=hit,
            batched=True,
        )
        self._seeded = False
        actions = self._walk.num_actions
        single = single_observation_space(self.task, decision, candidates, actions)
        self.single_observation_space = single
        self.single_action_space = spaces.Discrete(actions)
        self.observation_space = batched_observation_space(single, candidates, num_envs, actions)
        self.action_space = batch_space(self.single_action_space, num_envs)

    @property
    def spec(self) -> EnvSpec | None:
        """What ``make_vec`` made the environment from; JSON-able unless a loaded ``Dataset`` was given."""
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        self._spec = copy.copy(spec)
        if self._spec is not None and "autoreset_mode" in self._spec.kwargs:
            mode = AutoresetMode(self._spec.kwargs["autoreset_mode"])
            self._spec.kwargs = {**self._spec.kwargs, "autoreset_mode": mode.value}

    @property
    def queries(self) -> Ids:
        """The query table, (n, 3) int32: source, relation, target."""
        return self.task.queries

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
        out: Observation | None = None,
    ) -> tuple[Observation, dict[str, Any]]:
        """Start walks.

        Args:
            seed: one for all, or one for each walker (None leaves that walker's generator alone).
            options: ``"reset_mask"`` (N,) bool: which walkers, at least one; ``"query"`` (N,) int: their query rows.
            out: an observation of this environment to write into.

        Raises:
            ValueError: a bad mask, seed, query or out, or another option.
            IndexError: a query row out of range.
        """
        chosen = check_options(options, "reset_mask", "query")
        mask = _checked(chosen, "reset_mask", np.dtype(np.bool_), self.num_envs)
        rows = _checked(chosen, "query", np.dtype(np.int64), self.num_envs)
        self._seed(seed, mask)
        return self._walk.reset(mask, rows, out)

    def step(
        self, actions: NDArray[Any], out: Observation | None = None
    ) -> tuple[Observation, Rewards, BoolArray, BoolArray, dict[str, Any]]:
        """Make one move of every walker.

        Args:
            actions: (N,) int64 or int32.
            out: an observation of this environment to write into instead of new arrays (padded or index-only). Nobody
                else may write to it between steps: only what the last step left behind is cleared.

        Returns:
            Observation, rewards (N,) float64, terminations, truncations (N,) bool, and infos with ``_key`` masks.

        Raises:
            ResetNeeded: a walk has ended and autoreset is disabled, or none has begun.
            IndexError: an action outside the action space.
            ValueError: actions of another shape or dtype.
        """
        try:
            result = self._walk.step(actions, out)
        except _core.ResetNeeded as error:
            raise ResetNeeded(str(error)) from error
        if self._terms:
            self._pay(result[1])
        return result

    def _pay(self, rewards: Rewards) -> None:
        """Add the terms of the walks that have just ended."""
        walks = self.finished_walks()
        if len(walks.env) == 0:
            return
        queries = self.task.queries[walks.query]
        for weight, term in self._terms:
            rewards[walks.env] += weight * term(walks, queries)

    def _seed(self, seed: int | Sequence[int | None] | None, mask: BoolArray | None) -> None:
        n = self.num_envs
        if isinstance(seed, (int, np.integer)):
            super().reset(seed=int(seed))
            self._walk.seed(np.full(n, int(seed) & _KEY_BITS, np.uint64), np.arange(n, dtype=np.uint64), _all(mask, n))
            self._seeded = True
            return
        if not self._seeded:
            key = self.np_random.integers(_KEY_BITS, dtype=np.uint64)
            self._walk.seed(np.full(n, key, np.uint64), np.arange(n, dtype=np.uint64), np.ones(n, np.bool_))
            self._seeded = True
        if seed is None:
            return
        if len(seed) != n:
            raise ValueError(f"seed: expected one for each of {n} environments, got {len(seed)}")
        if any(s is not None and s < 0 for s in seed):
            raise ValueError("seed: expected non-negative integers")
        keys = np.array([0 if s is None else int(s) & _KEY_BITS for s in seed], np.uint64)
        self._walk.seed(keys, np.zeros(n, np.uint64), _all(mask, n) & np.array([s is not None for s in seed]))

    def finished_walks(self) -> FinishedWalks:
        """The walks that the last step ended, whatever has reset them since."""
        return FinishedWalks(*self._walk.finished())

    def action_masks(self) -> BoolArray:
        """Legal actions, (N, A) bool, whatever the form of the candidates. ResetNeeded if a walk has never begun."""
        return self._begun().action_masks()

    def sample_actions(self) -> NDArray[np.int64]:
        """A uniform draw from each walker's legal actions, (N,), by generators seeded with the environment.

        Raises:
            ResetNeeded: a walk has never begun.
        """
        return self._begun().sample_actions()

    def edge_table(self) -> Ids:
        """(edges, 2) int32, relation and entity: what index-only rows point into. A copy of the graph's edges."""
        return self.task.actions.expand.edge_table()

    def render(self) -> Any:
        """A frame of each walk, as ``KGWalkEnv.render``: a tuple of num_envs."""
        if self.render_mode is None:
            logger.warn("render() needs a render mode: gym.make_vec(..., render_mode='ansi') or 'rgb_array'")
            return None
        walk = self._begun()
        return tuple(render(self.task, walk, env, self.render_mode) for env in range(self.num_envs))

    def _begun(self) -> _core.Walk:
        if not self._walk.begun:
            raise ResetNeeded("a walk has never begun: call reset() first")
        return self._walk


def _all(mask: BoolArray | None, n: int) -> BoolArray:
    return np.ones(n, np.bool_) if mask is None else mask


def _checked(options: Mapping[str, Any], key: str, dtype: np.dtype[Any], n: int) -> NDArray[Any] | None:
    """An option that is an array (n,), or None."""
    value = options.get(key)
    if value is None:
        return None
    array = np.asarray(value)
    if array.shape != (n,) or not np.can_cast(array.dtype, dtype, "safe"):
        raise ValueError(f"options[{key!r}]: expected shape ({n},) and dtype {dtype}, got {array.shape} {array.dtype}")
    return np.ascontiguousarray(array, dtype)
