"""Walkers that Stable-Baselines3 trains: the same run again, resumed, saved, refused; and its own loops over kgwalk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sb3_contrib import MaskablePPO
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.evaluation import evaluate_policy

import kgwalk.data
from kgwalk import agents
from kgwalk.agents.checkpoint import NAME as CHECKPOINT
from kgwalk.agents.sb3 import SB3Config, SB3MaskablePPO, SB3SplitPPO, SB3Walker
from kgwalk.agents.sb3.trainer import WARM_UP
from kgwalk.data import Dataset
from kgwalk.evaluation import evaluate, evaluate_recommendations
from kgwalk.integrations.candidates import CandidateConfig
from kgwalk.integrations.sb3 import CandidatePolicy, MaskableCandidatePolicy, make_vec_env
from kgwalk.tensors import load_tensors, save_tensors
from tests.envs.conftest import dataset_of

KINDS = (SB3MaskablePPO, SB3SplitPPO)


def config(kind: type[SB3Walker], **changes: Any) -> SB3Config:
    network = CandidateConfig(8, 4, (8,), kind.decision)
    numbers: dict[str, Any] = {"hops": 2, "num_envs": 16, "walks": 2, "rollouts": 4, "batch": 32, "epochs": 2}
    numbers |= {"validate_every": 2, "validate_queries": 10, "beam": 16, **changes}
    return SB3Config(network=network, **numbers)


@pytest.fixture(autouse=True)
def others_draws() -> Iterator[None]:
    """Training leaves the generators of everybody else alone."""
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # type: ignore[union-attr] # noqa: NPY002
    yield
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]  # type: ignore[union-attr] # noqa: NPY002


def contents(folder: Path) -> dict[str, torch.Tensor]:
    return load_tensors(folder / CHECKPOINT)[0] | load_tensors(folder / "agent.safetensors")[0]


def assert_same(a: Path, b: Path) -> None:
    first, second = contents(a), contents(b)
    assert first.keys() == second.keys()
    for key, value in first.items():
        torch.testing.assert_close(second[key], value, rtol=0, atol=0, msg=key)


@pytest.mark.parametrize("kind", KINDS)
def test_a_resumed_run_ends_like_an_unbroken_one(
    family: Dataset, tmp_path: Path, kind: type[SB3Walker], monkeypatch: pytest.MonkeyPatch
) -> None:
    kind.fit(family, config(kind), tmp_path / "whole", seed=3)
    trainer = kind.trainer(family, config(kind), tmp_path / "broken", seed=3)
    end_rollout = type(trainer).end_rollout

    def killed(self: Any, seconds: float) -> None:
        end_rollout(self, seconds)
        if self.state.step == 3:  # one past the checkpoint
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(type(trainer), "end_rollout", killed)
        with pytest.raises(KeyboardInterrupt):
            trainer.run(resume=False)
    with pytest.raises(FileExistsError, match="resume it"):
        kind.fit(family, config(kind), tmp_path / "broken", seed=3)
    kind.fit(family, config(kind), tmp_path / "broken", seed=3, resume=True)
    assert_same(tmp_path / "whole", tmp_path / "broken")
    kind.fit(family, config(kind), tmp_path / "other", seed=4)
    assert not torch.equal(contents(tmp_path / "other")["relations"], contents(tmp_path / "whole")["relations"])
    again = kind.trainer(family, config(kind), tmp_path / "whole", seed=3)
    again.run(resume=True)
    assert again.idle
    with pytest.raises(ValueError, match="of another run: config differ"):
        kind.fit(family, config(kind, epochs=1), tmp_path / "whole", seed=3, resume=True)


@pytest.mark.parametrize("kind", KINDS)
def test_ppo_goes_on_from_a_warm_start_that_was_best_on_valid(
    family: Dataset, tmp_path: Path, kind: type[SB3Walker], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = config(kind, rollouts=2, warm_up_steps=8, warm_up_batch=32, validate_queries=50)
    kind.fit(family, settings, tmp_path / "whole")
    warm = load_tensors(tmp_path / "whole" / WARM_UP / "agent.safetensors")[0]
    trainer = kind.trainer(family, settings, tmp_path / "broken")
    begun: list[dict[str, torch.Tensor]] = []

    def killed(self: Any) -> None:
        begun.append({key: value.clone() for key, value in self.agent.policy.state_dict().items()})
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(type(trainer), "begin_rollout", killed)
        with pytest.raises(KeyboardInterrupt):
            trainer.run(resume=False)
    for key, value in warm.items():
        torch.testing.assert_close(begun[0][key], value, rtol=0, atol=0, msg=key)
    kind.fit(family, settings, tmp_path / "broken", resume=True)
    assert_same(tmp_path / "whole", tmp_path / "broken")


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_saved_loaded_and_measured_like_others(family: Dataset, tmp_path: Path, kind: type[SB3Walker]) -> None:
    agent = kind.fit(family, config(kind), tmp_path)
    loaded = agents.load(tmp_path, family)
    assert type(loaded) is kind
    reports = [evaluate(each, family, "valid", progress=False).metrics for each in (agent, loaded)]
    assert reports[0] == reports[1]
    assert len(loaded.walks(family.queries("valid")[:5], family.graph))  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="its ids mean other things"):
        kind.load(tmp_path, "another dataset")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"horizon": 3}, "hops must be the network's horizon"),
        ({"horizon": "2"}, "horizon must be a whole number"),
        ({"num_entities": 1 << 40}, "num_entities must be a whole number"),
        ({"num_entities": 5}, "weights entities do not have the shapes"),
        ({"policy": {"relation_dim": 8}}, "note lacks 'hidden_dims'"),
        ({"agent": "sb3-ppo"}, "decision must be split for sb3-ppo"),
    ],
)
def test_a_note_that_lies_is_refused(family: Dataset, tmp_path: Path, change: dict[str, Any], message: str) -> None:
    SB3MaskablePPO.fit(family, config(SB3MaskablePPO, rollouts=2), tmp_path)
    path = tmp_path / "agent.safetensors"
    tensors, note = load_tensors(path)
    save_tensors(path, tensors, {**note, **change})
    with pytest.raises(ValueError, match=message):
        agents.load(tmp_path, family)


@pytest.mark.parametrize("kind", KINDS)
def test_it_recommends(tmp_path: Path, kind: type[SB3Walker]) -> None:
    shop = kgwalk.data.load("Bookshop")
    agent = kind.fit(shop, config(kind, hops=3, directions="tail"), tmp_path)
    report = evaluate_recommendations(agent, shop, "valid", progress=False)  # type: ignore[arg-type]
    assert 0 <= report.lists.metrics["ndcg@10"] <= 1


def test_numbers_that_cannot_be_trained_with_are_refused(family: Dataset, tmp_path: Path) -> None:
    for change in ({"num_envs": 0}, {"learning_rate": 0.0}, {"entropy": -1.0}, {"gae_lambda": 2.0}):
        with pytest.raises(ValueError, match=next(iter(change))):
            replace(SB3Config(), **change)
    with pytest.raises(ValueError, match=r"network.decision must be edge"):
        SB3MaskablePPO.trainer(family, config(SB3SplitPPO), tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_it_learns_which_relation_answers(tmp_path: Path, kind: type[SB3Walker]) -> None:
    rng = np.random.default_rng(0)
    pairs = np.unique(rng.integers(0, 60, (240, 2)), axis=0)
    facts = [(h, r, t) for h, t in pairs.tolist() for r in (0, 1)]  # who is in relation 0 is in relation 1
    facts += [(h, 2, t) for h, t in rng.integers(0, 60, (240, 2)).tolist()]
    held_out = [(h, 0, t) for h, t in pairs[::6].tolist()]
    world = dataset_of([fact for fact in facts if fact not in held_out], 60, 3, valid=held_out)
    changes = {
        "hops": 1,
        "num_envs": 128,
        "rollouts": 12,
        "walks": 4,
        "batch": 256,
        "validate_every": 12,
        "max_out_degree": 0,
    }
    settings = config(kind, **changes, entropy=0.01, learning_rate=1e-2, directions="tail", beam=64)
    settings = replace(settings, network=replace(settings.network, entity_dim=0))
    agent = kind.fit(world, settings, tmp_path)
    untrained = kind.trainer(world, settings, tmp_path / "untrained").agent
    after, before = (evaluate(a, world, "valid", progress=False).metrics["tail"]["mrr"] for a in (agent, untrained))
    assert after > max(0.7, before + 0.1)


@pytest.mark.parametrize(("algorithm", "policy"), [(MaskablePPO, MaskableCandidatePolicy), (PPO, CandidatePolicy)])
def test_its_own_loop_makes_no_illegal_move(algorithm: Any, policy: Any, tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        state = np.random.get_state()  # noqa: NPY002
        envs = make_vec_env("KGWalk-Family", 8, seed=0)
        model = algorithm(
            policy, envs, n_steps=6, batch_size=24, policy_kwargs={"network": {"relation_dim": 8}}, seed=0, device="cpu"
        )
        illegal = []
        step = envs.step_wait
        envs.step_wait = lambda: _watch(step(), illegal)  # type: ignore[method-assign]
        model.learn(96)
        assert len(illegal) >= 12
        assert not any(illegal)
        model.save(tmp_path / "model.zip")
        loaded = algorithm.load(tmp_path / "model.zip", device="cpu")
        obs = envs.reset()
        masks = {"action_masks": envs.action_masks()} if algorithm is MaskablePPO else {}
        for deterministic in (True, False):
            torch.manual_seed(0)
            actions, _ = model.predict(obs, deterministic=deterministic, **masks)
            torch.manual_seed(0)
            np.testing.assert_array_equal(loaded.predict(obs, deterministic=deterministic, **masks)[0], actions)
            assert envs.action_masks()[np.arange(8), actions].all()
        np.random.set_state(state)  # noqa: NPY002


def _watch(result: Any, illegal: list[bool]) -> Any:
    illegal.append(any(info.get("illegal_action", False) for info in result[3]))
    return result


def test_a_mask_of_ones_own_closes_more(family: Dataset) -> None:
    envs = make_vec_env("KGWalk-Family", 6, seed=0)
    with torch.random.fork_rng(devices=[]):
        state = np.random.get_state()  # noqa: NPY002
        model = MaskablePPO(MaskableCandidatePolicy, envs, n_steps=3, batch_size=6, device="cpu")
        np.random.set_state(state)  # noqa: NPY002
        obs = {key: torch.as_tensor(value) for key, value in envs.reset().items()}
        masks = np.zeros_like(envs.action_masks())
        masks[:, 2] = True
        actions, _, log_probs = model.policy(obs, action_masks=masks)
        assert actions.tolist() == [2] * 6
        assert log_probs.tolist() == [0.0] * 6
        _, chosen, entropy = model.policy.evaluate_actions(obs, actions, torch.as_tensor(masks))
        assert chosen.tolist() == [0.0] * 6
        assert entropy.tolist() == [0.0] * 6
        whole = model.policy.get_distribution(obs).distribution.probs
        assert (whole[~torch.as_tensor(envs.action_masks())] == 0).all()
        with pytest.raises(ValueError, match="one is masked"):
            model.policy.evaluate_actions(obs, actions + 1, torch.as_tensor(masks))
        _, every, _ = model.policy.evaluate_actions(obs, actions)
        torch.testing.assert_close(whole[:, 2].log(), every)


def test_a2c_and_evaluate_policy_take_it(family: Dataset) -> None:
    with torch.random.fork_rng(devices=[]):
        state = np.random.get_state()  # noqa: NPY002
        envs = make_vec_env("KGWalk-Family", 4, seed=0, decision="split")
        model = A2C(CandidatePolicy, envs, n_steps=6, device="cpu").learn(48)
        mean, _ = evaluate_policy(model, envs, n_eval_episodes=8)
        assert 0 <= mean <= 1
        np.random.set_state(state)  # noqa: NPY002


def test_other_observations_and_networks_are_refused() -> None:
    envs = make_vec_env("KGWalk-Family", 2)
    with pytest.raises(ValueError, match="its decision is 'split'"):
        PPO(CandidatePolicy, envs, policy_kwargs={"network": {"decision": "split"}}, device="cpu")
    with pytest.raises(ValueError, match="an environment of kgwalk, padded"):
        PPO(CandidatePolicy, "CartPole-v1", device="cpu")
