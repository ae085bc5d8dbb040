"""The vector environment: equal to single ones, to itself on other threads, and honest about what it is given."""

from __future__ import annotations

import re
import threading
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import (
    DictInfoToList,
    FilterObservation,
    FlattenObservation,
    RecordEpisodeStatistics,
)

from kgwalk import _core
from kgwalk.data import Dataset
from kgwalk.envs import KGWalkEnv, KGWalkVectorEnv

MODES = ("NextStep", "SameStep", "Disabled")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("decision", ["edge", "split"])
@pytest.mark.parametrize("split", ["train", "valid"])
def test_vector_equals_single_step_for_step(toy: Dataset, mode: str, decision: str, split: str) -> None:
    seeds = [11, 5, 2**63, 0]
    arguments: dict[str, Any] = {"decision": decision, "split": split, "max_out_degree": 5}
    singles = [KGWalkEnv(toy, **arguments) for _ in seeds]
    envs = KGWalkVectorEnv(toy, len(seeds), autoreset_mode=mode, **arguments)
    obs, infos = envs.reset(seed=seeds)
    seen = [single.reset(seed=seed) for single, seed in zip(singles, seeds, strict=True)]
    over = [False] * len(seeds)
    rng = np.random.default_rng(0)
    for _ in range(16):
        for i, (single_obs, single_info) in enumerate(seen):
            np.testing.assert_equal({k: v[i] for k, v in obs.items()}, single_obs)
            for key, value in single_info.items():
                assert infos[f"_{key}"][i]
                np.testing.assert_equal(infos[key][i], value)
        np.testing.assert_array_equal(envs.action_masks(), [single.action_masks() for single in singles])
        actions = rng.integers(0, 6, len(seeds))  # some are illegal
        if mode == "Disabled" and any(over):
            obs, infos = envs.reset(options={"reset_mask": np.array(over)})
            seen = [single.reset() if done else last for single, done, last in zip(singles, over, seen, strict=True)]
            infos = {key: value for key, value in infos.items() if key.strip("_") != "query"}
            seen = [(o, {k: v for k, v in i.items() if k in infos}) for o, i in seen]
            over = [False] * len(seeds)
            continue
        obs, rewards, ended, truncated, infos = envs.step(actions)
        for i, single in enumerate(singles):
            if over[i]:
                seen[i], over[i] = single.reset(), False
                assert (rewards[i], ended[i], truncated[i]) == (0, False, False)
                continue
            single_obs, reward, over[i], cut, info = single.step(actions[i])
            assert (rewards[i], ended[i], truncated[i]) == (reward, over[i], cut)
            if over[i] and mode == "SameStep":
                np.testing.assert_equal({k: v[i] for k, v in infos["final_obs"].items()}, single_obs)
                assert {k: infos["final_info"][k][i] for k in ("hit", "illegal_action")} == {
                    k: info[k] for k in ("hit", "illegal_action")
                }
                np.testing.assert_array_equal(infos["final_info"]["action_mask"][i], info["action_mask"])
                single_obs, info = single.reset()
                over[i] = False
            seen[i] = (single_obs, info)


def walk_through(envs: KGWalkVectorEnv, steps: int, seed: int = 4) -> list[Any]:
    seen: list[Any] = [envs.reset(seed=seed)]
    for _ in range(steps):
        actions = envs.sample_actions()
        seen += [actions, envs.step(actions)]
    return seen


@pytest.mark.parametrize(
    ("decision", "form"), [("edge", "padded"), ("edge", "ragged"), ("edge", "index"), ("split", "padded")]
)
def test_threads_change_nothing(toy: Dataset, decision: str, form: str) -> None:
    n = 9000  # enough for two threads to be used
    runs = []
    try:
        for threads in (1, 2):
            _core.set_num_threads(threads)
            runs.append(walk_through(KGWalkVectorEnv(toy, n, decision=decision, candidates=form), 7))
    finally:
        _core.set_num_threads(1)
    np.testing.assert_equal(*runs)


def test_batch_size_changes_nothing(toy: Dataset) -> None:
    few = walk_through(KGWalkVectorEnv(toy, 3), 6)
    many = walk_through(KGWalkVectorEnv(toy, 5), 6)
    for (obs, *_), (more, *_) in zip(few[::2], many[::2], strict=True):
        np.testing.assert_equal(obs, {key: value[:3] for key, value in more.items()})


