"""ScorerReward by itself against plain Python, and in the environments."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from hypothesis import given
from hypothesis import strategies as st

from kgwalk import scorers
from kgwalk.data import Dataset, load
from kgwalk.envs import ScorerReward
from kgwalk.protocols import FinishedWalks, Scorer
from kgwalk.rules import RuleReward
from tests.rules.oracle import Rule
from tests.rules.rule_sets import rule_set
from tests.scorers.fakes import BrokenScorer, TableScorer

ENVS = 64
WALK = st.tuples(*[st.integers(0, 3)] * 4, st.booleans())


def finished(ends: list[int], hits: list[bool]) -> FinishedWalks:
    n = len(ends)
    entities = np.column_stack([np.zeros((n, 2), np.int32), np.array(ends, np.int32)])
    return FinishedWalks(
        np.arange(n, dtype=np.int32), np.arange(n), entities, np.zeros((n, 2), np.int32), np.array(hits, np.bool_)
    )


@given(walks=st.lists(WALK, max_size=30), seed=st.integers(0, 9))
def test_every_walk_is_paid_as_in_plain_python(walks: list[tuple[Any, ...]], seed: int) -> None:
    scorer = TableScorer(4, 2, seed)
    queries = np.array([walk[:3] for walk in walks], np.int32).reshape(-1, 3)
    paid = ScorerReward(scorer)(finished([walk[3] for walk in walks], [walk[4] for walk in walks]), queries)
    assert paid.dtype == np.float64
    assert paid.tolist() == [1.0 if hit else scorer.of(s, r, end) for s, r, _, end, hit in walks]
    missed = {(s, r, end) for s, r, _, end, hit in walks if not hit}
    assert sorted(scorer.asked) == sorted(missed), "each distinct fact once, targets never read"
    assert scorer.relations == sorted({r for _, r, _ in missed}), "one call a relation"


@pytest.mark.parametrize(
    ("scorer", "message"),
    [(BrokenScorer(np.nan), "got nan"), (BrokenScorer(7.0), r"got 7\.0"), (BrokenScorer(0.5, count=3), r"got \(6,\)")],
)
def test_what_is_no_score_is_refused(scorer: Scorer, message: str) -> None:
    with pytest.raises(ValueError, match=rf"BrokenScorer\.score: .*{message}"):
        ScorerReward(scorer)(finished([1, 2], [False, False]), np.zeros((2, 3), np.int32))


@pytest.fixture(scope="module")
def family() -> Dataset:
    return load("Family")


@pytest.fixture
def scorer(family: Dataset) -> TableScorer:
    return TableScorer(len(family.entities), len(family.relations))


def test_environments_pay_it(family: Dataset, scorer: TableScorer) -> None:
    """Beside rules, as RuleGuider has it; the single environment pays what the vector one pays."""
    rules = RuleReward(rule_set({Rule(0, (0,)): (9, 10)}, len(family.entities), len(family.relations)), 15)
    reward = {"rules": 0.65, "shaped": 0.35}
    arguments: dict[str, Any] = {"directions": "both", "reward": reward, "rules": rules, "shaped": scorer}
    envs = gym.make_vec("KGWalk-Family", ENVS, candidates="ragged", **arguments)
    inner: Any = envs.unwrapped
    rows = np.random.default_rng(3).integers(0, len(inner.queries), ENVS)
    envs.reset(seed=1, options={"query": rows})
    taken = []
    for hop in range(inner.task.horizon):
        taken.append(inner.sample_actions())
        _, rewards, over, _, _ = envs.step(taken[-1])
        assert over.all() == (hop == inner.task.horizon - 1)
    walks = inner.finished_walks()
    queries = inner.queries[walks.query]
    ends = zip(*queries[:, :2].T.tolist(), walks.entities[:, -1].tolist(), strict=True)
    shaped = np.array([1.0 if hit else scorer.of(*end) for hit, end in zip(walks.hit, ends, strict=True)])
    assert 0 < walks.hit.sum() < ENVS
    np.testing.assert_allclose(rewards, 0.65 * rules(walks, queries) + 0.35 * shaped)

    env = gym.make("KGWalk-Family", **arguments)
    for i, row in enumerate(rows.tolist()):
        env.reset(seed=1, options={"query": row})
        total = sum(float(env.step(int(action))[1]) for action in np.array(taken)[:, i])
        assert total == pytest.approx(rewards[i])


@pytest.mark.parametrize(("reward", "of_a_hit"), [({"shaped": 1.0}, 1.0), ({"hit": 1.0, "shaped": 1.0}, 2.0)])
def test_it_holds_the_hit(scorer: TableScorer, reward: dict[str, float], of_a_hit: float) -> None:
    scorer.table[:] = 0.25
    envs = gym.make_vec("kgwalk/Family-v0", ENVS, reward=reward, shaped=scorer)
    inner: Any = envs.unwrapped
    envs.reset(seed=1)
    for _ in range(inner.task.horizon):
        rewards = envs.step(inner.sample_actions())[1]
    hits = inner.finished_walks().hit
    assert 0 < hits.sum() < ENVS
    assert rewards.tolist() == [of_a_hit if hit else 0.25 for hit in hits]


class Loads:
    """In place of ``kgwalk.scorers.load``; counts its calls."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer, self.calls = scorer, 0

    def __call__(self, path: Path, dataset: Dataset) -> Scorer:
        assert path.is_absolute()
        assert dataset.name == "Family"
        self.calls += 1
        return self.scorer


