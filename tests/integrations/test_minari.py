"""Walks as Minari datasets: written down, loaded, walked again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import minari
import numpy as np
import pytest

import kgwalk  # noqa: F401  (registers the ids)
from kgwalk._core import Expand
from kgwalk.data import load
from kgwalk.envs import KGWalkEnv
from kgwalk.integrations.minari import export_paths, export_walks, replay
from kgwalk.search.paths import Paths


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    monkeypatch.setattr("kgwalk.integrations.minari._CHUNK", 8)  # a dataset is written in several goes
    return tmp_path


def walked_again(dataset_id: str) -> tuple[minari.MinariDataset, list[dict[str, Any]]]:
    """A dataset from disk, each of its episodes compared with a walk of our own; and the episodes' notes."""
    dataset = minari.load_dataset(dataset_id)
    env = dataset.recover_environment()
    notes = list(dataset.storage.get_episode_metadata(range(len(dataset))))
    for episode, note in zip(dataset, notes, strict=True):
        seen, _ = env.reset(options=note["options"])
        for step, action in enumerate(episode.actions):
            assert seen.keys() == episode.observations.keys()
            for key, value in seen.items():
                np.testing.assert_array_equal(episode.observations[key][step], value)
                assert episode.observations[key].dtype == value.dtype
            assert seen["action_mask"][action] == 1
            seen, reward, terminated, truncated, _ = env.step(action)
            told = (episode.rewards[step], episode.terminations[step], episode.truncations[step])
            assert told == (reward, terminated, truncated)
        assert terminated
        for key, value in seen.items():
            np.testing.assert_array_equal(episode.observations[key][-1], value)
        assert replay(env, episode, note["options"])
    return dataset, notes


@pytest.mark.parametrize("decision", ["edge", "split"])
@pytest.mark.parametrize("name", ["Family", "Bookshop"])
def test_random_walks_are_walked_again(name: str, decision: str) -> None:
    env = gym.make(f"KGWalk-{name}", decision=decision, horizon=2, reward={"hit": 2.0}, split="valid")
    export_walks(env, "kgwalk/some/random-v0", 30, seed=5)
    dataset, notes = walked_again("kgwalk/some/random-v0")
    assert len(dataset) == 30
    assert dataset.total_steps == 30 * (4 if decision == "split" else 2)
    recovered = dataset.recover_environment().unwrapped
    assert isinstance(recovered, KGWalkEnv)
    assert (recovered.task.dataset.name, recovered.task.split, recovered.task.horizon) == (name, "valid", 2)
    # Seeds are enough too: they draw the queries.
    assert [note["seed"] for note in notes] == list(range(5, 35))
    for note in notes[:5]:
        assert env.reset(seed=note["seed"])[1]["query"] == note["options"]["query"]
    assert len({int(note["options"]["query"]) for note in notes}) > 15


def test_moves_of_ones_own() -> None:
    env = gym.make("KGWalk-Family")
    made = export_walks(
        env,
        "waiting-v3",
        3,
        lambda observation: 0,
        algorithm="waiting",
        author={"A. N. Other"},
        description="It waits.",
    )
    assert not any(episode.actions.any() for episode in made)
    assert made.storage.metadata["algorithm_name"] == "waiting"
    assert made.storage.metadata["author"] == {"A. N. Other"}


def neighbours(env: KGWalkEnv, rows: list[int]) -> Paths:
    """To each neighbour of the source, then a wait."""
    graph = env.task.actions.graph
    sources = env.queries[rows, 0].copy()
    offsets, relations, tails = Expand(graph)(sources, np.array([-1], np.int32), None, False)
    owner = np.repeat(np.arange(len(rows), dtype=np.int32), np.diff(offsets))
    waits = np.full(len(owner), graph.stay, np.int32)
    entities = np.column_stack([sources[owner], tails, tails])
    return Paths(owner, entities, np.column_stack([relations, waits]), np.zeros(len(owner)), graph.stay)


