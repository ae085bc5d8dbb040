"""kgwalk's walkers as a TorchRL environment: its checker, masks, and the walks of ``KGWalkVectorEnv``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torchrl.envs.utils import check_env_specs

from kgwalk.data import load
from kgwalk.envs import KGWalkVectorEnv
from kgwalk.integrations.torchrl import make_torchrl_env
from kgwalk.wrappers import Trail


@pytest.mark.parametrize("trail", [True, False])
@pytest.mark.parametrize("decision", ["edge", "split"])
@pytest.mark.parametrize("name", ["KGWalk-Family", "kgwalk/Bookshop-v0"])
def test_specs_hold_and_no_move_is_illegal(name: str, decision: str, trail: bool) -> None:
    env = make_torchrl_env(name, 6, trail=trail, decision=decision)
    check_env_specs(env, seed=3)
    steps = 40
    data = env.rollout(steps, break_when_any_done=False)
    assert data.shape == (6, steps)
    assert data["action_mask"].dtype == torch.bool
    assert data["action_mask"].gather(-1, data["action"][..., None]).all()
    assert len(data["action"].unique()) > 3
    length = 3 * (2 if decision == "split" else 1)
    ends = (torch.arange(steps) % length == length - 1).expand(6, steps)
    assert torch.equal(data["next", "done"][..., 0], ends)
    assert torch.equal(data["next", "terminated"], data["next", "done"])
    assert not data["next", "truncated"].any()
    assert ("trail" in data.keys()) == trail  # noqa: SIM118 - not a dict


@pytest.mark.parametrize("decision", ["edge", "split"])
def test_walks_are_those_of_the_vector_environment(decision: str) -> None:
    task: dict[str, Any] = {"decision": decision, "split": "valid", "reward": {"hit": 3.0}}
    env = make_torchrl_env("KGWalk-Family", 5, **task)
    twin = Trail(KGWalkVectorEnv(load("Family"), 5, autoreset_mode="Disabled", **task))
    env.set_seed(11)
    data = env.rollout(60, break_when_any_done=False)
    twin.reset(seed=11)
    seen: dict[str, Any] = twin.reset()[0]
    for step in range(60):
        for key, value in seen.items():
            np.testing.assert_array_equal(data[key][:, step].numpy(), value)
        seen, rewards, ended, _, _ = twin.step(data["action"][:, step].numpy())
        np.testing.assert_array_equal(data["next", "reward"][:, step, 0].numpy(), rewards.astype(np.float32))
        for key, value in seen.items():
            np.testing.assert_array_equal(data["next", key][:, step].numpy(), value)
        if ended.any():
            seen, _ = twin.reset(options={"reset_mask": ended})
    assert data["next", "reward"].max() == 3


def test_some_of_the_walkers_are_reset() -> None:
    env = make_torchrl_env("KGWalk-Family", 4)
    env.set_seed(2)
    data = env.rand_step(env.reset())["next"]
    reset = torch.tensor([True, False, True, False])[:, None]
    again = env.reset(data.clone().set("_reset", reset))
    assert again["step"][:, 0].tolist() == [0, 1, 0, 1]
    assert again["trail"][:, 0].tolist() == [
        int(env.observation_spec["trail"].space.high.max()) if new else int(relation)
        for new, relation in zip(reset, data["trail"][:, 0], strict=True)
    ]
    drawn = env.rand_step(again)
    assert drawn["action_mask"].gather(-1, drawn["action"][..., None]).all()


def test_other_arguments_are_refused() -> None:
    with pytest.raises(TypeError, match="candidates"):
        make_torchrl_env("KGWalk-Family", 2, candidates="ragged")
    with pytest.raises(ValueError, match="decision"):
        make_torchrl_env("KGWalk-Family", 2, decision="both")