def test_one_seed_gives_each_walker_its_own_stream(toy: Dataset) -> None:
    envs, single = KGWalkVectorEnv(toy, 64), KGWalkEnv(toy)
    _, info = envs.reset(seed=9)
    assert len(np.unique(info["query"])) > 30
    assert single.reset(seed=9)[1]["query"] == info["query"][0]
    _, other = envs.reset(seed=10)
    assert (info["query"] != other["query"]).any()
    assert not np.isin(info["query"][1:], other["query"][:-1]).all()
    _, unseeded = KGWalkVectorEnv(toy, 64).reset()
    assert (unseeded["query"] != info["query"]).any()


def test_queries_are_drawn_uniformly(toy: Dataset) -> None:
    envs = KGWalkVectorEnv(toy, 20_000, horizon=1)
    _, info = envs.reset(seed=0)
    counts = np.bincount(info["query"], minlength=len(envs.queries))
    expected = 20_000 / len(envs.queries)
    assert abs(counts - expected).max() < 6 * np.sqrt(expected)


def test_sampled_actions_are_legal_and_uniform(toy: Dataset) -> None:
    for form in ("padded", "index"):
        envs = KGWalkVectorEnv(toy, 20_000, candidates=form, horizon=1, split="train")
        envs.reset(options={"query": np.full(20_000, 3)}, seed=1)
        masks = envs.action_masks()
        assert (masks == masks[0]).all()
        counts = np.bincount(envs.sample_actions(), minlength=masks.shape[1])
        expected = 20_000 / masks[0].sum()
        assert (counts[~masks[0]] == 0).all()
        assert abs(counts[masks[0]] - expected).max() < 6 * np.sqrt(expected)


def test_queries_in_order(toy: Dataset) -> None:
    envs = KGWalkVectorEnv(toy, 3, split="valid", query_order="sequential", horizon=1, autoreset_mode="SameStep")
    _, info = envs.reset(seed=1)
    rows = [info["query"], *(envs.step(np.zeros(3, np.int64))[-1]["query"] for _ in range(5))]
    assert np.concatenate(rows).tolist() == [i % len(envs.queries) for i in range(18)]


def test_evaluation_does_not_depend_on_the_target(make_dataset: Any) -> None:
    facts = [(0, 0, 1), (1, 0, 2), (0, 1, 2), (2, 1, 3), (0, 0, 3)]
    walks = []
    for target in (2, 3, 4):
        dataset = make_dataset(facts, 5, 2, valid=[(0, 0, target)])
        envs = KGWalkVectorEnv(dataset, 8, split="valid", directions="tail")
        walks.append([(step[0] if i % 2 == 0 else step) for i, step in enumerate(walk_through(envs, 9))])
    np.testing.assert_equal(walks[0], walks[1])
    np.testing.assert_equal(walks[0], walks[2])


def test_fresh_arrays_by_default_and_out_to_reuse(toy: Dataset) -> None:
    for form in ("padded", "index"):
        fresh, reusing = (KGWalkVectorEnv(toy, 40, candidates=form, autoreset_mode="SameStep") for _ in range(2))
        expected, _ = fresh.reset(seed=3)
        out, _ = reusing.reset(seed=3)
        arrays = dict(out)
        kept = {key: value.copy() for key, value in expected.items()}
        first = expected
        for _ in range(8):
            expected, *_ = fresh.step(fresh.sample_actions())
            got, *_ = reusing.step(reusing.sample_actions(), out=out)
            assert got is out
            assert all(out[key] is arrays[key] for key in arrays)
            np.testing.assert_equal(got, expected)
        np.testing.assert_equal(first, kept)  # nobody wrote into what was handed out


def test_arrays_that_died_leave_no_trace(toy: Dataset) -> None:
    # Big arrays come from a pool: what their last owner wrote must not shine through.
    plain, spoilt = KGWalkVectorEnv(toy, 8000), KGWalkVectorEnv(toy, 8000)
    plain.reset(seed=1)
    obs, _ = spoilt.reset(seed=1)
    for _ in range(5):
        for array in obs.values():
            array[:] = -7
        del obs, array
        actions = plain.sample_actions()
        obs, *_ = spoilt.step(actions)
        np.testing.assert_equal(obs, plain.step(actions)[0])


def test_the_three_doors_of_the_mask(toy: Dataset) -> None:
    envs = KGWalkVectorEnv(toy, 50)
    obs, info = envs.reset(seed=1)
    assert info["action_mask"] is obs["action_mask"]
    assert obs["action_mask"].dtype == np.int8
    assert (obs["action_mask"][:, 0] == 1).all()
    np.testing.assert_array_equal(envs.action_masks(), obs["action_mask"].astype(bool))
    single = KGWalkEnv(toy)
    obs, info = single.reset(seed=1)
    assert info["action_mask"] is obs["action_mask"]
    np.testing.assert_array_equal(single.action_masks(), obs["action_mask"].astype(bool))
    assert single.action_space.sample(mask=info["action_mask"]) < obs["action_mask"].sum()


