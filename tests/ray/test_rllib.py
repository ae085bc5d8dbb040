"""RLlib on kgwalk's environments: masks, spaces, and the page's example."""

from __future__ import annotations

import re
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.tune.registry import ENV_CREATOR, _global_registry

from kgwalk import data
from kgwalk.agents import WalkerAgent
from kgwalk.envs import KGWalkEnv, KGWalkVectorEnv
from kgwalk.evaluation import evaluate
from kgwalk.graph import ActionSets, Expand
from kgwalk.integrations.candidates import CandidateConfig
from kgwalk.integrations.ray import connected
from kgwalk.integrations.rllib import CandidateModule, network_of, ppo_config, register_environments
from kgwalk.search import ANY, chain, search
from tests.ray.conftest import TwoNodes

PAGE = Path(__file__).resolve().parents[2] / "docs" / "ray.md"


def make(name: str, **arguments: object) -> gym.vector.VectorEnv[object, object, object]:
    register_environments()
    made: gym.vector.VectorEnv[object, object, object] = _global_registry.get(ENV_CREATOR, name)(arguments)
    return made


@pytest.mark.parametrize("decision", ["edge", "split"])
def test_illegal_actions_have_probability_zero(decision: str) -> None:
    env = make("KGWalk-Family", num_envs=32, decision=decision)
    config = {"relation_dim": 8, "entity_dim": 4, "hidden_dims": [8], "decision": decision}
    spaces = {"observation_space": env.single_observation_space, "action_space": env.single_action_space}
    module = RLModuleSpec(module_class=CandidateModule, model_config=config, **spaces).build()
    observation, _ = env.reset(seed=1)
    for _ in range(5):
        batch = {Columns.OBS: {key: torch.as_tensor(value) for key, value in observation.items()}}
        logits = module.forward_train(batch)[Columns.ACTION_DIST_INPUTS]
        probability = module.get_exploration_action_dist_cls().from_logits(logits)._dist.probs
        legal = torch.as_tensor(observation["action_mask"] == 1)
        assert (probability[~legal] == 0).all()
        assert (probability[legal] > 0).all()
        torch.testing.assert_close(probability.sum(1), torch.ones(32))
        assert module.compute_values(batch).shape == (32,)
        observation, *_ = env.step(env.unwrapped.sample_actions())  # type: ignore[attr-defined]


def test_a_move_is_scored_by_what_it_is_not_by_its_place() -> None:
    env = make("KGWalk-Family", num_envs=16)
    config = {"relation_dim": 8, "entity_dim": 4, "hidden_dims": [8], "decision": "edge"}
    spaces = {"observation_space": env.single_observation_space, "action_space": env.single_action_space}
    module = RLModuleSpec(module_class=CandidateModule, model_config=config, **spaces).build()
    observation, _ = env.reset(seed=2)
    order = np.random.default_rng(0).permutation(env.single_action_space.n)  # type: ignore[attr-defined]
    mixed = {**observation, **{key: observation[key][:, order] for key in ("relations", "entities", "action_mask")}}

    def logits(shown: dict[str, np.ndarray]) -> torch.Tensor:
        batch = {Columns.OBS: {key: torch.as_tensor(value) for key, value in shown.items()}}
        found: torch.Tensor = module.forward_inference(batch)[Columns.ACTION_DIST_INPUTS]
        return found

    torch.testing.assert_close(logits(mixed), logits(observation)[:, order])


def test_tune_makes_both_kinds_of_environment() -> None:
    assert isinstance(make("KGWalk-Family"), KGWalkEnv)
    many = make("kgwalk/Family-v0", num_envs=3, split="valid")
    assert isinstance(many.unwrapped, KGWalkVectorEnv)
    assert many.num_envs == 3
    assert many.unwrapped.task.split == "valid"


@pytest.fixture(scope="module")
def trained(cluster: TwoNodes) -> dict[str, object]:
    """A short run on two env runners, one on each node."""
    network = CandidateConfig(relation_dim=16, hidden_dims=(32,))
    config = ppo_config("KGWalk-Family", network=network, num_env_runners=1, num_envs_per_env_runner=32, seed=3)
    algorithm = config.env_runners(num_cpus_per_env_runner=1).build_algo()
    try:
        results = [algorithm.train() for _ in range(6)]
        return {"results": results, "network": network_of(algorithm)}
    finally:
        algorithm.stop()


def test_no_action_of_a_whole_run_is_illegal(trained: dict[str, object]) -> None:
    last = trained["results"][-1]["env_runners"]  # type: ignore[index]
    assert last["illegal_actions"] == 0
    assert last["num_env_steps_sampled_lifetime"] >= 6 * 24 * 32


def test_illegal_actions_would_be_counted() -> None:
    class Episode:
        def get_infos(self) -> list[dict[str, bool]]:
            return [{}, {"illegal_action": True}, {"illegal_action": False}, {"illegal_action": True}]

    from kgwalk.integrations.rllib import CountIllegal

    told: list[tuple[str, int]] = []

    class Logger:
        def log_value(self, key: str, value: int, reduce: str) -> None:
            told.append((key, value))

    CountIllegal().on_sample_end(metrics_logger=Logger(), samples=[Episode(), Episode()])
    assert told == [("illegal_actions", 4)]


def test_the_trained_network_walks_a_beam(trained: dict[str, object]) -> None:
    family = data.load("Family")
    network = trained["network"]
    queries = family.queries("valid")[:20]
    actions = ActionSets(Expand(family.graph, max_out_degree=64), hide_fact=False)
    paths = search(actions, network, chain(ANY, 16, hops=3, per="query"), queries)  # type: ignore[arg-type]
    assert len(np.unique(paths.query)) == len(queries)
    own = {"dataset": family.name, "fingerprint": family.fingerprint, "hops": 3, "max_out_degree": 64}
    agent = WalkerAgent(network, **own)  # type: ignore[arg-type]
    assert 0 < evaluate(agent, family, "valid", progress=False).metrics["both"]["mrr"] < 1


def test_a_network_that_decides_otherwise_is_refused() -> None:
    with pytest.raises(ValueError, match="the environment decides by split, the network by edge"):
        ppo_config("KGWalk-Family", {"decision": "split"})


def test_the_example_of_the_page_runs(cluster: TwoNodes, capsys: pytest.CaptureFixture[str]) -> None:
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert code is not None
    short = code[1].replace("range(300)", "range(2)").replace("num_env_runners=2", "num_env_runners=1")
    assert "range(2)" in short
    exec(compile(short, str(PAGE), "exec"), {})
    *progress, mrr = capsys.readouterr().out.split("\n")[:-1]
    assert [line.split()[2] for line in progress] == ["0", "0"] or all(line.endswith(" 0.0") for line in progress)
    assert 0 < float(mrr) < 1
    with connected():
        pass
