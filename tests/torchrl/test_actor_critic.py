"""Actor and critic around a candidates' network, and the example that trains them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from kgwalk.envs.task import Decision
from kgwalk.integrations.candidates import CandidateConfig
from kgwalk.integrations.torchrl import make_actor_critic, make_torchrl_env

EXAMPLE = Path(__file__).parents[2] / "agents" / "examples" / "torchrl_ppo.py"


@pytest.fixture(params=["edge", "split"])
def made(request: pytest.FixtureRequest) -> Any:
    """A rollout with its actor and critic."""
    decision: Decision = request.param
    torch.manual_seed(0)
    env = make_torchrl_env("KGWalk-Family", 8, decision=decision)
    actor, critic = make_actor_critic(env, CandidateConfig(relation_dim=8, entity_dim=4, decision=decision))
    return critic(env.rollout(12, actor, break_when_any_done=False)), actor, critic


def test_a_move_is_as_probable_as_the_network_says(made: Any) -> None:
    data, actor, critic = made
    network = actor[0].module.network
    assert critic.module.network is network
    for walker in range(8):
        for step in range(12):
            shown = {key: data[key][walker, step][None] for key in (*actor[0].in_keys,)}
            seen, candidates, mask = network.see(shown)
            logits, values = network.evaluate(seen, candidates)
            logits, (value,) = logits.detach(), values.detach()
            place = int(mask[0, : data["action"][walker, step]].sum())
            torch.testing.assert_close(data["action_log_prob"][walker, step], logits.log_softmax(0)[place])
            torch.testing.assert_close(data["state_value"][walker, step, 0], value)
    assert data["action_mask"].gather(-1, data["action"][..., None]).all()


def test_gradients_reach_every_weight(made: Any) -> None:
    data, actor, critic = made
    distribution = actor.get_dist(data)
    assert torch.isfinite(distribution.entropy()).all()
    (distribution.log_prob(data["action"]).sum() + critic(data)["state_value"].sum()).backward()
    for name, weight in actor[0].module.network.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().sum() > 0, name


def test_another_environment_or_decision_is_refused() -> None:
    env = make_torchrl_env("KGWalk-Family", 2)
    with pytest.raises(ValueError, match="decision is 'split'"):
        make_actor_critic(env, CandidateConfig(decision="split"))
    from torchrl.envs import GymEnv

    with pytest.raises(ValueError, match="lack"):
        make_actor_critic(GymEnv("CartPole-v1"))


def test_the_example_learns() -> None:
    command = [sys.executable, str(EXAMPLE), "--steps", "40000"]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    first, after = (
        re.search(rf"([\d.]+) {words}", told) for words in ("of walks hit", "of sampled walks over valid hit")
    )
    assert first is not None
    assert after is not None
    assert float(first[1]) < 0.03
    assert float(after[1]) > 0.06
