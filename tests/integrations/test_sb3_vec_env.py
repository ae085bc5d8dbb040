"""KGWalkVecEnv against Stable-Baselines3's own DummyVecEnv around single environments."""

from __future__ import annotations

import copy
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import VectorWrapper
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from kgwalk.data import Dataset
from kgwalk.envs import KGWalkEnv, KGWalkVectorEnv
from kgwalk.integrations.sb3 import KGWalkVecEnv, make_vec_env

N = 6


def native(dataset: Dataset, trail: bool = False, **arguments: Any) -> KGWalkVecEnv:
    return make_vec_env("KGWalk-Custom", N, dataset=dataset, trail=trail, **arguments)


@pytest.mark.parametrize("decision", ["edge", "split"])
def test_it_equals_a_dummy_vec_env_step_for_step(toy: Dataset, decision: Any) -> None:
    envs = native(toy, decision=decision)
    dummies = DummyVecEnv([lambda: KGWalkEnv(toy, decision=decision) for _ in range(N)])
    assert envs.observation_space == dummies.observation_space
    assert envs.action_space == dummies.action_space
    envs.seed(5)
    dummies.seed(5)
    seen, expected = envs.reset(), dummies.reset()
    assert [info["query"] for info in envs.reset_infos] == [info["query"] for info in dummies.reset_infos]
    rng = np.random.default_rng(0)
    ended_once = False
    for _ in range(14):
        np.testing.assert_equal(seen, dict(expected))  # type: ignore[arg-type]
        masks = get_action_masks(envs)
        np.testing.assert_array_equal(masks, np.stack(dummies.env_method("action_masks")))
        actions = rng.integers(0, 5, N)  # some are illegal
        seen, rewards, ended, infos = envs.step(actions)
        expected, paid, over, told = dummies.step(actions)
        np.testing.assert_array_equal(rewards, paid)
        assert rewards.dtype == paid.dtype
        np.testing.assert_array_equal(ended, over)
        for info, other in zip(infos, told, strict=True):
            assert info.get("illegal_action", False) == other["illegal_action"]
            assert ("terminal_observation" in info) == ("terminal_observation" in other)
            if "terminal_observation" in other:
                ended_once = True
                np.testing.assert_equal(info["terminal_observation"], other["terminal_observation"])
                assert info["TimeLimit.truncated"] == other["TimeLimit.truncated"]
                assert info["is_success"] == other["hit"]
    assert ended_once


def test_it_tells_of_episodes_as_monitor_does(toy: Dataset) -> None:
    envs = native(toy)
    monitored = DummyVecEnv([lambda: Monitor(KGWalkEnv(toy)) for _ in range(N)])
    for each in (envs, monitored):
        each.seed(1)
        each.reset()
    for _ in range(9):
        actions = envs.sample_actions()
        ours, theirs = envs.step(actions)[3], monitored.step(actions)[3]
        for info, other in zip(ours, theirs, strict=True):
            assert ("episode" in info) == ("episode" in other)
            if "episode" in info:
                assert (info["episode"]["r"], info["episode"]["l"]) == (other["episode"]["r"], other["episode"]["l"])
    assert envs.env_is_wrapped(Monitor) == [True] * N


class Renumbered(VectorWrapper):
    """Shows relations one higher."""

    def step(self, actions: Any) -> Any:
        observation, rewards, terminated, truncated, info = self.env.step(actions)
        if "final_obs" in info:
            info["final_obs"] = {**info["final_obs"], "relations": info["final_obs"]["relations"] + 1}
        return {**observation, "relations": observation["relations"] + 1}, rewards, terminated, truncated, info


def test_last_observations_are_as_wrappers_show_them_and_read_only(toy: Dataset) -> None:
    plain = KGWalkVectorEnv(toy, N, autoreset_mode="SameStep")
    wrapped = KGWalkVecEnv(Renumbered(KGWalkVectorEnv(toy, N, autoreset_mode="SameStep")))
    told = []
    for envs in (KGWalkVecEnv(plain), wrapped):
        envs.seed(0)
        envs.reset()
        for _ in range(3):
            infos = envs.step(np.zeros(N, np.int64))[3]
        told.append(infos[0]["terminal_observation"])
    np.testing.assert_array_equal(told[0]["relations"], toy.graph.stay)
    np.testing.assert_array_equal(told[1]["relations"], toy.graph.stay + 1)
    with pytest.raises(ValueError, match="read-only"):
        told[0]["entities"][1] = 7


def test_only_what_ends_is_told_of_and_it_lasts_until_the_next_end(toy: Dataset) -> None:
    envs = native(toy, trail=True)
    envs.seed(0)
    envs.reset()
    kept = None
    for step in range(1, 6):
        _, _, ended, infos = envs.step(envs.sample_actions())
        assert ended.all() == (step % 3 == 0)
        if step % 3:
            assert infos == [{}] * N
        else:
            kept = infos, copy.deepcopy(infos)
            assert infos[0]["terminal_observation"]["trail"].tolist() != []
    assert kept is not None
    np.testing.assert_equal(kept[0], kept[1])


def test_seeds_and_queries_reach_each_walker(toy: Dataset) -> None:
    envs = native(toy)
    envs.seed(9)
    first = envs.reset()
    again = envs.reset()
    assert any((first[key] != again[key]).any() for key in first)
    envs.seed(9)
    np.testing.assert_equal(envs.reset(), first)
    envs.set_options([{"query": row} for row in range(N)])
    envs.reset()
    assert [info["query"] for info in envs.reset_infos] == list(range(N))
    envs.reset()
    assert [info["query"] for info in envs.reset_infos] != list(range(N))  # options are for one reset
    envs.set_options([{"query": 1}] + [{}] * (N - 1))
    with pytest.raises(ValueError, match="a query for every walker, or for none"):
        envs.reset()
    envs.set_options({"rows": 1})
    with pytest.raises(ValueError, match="expected 'query', got 'rows'"):
        envs.reset()
    envs.reset()  # what was refused is not asked again


def test_attributes_and_masks(toy: Dataset) -> None:
    envs = native(toy, render_mode="rgb_array")
    assert is_masking_supported(envs)
    envs.reset()
    assert envs.env_method("action_masks", indices=[1, 2]).shape == (2, 9)
    assert envs.get_attr("action_masks", indices=2)[0]().tolist() == envs.action_masks()[2].tolist()
    assert envs.get_attr("num_envs") == [N] * N
    assert envs.get_images()[0].shape[2] == 3  # type: ignore[union-attr]
    with pytest.raises(AttributeError, match="no other method, got fly"):
        envs.env_method("fly")
    with pytest.raises(AttributeError, match="cannot be set"):
        envs.set_attr("horizon", 2)
    assert not envs.has_attr("wings")
    envs.close()


def test_other_environments_are_refused(toy: Dataset) -> None:
    with pytest.raises(ValueError, match="expected 'SameStep', got 'NextStep'"):
        KGWalkVecEnv(KGWalkVectorEnv(toy, 2))
    with pytest.raises(ValueError, match="expected 'padded'"):
        KGWalkVecEnv(KGWalkVectorEnv(toy, 2, candidates="ragged", autoreset_mode="SameStep"))
    with pytest.raises(ValueError, match="expected a KGWalkVectorEnv"):
        KGWalkVecEnv(gym.make_vec("CartPole-v1", 2))
