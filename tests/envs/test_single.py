"""The single environment, its rewards, arguments and renderings."""

from __future__ import annotations

import gc
import itertools
import weakref
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import RecordEpisodeStatistics

from kgwalk.data import Dataset
from kgwalk.envs import KGWalkEnv, KGWalkVectorEnv, register_reward, rewards
from kgwalk.protocols import FinishedWalks

PATH_FACTS = [(0, 0, 1), (1, 1, 2), (0, 2, 2)]


@pytest.fixture
def line(make_dataset: Any) -> Dataset:
    """0 -r0-> 1 -r1-> 2, and the query (0, r2, 2)."""
    return make_dataset(PATH_FACTS, 3, 3)


def choose(obs: dict[str, Any], relation: int, entity: int) -> int:
    """The action that stands for a move."""
    legal = obs["action_mask"].astype(bool)
    (found,) = np.flatnonzero(legal & (obs["relations"] == relation) & (obs["entities"] == entity))
    return int(found)


def test_a_walk_to_the_answer(line: Dataset) -> None:
    env = KGWalkEnv(line, horizon=2)
    obs, info = env.reset(options={"query": 2})
    assert info["query"] == 2
    assert (obs["source"], obs["query_relation"], obs["entity"]) == (0, 2, 0)
    assert not ((obs["relations"] == 2) & (obs["entities"] == 2)).any()  # its own edge is hidden
    obs, reward, over, truncated, info = env.step(choose(obs, 0, 1))
    assert (reward, over, truncated, info["illegal_action"]) == (0.0, False, False, False)
    obs, reward, over, truncated, info = env.step(choose(obs, 1, 2))
    assert (reward, over, truncated) == (1.0, True, False)
    assert info["hit"] is True
    assert env.path()[0].tolist() == [0, 1, 2]
    assert obs["action_mask"].sum() == 1  # it is over: STAY alone
    with pytest.raises(ResetNeeded):
        env.step(0)


def test_split_decisions_make_the_same_walk(line: Dataset) -> None:
    env = KGWalkEnv(line, horizon=2, decision="split")
    obs, _ = env.reset(options={"query": 2})
    rewards = []
    for relation, entity in ((0, 1), (1, 2)):
        assert obs["phase"] == 0
        obs, *_ = env.step(choose(obs, relation, int(obs["entity"][0])))
        assert obs["phase"] == 1
        obs, reward, over, _, _ = env.step(choose(obs, relation, entity))
        rewards.append(reward)
    assert rewards == [0.0, 1.0]
    assert over


def test_an_illegal_action_stays_and_says_so(line: Dataset) -> None:
    env = KGWalkEnv(line, horizon=2)
    obs, _ = env.reset(options={"query": 2})
    assert obs["action_mask"][-1] == 0
    obs, _, _, _, info = env.step(env.action_space.n - 1)
    assert info["illegal_action"] is True
    assert (obs["entity"], obs["step"], obs["last_relation"]) == (0, 1, env.task.stay)
    for outside in (-1, env.action_space.n):
        with pytest.raises(IndexError):
            env.step(outside)


def test_step_before_reset(line: Dataset) -> None:
    env = KGWalkEnv(line, render_mode="ansi")
    with pytest.raises(ResetNeeded):
        env.step(0)
    for tell in (env.render, env.action_masks, env.sample_action, env.path):
        with pytest.raises(ResetNeeded):
            tell()


def test_actions_are_integers(line: Dataset) -> None:
    env = KGWalkEnv(line, horizon=4)
    env.reset(seed=1)
    for wrong in (1.5, np.float32(2.7), "1", None):
        with pytest.raises(ValueError, match="action: expected an integer, got"):
            env.step(wrong)  # type: ignore[arg-type]
    for outside in (2**70, -(2**70)):
        with pytest.raises(IndexError, match=f"action {outside} is not in"):
            env.step(outside)
    for right in (0, np.int64(0), np.int32(0)):
        obs, *_ = env.step(right)
    assert obs["step"] == 3


def test_other_answers_are_closed_at_the_last_hop(make_dataset: Any) -> None:
    dataset = make_dataset([(0, 0, 1), (0, 0, 2), (0, 1, 2)], 3, 2)
    first_hop = KGWalkEnv(dataset, horizon=2).reset(options={"query": 0})[0]
    assert choose(first_hop, 0, 2)
    for hide, count in ((True, 1), (False, 3)):
        last_hop = KGWalkEnv(dataset, horizon=1, hide_answers=hide).reset(options={"query": 0})[0]
        assert last_hop["action_mask"].sum() == count


class Length:
    """Minus the number of hops that were not waits."""

    name = "length"

    def __init__(self, scale: float) -> None:
        self.scale = scale
        self.calls: list[int] = []

    def __call__(self, walks: FinishedWalks, queries: np.ndarray) -> np.ndarray:
        assert queries.shape == (len(walks.env), 3)
        assert (queries[:, 0] == walks.entities[:, 0]).all()
        self.calls.append(len(walks.env))
        return -self.scale * (walks.relations != 6).sum(axis=1)


