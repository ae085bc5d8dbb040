"""Walks as a Minari dataset, for offline reinforcement learning and imitation. Needs the extra ``minari``.

An episode is a walk. Its options hold the query, so that it can be walked again:

>>> dataset = minari.load_dataset("kgwalk/family/train-random-v0")  # doctest: +SKIP
>>> env = dataset.recover_environment()  # doctest: +SKIP
>>> (note,) = dataset.storage.get_episode_metadata([7])  # doctest: +SKIP
>>> env.reset(options=note["options"])  # doctest: +SKIP

Datasets lie where Minari looks for them: in ``$MINARI_DATASETS_PATH``, else in ``~/.minari/datasets``.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from kgwalk.envs.single import KGWalkEnv, Observation
from kgwalk.integrations.extras import needs
from kgwalk.protocols import Ids
from kgwalk.search.paths import Paths

with needs("minari"):
    import h5py  # noqa: F401  (Minari imports it only when it writes)
    import minari
    from minari import EpisodeData, MinariDataset
    from minari.data_collector.episode_buffer import EpisodeBuffer
    from minari.dataset.minari_dataset import parse_dataset_id
    from minari.dataset.minari_storage import MinariStorage
    from minari.namespace import create_namespace, list_local_namespaces
    from minari.storage.datasets_root_dir import get_dataset_path

Env = gym.Env[Observation, np.int64]
Choose = Callable[[Observation], Any]
"""Gives an action for an observation: any model's ``predict``."""
Progress = Callable[[int, int], None]

_CHUNK = 256  # walks written at once


class Exported(NamedTuple):
    """A dataset of walks, and how many walks the environment could not make: they are not in it."""

    dataset: MinariDataset
    skipped: int


def export_walks(
    env: Env,
    dataset_id: str,
    num_walks: int,
    choose: Choose | None = None,
    *,
    seed: int = 0,
    algorithm: str | None = None,
    progress: Progress | None = None,
    **about: Any,
) -> MinariDataset:
    """Walk and write down: walk ``i`` begins with ``env.reset(seed=seed + i)``.

    Args:
        env: of ``gym.make`` with JSON-able arguments, so that it can be recovered.
        dataset_id: as Minari wants it: ``"kgwalk/family/random-v0"``.
        num_walks: how many.
        choose: makes the moves; None draws uniformly from the legal ones, by the environment's own generator.
        seed: of the first walk.
        algorithm: what made the moves, in a word; of random ones it is known.
        progress: called with walks done and all walks.
        about: further metadata of Minari's: ``author`` and ``author_email`` (sets), ``code_permalink``,
            ``description``.

    Raises:
        ValueError: a malformed id or one that is taken, no walks, or an environment of another kind.
        OSError: the folder cannot be written to.
    """
    walker = _walker(env)
    if num_walks < 1:
        raise ValueError(f"num_walks: expected 1 or more, got {num_walks}")

    def pick(observation: Observation) -> Any:
        return walker.sample_action() if choose is None else choose(observation)

    def walks() -> Iterator[EpisodeBuffer]:
        for i in range(num_walks):
            observation, info = env.reset(seed=seed + i)
            yield _walked(env, observation, pick, int(info["query"]), seed + i)
            if progress is not None:
                progress(i + 1, num_walks)

    algorithm = algorithm or ("uniform over legal moves" if choose is None else "not told")
    return _write(env, dataset_id, walks(), algorithm, about)


def export_paths(
    env: Env,
    dataset_id: str,
    paths: Paths,
    rows: Sequence[int] | NDArray[np.integer[Any]],
    *,
    algorithm: str,
    best: int | None = None,
    progress: Progress | None = None,
    **about: Any,
) -> Exported:
    """Write down the walks that an agent found (``agent.walks``), as the environment shows them.

    Args:
        env: see ``export_walks``; its horizon must be the paths' hops.
        dataset_id: see ``export_walks``.
        paths: of queries ``env.unwrapped.queries[rows]``.
        rows: (num_queries,) rows of the environment's query table.
        algorithm: what found them, in a word.
        best: how many paths of each query, all by default.
        progress: called with paths done and all paths.
        about: see ``export_walks``.

    Returns:
        The dataset, and how many paths follow an edge that the environment does not show or that is closed in it (in
        training, the query's own fact).

    Raises:
        ValueError: see ``export_walks``; no path can be walked, or paths of another length or of other queries.
        IndexError: a row that the environment has not.
        OSError: the folder cannot be written to.
    """
    walker = _walker(env)
    if paths.hops != walker.task.horizon:
        raise ValueError(f"paths of {paths.hops} hops: expected {walker.task.horizon}, the environment's horizon")
    asked = np.asarray(rows, np.int64)[paths.query]
    if not np.array_equal(walker.queries[asked, 0], paths.entities[:, 0]):
        raise ValueError("the paths do not begin at the sources of the queries in `rows`")
    places = np.arange(len(paths)) - np.searchsorted(paths.query, paths.query)
    chosen = np.flatnonzero(places < best) if best is not None else np.arange(len(paths))
    skipped = 0

    def walks() -> Iterator[EpisodeBuffer]:
        nonlocal skipped
        for done, i in enumerate(chosen.tolist()):
            row = int(asked[i])
            observation, _ = env.reset(options={"query": row})
            moves = _Moves(paths.relations[i], paths.entities[i, 1:])
            try:
                yield _walked(env, observation, moves, row, None)
            except _ClosedError:
                skipped += 1
            if progress is not None:
                progress(done + 1, len(chosen))

    dataset = _write(env, dataset_id, walks(), algorithm, about)
    return Exported(dataset, skipped)


