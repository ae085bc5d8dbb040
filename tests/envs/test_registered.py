"""Every registered id: Gymnasium's and SB3's checkers, determinism, pickling, render modes."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

import kgwalk  # noqa: F401  (registers the ids)
from kgwalk.data import find_card, load
from kgwalk.envs import KGWalkEnv, environment_ids, register_environments

BENCHMARKS = ["WN18RR", "FB15k-237", "NELL-995", "Countries-S1", "Countries-S2", "Countries-S3", "Kinship"]
SHOPS = ["LastFM", "MovieLens-1M", "Book-Crossing", "Amazon-Cellphones", "Amazon-Beauty"]
IDS = [env_id for name in ["Family", "Bookshop", *BENCHMARKS, *SHOPS] for env_id in environment_ids(name)]


def needs_data(env_id: str) -> None:
    """Skip unless the files of the id are at hand."""
    name = env_id.removeprefix("kgwalk/").removeprefix("KGWalk-").removesuffix("-v0")
    card = find_card(name)
    root = os.environ.get("KGWALK_DATA")
    if card.embedded:
        return
    if root is None:
        pytest.skip("KGWALK_DATA is not set: the benchmark files are not at hand")
    if not (Path(root) / card.folder).is_dir():
        pytest.skip(f"no folder {card.folder} in KGWALK_DATA")


@pytest.fixture(params=IDS)
def env_id(request: pytest.FixtureRequest) -> str:
    needs_data(request.param)
    return str(request.param)


@pytest.fixture(params=IDS[::2])
def canonical_id(request: pytest.FixtureRequest) -> str:
    needs_data(request.param)
    return str(request.param)


def rollout(env: gym.Env[Any, Any], seed: int) -> list[Any]:
    """A seeded walk by the environment's own sampling: observations and rewards."""
    obs, _ = env.reset(seed=seed)
    seen: list[Any] = [obs]
    over = False
    while not over:
        obs, reward, over, _, _ = env.step(env.unwrapped.sample_action())
        seen += [obs, reward]
    return seen


def same(left: list[Any], right: list[Any]) -> bool:
    try:
        np.testing.assert_equal(left, right)
    except AssertionError:
        return False
    return True


def test_ids_are_those_of_the_readme() -> None:
    ours = {name for name in gym.registry if name.lower().startswith("kgwalk")}
    assert ours == {*IDS, "kgwalk/Custom-v0", "KGWalk-Custom"}
    before = dict(gym.registry)
    register_environments()  # a second time: no warning, nothing replaced
    assert all(gym.registry[name] is spec for name, spec in before.items())


@pytest.mark.parametrize("decision", ["edge", "split"])
def test_checkers(env_id: str, decision: str) -> None:
    sb3 = pytest.importorskip("stable_baselines3.common.env_checker")
    env = gym.make(env_id, decision=decision, max_out_degree=16).unwrapped
    check_env(env, skip_render_check=True)
    sb3.check_env(env)


def test_the_same_seed_walks_the_same(canonical_id: str) -> None:
    first, second = gym.make(canonical_id), gym.make(canonical_id)
    assert same(rollout(first, 3), rollout(second, 3))
    assert same(rollout(first, 3), rollout(second, 3))
    assert not same(rollout(first, 3), rollout(second, 4))


def test_make_vec(env_id: str) -> None:
    envs = gym.make_vec(env_id, num_envs=3, max_out_degree=16)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    obs, _ = envs.reset(seed=1)
    assert envs.observation_space.contains(obs)
    obs, *_ = envs.step(envs.unwrapped.sample_actions())
    assert envs.observation_space.contains(obs)


def test_pickle(canonical_id: str) -> None:
    env = gym.make(canonical_id, horizon=2).unwrapped
    again = pickle.loads(pickle.dumps(env))
    assert again.task.horizon == 2
    assert same(rollout(env, 5), rollout(again, 5))
    envs = gym.make_vec(canonical_id, num_envs=2, horizon=2, autoreset_mode="SameStep").unwrapped
    twin = pickle.loads(pickle.dumps(envs))
    assert twin.autoreset_mode is AutoresetMode.SAME_STEP
    np.testing.assert_equal(envs.reset(seed=1), twin.reset(seed=1))


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, "SameStep"])
def test_vector_specs_are_json(mode: AutoresetMode | str) -> None:
    envs = gym.make_vec("KGWalk-Family", num_envs=2, autoreset_mode=mode)
    spec = EnvSpec.from_json(envs.spec.to_json())
    assert spec.kwargs["autoreset_mode"] == "SameStep"
    again = gym.make_vec(spec)
    assert again.num_envs == 2
    assert again.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP


def test_environments_of_loaded_sets_pickle() -> None:
    env = KGWalkEnv(load("Family"))
    again = pickle.loads(pickle.dumps(env))
    assert same(rollout(env, 5), rollout(again, 5))


def test_rendering(canonical_id: str) -> None:
    env = gym.make(canonical_id, render_mode="ansi")
    env.reset(seed=2)
    text = env.render()
    assert "hop 0 of" in text
    assert "STAY" in text
    picture = gym.make(canonical_id, render_mode="rgb_array")
    picture.reset(seed=2)
    frame = picture.render()
    assert frame.dtype == np.uint8
    assert frame.ndim == 3
    assert frame.shape[2] == 3
    assert len(np.unique(frame.reshape(-1, 3), axis=0)) > 10


def test_module_prefix_registers_in_a_fresh_process() -> None:
    code = (
        "import sys, warnings; warnings.simplefilter('error')\n"
        "import gymnasium\n"
        "env = gymnasium.make('kgwalk:KGWalk-Family')\n"
        "env.reset(seed=1)\n"
        "assert not {'torch', 'matplotlib', 'networkx'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_custom_files(tmp_path: Path) -> None:
    for name, lines in (("train", "a\tr\tb\nb\tr\tc\n"), ("valid", "a\tr\tc\n"), ("test", "c\tr\ta\n")):
        (tmp_path / f"{name}.txt").write_text(lines)
    env = gym.make("KGWalk-Custom", data_dir=tmp_path)
    check_env(env.unwrapped, skip_render_check=True)
    with pytest.raises(ValueError, match="data_dir"):
        gym.make("KGWalk-Custom")