@pytest.fixture
def length_term(monkeypatch: pytest.MonkeyPatch) -> list[Length]:
    monkeypatch.setattr(rewards, "_factories", dict(rewards._factories))
    made: list[Length] = []

    def factory(dataset: Dataset, option: Any) -> Length:
        made.append(Length(option or 1.0))
        return made[-1]

    register_reward("length", factory)
    return made


def test_reward_terms_are_summed(line: Dataset, length_term: list[Length]) -> None:
    env = KGWalkEnv(line, horizon=2, reward={"hit": 2.0, "length": 0.5}, length=3.0)
    obs, _ = env.reset(options={"query": 2})
    obs, reward, *_ = env.step(choose(obs, 0, 1))
    assert reward == 0
    _, reward, *_ = env.step(choose(obs, 1, 2))
    assert reward == pytest.approx(2.0 - 0.5 * 3.0 * 2)


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_a_term_is_called_once_for_a_batch(line: Dataset, length_term: list[Length], mode: str) -> None:
    envs = KGWalkVectorEnv(line, 5, horizon=2, reward={"length": 1.0}, autoreset_mode=mode)
    envs.reset(seed=1)
    for _ in range(2):
        _, rewards, ended, _, _ = envs.step(envs.sample_actions())
    walks = envs.finished_walks()
    assert ended.all()
    assert length_term[0].calls == [5]
    np.testing.assert_array_equal(rewards, -(walks.relations != 6).sum(axis=1).astype(float))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"reward": {}}, ValueError, "at least one"),
        ({"reward": {"fame": 1.0}}, ValueError, "fame"),
        ({"reward": {"hit": float("nan")}}, ValueError, "finite"),
        ({"rules": "path"}, TypeError, "rules"),
        ({"decision": "node"}, ValueError, "decision"),
        ({"directions": "up"}, ValueError, "directions"),
        ({"query_order": "sorted"}, ValueError, "query_order"),
        ({"horizon": 0}, ValueError, "horizon"),
        ({"horizon": 2000}, ValueError, r"horizon: expected an integer in \[1, 1024\], got 2000"),
        ({"horizon": 2**31}, ValueError, "horizon: expected an integer in"),
        ({"horizon": "3"}, ValueError, "horizon: expected an integer, got '3'"),
        ({"horizon": 2.5}, ValueError, r"horizon: expected an integer, got 2\.5"),
        ({"max_out_degree": -1}, ValueError, "max_out_degree: expected an integer in"),
        ({"max_out_degree": 2.5}, ValueError, "max_out_degree: expected an integer, got"),
        ({"hide_answers": "no"}, ValueError, "hide_answers: expected True or False, got 'no'"),
        ({"reward": {"hit": "a"}}, ValueError, "reward: expected a finite number as weight of 'hit', got 'a'"),
        ({"reward": "hit"}, ValueError, "reward: expected weights by name of term.*, got 'hit'"),
        ({"horizn": 3}, TypeError, "unexpected argument 'horizn'"),
        ({"split": "dev"}, KeyError, "dev"),
        ({"split": "valid"}, ValueError, "no queries"),
        ({"render_mode": "human"}, ValueError, "render_mode"),
        ({"data_dir": "somewhere"}, ValueError, "data_dir"),
    ],
)
def test_bad_arguments(line: Dataset, arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        KGWalkEnv(line, **arguments)


def test_bad_query_rows(line: Dataset) -> None:
    env = KGWalkEnv(line)
    for row in (-1, 6):
        with pytest.raises(IndexError, match="query row"):
            env.reset(options={"query": row})
    with pytest.raises(ValueError, match=r"options\['query'\]: expected an integer, got 1\.5"):
        env.reset(options={"query": 1.5})
    with pytest.raises(ValueError, match="options: expected 'query', got 'question'"):
        env.reset(options={"question": 1})


def test_a_dataset_that_is_none() -> None:
    with pytest.raises(ValueError, match="dataset: expected a name or a loaded Dataset, got 3"):
        KGWalkEnv(3)  # type: ignore[arg-type]


def test_a_name_that_is_no_dataset() -> None:
    with pytest.raises(KeyError, match="WN19"):
        KGWalkEnv("WN19")


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"train\.txt"):
        KGWalkEnv("Custom", data_dir=tmp_path)


def test_wrappers(toy: Dataset) -> None:
    env = RecordEpisodeStatistics(KGWalkEnv(toy, horizon=2))
    env.reset(seed=1)
    env.step(0)
    _, reward, _, _, info = env.step(0)
    assert info["episode"]["l"] == 2
    assert info["episode"]["r"] == reward


def test_typed_graph(shop: Dataset) -> None:
    for decision in ("edge", "split"):
        env = KGWalkEnv(shop, decision=decision)
        check_env(env, skip_render_check=True)
    envs = KGWalkVectorEnv(shop, 200, directions="tail", reward={"hit": 1.0})
    envs.reset(seed=1)
    hits = 0
    for _ in range(12):
        hits += int(envs.step(envs.sample_actions())[1].sum())
        walks = envs.finished_walks()
        bought = shop.splits["train"][walks.query][:, 1] == 0
        assert (walks.entities[bought, 0] < 6).all()
    assert hits > 0


