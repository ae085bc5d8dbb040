"""Trail against the walks that environments tell of."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from kgwalk.data import Dataset
from kgwalk.envs import KGWalkVectorEnv
from kgwalk.wrappers import Trail

N, HORIZON = 7, 3


@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
@pytest.mark.parametrize("decision", ["edge", "split"])
def test_it_is_the_walk_so_far(toy: Dataset, mode: str, decision: Any) -> None:
    plain = KGWalkVectorEnv(toy, N, autoreset_mode=mode, decision=decision)
    envs = Trail(plain)
    assert envs.autoreset_mode is plain.autoreset_mode
    none = 2 * toy.graph.num_relations + 1
    obs, _ = envs.reset(seed=3)
    assert (obs["trail"] == none).all()
    followed: list[list[int]] = [[] for _ in range(N)]
    rng = np.random.default_rng(0)
    for _ in range(20):
        ending = obs["step"][:, 0] == HORIZON
        if mode == "Disabled" and ending.any():
            obs, _ = envs.reset(options={"reset_mask": ending})
            followed = [[] if over else walk for over, walk in zip(ending, followed, strict=True)]
        else:
            obs, _, ended, _, info = envs.step(plain.sample_actions())
            for i in range(N):
                if mode == "NextStep" and ending[i]:
                    followed[i] = []
                    continue
                shown = info["final_obs"] if mode == "SameStep" and ended[i] else obs
                if shown["step"][i, 0] > len(followed[i]):
                    followed[i].append(int(shown["last_relation"][i, 0]))
                if mode == "SameStep" and ended[i]:
                    walks = plain.finished_walks()
                    assert followed[i] == walks.relations[list(walks.env).index(i)].tolist()
                    assert info["final_obs"]["trail"][i].tolist() == followed[i]
                    followed[i] = []
        expected = [walk + [none] * (HORIZON - len(walk)) for walk in followed]
        assert obs["trail"].tolist() == expected
        assert obs["trail"].dtype == np.int32
        if rng.random() < 0.3 and mode != "Disabled":  # some begin anew in the middle of a walk
            mask = rng.random(N) < 0.5
            if mask.any():
                obs, _ = envs.reset(options={"reset_mask": mask})
                followed = [[] if anew else walk for anew, walk in zip(mask, followed, strict=True)]


def test_observations_are_in_their_space_and_safe_to_keep(toy: Dataset) -> None:
    envs = Trail(KGWalkVectorEnv(toy, N, autoreset_mode="SameStep"))
    first, _ = envs.reset(seed=0)
    assert first in envs.observation_space
    kept = first["trail"].copy()
    envs.step(envs.unwrapped.sample_actions())  # type: ignore[attr-defined]
    np.testing.assert_array_equal(first["trail"], kept)
    assert envs.single_observation_space["trail"].shape == (HORIZON,)  # type: ignore[index]


def test_it_wraps_environments_of_kgwalk_once(toy: Dataset) -> None:
    with pytest.raises(ValueError, match="no trail yet"):
        Trail(Trail(KGWalkVectorEnv(toy, 2)))
    with pytest.raises(ValueError, match="an environment of kgwalk"):
        Trail(gym.make_vec("CartPole-v1", 2))
