"""The walk under PettingZoo's API: its own checkers, and the walks of ``KGWalkEnv(decision="split")``."""

from __future__ import annotations

import os
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
from pettingzoo.test import api_test, seed_test

from kgwalk.envs import KGWalkEnv
from kgwalk.integrations.pettingzoo import ENTITY, RELATION, KGWalkAEC, env

#: What the checkers find odd and is so on purpose: dicts of ids, agents with names, each with candidates of its own.
ON_PURPOSE = (
    "Agents have different observation space sizes",
    "Observation is not a NumPy array",
    "Observation space for each agent probably should be gymnasium.spaces.box",
    "We recommend agents to be named",
)


@pytest.fixture(params=["Family", "Bookshop", "WN18RR", "LastFM"])
def dataset(request: pytest.FixtureRequest) -> str:
    """Both tasks, embedded and from files."""
    name: str = request.param
    folder = {"WN18RR": "wn18rr", "LastFM": "last-fm"}.get(name)
    if folder is not None and not (Path(os.environ.get("KGWALK_DATA", "")) / folder).is_dir():
        pytest.skip(f"no folder {folder} in KGWALK_DATA")
    return name


def test_the_checkers_of_pettingzoo_pass(dataset: str) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        api_test(env(dataset, max_out_degree=20), num_cycles=100)
    assert {str(one.message) for one in told if not str(one.message).startswith(ON_PURPOSE)} == set()
    seed_test(lambda: env(dataset), num_cycles=100)


@pytest.mark.parametrize("split", ["train", "valid"])
def test_walks_are_those_of_the_split_environment(dataset: str, split: str) -> None:
    two = KGWalkAEC(dataset, split=split)
    one = KGWalkEnv(dataset, split=split, decision="split")
    rng = np.random.default_rng(0)
    seen_legal = seen_illegal = paid = 0.0
    for walk in range(40):
        seed = 17 if walk == 0 else None
        two.reset(seed=seed)
        seen, info = one.reset(seed=seed)
        for agent in two.agent_iter():
            observation, reward, terminated, truncated, told = two.last()
            assert told == {key: value for key, value in info.items() if key != "action_mask"}
            assert not truncated
            if terminated:
                paid += reward
                two.step(None)
                continue
            phase = int(seen["phase"][0])
            assert agent == (RELATION, ENTITY)[phase]
            assert two.observation_space(agent).contains(observation)
            fields, mask = observation["observation"], observation["action_mask"]
            for key in ("source", "query_relation", "entity", "step", "last_relation"):
                np.testing.assert_array_equal(fields[key], seen[key])
            legal = int(seen["action_mask"].sum())
            assert (mask.sum(), mask[:legal].all()) == (legal, True)
            key = ("relations", "entities")[phase]
            np.testing.assert_array_equal(fields[key], seen[key][: len(mask)])
            if phase:
                assert set(seen["relations"][:legal]) == set(fields["relation"])
            other = two.observe((ENTITY, RELATION)[phase])
            assert two.observation_space((ENTITY, RELATION)[phase]).contains(other)
            assert not other["action_mask"].any()
            # Mostly legal moves; those that are not make the walker stay.
            action = int(rng.integers(legal) if rng.random() < 0.9 else two.action_space(agent).n - 1)
            seen_legal, seen_illegal = seen_legal + (action < legal), seen_illegal + (action >= legal)
            two.step(action)
            seen, reward, over, _, info = one.step(action)
            assert two.rewards == dict.fromkeys(two.agents, reward)
            assert two.terminations == dict.fromkeys(two.agents, over)
            assert told.keys() <= {"query", "illegal_action", "hit"}
        assert two.agents == []
    assert seen_legal > 100
    assert seen_illegal > 5 or seen["action_mask"].all()


def test_both_are_paid_for_a_hit() -> None:
    two = env("Family", horizon=1, split="valid")
    hits = 0
    for row in range(200):
        two.reset(options={"query": row, "anything": "else"})
        rng, earned = np.random.default_rng(row), {RELATION: 0.0, ENTITY: 0.0}
        for agent in two.agent_iter():
            observation, reward, terminated, _, info = two.last()
            assert info.get("query", row) == row
            earned[agent] += reward
            two.step(None if terminated else rng.choice(np.flatnonzero(observation["action_mask"])))
            hit = bool(info.get("hit"))
        assert set(earned.values()) == {float(hit)}
        hits += hit
    assert 0 < hits < 200


def test_pickle_and_pictures() -> None:
    two = pickle.loads(pickle.dumps(KGWalkAEC("Family", horizon=2, render_mode="ansi")))
    two.reset(seed=1)
    assert "hop 0 of 2" in two.render()
    two.close()
    with pytest.raises(TypeError, match="decision"):
        env("Family", decision="edge")


def test_out_of_order_use_is_told() -> None:
    with pytest.raises(AssertionError, match="reset"):
        env("Family").agent_iter()