def test_int32_and_strided_actions(toy: Dataset) -> None:
    walks = [KGWalkVectorEnv(toy, 6) for _ in range(3)]
    for envs in walks:
        envs.reset(seed=1)
    actions = walks[0].sample_actions()
    wide = np.zeros((6, 2), np.int64)
    wide[:, 0] = actions
    results = [envs.step(a) for envs, a in zip(walks, (actions, actions.astype(np.int32), wide[:, 0]), strict=True)]
    np.testing.assert_equal(results[0], results[1])
    np.testing.assert_equal(results[0], results[2])


@pytest.mark.parametrize("mode", MODES)
def test_wrappers(toy: Dataset, mode: str) -> None:
    envs = RecordEpisodeStatistics(KGWalkVectorEnv(toy, 4, autoreset_mode=mode, reward={"hit": 3.0}))
    envs.reset(seed=1)
    steps = 0
    info: dict[str, Any] = {}
    while "episode" not in info:
        actions = envs.unwrapped.sample_actions()
        _, rewards, _, _, info = envs.step(actions)
        steps += 1
    assert info["episode"]["l"].tolist() == [3] * 4
    assert info["episode"]["r"].tolist() == rewards.tolist()
    if mode == "SameStep" and gymnasium.__version__.startswith("1.1."):
        pytest.skip("DictInfoToList of Gymnasium 1.1 cannot read final_obs as a dict of arrays")
    listed = DictInfoToList(KGWalkVectorEnv(toy, 2, autoreset_mode=mode))
    _, infos = listed.reset(seed=1)
    assert all({"query", "action_mask"} <= set(one) for one in infos)
    for _ in range(3):
        infos = listed.step(np.zeros(2, np.int64))[-1]
    ended = [one["final_info"] if mode == "SameStep" else one for one in infos]
    assert all("hit" in one for one in ended)


@pytest.mark.parametrize("mode", ["NextStep", "Disabled"])
def test_wrappers_of_observations(toy: Dataset, mode: str) -> None:
    def walked(wrap: Any) -> list[Any]:
        envs = wrap(KGWalkVectorEnv(toy, 3, autoreset_mode=mode))
        seen = [envs.reset(seed=2)[0]]
        for _ in range(3):
            seen.append(envs.step(envs.unwrapped.sample_actions())[0])
            assert envs.observation_space.contains(seen[-1])
        return seen

    plain = walked(lambda envs: envs)
    for few, whole in zip(walked(lambda envs: FilterObservation(envs, ["step", "relations"])), plain, strict=True):
        np.testing.assert_equal(few, {key: whole[key] for key in ("step", "relations")})
    for flat, whole in zip(walked(FlattenObservation), plain, strict=True):
        np.testing.assert_array_equal(flat, np.concatenate([whole[key] for key in sorted(whole)], axis=1))


def test_metadata_belongs_to_the_instance(toy: Dataset) -> None:
    one = KGWalkVectorEnv(toy, 1, autoreset_mode=AutoresetMode.SAME_STEP)
    two = KGWalkVectorEnv(toy, 1, autoreset_mode="Disabled")
    assert one.metadata["autoreset_mode"] is one.autoreset_mode is AutoresetMode.SAME_STEP
    assert two.metadata["autoreset_mode"] is two.autoreset_mode is AutoresetMode.DISABLED
    assert "autoreset_mode" not in KGWalkVectorEnv.metadata


def test_the_gil_is_released(toy: Dataset) -> None:
    envs = KGWalkVectorEnv(toy, 100_000)
    envs.reset(seed=1)
    actions = envs.sample_actions()
    stepping, stop, counts = threading.Event(), threading.Event(), [0]

    def count() -> None:
        while not stop.is_set():
            counts[0] += stepping.is_set()

    thread = threading.Thread(target=count)
    thread.start()
    try:
        for _ in range(20):
            stepping.set()
            envs.step(actions)
            stepping.clear()
            if counts[0] > 100:
                break
    finally:
        stop.set()
        thread.join()
    assert counts[0] > 100