@pytest.mark.parametrize("decision", ["edge", "split"])
def test_paths_are_written_as_the_environment_shows_them(decision: str) -> None:
    env = gym.make("KGWalk-Family", decision=decision, split="train", horizon=2)
    rows = list(range(0, 300, 50))
    paths = neighbours(env.unwrapped, rows)
    made, skipped = export_paths(env, "kgwalk/paths-v0", paths, rows, algorithm="neighbours")
    # In training a query's own edge is hidden, and each of these sources has it.
    own = env.unwrapped.queries[rows][paths.query]
    hidden = (paths.relations[:, 0] == own[:, 1]) & (paths.entities[:, 1] == own[:, 2])
    assert skipped == hidden.sum() == len(rows)
    assert len(made) == len(paths) - skipped
    dataset, notes = walked_again("kgwalk/paths-v0")
    kept = paths.entities[~hidden]
    for episode, note, entities, query in zip(dataset, notes, kept, paths.query[~hidden], strict=True):
        assert note["options"]["query"] == rows[query]
        at = episode.observations["entity"][:, 0]
        np.testing.assert_array_equal(at[:: 2 if decision == "split" else 1], entities)


def test_the_best_paths_of_each_query() -> None:
    env = gym.make("KGWalk-Family", split="valid", horizon=2)
    rows = [3, 1, 4]
    made, skipped = export_paths(env, "best-v0", neighbours(env.unwrapped, rows), rows, algorithm="n", best=2)
    assert skipped == 0
    asked = [int(note["options"]["query"]) for note in made.storage.get_episode_metadata(range(len(made)))]
    assert asked == [3, 3, 1, 1, 4, 4]


def test_what_cannot_be_is_refused(root: Path) -> None:
    env = gym.make("KGWalk-Family", horizon=2)
    export_walks(env, "kgwalk/once-v0", 1)
    with pytest.raises(ValueError, match="minari delete kgwalk/once-v0"):
        export_walks(env, "kgwalk/once-v0", 1)
    with pytest.raises(ValueError, match="Malformed dataset ID"):
        export_walks(env, "no version", 1)
    with pytest.raises(ValueError, match="1 or more"):
        export_walks(env, "none-v0", 0)
    with pytest.raises(ValueError, match=r"gym\.make"):
        export_walks(KGWalkEnv(load("Family")), "loaded-v0", 1)
    with pytest.raises(ValueError, match="environment of kgwalk"):
        export_walks(gym.make("CartPole-v1"), "cart-v0", 1)
    paths = neighbours(env.unwrapped, [0, 1])
    with pytest.raises(ValueError, match="2 hops: expected 3"):
        export_paths(gym.make("KGWalk-Family"), "long-v0", paths, [0, 1], algorithm="n")
    with pytest.raises(ValueError, match="do not begin"):
        export_paths(env, "others-v0", paths, [500, 900], algorithm="n")
    own = Paths(
        np.zeros(1, np.int32),
        env.unwrapped.queries[:1, [0, 2, 2]].copy(),
        np.array([[env.unwrapped.queries[0, 1], paths.stay]], np.int32),
        np.zeros(1),
        paths.stay,
    )
    with pytest.raises(ValueError, match="no walk could be made"):
        export_paths(env, "closed-v0", own, [0], algorithm="n")
    assert set(minari.list_local_datasets()) == {"kgwalk/once-v0"}


def test_a_walk_that_breaks_off_leaves_nothing(root: Path) -> None:
    def give_up(observation: Any) -> int:
        nonlocal moves
        moves += 1
        if moves > 50:
            raise KeyboardInterrupt
        return 0

    moves = 0
    with pytest.raises(KeyboardInterrupt):
        export_walks(gym.make("KGWalk-Family"), "kgwalk/broken-v0", 100, give_up)
    assert moves == 51
    assert list(root.iterdir()) == []