def replay(env: Env, episode: EpisodeData, options: Mapping[str, Any]) -> bool:
    """Whether an episode, walked again, shows and pays what was written down.

    Args:
        env: of ``dataset.recover_environment()``.
        episode: of the dataset.
        options: its own, as ``dataset.storage.get_episode_metadata`` gives them.
    """
    chosen = iter(episode.actions.tolist())
    observation, _ = env.reset(options={"query": int(options["query"])})
    again = _walked(env, observation, lambda _: next(chosen), int(options["query"]), None)
    assert isinstance(again.observations, dict)
    return (
        all(np.array_equal(again.observations[key], shown) for key, shown in episode.observations.items())
        and again.observations.keys() == episode.observations.keys()
        and np.array_equal(again.rewards, episode.rewards)
        and np.array_equal(again.terminations, episode.terminations)
    )


class _ClosedError(Exception):
    """A path follows an edge that is not open."""


class _Moves:
    """Chooses the moves of a path, hop by hop, be a hop one decision or two."""

    def __init__(self, relations: Ids, entities: Ids) -> None:
        self._relations = relations
        self._entities = entities

    def __call__(self, observation: Observation) -> int:
        hop = int(observation["step"][0])
        open_now = observation["action_mask"] == 1
        phase = observation.get("phase")
        if phase is None or phase[0] == 0:
            open_now &= observation["relations"] == self._relations[hop]
        if phase is None or phase[0] == 1:
            open_now &= observation["entities"] == self._entities[hop]
        action = int(open_now.argmax())
        if not open_now[action]:
            raise _ClosedError
        return action


def _walker(env: Env) -> KGWalkEnv:
    """The walker inside, if its environment can be recovered from a dataset."""
    walker = env.unwrapped
    if not isinstance(walker, KGWalkEnv):
        raise ValueError(f"expected an environment of kgwalk, got {env}")
    try:
        if env.spec is None:
            raise TypeError("it has no spec")
        json.loads(env.spec.to_json())
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"the environment could not be recovered from a dataset ({error}): make it by gym.make, with arguments "
            "that JSON can hold"
        ) from error
    return walker


def _walked(env: Env, observation: Observation, choose: Choose, row: int, seed: int | None) -> EpisodeBuffer:
    """A walk, begun already, to its end."""
    seen, actions, rewards, over = [observation], [], [], False
    while not over:
        action = choose(observation)
        observation, reward, over, _, _ = env.step(action)
        seen.append(observation)
        actions.append(int(action))
        rewards.append(float(reward))
    ends = np.zeros(len(actions), np.bool_)
    terminations = ends.copy()
    terminations[-1] = True
    return EpisodeBuffer(
        seed=seed,
        options={"query": row},
        observations={key: np.stack([one[key] for one in seen]) for key in observation},
        actions=np.array(actions, np.int64),
        rewards=np.array(rewards, np.float64),
        terminations=terminations,
        truncations=ends,
    )


def _namespace(dataset_id: str) -> str | None:
    namespace: str | None
    try:
        namespace, _, _ = parse_dataset_id(dataset_id)
    except TypeError:  # how Minari says that there is no version
        raise ValueError(f"dataset id {dataset_id!r}: expected a name and a version, such as mine/walks-v0") from None
    return namespace


def _write(
    env: Env, dataset_id: str, walks: Iterable[EpisodeBuffer], algorithm: str, about: Mapping[str, Any]
) -> MinariDataset:
    """A dataset of walks; it takes its place when it is whole."""
    namespace = _namespace(dataset_id)
    target = Path(get_dataset_path(dataset_id))
    if target.exists():
        raise ValueError(
            f"{target} is there already: choose another version, or delete it (minari delete {dataset_id})"
        )
    note = {"dataset_id": dataset_id, "minari_version": minari.__version__, "algorithm_name": algorithm, **about}
    with tempfile.TemporaryDirectory(dir=get_dataset_path(), prefix=".kgwalk-") as folder:
        data = Path(folder) / "data"
        storage = MinariStorage.new(
            data, observation_space=env.observation_space, action_space=env.action_space, env_spec=env.spec
        )
        remaining = iter(walks)
        while chunk := list(islice(remaining, _CHUNK)):
            storage.update_episodes(chunk)
        if storage.total_episodes == 0:
            raise ValueError("no walk could be made in the environment: there is nothing to write")
        storage.update_metadata(note)
        if namespace is not None and namespace not in list_local_namespaces():
            create_namespace(namespace)
        target.mkdir(parents=True)
        data.rename(target / "data")
    return MinariDataset(target / "data")