class TestErrors:
    def test_actions(self, toy: Dataset) -> None:
        envs = KGWalkVectorEnv(toy, 3)
        with pytest.raises(ResetNeeded, match="never been reset"):
            envs.step(np.zeros(3, np.int64))
        envs.reset(options={"reset_mask": np.array([True, False, True])})
        for tell in (envs.action_masks, envs.sample_actions):
            with pytest.raises(ResetNeeded, match="never begun"):
                tell()
        before, _ = envs.reset(seed=1)
        for bad in (np.zeros(2, np.int64), np.zeros((3, 1), np.int64), np.zeros(3), np.zeros(3, bool), "abc", None):
            with pytest.raises(ValueError, match="actions"):
                envs.step(bad)  # type: ignore[arg-type]
        for outside in (-1, envs.single_action_space.n, 2**40):
            with pytest.raises(IndexError, match=f"action {outside} of environment 1"):
                envs.step(np.array([0, outside, 0]))
        assert (envs.step(np.zeros(3, np.int64))[0]["step"] == 1).all()  # nothing had moved
        assert (before["step"] == 0).all()

    def test_stepping_over_the_end(self, toy: Dataset) -> None:
        envs = KGWalkVectorEnv(toy, 3, horizon=1, autoreset_mode="Disabled")
        envs.reset(seed=1)
        envs.step(np.zeros(3, np.int64))
        with pytest.raises(ResetNeeded, match="environment 0 has ended: reset 3"):
            envs.step(np.zeros(3, np.int64))
        envs.reset(options={"reset_mask": np.array([True, False, True])})
        with pytest.raises(ResetNeeded, match="environment 1 has ended: reset 1"):
            envs.step(np.zeros(3, np.int64))

    def test_reset(self, toy: Dataset) -> None:
        envs = KGWalkVectorEnv(toy, 3)
        for mask in (np.zeros(3, bool), np.ones(2, bool), np.ones(3)):
            with pytest.raises(ValueError, match="mask"):
                envs.reset(options={"reset_mask": mask})
        with pytest.raises(IndexError, match="query row"):
            envs.reset(options={"query": np.array([0, 1, len(envs.queries)])})
        with pytest.raises(ValueError, match="query"):
            envs.reset(options={"query": np.zeros(3)})
        with pytest.raises(ValueError, match="options: expected 'reset_mask' or 'query', got 'mask'"):
            envs.reset(options={"mask": np.ones(3, bool)})
        with pytest.raises(ValueError, match="seed"):
            envs.reset(seed=[1, 2])
        with pytest.raises(ValueError, match="seed"):
            envs.reset(seed=[1, 2, -3])

    def test_out(self, toy: Dataset) -> None:
        envs = KGWalkVectorEnv(toy, 3)
        obs, _ = envs.reset(seed=1)
        actions = np.zeros(3, np.int64)
        width = obs["relations"].shape[1]
        spoilt: list[tuple[str, Any, str]] = [
            ("step", obs["step"].astype(np.int64), "expected dtype int32, got int64"),
            ("step", [[0], [0], [0]], "expected dtype int32, got <class 'list'>"),
            ("relations", obs["relations"][:2], f"expected shape (3, {width}), got (2, {width})"),
            ("source", obs["source"][:, 0], "expected shape (3, 1), got (3,)"),
            ("entities", np.asfortranarray(obs["entities"]), "expected a C-contiguous, aligned array"),
            ("action_mask", obs["action_mask"].astype(bool), "expected dtype int8, got bool"),
        ]
        for key, value, message in spoilt:
            with pytest.raises(ValueError, match=re.escape(f"out['{key}']: {message}")):
                envs.step(actions, out={**obs, key: value})
        locked = obs["source"].copy()
        locked.flags.writeable = False
        with pytest.raises(ValueError, match="writable"):
            envs.step(actions, out={**obs, "source": locked})
        with pytest.raises(ValueError, match="missing"):
            envs.step(actions, out={})
        ragged = KGWalkVectorEnv(toy, 3, candidates="ragged")
        obs, _ = ragged.reset(seed=1)
        with pytest.raises(ValueError, match="ragged"):
            ragged.step(actions, out=obs)

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"num_envs": 0}, ValueError, "num_envs: expected an integer in"),
            ({"num_envs": 2.0}, ValueError, "num_envs: expected an integer, got"),
            ({"candidates": "sparse"}, ValueError, "candidates"),
            ({"candidates": "index", "decision": "split"}, ValueError, "index-only"),
            ({"autoreset_mode": "Never"}, ValueError, "Never"),
            ({"render_mode": "human"}, ValueError, "render_mode"),
            ({"horizon": 0}, ValueError, "horizon"),
            ({"split": "dev"}, KeyError, "dev"),
        ],
    )
    def test_arguments(self, toy: Dataset, arguments: dict[str, Any], error: type[Exception], message: str) -> None:
        with pytest.raises(error, match=message):
            KGWalkVectorEnv(toy, **{"num_envs": 2, **arguments})