@pytest.fixture
def loads(scorer: TableScorer, monkeypatch: pytest.MonkeyPatch) -> Loads:
    stand_in = Loads(scorer)
    monkeypatch.setattr(scorers, "load", stand_in, raising=False)
    return stand_in


def test_a_file_is_loaded_once_until_it_changes(family: Dataset, loads: Loads, tmp_path: Path) -> None:
    path = tmp_path / "complex.safetensors"
    path.write_bytes(b"1")
    rewards = [ScorerReward.make(family, option) for option in (path, str(path), path)]
    assert [reward.scorer for reward in rewards] == [loads.scorer] * 3
    assert loads.calls == 1
    path.write_bytes(b"22")
    ScorerReward.make(family, path)
    assert loads.calls == 2
    os.utime(path, ns=(1, 1))
    ScorerReward.make(family, path)
    assert loads.calls == 3
    with pytest.raises(FileNotFoundError, match="absent"):
        ScorerReward.make(family, tmp_path / "absent")


def test_a_folder_is_asked_for_its_file(family: Dataset, loads: Loads, tmp_path: Path) -> None:
    """A run that is still training writes other files into its folder, and overwrites its agent in place."""
    file = tmp_path / "agent.safetensors"
    file.write_bytes(b"1")
    ScorerReward.make(family, tmp_path)
    (tmp_path / "checkpoint.safetensors").write_bytes(b"1")
    ScorerReward.make(family, tmp_path)
    assert loads.calls == 1
    file.write_bytes(b"22")
    ScorerReward.make(family, tmp_path)
    assert loads.calls == 2


def test_specs_are_json_and_environments_pickle(loads: Loads, tmp_path: Path) -> None:
    path = tmp_path / "complex.safetensors"
    path.write_bytes(b"1")
    envs = gym.make_vec("KGWalk-Family", num_envs=2, reward={"shaped": 1.0}, shaped=str(path))
    spec = EnvSpec.from_json(envs.spec.to_json())
    assert spec.kwargs["shaped"] == str(path)
    rollouts = []
    for each in (envs, gym.make_vec(spec), pickle.loads(pickle.dumps(envs.unwrapped))):
        each.reset(seed=5)
        rollouts.append([each.step(each.unwrapped.sample_actions())[1].tolist() for _ in range(12)])
    assert rollouts.count(rollouts[0]) == 3
    assert np.any(rollouts[0])


@pytest.mark.parametrize("option", [None, 3, {"file": "x"}, object()])
def test_what_to_give_is_told(option: Any) -> None:
    arguments = {} if option is None else {"shaped": option}
    with pytest.raises(ValueError, match=r"shaped=: expected the path of a scorer.*a Scorer or a ScorerReward; got"):
        gym.make("KGWalk-Family", reward={"hit": 1.0, "shaped": 1.0}, **arguments)


def test_a_reward_may_be_given_as_it_is(family: Dataset, scorer: TableScorer) -> None:
    reward = ScorerReward(scorer)
    assert ScorerReward.make(family, reward) is reward
    assert ScorerReward.make(family, scorer).scorer is scorer
    with pytest.raises(TypeError, match="'shaped'"):
        gym.make("KGWalk-Family", shaped=scorer)


def test_a_scorer_of_other_facts_is_refused(family: Dataset, scorer: TableScorer) -> None:
    scorer.facts = "0123"  # type: ignore[attr-defined]
    for option in (scorer, ScorerReward(scorer)):
        with pytest.raises(ValueError, match=f"table was fitted on facts of another dataset.*0123.*{family.name}"):
            ScorerReward.make(family, option)
    scorer.facts = family.facts_fingerprint  # type: ignore[attr-defined]
    assert ScorerReward.make(family, scorer).scorer is scorer