class TestRendering:
    def test_text(self, line: Dataset) -> None:
        env = KGWalkEnv(line, horizon=2, render_mode="ansi")
        obs, _ = env.reset(options={"query": 2})
        assert env.render() == "(e0, r2, ?)  hop 0 of 2\ne0\n    0  STAY -> e0\n    1  r0 -> e1"
        obs, *_ = env.step(choose(obs, 0, 1))
        env.step(choose(obs, 1, 2))
        assert env.render() == "(e0, r2, ?)  hit e2\ne0 --r0--> e1 --r1--> e2"
        env.reset(options={"query": 2})
        env.step(0)
        env.step(0)
        assert env.render() == "(e0, r2, ?)  missed e2\ne0 --STAY--> e0 --STAY--> e0"

    def test_split_decisions_list_their_actions(self, line: Dataset) -> None:
        env = KGWalkEnv(line, horizon=2, decision="split", render_mode="ansi")
        head = "(e0, r2, ?)  hop 0 of 2\ne0\n"
        env.reset(options={"query": 2})
        assert env.render() == head + "    0  STAY\n    1  r0"
        env.step(1)
        assert env.render() == head + "    0  r0 -> e1"
        env.reset(options={"query": 2})
        env.step(0)
        assert env.render() == head + "    0  STAY -> e0"
        pictures = KGWalkEnv(line, horizon=2, decision="split", render_mode="rgb_array")
        pictures.reset(options={"query": 2})
        relation = pictures.render()
        pictures.step(1)
        assert (relation != pictures.render()).any()

    def test_index_only_candidates_show_the_open_ones(self, make_dataset: Any) -> None:
        data = make_dataset([(0, 0, 1), (0, 0, 2), (0, 1, 2)], 3, 2)
        envs = KGWalkVectorEnv(data, 1, horizon=1, candidates="index", render_mode="ansi")
        envs.reset(options={"query": np.array([2])})  # (e0, r1, e2), whose own edge is hidden
        assert envs.render()[0].splitlines()[2:] == ["    0  STAY -> e0", "    1  r0 -> e1", "    2  r0 -> e2"]
        envs.reset(options={"query": np.array([0])})  # (e0, r0, e1): at the last hop e2 is closed
        (shown,) = envs.render()
        assert shown.splitlines()[2:] == ["    0  STAY -> e0"]
        assert envs.action_masks()[0].tolist()[:3] == [True, False, False]

    def test_the_picture_follows_the_walk(self, toy: Dataset) -> None:
        env = KGWalkEnv(toy, render_mode="rgb_array")
        env.reset(seed=1)
        frames = [env.render()]
        over = False
        while not over:
            _, _, over, _, _ = env.step(env.sample_action())
            frames.append(env.render())
        assert all(frame.shape == frames[0].shape and frame.dtype == np.uint8 for frame in frames)
        assert all((a != b).any() for a, b in itertools.pairwise(frames))
        np.testing.assert_array_equal(frames[-1], env.render())

    @pytest.mark.parametrize("path", [[0, 0, 0, 0], [1, 1, 1, 1], [1, 0, 1, 0]])
    def test_walks_that_wait_and_return(self, line: Dataset, path: list[int]) -> None:
        env = KGWalkEnv(line, horizon=4, render_mode="rgb_array")
        env.reset(options={"query": 2})
        for action in path:
            env.step(action)
            assert env.render().max() == 255

    def test_vector(self, toy: Dataset) -> None:
        envs = KGWalkVectorEnv(toy, 2, render_mode="ansi")
        with pytest.raises(ResetNeeded):
            envs.render()
        envs.reset(seed=1)
        assert [frame.count("hop 0 of 3") for frame in envs.render()] == [1, 1]

    def test_without_a_mode(self, toy: Dataset) -> None:
        env = KGWalkEnv(toy)
        env.reset(seed=1)
        with pytest.warns(UserWarning, match="render mode"):
            assert env.render() is None

    def test_lists_of_frames(self, toy: Dataset) -> None:
        env = gym.make("KGWalk-Family", render_mode="ansi_list")
        env.reset(seed=1)
        env.step(0)
        assert len(env.render()) == 2


def test_environments_of_a_dataset_share_its_tables(make_dataset: Any) -> None:
    dataset = make_dataset(PATH_FACTS, 3, 3)
    one, two, other = KGWalkEnv(dataset), KGWalkVectorEnv(dataset, 4), KGWalkEnv(dataset, max_out_degree=1)
    assert one.task.actions is two.task.actions
    assert one.queries is two.queries
    assert other.task.actions is not one.task.actions
    with pytest.raises(ValueError, match="read-only"):
        one.queries[0, 0] = 1
    gone = weakref.ref(dataset)
    del dataset, one, two, other
    gc.collect()
    assert gone() is None
